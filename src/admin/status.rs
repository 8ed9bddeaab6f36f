//! `/status`: one row for each part, with a level and a sentence. `qrgate status` prints it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::config::StoreUrl;
use crate::endpoint::ApplicationUrl;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::{EventOutcome, Hook};
use crate::telemetry::{Step, Telemetry};

/// How long a failure is a warning.
const RECENT: Duration = Duration::from_secs(5 * 60);

/// A certificate with less time left is a warning, as in deploy/prometheus/alerts.yml.
const EXPIRES_SOON: Duration = Duration::from_secs(2 * 86_400);

/// The content of `/status`.
#[derive(Debug, Deserialize, Serialize)]
pub struct Status {
    pub version: String,
    /// In seconds.
    pub uptime: u64,
    /// The worst level of the parts.
    pub level: Level,
    pub parts: Vec<Part>,
}

/// A row.
#[derive(Debug, Deserialize, Serialize)]
pub struct Part {
    pub part: String,
    pub level: Level,
    pub text: String,
}

/// How well a part works.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// Something failed recently, or needs attention.
    Warn,
    /// It does not work.
    Fail,
}

/// What the admin listener reports on.
pub struct AdminParts {
    pub telemetry: Telemetry,
    pub store: Arc<Store>,
    /// The store's address; it is displayed without a password.
    pub store_url: StoreUrl,
    pub application: ApplicationUrl,
    /// Time limit for connecting to the application.
    pub connect_timeout: Duration,
    /// Why clients get no valid certificate, if they need one.
    pub certificate: Option<&'static str>,
}

/// The input of the rows.
pub(super) struct Facts<'a> {
    pub parts: &'a AdminParts,
    pub store: Result<(), StoreError>,
    pub is_application_reachable: bool,
}

type Row = fn(&Facts<'_>) -> (Level, String);

/// The rows, in the order of the screen.
const ROWS: [(&str, Row); 10] = [
    ("store", store),
    ("application", application),
    ("identify", identify),
    ("login", login),
    ("revoke", revoke),
    ("events", events),
    ("codes", codes),
    ("proxies", proxies),
    ("certificate", certificate),
    ("log", log),
];

/// All rows.
pub(super) fn status(facts: &Facts<'_>) -> Status {
    let parts: Vec<Part> = ROWS
        .iter()
        .map(|(name, row)| {
            let (level, text) = row(facts);
            Part { part: (*name).to_owned(), level, text }
        })
        .collect();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: facts.parts.telemetry.uptime().as_secs(),
        level: parts.iter().map(|part| part.level).max().unwrap_or(Level::Ok),
        parts,
    }
}

fn store(facts: &Facts<'_>) -> (Level, String) {
    match &facts.store {
        Ok(()) => (Level::Ok, format!("{} responds", facts.parts.store_url)),
        Err(error) => (Level::Fail, format!("{}: {error}", facts.parts.store_url)),
    }
}

fn application(facts: &Facts<'_>) -> (Level, String) {
    let url = &facts.parts.application;
    match facts.is_application_reachable {
        true => with_failure(facts, "application", format!("{url} accepts connections")),
        false => (Level::Fail, format!("{url} accepts no connection")),
    }
}

fn identify(facts: &Facts<'_>) -> (Level, String) {
    let calls = |outcome| facts.parts.telemetry.metrics().hook_calls(Hook::Identify, outcome);
    let text =
        format!("signed in {}, signed out {}, failed {}", calls("signed_in"), calls("signed_out"), calls("failed"));
    with_failure(facts, "identify", text)
}

fn login(facts: &Facts<'_>) -> (Level, String) {
    let calls = |outcome| facts.parts.telemetry.metrics().hook_calls(Hook::Login, outcome);
    let failed = calls("failed") + calls("misconfigured");
    let text = format!("sessions {}, refused {}, failed {failed}", calls("session"), calls("refused"));
    with_failure(facts, "login", text)
}

fn revoke(facts: &Facts<'_>) -> (Level, String) {
    let calls = |outcome| facts.parts.telemetry.metrics().hook_calls(Hook::Revoke, outcome);
    let failed = calls("failed") + calls("misconfigured");
    with_failure(facts, "revoke", format!("sessions ended {}, failed {failed}", calls("revoked")))
}

fn events(facts: &Facts<'_>) -> (Level, String) {
    let metrics = facts.parts.telemetry.metrics();
    let [delivered, failed, dropped] = [EventOutcome::Delivered, EventOutcome::Failed, EventOutcome::Dropped]
        .map(|outcome| metrics.event_tries(outcome));
    let waiting = metrics.events_waiting();
    let text = format!("waiting now {waiting}, delivered {delivered}, failed {failed}, dropped {dropped}");
    with_failure(facts, "events", text)
}

fn codes(facts: &Facts<'_>) -> (Level, String) {
    let steps = |step| facts.parts.telemetry.metrics().ticket_steps(step);
    let (shown, used, declined) = (steps(Step::Issued), steps(Step::Spent), steps(Step::Declined));
    let open = facts.parts.store.watched();
    (Level::Ok, format!("on screens now {open}, shown {shown}, used {used}, declined {declined}"))
}

fn proxies(facts: &Facts<'_>) -> (Level, String) {
    let telemetry = &facts.parts.telemetry;
    let (declared, undeclared) = (telemetry.proxies(true).join(", "), telemetry.proxies(false).join(", "));
    let declared = if declared.is_empty() { "none seen".to_owned() } else { format!("{declared} in front") };
    match undeclared.is_empty() {
        true => (Level::Ok, declared),
        false => (Level::Warn, format!("{declared}; not in public.trusted_proxies: {undeclared}")),
    }
}

fn certificate(facts: &Facts<'_>) -> (Level, String) {
    let now = Clock::System.now().seconds();
    let (level, text) = match (facts.parts.certificate, facts.parts.telemetry.metrics().certificate_expires()) {
        (Some(missing), _) => (Level::Fail, missing.to_owned()),
        (None, None) => (Level::Ok, "none: TLS is not terminated here".to_owned()),
        (None, Some(at)) => {
            let left = Duration::from_secs(at.saturating_sub(now));
            let level = if left < EXPIRES_SOON { Level::Warn } else { Level::Ok };
            (level, format!("valid for {}", in_words(left)))
        }
    };
    let (recent, text) = with_failure(facts, "certificate", text);
    (level.max(recent), text)
}

fn log(facts: &Facts<'_>) -> (Level, String) {
    let telemetry = &facts.parts.telemetry;
    let text = match telemetry.metrics().lines_dropped() {
        (0, _) => "no line lost".to_owned(),
        (lines, 0) => format!("{lines} lines lost"),
        (lines, events) => format!("{lines} lines lost, {events} audit events among them"),
    };
    match telemetry.is_blocked() {
        true => (Level::Warn, format!("standard error does not accept lines; {text}")),
        false => (Level::Ok, text),
    }
}

/// Adds the time of the last failure of a part, and its cause. A recent failure is a warning.
fn with_failure(facts: &Facts<'_>, part: &str, text: String) -> (Level, String) {
    match facts.parts.telemetry.last_failure(part) {
        None => (Level::Ok, text),
        Some((ago, cause)) => {
            let level = if ago < RECENT { Level::Warn } else { Level::Ok };
            (level, format!("{text}; last failure {} ago: {cause}", in_words(ago)))
        }
    }
}

/// A duration in its two largest units: `3 d 4 h`, `12 s`.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let shown = units[first..].iter().take(2).filter(|(count, unit)| *count > 0 || units[first].1 == *unit);
    shown.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::clock::Timestamp;
    use crate::config::{Level as LogLevel, Log, LogFormat, StoreUrl};
    use crate::endpoint::ApplicationUrl;
    use crate::peer::PeerAddress;
    use crate::store::Store;
    use crate::telemetry::Telemetry;

    fn parts() -> AdminParts {
        let log = Log { format: LogFormat::Text, access: false, level: LogLevel::Info };
        AdminParts {
            telemetry: Telemetry::in_memory(&log, Clock::default()),
            store: Arc::new(Store::memory(Clock::System, 1)),
            store_url: StoreUrl::Memory,
            application: ApplicationUrl::Http("127.0.0.1:8000".parse().unwrap()),
            connect_timeout: Duration::from_secs(1),
            certificate: None,
        }
    }

    fn row(parts: &AdminParts, name: &str) -> (Level, String) {
        let status = status(&Facts { parts, store: Ok(()), is_application_reachable: true });
        let part = status.parts.into_iter().find(|part| part.part == name).unwrap();
        (part.level, part.text)
    }

    #[test]
    fn a_store_or_an_application_that_is_away_is_a_failure() {
        let parts = parts();
        let status = |store, is_application_reachable| {
            let status = status(&Facts { parts: &parts, store, is_application_reachable });
            (status.level, status.parts.iter().filter(|part| part.level == Level::Fail).count())
        };
        assert_eq!(status(Ok(()), true), (Level::Ok, 0));
        assert_eq!(status(Err(StoreError::Timeout { op: "ping" }), true), (Level::Fail, 1));
        assert_eq!(status(Err(StoreError::Timeout { op: "ping" }), false), (Level::Fail, 2));
    }

    #[test]
    fn a_failure_is_a_warning_with_its_cause() {
        let parts = parts();
        assert_eq!(row(&parts, "login"), (Level::Ok, "sessions 0, refused 0, failed 0".to_owned()));
        parts.telemetry.metrics().hook(Hook::Login, "misconfigured", Duration::ZERO);
        parts.telemetry.failed("login", &"answered 500");
        assert_eq!(
            row(&parts, "login"),
            (Level::Warn, "sessions 0, refused 0, failed 1; last failure 0 s ago: answered 500".to_owned())
        );
    }

    #[test]
    fn proxies_are_named() {
        let parts = parts();
        assert_eq!(row(&parts, "proxies"), (Level::Ok, "none seen".to_owned()));
        let peer = |text: &str| PeerAddress::ip(text.parse().unwrap());
        parts.telemetry.declared_proxy(peer("10.0.0.1:1"));
        assert_eq!(row(&parts, "proxies"), (Level::Ok, "10.0.0.1 in front".to_owned()));
        parts.telemetry.ignored_field(&http::header::FORWARDED, peer("10.0.0.5:1"), true);
        let expected = "10.0.0.1 in front; not in public.trusted_proxies: 10.0.0.5".to_owned();
        assert_eq!(row(&parts, "proxies"), (Level::Warn, expected));
    }

    #[test]
    fn a_certificate_that_is_missing_or_expires_soon_is_named() {
        let mut parts = parts();
        assert_eq!(row(&parts, "certificate"), (Level::Ok, "none: TLS is not terminated here".to_owned()));
        for (days, level) in [(1, Level::Warn), (30, Level::Ok)] {
            let at = Clock::System.now().0 + days * 86_400_000 + 3_000_000;
            parts.telemetry.metrics().certificate_expiry(Timestamp(at));
            assert_eq!(row(&parts, "certificate"), (level, format!("valid for {days} d")));
        }
        parts.telemetry.failed("certificate", &"rate limited");
        let warned = "valid for 30 d; last failure 0 s ago: rate limited".to_owned();
        assert_eq!(row(&parts, "certificate"), (Level::Warn, warned));
        parts.certificate = Some("expired");
        let failed = "expired; last failure 0 s ago: rate limited".to_owned();
        assert_eq!(row(&parts, "certificate"), (Level::Fail, failed));
    }

    #[test]
    fn a_duration_has_two_units() {
        for (seconds, words) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_661, "1 h 1 min"), (273_600, "3 d 4 h")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
