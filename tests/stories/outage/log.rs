//! The reader of standard error stops: a log shipper that hangs, a full pipe.

use std::time::{Duration, Instant};

use crate::harness::application::TestApplication;
use crate::harness::browser::{computer, phone};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::people::{approved, press};

/// The counter's value in `/metrics`.
fn counter(gate: &TestGate, name: &str) -> u64 {
    let text = gate.admin("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap_or_else(|| panic!("{text}"));
    line.parse().expect("a number")
}

/// Requests pages until the log has dropped some of their lines. That takes thousands of requests with a long path.
fn fill(gate: &TestGate) {
    let target = format!("/{}", "x".repeat(900));
    let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address);
    let mut connection = gate.connect();
    while counter(gate, "qrgate_log_lines_dropped_total") == 0 {
        for _ in 0..200 {
            connection.write(request.as_bytes());
            assert_eq!(connection.read_response(false).expect("a response").status(), 200);
        }
    }
}

#[test]
fn an_unread_log_delays_no_request_and_is_reported() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let unread = gate.stop_reading_log();
    fill(&gate);
    let began = Instant::now();
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    assert!(began.elapsed() < Duration::from_secs(10), "a sign-in takes {:?}", began.elapsed());
    let ready = gate.admin("/readyz");
    assert_eq!((ready.status(), &ready.json()["log"]), (200, &"blocked".into()));
    assert_eq!(gate.admin("/healthz").status(), 200);

    drop(unread);
    let lost: serde_json::Value =
        serde_json::from_str(&gate.wait_for_log(&["log lines were dropped"])).expect("a complete line");
    let told: u64 = lost["lines"].as_str().expect("a number").parse().expect("a number");
    assert!(told > 0 && told <= counter(&gate, "qrgate_log_lines_dropped_total"), "{told}");
    for event in ["ticket.issued", "ticket.claimed", "ticket.approved", "ticket.spent"] {
        gate.wait_for_log(&[event]);
    }
    assert_eq!(counter(&gate, "qrgate_audit_events_dropped_total"), 0);
    eventually("readiness recovers", || gate.admin("/readyz").json()["log"].is_null().then_some(()));
    for line in gate.log() {
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
    }
}

#[test]
fn an_unread_log_does_not_delay_the_exit() {
    let application = TestApplication::start();
    let mut gate = TestGate::before(&application);
    let log = gate.stop_reading_log();
    fill(&gate);
    let began = Instant::now();
    gate.signal("TERM");
    assert_eq!(gate.wait(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "the end takes {:?}", began.elapsed());
    drop(log);
}
