//! `qrgate run`: serves.

use super::exit::{DONE, FAILED};
use super::file::{self, ConfigFile};
use super::terminal;
use crate::app::{self, Source, Started};
use crate::config::Config;

/// Serves until a signal ends it.
pub fn run(file: &ConfigFile) -> u8 {
    let loaded = match file::read(file) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let config = &loaded.config;
    let warnings = config.warnings.clone();
    let (fronts, public, path) = (config.application.url.to_string(), public_url(config), config.tickets.path.clone());
    let read = || file::load(file, "the old configuration stays in use", false);
    let served = app::serve(loaded, Source { file: Some(&file.config), read }, |started| {
        let banner = banner(started, &fronts, public.as_deref(), &path);
        // On its own thread: a full pipe must not keep the process from serving.
        std::thread::spawn(move || terminal::say(&banner));
        for warning in &warnings {
            // A JSON log has no other lines.
            match started.telemetry.is_json() {
                true => started.telemetry.warn(&warning.to_string(), &[]),
                false => started.telemetry.plain(&format!("warning: {warning}")),
            }
        }
    });
    match served {
        Ok(()) => DONE,
        Err(_) => FAILED,
    }
}

fn public_url(config: &Config) -> Option<String> {
    config.public.origins.url.as_ref().map(|url| format!("{}{}", url.origin, url.sub_path))
}

/// One line: where it listens, which application it fronts, and where codes are.
fn banner(started: &Started, fronts: &str, public: Option<&str>, ticket_path: &str) -> String {
    let listening = started.listening.join(", ");
    let first = started.listening.first().map_or("", String::as_str);
    let here = public.map_or_else(|| format!("{}://{first}", started.scheme.as_str()), str::to_owned);
    let admin = started.admin.map_or("off".to_owned(), |address| address.to_string());
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "qrgate {version}  {here} -> {fronts} | listening on {listening} | codes at {here}{ticket_path} | admin {admin}"
    )
}
