//! `qrgate demo`: the whole journey with nothing installed. A toy application, the in-memory store, and qrgate in front.

pub mod addresses;
pub mod toy;

use std::io::IsTerminal;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use clap::Args;
use tokio::net::TcpListener;

use super::{BROKEN, FAILED, FINE, terminal};
use crate::app::{self, Loaded, Source};
use crate::clock::Clock;
use crate::config;
use crate::pages::picture;
use crate::secret::Secret;

use addresses::Reachable;
use toy::Toy;

/// Where the demo listens.
#[derive(Args)]
pub(super) struct Demo {
    /// Where to listen: every address of this machine, so that a phone on the same network can come
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
}

/// Runs the demo until it is stopped.
pub(super) fn demo(demo: &Demo) -> u8 {
    let (toy, secret) = match start_toy() {
        Ok(started) => started,
        Err(cause) => {
            terminal::complain(&format!("the toy application cannot start: {cause}"));
            return FAILED;
        }
    };
    let loaded = match configuration(demo.listen, toy, &secret) {
        Ok(loaded) => loaded,
        Err(report) => {
            terminal::complain(&report);
            return BROKEN;
        }
    };
    let served = app::serve(
        loaded,
        Source { file: None, read: || Err("the demo has no file to read again".to_owned()) },
        |started| {
            let port =
                started.listening.first().and_then(|address| address.parse::<SocketAddr>().ok()).map(|at| at.port());
            greet(demo.listen.ip(), port.unwrap_or(demo.listen.port()));
        },
    );
    match served {
        Ok(()) => FINE,
        Err(_) => {
            terminal::complain("Another address: qrgate demo --listen 0.0.0.0:8081");
            FAILED
        }
    }
}

/// Starts the toy application on a port of its own, on a thread of its own.
fn start_toy() -> Result<(SocketAddr, Secret), String> {
    let secret = Secret::random().map_err(|error| error.to_string())?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let toy = Toy::new(secret.clone(), Clock::System);
    std::thread::spawn(move || {
        runtime.block_on(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => toy.serve(listener).await,
                Err(error) => terminal::complain(&format!("the toy application cannot listen: {error}")),
            }
        });
    });
    Ok((address, secret))
}

fn configuration(listen: SocketAddr, toy: SocketAddr, secret: &Secret) -> Result<Loaded, String> {
    let text = format!(
        r#"
[listen]
address = "{listen}"
admin = "off"
[application]
url = "http://{toy}"
[identify]
session_cookies = ["{cookie}"]
path = "{whoami}"
login_url = "{login_url}"
[login]
path = "{login}"
secret = "{secret}"
[pages]
site = "The demo"
[log]
access = false
level = "warn"
"#,
        cookie = toy::SESSION_COOKIE,
        whoami = toy::WHOAMI,
        login = toy::LOGIN,
        login_url = toy::LOGIN_URL,
        secret = secret.to_whsec().as_str(),
    );
    let config = config::parse("demo", &text, Path::new("."), &config::Environment::default())
        .map_err(|errors| errors.report("nothing started", terminal::colour_on_stderr()))?;
    Loaded::new(config).map_err(|errors| errors.report("nothing started"))
}

/// Says where the demo is, for this computer and for a phone; with a code of the best address on a terminal.
fn greet(listen: IpAddr, port: u16) {
    let found = addresses::find(listen);
    let best = found.iter().find(|address| !address.is_virtual()).map(|address: &Reachable| address.url(port));
    let best = best.filter(|_| std::io::stdout().is_terminal());
    let code = best.and_then(|url| picture::terminal(&url, terminal::colour_on_stdout()).ok());
    terminal::say(&addresses::greeting(&found, port, code.as_deref()));
}
