//! Monitoring: metrics under the names that dashboard, alerts and documentation use, traces, and readiness that
//! distinguishes store and application.

use std::collections::BTreeSet;

use crate::harness::application::{Reply, TestApplication};
use crate::harness::browser::{computer, phone};
use crate::harness::gate::{TestGate, configuration};
use crate::harness::people::{approved, press};
use crate::harness::ports::unused;
use crate::harness::redis::TestRedis;
use crate::harness::tls::Authority;

/// The metrics after each counted event has happened once.
fn metrics() -> String {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let addresses = "[listen]\naddress = [\"http://127.0.0.1:0\", \"https://127.0.0.1:0\"]\n";
    let tls = Authority::new();
    let settings = [addresses, &tls.issue("gate", &["localhost"]).settings(), &redis.settings()].concat();
    let gate = TestGate::with(&application, &settings);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    press(&mut phone, &code, "finish", &proof);
    application.route("/broken", |_| Reply::Close);
    assert_eq!(gate.get("/broken", &[]).status(), 502);
    drop(redis);
    assert_eq!(ana.post("/qr/", "").status(), 503);
    gate.admin("/metrics").text()
}

/// The names of samples, `…_bucket` and its like included.
fn names(metrics: &str) -> BTreeSet<&str> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).filter(|name| !name.is_empty()).collect()
}

/// Every word that begins with `qrgate_`.
fn mentioned(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c)).filter(|word| word.starts_with("qrgate_")).collect()
}

/// `label="value"` and `label=~"one|two"` of a query, without patterns.
fn selected(text: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for label in ["route", "outcome", "hook", "op", "kind"] {
        for equals in ["=\"", "=~\"", "=\\\"", "=~\\\""] {
            for rest in text.split(&format!("{label}{equals}")).skip(1) {
                let values = rest.split(['"', '\\']).next().unwrap_or("");
                let plain = values.split('|').filter(|value| !value.contains(['.', '$']));
                found.extend(plain.map(|value| (label.to_owned(), value.to_owned())));
            }
        }
    }
    found
}

#[test]
fn dashboard_alerts_and_documentation_name_existing_metrics() {
    let metrics = metrics();
    let names = names(&metrics);
    let dashboard = std::fs::read_to_string("deploy/grafana/dashboard.json").unwrap();
    let alerts = std::fs::read_to_string("deploy/prometheus/alerts.yml").unwrap();
    let operations = std::fs::read_to_string("docs/operations.md").unwrap();
    for (file, text) in [("dashboard.json", &dashboard), ("alerts.yml", &alerts)] {
        let mentioned = mentioned(text);
        assert!(mentioned.len() > 5, "{file}: {mentioned:?}");
        for name in mentioned {
            assert!(names.contains(name), "{file} asks for {name}, which is not in {names:?}");
        }
        let selected = selected(text);
        assert!(selected.len() > 3, "{file}: {selected:?}");
        for (label, value) in selected {
            let documented = operations.contains(&format!("`{value}`"));
            assert!(documented, "{file} asks for {label}=\"{value}\", which operations.md does not list");
        }
    }
    // Each metric is in the table and on the dashboard.
    let families: BTreeSet<&str> =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(families.len(), 17, "{families:?}");
    for family in families {
        let is_named = |text: &str| mentioned(text).iter().any(|name| name.starts_with(family));
        assert!(operations.contains(&format!("\n| `{family}")), "operations.md lacks {family}");
        assert!(is_named(&dashboard), "the dashboard lacks {family}");
    }
}

#[test]
fn the_dashboard_is_valid() {
    let text = std::fs::read_to_string("deploy/grafana/dashboard.json").unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels with one id: {panel}");
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel}");
        let targets = panel["targets"].as_array();
        assert!(panel["type"] == "row" || targets.is_some_and(|targets| !targets.is_empty()), "{panel}");
    }
}

#[test]
fn a_trace_passes_and_its_id_is_in_the_access_line() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    gate.get("/traced", &[&format!("traceparent: {trace}"), "tracestate: vendor=1"]);
    let seen = application.requests_to("/traced");
    assert_eq!((seen[0].field("traceparent"), seen[0].field("tracestate")), (Some(trace), Some("vendor=1")));
    let line: serde_json::Value = serde_json::from_str(&gate.wait_for_log(&["\"path\":\"/traced\""])).unwrap();
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    // A malformed `traceparent` passes too, and gives no id in the log.
    for (path, trace) in
        [("/none", ""), ("/zero", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"), ("/x", "no")]
    {
        gate.get(path, &[&format!("traceparent: {trace}")]);
        assert_eq!(application.requests_to(path)[0].field("traceparent"), Some(trace));
        let line: serde_json::Value =
            serde_json::from_str(&gate.wait_for_log(&[&format!("\"path\":\"{path}\"")])).unwrap();
        assert!(line.get("trace_id").is_none(), "{line}");
    }
}

#[test]
fn a_code_has_the_trace_of_its_request_and_the_hooks_do_not() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    ana.fields.push("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    assert_eq!(ana.post("/qr/", "").status(), 200);
    let line: serde_json::Value = serde_json::from_str(&gate.wait_for_log(&["\"path\":\"/qr/\""])).unwrap();
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    // A hook gets no field of the client but the documented ones.
    assert_eq!(application.requests_to("/_qr/whoami")[0].field("traceparent"), None);
}

#[test]
fn readiness_distinguishes_the_store_from_the_application() {
    let redis = TestRedis::start();
    let application = TestApplication::start();
    let gate = TestGate::with(&application, &redis.settings());
    let ready = |gate: &TestGate| {
        let response = gate.admin("/readyz");
        (response.status(), response.json())
    };
    assert_eq!(ready(&gate), (200, serde_json::json!({"store": "ok", "application": "ok"})));
    drop(redis);
    assert_eq!(ready(&gate), (503, serde_json::json!({"store": "down", "application": "ok"})));
    // An unreachable application does not take qrgate out of service: people get the error page.
    let unreachable = unused();
    let gate = TestGate::start(&configuration(unreachable, ""));
    assert_eq!(ready(&gate), (200, serde_json::json!({"store": "ok", "application": "unreachable"})));
    assert_eq!(gate.admin("/healthz").status(), 200);
    assert_eq!(gate.get("/", &[]).status(), 502);
}
