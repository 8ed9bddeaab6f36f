//! Connections: limits, and what a reload changes.

use crate::harness::application::TestApplication;
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};

#[test]
fn the_gauge_shows_open_connections() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut open = gate.connect();
    open.write(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    open.read_response(false).unwrap();
    assert!(gate.admin("/metrics").text().contains("\nqrgate_connections 1\n"));
    drop(open);
    eventually("no connection", || gate.admin("/metrics").text().contains("\nqrgate_connections 0\n").then_some(()));
}

#[test]
fn over_the_limit_a_connection_is_refused_at_once_and_a_reload_changes_the_limit() {
    let application = TestApplication::start();
    let settings = |most: u32| configuration(application.address, &format!("[limits]\nconnections = {most}"));
    let gate = TestGate::start(&settings(1));
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address);
    let mut first = gate.connect();
    first.write(get.as_bytes());
    assert_eq!(first.read_response(false).unwrap().status(), 200);
    assert!(gate.connect().is_closed());
    assert_eq!(gate.admin("/healthz").status(), 200);
    gate.rewrite(&settings(2));
    gate.signal("HUP");
    gate.wait_for_log(&["configuration reloaded"]);
    let mut second = gate.connect();
    second.write(get.as_bytes());
    assert_eq!(second.read_response(false).unwrap().status(), 200);
    first.write(get.as_bytes());
    assert_eq!(first.read_response(false).unwrap().status(), 200, "the old connection still works");
}

#[test]
fn a_missing_authority_file_is_reported_at_the_start() {
    let application = TestApplication::start();
    let settings = "[application]\nurl = \"https://localhost:1\"\n[application.tls]\nca = \"missing.pem\"";
    let toml = configuration(application.address, settings);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    std::fs::write(&file, toml).unwrap();
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_qrgate")).arg("--config").arg(&file).output().unwrap();
    assert_ne!(run.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&run.stderr).contains("missing.pem"), "{run:?}");
}
