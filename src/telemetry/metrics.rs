//! The counters behind `/metrics`. Labels have fixed values, so that series are few; none is a user or a token.
//!
//! A worker caches the counters it uses, so that a forwarded request updates atomic numbers and takes no lock.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::audit::Step;
use super::exposition::{self, Format};
use crate::clock::Timestamp;

/// Upper bounds of the duration histograms, in microseconds; the last bucket has none.
const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// The metrics of the process. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Histogram,
    in_flight: Gauge,
    connections: Gauge,
    tickets: Family<Labels<1>, Counter>,
    codes_typed: Family<Labels<1>, Counter>,
    events: Family<Labels<1>, Counter>,
    events_queued: Gauge,
    oldest_event: Gauge,
    hooks: Family<Labels<2>, Histogram>,
    store_errors: Family<Labels<1>, Counter>,
    application_errors: Family<Labels<1>, Counter>,
    refused: Family<Labels<1>, Counter>,
    log_lines_dropped: Counter,
    audit_events_dropped: Counter,
    /// Without a value while there is no certificate.
    certificate_expiry: Family<Labels<0>, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u32,
}

/// Names of labels with their values.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// The outcome of a typed code, as `qrgate_codes_typed_total` counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// It opened its confirm page.
    Opened,
    /// It is malformed, or opens no ticket.
    Refused,
    /// There were too many attempts.
    Limited,
}

impl Typed {
    fn as_str(self) -> &'static str {
        match self {
            Typed::Opened => "opened",
            Typed::Refused => "refused",
            Typed::Limited => "limited",
        }
    }
}

/// The outcome of an attempt to deliver an event, as `qrgate_events_total` counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    Delivered,
    /// It will be tried again.
    Failed,
    /// The event was given up.
    Dropped,
}

impl EventOutcome {
    fn as_str(self) -> &'static str {
        match self {
            EventOutcome::Delivered => "delivered",
            EventOutcome::Failed => "failed",
            EventOutcome::Dropped => "dropped",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    Identify,
    Login,
    Revoke,
}

impl Hook {
    fn as_str(self) -> &'static str {
        match self {
            Hook::Identify => "identify",
            Hook::Login => "login",
            Hook::Revoke => "revoke",
        }
    }
}

impl Default for Metrics {
    /// All counters at zero. `/metrics` lists them in this order.
    fn default() -> Metrics {
        let mut registry = Registry::default();
        let to = &mut registry;
        let mut counters = Counters {
            requests: register(to, "qrgate_requests", "Finished requests"),
            durations: register(to, "qrgate_request_duration_seconds", "Head to last byte"),
            in_flight: register(to, "qrgate_requests_in_flight", "Requests being answered"),
            connections: register(to, "qrgate_connections", "Open client connections"),
            refused: register(to, "qrgate_connections_refused", "Client connections not served"),
            tickets: register(to, "qrgate_tickets", "Steps of tickets"),
            codes_typed: register(to, "qrgate_codes_typed", "Codes that were typed"),
            events: register(to, "qrgate_events", "Tries to deliver events"),
            events_queued: register(to, "qrgate_events_queued", "Events that are not delivered"),
            oldest_event: register(to, "qrgate_event_oldest_seconds", "Age of the oldest of them"),
            hooks: register(to, "qrgate_hook_duration_seconds", "Calls of the hooks"),
            store_errors: register(to, "qrgate_store_errors", "Commands the store did not answer"),
            application_errors: register(to, "qrgate_application_errors", "Requests the application did not answer"),
            log_lines_dropped: register(to, "qrgate_log_lines_dropped", "Log lines that were not written"),
            audit_events_dropped: register(to, "qrgate_audit_events_dropped", "Audit events that were not written"),
            certificate_expiry: register(
                to,
                "qrgate_certificate_expiry_seconds",
                "End of the certificate's validity, Unix time",
            ),
            registry,
        };
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        counters.registry.register("qrgate_build", "What is running", build);
        // Created at 0 rather than at their first event, since rates need a first value.
        for step in Step::COUNTED {
            drop(counters.tickets.get_or_create_owned(&[("outcome", step.name())]));
        }
        for outcome in [Typed::Opened, Typed::Refused, Typed::Limited] {
            drop(counters.codes_typed.get_or_create_owned(&[("outcome", outcome.as_str())]));
        }
        for outcome in [EventOutcome::Delivered, EventOutcome::Failed, EventOutcome::Dropped] {
            drop(counters.events.get_or_create_owned(&[("outcome", outcome.as_str())]));
        }
        for cause in ["connections", "client", "descriptors"] {
            drop(counters.refused.get_or_create_owned(&[("cause", cause)]));
        }
        Metrics(Arc::new(counters))
    }
}

/// Registers a metric. Encoding adds `_total` to the name of a counter and `_info` to that of an info metric.
fn register<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// Counts a client connection as open until the guard is dropped.
    pub fn connection(&self) -> GaugeGuard {
        GaugeGuard::new(&self.0.connections)
    }

    /// Counts a client connection that was not served.
    pub fn connection_refused(&self, cause: &'static str) {
        self.0.refused.get_or_create(&[("cause", cause)]).inc();
    }

    /// Counts a finished hook call.
    pub fn hook(&self, hook: Hook, outcome: &'static str, took: Duration) {
        self.0.hooks.get_or_create(&[("hook", hook.as_str()), ("outcome", outcome)]).observe(took);
    }

    /// How many calls of a hook had this outcome.
    pub fn hook_calls(&self, hook: Hook, outcome: &'static str) -> u64 {
        self.0.hooks.get(&[("hook", hook.as_str()), ("outcome", outcome)]).map_or(0, |calls| calls.count())
    }

    /// How often tickets took this step, if `qrgate_tickets_total` has it.
    pub fn ticket_steps(&self, step: Step) -> u64 {
        self.0.tickets.get(&[("outcome", step.name())]).map_or(0, |steps| steps.get())
    }

    /// The number of lines that the log dropped, and of audit events among them.
    pub fn lines_dropped(&self) -> (u64, u64) {
        (self.0.log_lines_dropped.get(), self.0.audit_events_dropped.get())
    }

    /// Counts a typed code.
    pub fn code_typed(&self, outcome: Typed) {
        self.0.codes_typed.get_or_create(&[("outcome", outcome.as_str())]).inc();
    }

    /// Counts an attempt to deliver an event, or an event that was given up.
    pub fn event(&self, outcome: EventOutcome) {
        self.0.events.get_or_create(&[("outcome", outcome.as_str())]).inc();
    }

    /// Sets the number of queued events and the age of the oldest; both are 0 while another process delivers.
    pub fn events_queued(&self, count: usize, oldest: Duration) {
        self.0.events_queued.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.0.oldest_event.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
    }

    /// Counts a failed store command.
    pub fn store_error(&self, op: &'static str) {
        self.0.store_errors.get_or_create(&[("op", op)]).inc();
    }

    /// Counts a request to which the application sent no valid response.
    pub fn application_error(&self, kind: &'static str) {
        self.0.application_errors.get_or_create(&[("kind", kind)]).inc();
    }

    /// How many attempts to deliver events had this outcome.
    pub fn event_tries(&self, outcome: EventOutcome) -> u64 {
        self.0.events.get(&[("outcome", outcome.as_str())]).map_or(0, |tries| tries.get())
    }

    /// The number of queued events, as set by [`Metrics::events_queued`].
    pub fn events_waiting(&self) -> i64 {
        self.0.events_queued.get()
    }

    /// When the certificate shown to clients expires, in Unix seconds. `None` without a certificate.
    pub fn certificate_expires(&self) -> Option<u64> {
        self.0.certificate_expiry.get(&[]).and_then(|at| at.get().try_into().ok())
    }

    /// Sets when the certificate shown to clients expires.
    pub fn certificate_expiry(&self, at: Timestamp) {
        let seconds = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
        self.0.certificate_expiry.get_or_create(&[]).set(seconds);
    }

    /// Counts lines that the log dropped, and the audit events among them.
    pub(super) fn log_dropped(&self, lines: u64, events: u64) {
        self.0.log_lines_dropped.inc_by(lines);
        self.0.audit_events_dropped.inc_by(events);
    }

    /// Counts a step of a ticket, if `qrgate_tickets_total` has it.
    pub(super) fn ticket(&self, step: Step) {
        if Step::COUNTED.contains(&step) {
            self.0.tickets.get_or_create(&[("outcome", step.name())]).inc();
        }
    }

    pub(super) fn request_counters(&self) -> RequestCounters {
        RequestCounters { metrics: self.clone(), known: RefCell::default() }
    }

    /// All metrics as text of this format.
    pub fn render(&self, format: Format) -> String {
        let mut text = String::with_capacity(8 * 1024);
        // Writing into a String fails only if a metric's encoder fails; these do not.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.0.registry);
        match format {
            Format::OpenMetrics => text,
            Format::Prometheus => exposition::to_prometheus(&text),
        }
    }
}

/// A worker's cache of the request counters.
#[derive(Debug)]
pub(super) struct RequestCounters {
    metrics: Metrics,
    known: RefCell<Vec<(RequestLabels, Counter)>>,
}

impl RequestCounters {
    pub(super) fn count(&self, route: &'static str, method: &Method, status: u16, took: Duration) {
        self.metrics.0.durations.observe(took);
        let labels = RequestLabels { route, method: method_label(method), status: u32::from(status) };
        let mut known = self.known.borrow_mut();
        // A worker sees few combinations; frequent ones move to the front.
        match known.iter().position(|(each, _)| *each == labels) {
            Some(at) => {
                known[at].1.inc();
                if at > 0 {
                    known.swap(at, at - 1);
                }
            }
            None => {
                let counter = self.metrics.0.requests.get_or_create_owned(&labels);
                counter.inc();
                known.push((labels, counter));
            }
        }
    }

    pub(super) fn in_flight(&self) -> GaugeGuard {
        GaugeGuard::new(&self.metrics.0.in_flight)
    }
}

/// The methods of RFC 9110 and PATCH; clients can send any others.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "OTHER",
    }
}

/// Adds one to a gauge until it is dropped.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    fn new(gauge: &Gauge) -> GaugeGuard {
        gauge.inc();
        GaugeGuard(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A histogram of durations in atomic numbers: the library's takes a lock for every value.
#[derive(Clone, Debug, Default)]
struct Histogram(Arc<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.0.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        let seconds = |micros: u64| Duration::from_micros(micros).as_secs_f64();
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = seconds(self.0.micros.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl prometheus_client::metrics::TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_contract_is_there_once() {
        let metrics = Metrics::default();
        let counters = metrics.request_counters();
        counters.count("forward", &Method::GET, 200, Duration::from_millis(3));
        metrics.hook(Hook::Identify, "signed_in", Duration::from_millis(3));
        metrics.store_error("swap");
        metrics.application_error("connect");
        let text = metrics.render(Format::OpenMetrics);
        for sample in [
            "qrgate_requests_total{route=\"forward\",method=\"GET\",status=\"200\"} 1",
            "qrgate_request_duration_seconds_count 1",
            "qrgate_request_duration_seconds_bucket{le=\"0.005\"} 1",
            "qrgate_request_duration_seconds_bucket{le=\"+Inf\"} 1",
            "qrgate_requests_in_flight 0",
            "qrgate_connections 0",
            "qrgate_tickets_total{outcome=\"replayed\"} 0",
            "qrgate_codes_typed_total{outcome=\"opened\"} 0",
            "qrgate_codes_typed_total{outcome=\"refused\"} 0",
            "qrgate_codes_typed_total{outcome=\"limited\"} 0",
            "qrgate_hook_duration_seconds_count{hook=\"identify\",outcome=\"signed_in\"} 1",
            "qrgate_events_total{outcome=\"dropped\"} 0",
            "qrgate_events_queued 0",
            "qrgate_event_oldest_seconds 0",
            "qrgate_store_errors_total{op=\"swap\"} 1",
            "qrgate_application_errors_total{kind=\"connect\"} 1",
            "qrgate_connections_refused_total{cause=\"descriptors\"} 0",
            "qrgate_log_lines_dropped_total 0",
            "qrgate_audit_events_dropped_total 0",
            concat!("qrgate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.contains(&format!("{sample}\n")), "{sample} in\n{text}");
        }
        assert!(!text.contains("_total_total"));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn invented_methods_share_one_label() {
        let metrics = Metrics::default();
        let counters = metrics.request_counters();
        for method in ["FOO", "BAR", "get"] {
            counters.count("forward", &Method::from_bytes(method.as_bytes()).unwrap(), 200, Duration::ZERO);
        }
        assert!(metrics.render(Format::OpenMetrics).contains("method=\"OTHER\",status=\"200\"} 3"));
    }

    #[test]
    fn workers_add_to_the_same_counter() {
        let metrics = Metrics::default();
        let (one, two) = (metrics.request_counters(), metrics.request_counters());
        for counters in [&one, &two, &one] {
            counters.count("forward", &Method::GET, 404, Duration::ZERO);
            counters.count("/qr/", &Method::POST, 200, Duration::ZERO);
        }
        assert!(metrics.render(Format::OpenMetrics).contains("route=\"forward\",method=\"GET\",status=\"404\"} 3"));
    }

    #[test]
    fn a_gauge_falls_when_the_guard_is_dropped() {
        let metrics = Metrics::default();
        let held = metrics.request_counters().in_flight();
        assert!(metrics.render(Format::OpenMetrics).contains("qrgate_requests_in_flight 1"));
        drop(held);
        assert!(metrics.render(Format::OpenMetrics).contains("qrgate_requests_in_flight 0"));
        let held = metrics.connection();
        assert!(metrics.render(Format::OpenMetrics).contains("qrgate_connections 1"));
        drop(held);
        assert!(metrics.render(Format::OpenMetrics).contains("qrgate_connections 0"));
    }
}
