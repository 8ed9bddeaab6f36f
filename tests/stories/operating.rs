//! The operator's view: start, errors, logs, health, metrics, signals.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use crate::harness::application::{HOOK_SECRET, Reply, TestApplication, response};
use crate::harness::browser::{computer, phone};
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::TIMEOUT;
use crate::harness::people::{approved, claim, press, show_code};
use crate::harness::ports::unused;

#[test]
fn each_request_has_one_access_line_and_numbers_are_numbers() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    gate.get("/page?token=1", &["X-Request-ID: abc.123"]);
    let line = gate.wait_for_log(&["abc.123"]);
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/page");
    assert_eq!(line["status"], 200);
    assert_eq!(line["client"], "127.0.0.1");
    for number in ["bytes_in", "bytes_out", "duration_ms", "application_ms"] {
        assert!(line[number].is_number(), "{number}: {line}");
    }
}

#[test]
fn a_request_whose_client_leaves_before_the_response_has_an_access_line() {
    let application = TestApplication::start();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    application.route("/slow", move |_| {
        let _ = wait.lock().unwrap().recv();
        crate::harness::application::Reply::Close
    });
    let gate = TestGate::before(&application);
    let mut connection = gate.connect();
    connection.write(format!("GET /slow HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    eventually("the request is under way", || (!application.requests_to("/slow").is_empty()).then_some(()));
    drop(connection);
    let line: serde_json::Value = serde_json::from_str(&gate.wait_for_log(&["\"path\":\"/slow\""])).expect("JSON");
    assert_eq!(line["status"], 499);
    drop(go);
}

#[test]
fn every_step_of_a_ticket_is_an_audit_event() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    press(&mut phone, &code, "finish", &proof);
    for event in ["ticket.issued", "ticket.claimed", "ticket.approved", "ticket.spent"] {
        let line = gate.wait_for_log(&[event]);
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["event"], event);
        assert_eq!(line["user"], "ana", "{line}");
    }
}

#[test]
fn health_readiness_and_metrics_are_on_the_admin_listener_only() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    show_code(&mut ana);
    assert_eq!(gate.admin("/healthz").status(), 200);
    let ready = gate.admin("/readyz");
    assert_eq!((ready.status(), ready.json()), (200, serde_json::json!({"store": "ok", "application": "ok"})));
    let metrics = gate.admin("/metrics").text();
    for name in [
        "qrgate_requests_total{",
        "qrgate_request_duration_seconds_bucket{",
        "qrgate_requests_in_flight",
        "qrgate_connections",
        "qrgate_tickets_total{outcome=\"issued\"} 1",
        "qrgate_hook_duration_seconds_count{",
        "qrgate_build_info{",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    let _open = [gate.connect(), gate.connect()];
    eventually("open connections are counted", || {
        gate.admin("/metrics").text().contains("qrgate_connections 2").then_some(())
    });
    assert_eq!(gate.get("/metrics", &[]).text(), "nobody is signed in", "the public listener forwards it");
}

#[test]
fn an_undeclared_proxy_is_named() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    gate.get("/", &["X-Forwarded-For: 203.0.113.7"]);
    gate.wait_for_log(&["X-Forwarded-For from 127.0.0.1 ignored: not in public.trusted_proxies"]);
    assert!(!gate.admin("/readyz").json()["proxies"].is_null());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    ana.fields.push("X-Forwarded-For: 203.0.113.7".to_owned());
    let code = show_code(&mut ana);
    let mut phone = phone(&gate);
    phone.fields.push("X-Forwarded-For: 198.51.100.7".to_owned());
    claim(&mut phone, &code);
    let device = &code.status(&mut ana)["device"];
    assert!(device["address"].is_null() && device["same_network"].is_null(), "{device}");
}

/// Every line is JSON, from the first one on.
#[test]
fn configuration_warnings_are_json_if_the_log_is() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let words = "codes are lost on restart and not shared between processes";
    let line: serde_json::Value = serde_json::from_str(&gate.wait_for_log(&[words])).expect("JSON");
    assert_eq!(line["level"], "warn", "{line}");
    for line in gate.log() {
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
    }
    let gate = TestGate::with(&application, "[log]\nformat = \"text\"");
    assert!(gate.wait_for_log(&[words]).starts_with("warning: "), "for people");
}

#[test]
fn every_mistake_in_the_file_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    let text = "[application]\nurl = \"http://127.0.0.1:1\"\n[public]\ntrusted_proxy = [\"10.0.0.0/8\"]\n[tickets]\nlifetime = \"1h\"\n[login]\nsecret = \"letmein\"\n";
    std::fs::write(&file, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_qrgate")).arg("--config").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    for words in [
        ":4:1: unknown key `trusted_proxy` in [public]",
        "did you mean `trusted_proxies`?",
        ":6:12: `lifetime` must be between 30s and 10m",
        "`secret` does not start with `whsec_`",
        "3 errors, nothing started",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    assert!(!said.contains("letmein"), "{said}");
    let missing =
        Command::new(env!("CARGO_BIN_EXE_qrgate")).arg("--config").arg(folder.path().join("none")).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn a_template_that_cannot_be_used_is_an_error_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (file, templates) = (folder.path().join("proxy.toml"), folder.path().join("ours"));
    std::fs::create_dir(&templates).unwrap();
    std::fs::write(templates.join("error.html"), "<h1>{{ title }}</h1>\n<p>{% if %}</p>\n").unwrap();
    let address = "127.0.0.1:9".parse().unwrap();
    std::fs::write(&file, configuration(address, "[pages]\ntemplates = \"ours\"")).unwrap();
    for command in [vec![], vec!["check", "--offline"]] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_qrgate")).args(&command).arg("--config").arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("ours/error.html:2:10: "), "{said}");
        assert!(said.contains("\n 2 | <p>{% if %}</p>\n   |          ^^\n\n1 error, nothing started"), "{said}");
    }
}

#[test]
fn exported_templates_and_texts_give_the_same_page_until_they_are_changed() {
    let application = TestApplication::start();
    let folder = tempfile::tempdir().unwrap();
    let export = |what: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qrgate"));
        let output = command.current_dir(&folder).args(["export", what, "ours"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(export("templates").contains("\n[pages]\ntemplates = \"ours\"\n"));
    assert!(export("texts").contains("wrote  locales/de-formal.toml\n"));
    let page = |gate: &TestGate| {
        let page = gate.get("/qr/invalid_code/", &["X-Request-ID: 1"]);
        let text = page.text();
        let nonce = text.split_once("nonce=\"").unwrap().1.split('"').next().unwrap();
        text.replace(nonce, "")
    };
    let ours = folder.path().join("ours");
    let (built_in, exported) =
        (TestGate::before(&application), TestGate::with(&application, &format!("[pages]\ntemplates = {ours:?}")));
    assert_eq!(page(&built_in), page(&exported));
    std::fs::write(ours.join("invalid_code.html"), "<i nonce=\"{{ nonce }}\">ours</i>").unwrap();
    exported.signal("HUP");
    exported.wait_for_log(&["configuration reloaded"]);
    assert_eq!(page(&exported), "<i nonce=\"\">ours</i>");
}

#[test]
fn broken_templates_leave_the_old_ones_in_use() {
    let application = TestApplication::start();
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("start.html");
    std::fs::write(&template, "<p>ours</p>{{ form }}").unwrap();
    let settings = format!("[pages]\nlanguage = \"xx\"\ntemplates = {:?}", folder.path());
    let gate = TestGate::with(&application, &settings);
    gate.wait_for_log(&["pages.language has no texts in `xx`"]);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    assert!(ana.get("/qr/").text().starts_with("<p>ours</p><form "));
    std::fs::write(&template, "<p>newer</p>").unwrap();
    gate.signal("HUP");
    let said = gate.wait_for_log(&["reload failed", "start.html:1:1: must use `{{ form }}`"]);
    assert!(said.contains("1 error, the old configuration stays in use"), "{said}");
    assert!(ana.get("/qr/").text().starts_with("<p>ours</p><form "));
}

#[test]
fn a_response_under_way_is_finished_before_the_exit() {
    let application = TestApplication::start();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    application.route("/slow", move |_| {
        wait.lock().unwrap().recv().unwrap();
        crate::harness::application::Reply::Bytes(crate::harness::application::response(200, &[], b"done"))
    });
    let mut gate = TestGate::before(&application);
    let mut connection = gate.connect();
    connection.write(format!("GET /slow HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    eventually("the request is under way", || (!application.requests_to("/slow").is_empty()).then_some(()));
    let mut idle = gate.connect();
    gate.signal("TERM");
    assert!(idle.is_closed(), "an idle connection is closed at once");
    go.send(()).unwrap();
    assert_eq!(connection.read_response(false).unwrap().text(), "done");
    assert_eq!(gate.wait(), Some(0));
}

#[test]
fn every_refusal_is_an_audit_event_that_says_who_and_why() {
    let application = TestApplication::start();
    let settings = "[limits]\nopens_per_client = \"5/1m\"\n[identify]\nmax_auth_age = \"1h\"";
    let gate = TestGate::with(&application, settings);
    let mut visitor = computer(&gate);
    let refused = |reason: &str| -> serde_json::Value {
        serde_json::from_str(&gate.wait_for_log(&["ticket.refused", reason])).expect("JSON")
    };
    assert_eq!(visitor.post("/qr/", "").status(), 401);
    assert_eq!(refused("signed out")["computer_label"], "Firefox on Linux");
    visitor.request("POST", "/qr/", &["Origin: https://evil.example"], Some(""));
    assert_eq!(refused("Origin is not the public origin")["computer_label"], "Firefox on Linux");
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    assert_eq!(ana.post("/qr/", "").status(), 403);
    assert_eq!(refused("too old")["user"], "ana");
    application.route("/_qr/whoami", |_| Reply::Bytes(response(500, &[], b"")));
    assert_eq!(ana.post("/qr/", "").status(), 503);
    refused("cannot be asked about");
    assert_eq!(phone(&gate).get(&format!("/qr/{}/", "A".repeat(44))).status(), 410);
    assert_eq!(refused("no such code")["phone_label"], "Safari on iPhone");
    while phone(&gate).get(&format!("/qr/{}/", "A".repeat(44))).status() != 429 {}
    assert_eq!(refused("too many opens")["phone_label"], "Safari on iPhone");
    assert_eq!(ana.post("/qr/", "").status(), 429);
    refused("too many requests");
}

#[test]
fn the_content_of_a_form_is_counted_in_its_access_line() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    computer(&gate).with_cookie(&application.sign_in("ana")).post("/qr/", "next=%2Fa");
    let line = gate.wait_for_log(&["\"path\":\"/qr/\""]);
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["bytes_in"], 9);
}

#[test]
fn a_changed_file_is_used_without_a_signal_or_interruption() {
    let application = TestApplication::start();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    application.route("/slow", move |_| {
        wait.lock().unwrap().recv().unwrap();
        Reply::Bytes(response(200, &[], b"done"))
    });
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address);
    let (mut idle, mut busy) = (gate.connect(), gate.connect());
    idle.write(ask("/").as_bytes());
    assert_eq!(idle.read_response(false).unwrap().status(), 200);
    busy.write(ask("/slow").as_bytes());
    eventually("the request is under way", || (!application.requests_to("/slow").is_empty()).then_some(()));

    gate.rewrite(&configuration(application.address, "[pages]\nsite = \"Another name\""));
    gate.wait_for_log(&["configuration reloaded"]);
    assert!(ana.get("/qr/").text().contains("Another name"));
    go.send(()).unwrap();
    assert_eq!(busy.read_response(false).unwrap().text(), "done");
    for connection in [&mut idle, &mut busy] {
        connection.write(ask("/").as_bytes());
        assert_eq!(connection.read_response(false).unwrap().status(), 200);
    }
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303, "the code still works");
}

#[test]
fn a_changed_file_that_is_broken_keeps_the_old_configuration() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    gate.rewrite(&configuration(application.address, "[pages]\nsite = \"Another name\"\n[tickets]\nlifetime = \"1y\""));
    let said = gate.wait_for_log(&["reload failed; the old configuration stays in use"]);
    assert!(said.contains("lifetime"), "{said}");
    let page = ana.get("/qr/").text();
    assert!(page.contains("Example") && !page.contains("Another name"), "{page}");
    gate.rewrite(&configuration(application.address, "[pages]\nsite = \"A third name\""));
    gate.wait_for_log(&["configuration reloaded"]);
    assert!(ana.get("/qr/").text().contains("A third name"));
}

#[test]
fn a_variable_that_is_not_unicode_prevents_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    std::fs::write(&file, "[application]\nurl = \"http://127.0.0.1:1\"\n[login]\nsecret_env = \"HOOK\"\n").unwrap();
    let garbled = OsStr::from_bytes(b"90s\xe9");
    let mut command = Command::new(env!("CARGO_BIN_EXE_qrgate"));
    let command = command.args(["check", "--offline", "--config"]).arg(&file);
    let output = command.env("QRGATE_TICKETS__LIFETIME", garbled).env("HOOK", garbled).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for words in [
        "QRGATE_TICKETS__LIFETIME: this variable is not text in UTF-8",
        "HOOK is set, and is not text in UTF-8",
        "2 errors",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
}

#[test]
fn a_reload_with_one_secret_for_both_keeps_the_old_configuration() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let one = format!("[pages]\nsite = \"Another name\"\n[tickets]\nsecret = [\"{HOOK_SECRET}\"]");
    gate.rewrite(&configuration(application.address, &one));
    let said = gate.wait_for_log(&["reload failed; the old configuration stays in use"]);
    assert!(said.contains("is also login.secret") && said.contains("could forge codes"), "{said}");
    assert!(!said.contains(&HOOK_SECRET[6..20]), "{said}");
    assert!(ana.get("/qr/").text().contains("Example"));
}

#[test]
fn a_service_manager_is_notified_of_start_reload_watchdog_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(TIMEOUT)).unwrap();
    let hear = |wanted: &str| loop {
        let mut bytes = [0; 256];
        let count = manager.recv(&mut bytes).unwrap_or_else(|error| panic!("{wanted}: {error}"));
        let said = String::from_utf8_lossy(&bytes[..count]).into_owned();
        // Watchdog notifications arrive in between.
        if said.lines().any(|line| line == wanted) {
            return said;
        }
        assert_eq!(said.trim_end(), "WATCHDOG=1", "before {wanted}");
    };
    let application = TestApplication::start();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "2000000")];
    let mut gate = TestGate::start_in(&configuration(application.address, ""), &environment);
    hear("READY=1");
    assert_eq!(gate.get("/", &[]).status(), 200);
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    gate.signal("HUP");
    assert!(hear("RELOADING=1").contains("MONOTONIC_USEC="));
    hear("READY=1");
    gate.signal("TERM");
    hear("STOPPING=1");
    assert_eq!(gate.wait(), Some(0));
}

/// A log line that cannot be written stops no server; a secret that cannot be printed is an error.
#[test]
fn output_that_cannot_be_written_is_reported_where_it_matters_and_stops_no_server() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let program = env!("CARGO_BIN_EXE_qrgate");
    let secret = Command::new(program).arg("secret").stdout(full()).output().unwrap();
    assert_eq!(secret.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&secret.stderr).contains("could not be written"), "{secret:?}");

    let application = TestApplication::start();
    // The admin listener responds once the main thread has printed its lines.
    let admin = unused();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    let settings = format!("[listen]\nadmin = \"{admin}\"");
    std::fs::write(&file, configuration(application.address, &settings)).unwrap();
    let mut gate =
        Command::new(program).arg("--config").arg(&file).stdout(full()).stderr(Stdio::null()).spawn().unwrap();
    eventually("it serves", || {
        let mut connection = TcpStream::connect(admin).ok()?;
        connection.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").ok()?;
        let mut response = String::new();
        connection.read_to_string(&mut response).ok()?;
        response.contains(" 200 ").then_some(())
    });
    gate.kill().unwrap();
    gate.wait().unwrap();
}
