//! `qrgate demo`: the whole journey with nothing installed. A toy application, the in-memory store, and qrgate in
//! front.

pub mod addresses;
mod sessions;
mod toy;
mod views;

use std::fmt::Display;
use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use clap::Args;

use super::exit::Outcome;
use super::terminal;
use crate::app::{self, Loaded, Source, local_runtime};
use crate::clock::Clock;
use crate::config::{self, Environment};
use crate::origin::Origin;
use crate::pages::picture;
use crate::secret::Secret;

use addresses::Reach;
use toy::Toy;

/// Where the demo listens, and how browsers reach it.
#[derive(Args)]
pub struct Demo {
    /// Where to listen: every address of this machine, so that a phone on the same network can come
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// The address that computer and phone open, where a proxy or a tunnel leads to the demo
    #[arg(long, value_name = "URL", value_parser = origin)]
    public_url: Option<Origin>,
}

fn origin(text: &str) -> Result<Origin, &'static str> {
    Origin::parse(text.strip_suffix('/').unwrap_or(text)).ok_or("it has the form https://demo.example.com")
}

/// Runs the demo until it is stopped.
pub fn demo(demo: &Demo) -> Outcome {
    let (loaded, reach) = start(demo)?;
    let source = Source { file: None, read: || Err("the demo has no file to read again".to_owned()) };
    app::serve(loaded, source, |_, _| greet(&reach))
        .map_err(|_| terminal::fail("Another address: qrgate demo --listen 0.0.0.0:8081"))
}

/// Starts the toy on a separate port, and makes the configuration of the qrgate in front.
fn start(demo: &Demo) -> Result<(Loaded, Reach), u8> {
    let listen = with_port(demo.listen);
    let mut reach = Reach::of(listen);
    let secret = Secret::random().map_err(failed)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
    let toy = listener.local_addr().map_err(failed)?;
    let public_url = demo.public_url.as_ref().map(Origin::to_string);
    let text = configuration(&reach, public_url.as_deref(), toy, &secret);
    let loaded = load(&text, public_url.is_some()).map_err(terminal::reject)?;
    let public = loaded.config.public.origins.url.as_ref().map(|url| url.origin.to_string());
    reach.public_url = public.clone().filter(|url| reach.best().as_ref() != Some(url));
    let toy = Toy::new(secret, Clock::System, public).map_err(failed)?;
    serve_toy(toy, listener).map_err(failed)?;
    Ok((loaded, reach))
}

fn failed(error: impl Display) -> u8 {
    terminal::fail(format!("the toy application cannot start: {error}"))
}

/// `listen` with a free port in place of 0: public.url has to name it before anything listens.
fn with_port(listen: SocketAddr) -> SocketAddr {
    let free = || TcpListener::bind(listen).and_then(|listener| listener.local_addr());
    if listen.port() == 0 { free().unwrap_or(listen) } else { listen }
}

/// Serves the toy on a separate thread.
fn serve_toy(toy: Toy, listener: TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let serve = move || -> std::io::Result<()> {
        local_runtime()?.block_on(async {
            toy.serve(tokio::net::TcpListener::from_std(listener)?).await;
            Ok(())
        })
    };
    std::thread::Builder::new().name("toy".to_owned()).spawn(move || {
        if let Err(error) = serve() {
            terminal::complain(&format!("the toy application has stopped: {error}"));
        }
    })?;
    Ok(())
}

/// A proxy.toml. Its public.url is the given one, else the best address for a phone.
fn configuration(reach: &Reach, public_url: Option<&str>, toy: SocketAddr, secret: &Secret) -> String {
    let hosts = reach.hosts().iter().map(|host| format!("\"{host}\"")).collect::<Vec<_>>().join(", ");
    format!(
        r#"
[listen]
address = "{listen}"
admin = "off"
[public]
url = "{url}"
hosts = [{hosts}]
[application]
url = "http://{toy}"
[identify]
session_cookies = ["{cookie}"]
path = "{whoami}"
login_url = "{login_url}"
[login]
path = "{login}"
revoke_path = "{revoke}"
secret = "{secret}"
stay = ["browser", "14d"]
[tickets]
code = "anywhere"
[pages]
site = "{site}"
accent = "{accent}"
[log]
access = false
level = "warn"
"#,
        listen = reach.listen,
        url = public_url.map(str::to_owned).or_else(|| reach.best()).unwrap_or_default(),
        cookie = sessions::SESSION_COOKIE,
        whoami = toy::WHOAMI,
        login = toy::LOGIN,
        revoke = toy::REVOKE,
        login_url = toy::LOGIN_URL,
        secret = secret.to_whsec().as_str(),
        site = views::SITE,
        accent = views::ACCENT,
    )
}

/// The environment may set the keys of `[public]`. The command line overrides its public.url.
fn load(text: &str, is_url_given: bool) -> Result<Loaded, String> {
    let is_public = |name: &str| name.starts_with("QRGATE_PUBLIC__") && !(is_url_given && name == "QRGATE_PUBLIC__URL");
    let environment: Environment =
        std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_public)).collect();
    let config = config::parse("demo", text, Path::new("."), &environment)
        .map_err(|errors| errors.report("nothing started", terminal::colour_on_stderr()))?;
    if !config.public.origins.sub_path().is_empty() {
        return Err("public.url: the demo cannot be under a path, as in https://demo.example.com".to_owned());
    }
    Loaded::new(config).map_err(|errors| errors.report("nothing started"))
}

/// Prints the demo's address, and on a terminal the address as a code.
fn greet(reach: &Reach) {
    let url = reach.public_url.clone().or_else(|| reach.best()).filter(|_| std::io::stdout().is_terminal());
    let code = url.and_then(|url| picture::terminal(&url, terminal::colour_on_stdout()).ok());
    terminal::say(&reach.greeting(code.as_deref()));
}
