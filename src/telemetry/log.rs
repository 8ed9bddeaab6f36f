//! The log of the process: messages, audit events and counters, written to standard error or into memory.

use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::HeaderName;
use parking_lot::Mutex;

use super::audit::AuditEvent;
use super::line::Line;
use super::metrics::Metrics;
use super::once::{Once, Topic};
use super::seen::Seen;
use super::writer::{Dropped, Kind, Writer};
use crate::clock::{Clock, Timestamp};
use crate::config::{Level, Log, LogFormat};
use crate::peer::PeerAddress;

/// The log, audit trail and counters of the process. Clones share everything.
#[derive(Clone, Debug)]
pub struct Telemetry(Arc<LogState>);

#[derive(Debug)]
struct LogState {
    level: AtomicU8,
    json: AtomicBool,
    access: AtomicBool,
    clock: Clock,
    output: Output,
    metrics: Metrics,
    reported: Once,
    seen: Seen,
    started: Instant,
    reloads: AtomicU32,
}

/// Where lines go.
#[derive(Debug)]
enum Output {
    Stderr(Writer),
    Memory(Mutex<Vec<u8>>),
}

impl Telemetry {
    /// Writes to standard error as configured in `[log]`, on a separate thread, so that no caller blocks on its reader.
    ///
    /// # Errors
    ///
    /// If the thread cannot be created.
    pub fn new(log: &Log, clock: Clock) -> io::Result<Telemetry> {
        let metrics = Metrics::default();
        let writer = Writer::new(metrics.clone());
        let telemetry = Telemetry::with_output(log, clock, metrics, Output::Stderr(writer.clone()));
        let weak = Arc::downgrade(&telemetry.0);
        writer.start(io::stderr(), move |dropped| {
            weak.upgrade().map(|inner| Telemetry(inner).dropped_line(dropped)).unwrap_or_default()
        })?;
        Ok(telemetry)
    }

    /// Writes into memory, for tests; see [`Telemetry::written`].
    pub fn in_memory(log: &Log, clock: Clock) -> Telemetry {
        Telemetry::with_output(log, clock, Metrics::default(), Output::Memory(Mutex::default()))
    }

    fn with_output(log: &Log, clock: Clock, metrics: Metrics, output: Output) -> Telemetry {
        let telemetry = Telemetry(Arc::new(LogState {
            level: AtomicU8::new(0),
            json: AtomicBool::new(false),
            access: AtomicBool::new(false),
            clock,
            output,
            metrics,
            reported: Once::default(),
            seen: Seen::default(),
            started: Instant::now(),
            reloads: AtomicU32::default(),
        }));
        telemetry.configure(log);
        telemetry
    }

    /// Applies a changed `[log]` at a reload.
    pub fn configure(&self, log: &Log) {
        let json = match log.format {
            LogFormat::Auto => !(matches!(self.0.output, Output::Stderr(_)) && io::stderr().is_terminal()),
            LogFormat::Text => false,
            LogFormat::Json => true,
        };
        self.0.level.store(log.level as u8, Ordering::Relaxed);
        self.0.json.store(json, Ordering::Relaxed);
        self.0.access.store(log.access, Ordering::Relaxed);
    }

    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// A message for developers.
    pub fn debug(&self, message: &str, fields: &[(&str, &dyn Display)]) {
        self.say(Level::Debug, message, fields);
    }

    /// A message for operators.
    pub fn info(&self, message: &str, fields: &[(&str, &dyn Display)]) {
        self.say(Level::Info, message, fields);
    }

    /// A message that an operator should act on.
    pub fn warn(&self, message: &str, fields: &[(&str, &dyn Display)]) {
        self.say(Level::Warn, message, fields);
    }

    /// A failure.
    pub fn error(&self, message: &str, fields: &[(&str, &dyn Display)]) {
        self.say(Level::Error, message, fields);
    }

    /// Writes one line if `level` is high enough. Names of fields are trusted, values are escaped.
    pub fn say(&self, level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
        if level as u8 >= self.0.level.load(Ordering::Relaxed) {
            self.write(&mut self.message_line(level, message, fields), Kind::Message);
        }
    }

    fn message_line(&self, level: Level, message: &str, fields: &[(&str, &dyn Display)]) -> Vec<u8> {
        let mut line = Line::new(self.is_json());
        line.time(self.now());
        line.level(level);
        line.bare_text("message", message);
        for (name, value) in fields {
            line.text(name, &value.to_string());
        }
        line.end()
    }

    /// The line about dropped lines, at any `log.level`.
    fn dropped_line(&self, dropped: Dropped) -> Vec<u8> {
        let fields: [(&str, &dyn Display); 2] = [("lines", &dropped.lines), ("audit_events", &dropped.events)];
        self.message_line(Level::Warn, "log lines were dropped: standard error could not be written", &fields)
    }

    /// Writes a line unchanged, without time and level.
    pub fn plain(&self, line: &str) {
        self.write(&mut format!("{line}\n").into_bytes(), Kind::Message);
    }

    /// Like [`Telemetry::warn`], but once for each `key` within the period of `topic`.
    pub fn warn_once(&self, topic: Topic, key: &str, message: &str, fields: &[(&str, &dyn Display)]) {
        if self.is_first(topic, key) {
            self.warn(message, fields);
        }
    }

    /// Whether this key was not reported within the period of its topic. It counts as reported from now on.
    pub fn is_first(&self, topic: Topic, key: &str) -> bool {
        self.0.reported.is_first(topic, key, self.now())
    }

    /// Reports, once per peer, a forwarded field that was ignored because its sender is not in
    /// `public.trusted_proxies`. If the peer is an `undeclared` proxy, `/readyz` names it too.
    ///
    /// Workers call the functions of `Recorder`, which call this and [`Telemetry::declared_proxy`] only for new peers.
    pub fn ignored_field(&self, field: &HeaderName, peer: PeerAddress, undeclared: bool) {
        if undeclared {
            self.0.seen.proxy(peer.to_string(), false);
        }
        let message = format!("{} from {peer} ignored: not in public.trusted_proxies", field_name(field));
        self.warn_once(Topic::IgnoredField, &peer.to_string(), &message, &[]);
    }

    /// Notes a proxy that is in `public.trusted_proxies`, for `/status`.
    pub fn declared_proxy(&self, peer: PeerAddress) {
        self.0.seen.proxy(peer.to_string(), true);
    }

    /// Some of the proxies seen since the last reload: those in `public.trusted_proxies`, or the others.
    pub fn proxies(&self, are_declared: bool) -> Vec<String> {
        self.0.seen.proxies(are_declared)
    }

    /// Notes a failure of a part, named as in `/status`.
    pub fn failed(&self, part: &'static str, cause: &dyn Display) {
        self.0.seen.failed(part, cause);
    }

    /// How long ago a part failed last, and the cause.
    pub fn last_failure(&self, part: &str) -> Option<(Duration, String)> {
        self.0.seen.last_failure(part)
    }

    /// How long the process has run.
    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// Forgets the proxies, because a reload may have declared them. Those that are still undeclared are reported
    /// again.
    pub fn forget_proxies(&self) {
        self.0.seen.forget_proxies();
        self.0.reported.forget(Topic::IgnoredField);
        self.0.reloads.fetch_add(1, Ordering::Relaxed);
    }

    /// How many times [`Telemetry::forget_proxies`] was called.
    pub(super) fn reloads(&self) -> u32 {
        self.0.reloads.load(Ordering::Relaxed)
    }

    /// Writes an audit event, at any `log.level`, and counts it if `qrgate_tickets_total` has its step.
    pub fn audit(&self, event: &AuditEvent<'_>) {
        self.0.metrics.ticket(event.step);
        let mut line = Line::new(self.is_json());
        line.time(self.now());
        event.write(&mut line);
        self.write(&mut line.end(), Kind::Audit);
    }

    /// Waits until the queue has capacity for an audit event, at most a second. Call it before a step that writes one.
    pub async fn room_for_event(&self) {
        if let Output::Stderr(writer) = &self.0.output {
            writer.room_for_event().await;
        }
    }

    /// Whether lines are being dropped, or standard error has accepted none for a second.
    pub fn is_blocked(&self) -> bool {
        matches!(&self.0.output, Output::Stderr(writer) if writer.is_blocked())
    }

    /// Waits until every line is written, at most `limit`. Blocks the thread; for the end of the process.
    pub fn flush(&self, limit: Duration) {
        if let Output::Stderr(writer) = &self.0.output {
            writer.flush(limit);
        }
    }

    /// The lines written so far to [`Telemetry::in_memory`]; empty for standard error.
    pub fn written(&self) -> String {
        match &self.0.output {
            Output::Stderr(_) => String::new(),
            Output::Memory(buffer) => String::from_utf8_lossy(&buffer.lock()).into_owned(),
        }
    }

    /// Whether lines are JSON.
    pub fn is_json(&self) -> bool {
        self.0.json.load(Ordering::Relaxed)
    }

    pub(super) fn logs_access(&self) -> bool {
        self.0.access.load(Ordering::Relaxed)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Writes complete lines and empties `lines`. A log that cannot be written must neither stop nor delay the service.
    pub(super) fn write(&self, lines: &mut Vec<u8>, kind: Kind) {
        match &self.0.output {
            Output::Stderr(writer) => writer.push(lines, kind),
            Output::Memory(buffer) => buffer.lock().append(lines),
        }
    }
}

/// `x-forwarded-proto` in its usual spelling: `X-Forwarded-Proto`.
fn field_name(name: &HeaderName) -> String {
    let mut at_start = true;
    let written = name.as_str().chars().map(|letter| {
        let letter = if at_start { letter.to_ascii_uppercase() } else { letter };
        at_start = letter == '-';
        letter
    });
    written.collect()
}

#[cfg(test)]
mod tests {
    use super::super::access_log::Recorder;
    use super::*;

    fn telemetry(format: LogFormat, level: Level) -> Telemetry {
        Telemetry::in_memory(&Log { format, access: true, level }, Clock::manual(Timestamp(1_790_000_000_123)))
    }

    #[test]
    fn a_line_is_text_for_people_or_json_for_machines() {
        let text = telemetry(LogFormat::Text, Level::Info);
        text.warn("store is slow", &[("op", &"swap"), ("ms", &1200)]);
        assert_eq!(text.written(), "2026-09-21T14:13:20.123Z WARN  store is slow op=swap ms=1200\n");
        let json = telemetry(LogFormat::Json, Level::Info);
        json.warn("store is slow", &[("op", &"swap")]);
        assert_eq!(
            json.written(),
            "{\"time\":\"2026-09-21T14:13:20.123Z\",\"level\":\"warn\",\"message\":\"store is slow\",\"op\":\"swap\"}\n"
        );
    }

    #[test]
    fn lines_below_the_level_are_not_written() {
        let quiet = telemetry(LogFormat::Text, Level::Error);
        quiet.warn("nothing", &[]);
        quiet.debug("nothing", &[]);
        assert_eq!(quiet.written(), "");
        quiet.configure(&Log { format: LogFormat::Text, access: false, level: Level::Trace });
        quiet.debug("something", &[]);
        assert!(quiet.written().contains("DEBUG something"));
    }

    #[test]
    fn an_ignored_field_is_reported_once_per_peer() {
        let telemetry = telemetry(LogFormat::Text, Level::Info);
        let field = HeaderName::from_static("x-forwarded-proto");
        let peer = PeerAddress::ip("10.0.0.5:4711".parse().unwrap());
        let recorder = Recorder::new(telemetry.clone());
        for port in [1, 2, 3] {
            let peer = PeerAddress::ip(format!("10.0.0.5:{port}").parse().unwrap());
            recorder.ignored_field(&field, peer, true);
        }
        telemetry.ignored_field(&field, peer, true);
        assert!(
            telemetry.written().ends_with("X-Forwarded-Proto from 10.0.0.5 ignored: not in public.trusted_proxies\n")
        );
        assert_eq!(telemetry.written().lines().count(), 1);
        assert_eq!(telemetry.proxies(false), ["10.0.0.5"]);
        telemetry.forget_proxies();
        assert!(telemetry.proxies(false).is_empty());
        recorder.ignored_field(&field, peer, false);
        assert_eq!(telemetry.written().lines().count(), 2, "reported again after a reload");
        recorder.ignored_field(&field, peer, true);
        assert_eq!(telemetry.proxies(false), ["10.0.0.5"], "the first request did not look like a proxy's");
    }
}
