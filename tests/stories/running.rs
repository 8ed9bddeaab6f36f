//! What the system and its operator do to a running process: signals, files that appear later, scrapers, malformed requests.

use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::application::{Reply, TestApplication, answer};
use crate::harness::browser::{computer, phone};
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::Connection;
use crate::harness::http2::Http2;
use crate::harness::people::show_code;
use crate::harness::tls::Authority;

/// What is asked of `/metrics` with this `Accept`: its media type, and its text.
fn metrics(gate: &TestGate, accept: &str) -> (String, String) {
    let mut connection = Connection::open(gate.admin.unwrap());
    let request = format!("GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n{accept}\r\n");
    connection.write(request.as_bytes());
    let answer = connection.read_answer(false).expect("an answer");
    (answer.field("content-type").unwrap_or_default().to_owned(), answer.text())
}

#[test]
fn a_scraper_gets_the_format_that_it_accepts() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    gate.get("/", &[]);
    eventually("the request is counted", || metrics(&gate, "").1.contains("route=\"forward\"").then_some(()));
    for accept in ["", "Accept: text/plain\r\n", "Accept: */*\r\n", "Accept: application/openmetrics-text;q=0\r\n"] {
        let (media_type, text) = metrics(&gate, accept);
        assert_eq!(media_type, "text/plain; version=0.0.4; charset=utf-8", "{accept}");
        assert!(text.contains("\n# TYPE qrgate_requests_total counter\n"), "{text}");
        assert!(text.contains("\n# TYPE qrgate_build_info gauge\n") && !text.contains("# EOF"), "{text}");
    }
    let prometheus = "Accept: application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5\r\n";
    let (media_type, text) = metrics(&gate, prometheus);
    assert_eq!(media_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.contains("\n# TYPE qrgate_requests counter\n") && text.ends_with("\n# EOF\n"), "{text}");
}
