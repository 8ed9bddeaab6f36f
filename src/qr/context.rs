//! The context of the steps: settings, store, hooks and limits.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::application::Hooks;
use crate::asked::Asked;
use crate::clock::{Clock, Timestamp};
use crate::config::{CodeReach, Config, Rate, SameNetwork, ShowAccount, SignInUrl};
use crate::device;
use crate::limits::Limiter;
use crate::peer::PeerAddress;
use crate::reply::Event;
use crate::return_path::ReturnPath;
use crate::stage::Stages;
use crate::stay::Stay;
use crate::store::{Row, Stepped, Store, StoreError};
use crate::telemetry::{Step, Telemetry};
use crate::ticket::{self, Phase, Refusal, Ticket};
use crate::token::{Approval, PageFacts, TicketId, TicketSecrets, View};

use super::tries::Tries;

/// The context of the steps, on one worker.
pub struct Qr {
    pub settings: Settings,
    pub store: Arc<Store>,
    pub secrets: Arc<TicketSecrets>,
    /// `limits.opens_per_client`, for the whole process: counts requests that may be guesses.
    pub opens: Arc<Limiter>,
    /// `limits.redeems_per_client`, for the whole process.
    pub redeems: Arc<Limiter>,
    /// `limits.codes_typed_per_client`, for the whole process.
    pub tries: Arc<Tries>,
    pub hooks: Hooks,
    pub telemetry: Telemetry,
    pub stages: Stages,
    /// For the age of a sign-in and the expiry of cookies, which are the application's times and not the store's.
    pub clock: Clock,
}

pub struct Settings {
    /// The sub-path of `public.url`, or empty.
    pub sub_path: String,
    /// Sub-path and `tickets.path`, as in browsers.
    pub ticket_path: String,
    pub session_cookies: Vec<String>,
    pub max_auth_age: Option<Duration>,
    pub require_fetch_metadata: bool,
    pub lifetime: Duration,
    pub approval: Approval,
    pub stay: Vec<Stay>,
    pub same_network: SameNetwork,
    pub show_account: ShowAccount,
    pub code: CodeReach,
    pub codes_per_user: Rate,
    pub codes_typed: Rate,
    /// The default path that a phone lands on, as in browsers.
    pub landing: String,
    /// Whether events are queued for the application's receiver.
    pub reports: bool,
    pub verify: bool,
    /// Sub-path and `identify.path`: a session cookie must be sent to it.
    pub identify_path: String,
    /// The length of a redeem's lease.
    pub lease: Duration,
    /// How long a sign-in can be undone. `None` without a revoke hook.
    pub undo: Option<Duration>,
    /// The length of an undo's lease.
    pub undo_lease: Duration,
    /// Timeout for receiving a form.
    pub form_timeout: Duration,
    /// `public.url` with a final slash.
    pub public_url: Option<String>,
    /// The application's own start page, as browsers see it.
    pub home: String,
    /// The application's page with the devices of an account. Empty: there is none.
    pub devices_url: String,
    login_url: Option<SignInUrl>,
    reauth_url: Option<SignInUrl>,
}

impl Settings {
    pub fn new(config: &Config) -> Settings {
        let sub_path = config.public.origins.sub_path().to_owned();
        let under = |url: &Option<SignInUrl>| url.as_ref().map(|url| url.under(&sub_path));
        Settings {
            ticket_path: format!("{sub_path}{}", config.tickets.path),
            session_cookies: config.identify.session_cookies.clone(),
            home: format!("{sub_path}/"),
            devices_url: match config.pages.devices_url.as_str() {
                path if path.starts_with('/') => format!("{sub_path}{path}"),
                url => url.to_owned(),
            },
            login_url: under(&config.identify.login_url),
            reauth_url: under(&config.identify.reauth_url),
            max_auth_age: config.identify.max_auth_age,
            require_fetch_metadata: config.tickets.require_fetch_metadata,
            lifetime: config.tickets.lifetime,
            approval: config.tickets.approval,
            stay: config.login.stay.clone(),
            same_network: config.tickets.same_network,
            show_account: config.tickets.show_account,
            code: config.tickets.code,
            codes_per_user: config.limits.codes_per_user,
            codes_typed: config.limits.codes_typed,
            landing: format!("{sub_path}{}", config.login.redirect),
            reports: config.events.is_some(),
            verify: config.login.verify,
            lease: 2 * config.identify.timeout + config.login.timeout + Duration::from_secs(2),
            undo: config.login.revoke.as_ref().map(|_| config.login.undo),
            undo_lease: config.login.timeout + Duration::from_secs(2),
            form_timeout: config.limits.header_timeout,
            public_url: config.public.origins.url.as_ref().map(|url| format!("{url}/")),
            identify_path: config.session_path(),
            sub_path,
        }
    }

    /// The sign-in page with the return path filled in. `None` if none is configured.
    pub fn login_url(&self, next: Option<&ReturnPath>) -> Option<String> {
        let next = next.map(|next| format!("&next={}", encoded(next.as_str()))).unwrap_or_default();
        self.login_url.as_ref().map(|url| url.fill(&format!("{}?from=login{next}", self.ticket_path)))
    }

    /// The page to sign in again, with the return path filled in. `None` if none is configured.
    pub fn reauth_url(&self, next: Option<&ReturnPath>) -> Option<String> {
        let next = next.map(|next| format!("?next={}", encoded(next.as_str()))).unwrap_or_default();
        self.reauth_url.as_ref().map(|url| url.fill(&format!("{}{next}", self.ticket_path)))
    }

    /// Whether two addresses are in the same network, if known and not switched off.
    pub fn same_network_of(&self, computer: Option<IpAddr>, phone: Option<IpAddr>) -> Option<bool> {
        match self.same_network {
            SameNetwork::Off => None,
            SameNetwork::Hint | SameNetwork::Require => device::same_network(computer, phone),
        }
    }
}

impl Qr {
    /// Writes an event at once, for a step that continues. If the client disconnects, the step is dropped together
    /// with the events of its reply.
    pub fn record(&self, asked: &Asked, event: &Event) {
        event.record(&self.telemetry, asked.client.peer, Some(asked.request_id()));
    }

    /// The facts for the page with the code. `None` if they are not authentic for this view, or do not fit the row's
    /// state.
    pub fn page_facts(&self, id: &TicketId, view: &View, row: &Row) -> Option<PageFacts> {
        let facts = self.secrets.key(row.ticket.key_id)?.for_page(id, view).open(&row.ticket.page).ok()?;
        (facts.undone == (row.phase() == Phase::Undone)).then_some(facts)
    }

    /// Takes a step. If it ends the ticket, or if the ticket has ended, the same write queues `event` for the
    /// application's receiver. The caller records the event in the audit log.
    pub async fn step<T>(
        &self,
        id: &TicketId,
        known: Option<Row>,
        rule: impl Fn(Ticket, Timestamp) -> Result<ticket::Step<T>, Refusal>,
        event: &Event,
    ) -> Result<Stepped<T>, StoreError> {
        let sealed = |ticket: &Ticket, now: Timestamp| {
            if !self.settings.reports || !ticket.phase(now).is_over() {
                return None;
            }
            let key = self.secrets.key(ticket.key_id)?;
            // Without randomness no step gets this far: rows are sealed with it, too.
            key.for_event(id).seal(&event.message(key.hook_id(id), now.seconds())?).ok()
        };
        self.store.step_with_event(id, known, rule, sealed).await
    }

    /// Counts an expiry, once per ticket. If the store is unreachable, a later request counts it.
    pub async fn note_expiry(&self, peer: PeerAddress, id: &TicketId, row: &Row, facts: impl FnOnce() -> PageFacts) {
        if !row.ticket.is_expired(row.now) || row.ticket.expiry_noted {
            return;
        }
        let noted = self.store.step(id, None, Ticket::note_expiry).await;
        if noted.is_ok_and(|stepped| matches!(stepped, Stepped::Done(..))) {
            Event::of(Step::Expired, id, facts()).record(&self.telemetry, peer, None);
        }
    }
}

/// `text` as the value of a query parameter.
pub fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
