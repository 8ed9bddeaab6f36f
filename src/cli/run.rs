//! `qrgate run`: serves.

use std::net::SocketAddr;

use super::demo::addresses::Reach;
use super::exit::{FAILED, Outcome};
use super::file::{self, ConfigFile};
use super::terminal;
use crate::app::{self, Source, Started};
use crate::config::Config;

/// Serves until a signal ends it.
pub fn run(file: &ConfigFile) -> Outcome {
    let loaded = file::read(file)?;
    let read = || file::load(file, "the old configuration stays in use", false);
    let served = app::serve(loaded, Source { file: Some(&file.config), read }, |started, config| {
        let banner = banner(started, config);
        // On its own thread: a full pipe must not keep the process from serving.
        std::thread::spawn(move || terminal::say(&banner));
        for warning in &config.warnings {
            // A JSON log has no other lines.
            match started.telemetry.is_json() {
                true => started.telemetry.warn(&warning.to_string(), &[]),
                false => started.telemetry.plain(&format!("warning: {warning}")),
            }
        }
    });
    served.map_err(|_| FAILED)
}

/// One line: where it listens, which application it fronts, and where codes are.
fn banner(started: &Started, config: &Config) -> String {
    let listening = started.listening.join(", ");
    let first = started.listening.first().map_or("", String::as_str);
    let here = match &config.public.origins.url {
        Some(url) => url.to_string(),
        None => format!("{}://{}", started.scheme, reachable(first)),
    };
    let admin = started.admin.map_or("off".to_owned(), |address| address.to_string());
    let (version, fronts, path) = (env!("CARGO_PKG_VERSION"), &config.application.url, &config.tickets.path);
    format!("qrgate {version}  {here} -> {fronts} | listening on {listening} | codes at {here}{path} | admin {admin}")
}

/// For an address to listen on, such as `0.0.0.0:8080`, this machine's address in its network.
fn reachable(listening: &str) -> String {
    let all = listening.parse::<SocketAddr>().ok().filter(|at| at.ip().is_unspecified());
    let best = all.and_then(|at| Reach::of(at).best_host());
    best.unwrap_or_else(|| listening.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_only_listens_is_not_shown_to_people_if_there_is_a_better_one() {
        for listening in ["127.0.0.1:8080", "[::1]:8080", "/run/qrgate/http.sock"] {
            assert_eq!(reachable(listening), listening);
        }
        let at = "0.0.0.0:8080".parse().unwrap();
        assert_eq!(reachable("0.0.0.0:8080"), Reach::of(at).best_host().unwrap_or("0.0.0.0:8080".to_owned()));
    }
}
