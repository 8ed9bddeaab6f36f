//! The access log: one line per request, formatted into a buffer of the worker and written in batches.
//!
//! A request allocates nothing here and takes no lock. The buffer is written when it is large, when the worker's tick
//! calls [`Recorder::flush`], and when the worker ends.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderName, Method};

use super::line::{Line, Second};
use super::log::Telemetry;
use super::metrics::RequestCounters;
use super::writer::Kind;
use crate::config::Level;
use crate::peer::{AddressText, PeerAddress};

/// The buffer is written when it holds this many bytes.
const FULL: usize = 32 * 1024;

/// Maximum number of reported peers that a worker remembers.
const MAX_PEERS: usize = 1024;

/// The access line of a request.
#[derive(Clone, Copy, Debug)]
pub struct AccessLine<'a> {
    pub method: &'a Method,
    /// A pattern under the ticket path, or a word such as `forward` or `hidden`.
    pub route: &'static str,
    /// The path without the query. Under the ticket path it is the route's pattern, never the requested path.
    pub path: &'a str,
    pub status: u16,
    /// Bytes of the request's content.
    pub bytes_in: u64,
    /// Bytes of the response's content.
    pub bytes_out: u64,
    /// Time from the head to the last byte of the response.
    pub duration: Duration,
    /// Time from sending the request to the application until the head of its response; `None` if it was not sent.
    pub application: Option<Duration>,
    /// The client's address, if known.
    pub client: Option<IpAddr>,
    /// `X-Request-ID`; `None` for a malformed head.
    pub request_id: Option<&'a str>,
    /// The trace of a W3C `traceparent` field (see [`trace_id`]).
    pub trace_id: Option<&'a str>,
}

/// The trace id within a `traceparent` field: 32 lower-case hex digits, not all zero (W3C Trace Context, section 3.2).
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let mut parts = traceparent.split('-');
    let (version, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = version.len() == 2 && version != "ff" && trace.len() == 32 && parent.len() == 16;
    (fits && hex(version) && hex(trace) && hex(parent) && trace.bytes().any(|b| b != b'0')).then_some(trace)
}

/// The access log and counters of one worker.
#[derive(Debug)]
pub struct Recorder {
    telemetry: Telemetry,
    counters: RequestCounters,
    buffer: RefCell<Vec<u8>>,
    second: Cell<Second>,
    peers: RefCell<HashSet<(Option<IpAddr>, Role)>>,
    /// The reload that `peers` belongs to.
    reloads: Cell<u32>,
    /// The declared proxy of the last request, and the reload that it belongs to.
    proxy: Cell<Option<(Option<IpAddr>, u32)>>,
}

/// What a peer was reported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    Client,
    UndeclaredProxy,
    DeclaredProxy,
}

impl Recorder {
    /// The buffer and counters of one worker, which write to the log of the process.
    pub fn new(telemetry: Telemetry) -> Recorder {
        let counters = telemetry.metrics().request_counters();
        Recorder {
            telemetry,
            counters,
            buffer: RefCell::default(),
            second: Cell::default(),
            peers: RefCell::default(),
            reloads: Cell::default(),
            proxy: Cell::default(),
        }
    }

    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Counts a finished request and writes its line.
    pub fn record(&self, line: &AccessLine<'_>) {
        self.counters.count(line.route, line.method, line.status, line.duration);
        if !self.telemetry.logs_access() {
            return;
        }
        let mut within = Line::within(self.buffer.take(), self.telemetry.is_json());
        within.time_after(self.telemetry.now(), &self.second);
        line.write(&mut within);
        let buffer = within.end();
        let full = buffer.len() >= FULL;
        self.buffer.replace(buffer);
        if full {
            self.flush();
        }
    }

    /// Records a request with a malformed head, and the status of its response. The method and the target are unknown.
    pub fn record_malformed(&self, status: u16, peer: PeerAddress) {
        self.record(&AccessLine {
            method: &Method::from_bytes(b"-").unwrap_or_default(),
            route: "malformed",
            path: "(malformed)",
            status,
            bytes_in: 0,
            bytes_out: 0,
            duration: Duration::ZERO,
            application: None,
            client: peer.as_ip(),
            request_id: None,
            trace_id: None,
        });
    }

    /// Counts a request as in flight until the guard is dropped.
    pub fn in_flight(&self) -> super::metrics::GaugeGuard {
        self.counters.in_flight()
    }

    /// Reports an ignored forwarded field, see [`Telemetry::ignored_field`]. Cheap for a peer that was reported since
    /// the last reload: an undeclared proxy sends such a field with every request.
    pub fn ignored_field(&self, field: &HeaderName, peer: PeerAddress, undeclared: bool) {
        let role = if undeclared { Role::UndeclaredProxy } else { Role::Client };
        if self.is_new(peer, role) {
            self.telemetry.ignored_field(field, peer, undeclared);
        }
    }

    /// Notes a request from a proxy in `public.trusted_proxies`, see [`Telemetry::declared_proxy`]. Cheap if the last
    /// request came from the same proxy.
    pub fn declared_proxy(&self, peer: PeerAddress) {
        let present = Some((peer.as_ip(), self.telemetry.reloads()));
        if self.proxy.replace(present) != present && self.is_new(peer, Role::DeclaredProxy) {
            self.telemetry.declared_proxy(peer);
        }
    }

    /// Whether the peer was not reported in this role since the last reload.
    fn is_new(&self, peer: PeerAddress, role: Role) -> bool {
        let mut peers = self.peers.borrow_mut();
        let reloads = self.telemetry.reloads();
        if self.reloads.replace(reloads) != reloads || peers.len() >= MAX_PEERS {
            peers.clear();
        }
        peers.insert((peer.as_ip(), role))
    }

    /// Writes the buffer. Called a few times a second.
    pub fn flush(&self) {
        let mut buffer = self.buffer.borrow_mut();
        if !buffer.is_empty() {
            self.telemetry.write(&mut buffer, Kind::Access);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.flush();
    }
}

impl AccessLine<'_> {
    fn write(&self, line: &mut Line) {
        let path = self.path.split(['?', '#']).next().unwrap_or_default();
        line.level(Level::Info);
        if line.is_json() {
            line.word("event", "request");
        }
        line.bare_text("method", self.method.as_str());
        line.bare_text("path", path);
        line.number("status", u64::from(self.status));
        line.number("bytes_in", self.bytes_in);
        line.number("bytes_out", self.bytes_out);
        line.millis("duration_ms", self.duration);
        match self.application {
            Some(application) => line.millis("application_ms", application),
            None => line.nothing("application_ms"),
        }
        match self.client {
            Some(client) => line.word("client", AddressText::of(client).as_str()),
            None => line.nothing("client"),
        }
        match self.request_id {
            Some(request_id) => line.text("request_id", request_id),
            None => line.nothing("request_id"),
        }
        if let Some(trace_id) = self.trace_id {
            line.text("trace_id", trace_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Timestamp};
    use crate::config::{Log, LogFormat};

    fn telemetry(format: LogFormat) -> Telemetry {
        let log = Log { format, access: true, level: Level::Error };
        Telemetry::in_memory(&log, Clock::manual(Timestamp(1_790_000_000_000)))
    }

    fn line<'a>(method: &'a Method, path: &'a str) -> AccessLine<'a> {
        AccessLine {
            method,
            route: "forward",
            path,
            status: 200,
            bytes_in: 0,
            bytes_out: 1234,
            duration: Duration::from_micros(1500),
            application: Some(Duration::from_micros(900)),
            client: Some("203.0.113.7".parse().unwrap()),
            request_id: Some("r-1"),
            trace_id: None,
        }
    }

    #[test]
    fn a_json_line_has_numbers_as_numbers() {
        let telemetry = telemetry(LogFormat::Json);
        Recorder::new(telemetry.clone()).record(&line(&Method::GET, "/a?secret=1"));
        let read: serde_json::Value = serde_json::from_str(&telemetry.written()).unwrap();
        assert_eq!(read["time"], "2026-09-21T14:13:20.000Z");
        assert_eq!(read["method"], "GET");
        assert_eq!(read["path"], "/a");
        assert_eq!(read["status"], 200);
        assert_eq!(read["bytes_out"], 1234);
        assert_eq!(read["duration_ms"], 1.5);
        assert_eq!(read["application_ms"], 0.9);
        assert_eq!(read["client"], "203.0.113.7");
        assert_eq!(read["request_id"], "r-1");
    }

    #[test]
    fn what_is_unknown_is_null_in_json_and_left_out_in_text() {
        let unknown = AccessLine { application: None, client: None, ..line(&Method::GET, "/") };
        let json = telemetry(LogFormat::Json);
        Recorder::new(json.clone()).record(&unknown);
        let read: serde_json::Value = serde_json::from_str(&json.written()).unwrap();
        assert!(read["application_ms"].is_null() && read["client"].is_null());
        let text = telemetry(LogFormat::Text);
        Recorder::new(text.clone()).record(&unknown);
        assert_eq!(
            text.written(),
            "2026-09-21T14:13:20.000Z INFO  GET / status=200 bytes_in=0 bytes_out=1234 duration_ms=1.500 request_id=r-1\n"
        );
    }

    #[test]
    fn lines_wait_in_the_buffer_until_it_is_flushed_or_full() {
        let telemetry = telemetry(LogFormat::Text);
        let recorder = Recorder::new(telemetry.clone());
        recorder.record(&line(&Method::GET, "/"));
        assert_eq!(telemetry.written(), "");
        recorder.flush();
        assert_eq!(telemetry.written().lines().count(), 1);
        for _ in 0..1000 {
            recorder.record(&line(&Method::GET, "/"));
        }
        assert!(telemetry.written().lines().count() > 1, "a full buffer is written at once");
        assert!(telemetry.written().ends_with('\n'));
        drop(recorder);
        assert_eq!(telemetry.written().lines().count(), 1001);
    }

    #[test]
    fn a_hostile_path_stays_on_its_line() {
        let telemetry = telemetry(LogFormat::Text);
        Recorder::new(telemetry.clone()).record(&line(&Method::GET, "/a\r\n\u{1b}[2J\u{202e}"));
        assert_eq!(telemetry.written().lines().count(), 1);
        assert!(telemetry.written().contains("/a\\r\\n\\u001b[2J\\u202e"));
    }

    #[test]
    fn without_access_lines_requests_are_still_counted() {
        let telemetry = telemetry(LogFormat::Text);
        telemetry.configure(&Log { format: LogFormat::Text, access: false, level: Level::Info });
        Recorder::new(telemetry.clone()).record(&line(&Method::GET, "/"));
        assert_eq!(telemetry.written(), "");
        assert!(
            telemetry
                .metrics()
                .render(crate::telemetry::Format::Prometheus)
                .contains("qrgate_requests_total{route=\"forward\",method=\"GET\",status=\"200\"} 1")
        );
    }

    #[test]
    fn a_trace_id_is_taken_from_a_well_formed_field_only() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{id}-00f067aa0ba902b7-01")), Some(id));
        for bad in ["", "00", "00-x-y-z", &format!("ff-{id}-00f067aa0ba902b7-01"), &format!("00-{id}-1-01")] {
            assert_eq!(trace_id(bad), None, "{bad}");
        }
        assert_eq!(trace_id(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))), None);
    }
}
