//! The sections of proxy.toml: one file for each, with its keys, their defaults and checks, and the values that the
//! rest of qrgate uses.

mod acme;
mod application;
mod events;
mod hook;
mod identify;
mod jwt;
mod limits;
mod listen;
mod log;
mod login;
mod pages;
mod public;
mod store;
mod tickets;
mod tls;

pub use acme::Acme;
pub use application::{Application, HostMode};
pub use events::Events;
pub use hook::HookTarget;
pub use identify::Identify;
pub use limits::Limits;
pub use listen::{Address, Listen, Socket};
pub use log::{Level, Log, LogFormat};
pub use login::Login;
pub use pages::{PageLink, Pages};
pub use public::Public;
pub use store::Store;
pub use tickets::{Approval, CodeReach, SameNetwork, ShowAccount, Tickets};

use super::reader::Section;
use super::warning::Warning;

/// A whole proxy.toml: every value checked, every file read, every default filled in.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: Listen,
    pub public: Public,
    pub application: Application,
    pub identify: Identify,
    pub login: Login,
    pub tickets: Tickets,
    pub store: Store,
    /// `None`: no receiver.
    pub events: Option<Events>,
    pub limits: Limits,
    pub pages: Pages,
    pub log: Log,
    pub warnings: Vec<Warning>,
}

impl Config {
    /// Reads every section, in the order in which a request meets them.
    pub(in crate::config) fn read(file: &mut Section<'_, '_>) -> Config {
        let mut config = Config {
            listen: file.table("listen", Listen::read),
            public: file.table("public", Public::read),
            application: file.table("application", Application::read),
            identify: file.table("identify", Identify::read),
            login: file.table("login", Login::read),
            tickets: file.table("tickets", Tickets::read),
            store: file.table("store", Store::read),
            events: file.table("events", Events::read),
            limits: file.table("limits", Limits::read),
            pages: file.table("pages", Pages::read),
            log: file.table("log", Log::read),
            warnings: Vec::new(),
        };
        if let Some(acme) = &mut config.listen.acme {
            acme.complete(config.public.origins.url.as_ref());
        }
        config
    }

    /// The hooks that are paths of the application and closed to clients.
    pub fn hidden_paths(&self) -> Vec<String> {
        let identify = (self.identify.hidden && self.identify.jwt.is_none()).then_some(&self.identify.target);
        let hooks = identify.into_iter().chain([&self.login.target]).chain(&self.login.revoke);
        hooks.filter(|hook| matches!(hook, HookTarget::Path(_))).map(|hook| hook.path().to_owned()).collect()
    }

    /// The path that a session cookie must be sent to, as browsers see it: that of the identify hook.
    pub fn session_path(&self) -> String {
        match &self.identify.target {
            HookTarget::Path(path) => format!("{}{}", self.public.origins.sub_path(), path.path()),
            HookTarget::Url(_, path) => path.path().to_owned(),
        }
    }
}
