//! What an operator gets wrong while setting up, and what the log says about it: the cause, and what to change.

use crate::harness::application::{Reply, TestApplication, answer};
use crate::harness::browser::computer;
use crate::harness::gate::{TestGate, configuration};

fn reload(gate: &TestGate, toml: &str) {
    gate.rewrite(toml);
    gate.signal("HUP");
    gate.wait_for_log(&["configuration reloaded"]);
}

#[test]
fn an_undeclared_proxy_is_named_again_after_a_reload() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[listen]\nworkers = 1");
    let named = || gate.admin("/readyz").json()["proxies"] == "not in public.trusted_proxies: 127.0.0.1";
    gate.get("/", &["X-Forwarded-Proto: https"]);
    assert!(!named(), "a scheme alone does not name a client");
    gate.get("/", &["X-Forwarded-For: 203.0.113.7"]);
    assert!(named(), "the first field of this peer was another one");
    reload(&gate, &configuration(application.address, "[listen]\nworkers = 1\n[login]\nredirect = \"/inbox\""));
    assert!(!named());
    gate.get("/", &["X-Forwarded-For: 203.0.113.7"]);
    assert!(named());
    let lines = gate.log().into_iter().filter(|line| line.contains("not in public.trusted_proxies")).count();
    assert_eq!(lines, 2, "once before the reload and once after it");
}

#[test]
fn a_person_who_is_still_signed_out_leaves_a_line_with_the_names_of_the_cookies() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[identify]\nlogin_url = \"/login?next={return}\"");
    let mut ana = computer(&gate).with_cookie("shopsession=hidden").with_cookie("csrftoken=hidden");
    assert_eq!(ana.get("/qr/").status(), 303, "to the sign-in page first");
    let page = ana.get("/qr/?from=login");
    assert_eq!(page.status(), 401);
    let request_id = page.field("x-request-id").expect("a request id");
    let line = gate.wait_for_log(&["a person is still signed out", request_id]);
    assert!(line.contains("shopsession csrftoken") && line.contains("identify.session_cookies"), "{line}");
    assert!(!line.contains("hidden"), "{line}");

    let mut ana = computer(&gate).with_cookie("sessionid=gone");
    assert_eq!(ana.post("/qr/?from=login", "").status(), 401);
    gate.wait_for_log(&["a person is still signed out", "the identify hook says signed out"]);
}

#[test]
fn http_in_public_url_where_browsers_use_https_is_named() {
    let application = TestApplication::start();
    let settings = "[public]\nurl = \"http://app.example\"\ntrusted_proxies = [\"127.0.0.1\"]";
    let gate = TestGate::with(&application, settings);
    let mut ana = computer(&gate).at_origin("https://app.example").with_cookie(&application.sign_in("ana"));
    ana.fields.push("X-Forwarded-Proto: https".to_owned());
    ana.get("/");
    gate.wait_for_log(&["requests come by https, but public.url is http", "http://app.example"]);
    let page = ana.post("/qr/", "");
    assert_eq!(page.status(), 403);
    let text = page.text();
    assert!(text.contains("qrgate does not know the address") && text.contains("https://app.example"), "{text}");
    gate.wait_for_log(&[
        "ticket.refused",
        "Origin is not the public origin: https://app.example, not http://app.example",
    ]);
}

#[test]
fn a_hook_that_fails_is_logged_once_with_the_address_that_was_called() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[public]\nurl = \"https://app.example\"");
    application.route("/_qr/whoami", |_| Reply::Bytes(answer(500, &[], b"")));
    let page = computer(&gate).at_origin("https://app.example").with_cookie("sessionid=1").get("/qr/");
    assert_eq!(page.status(), 503);
    let request_id = page.field("x-request-id").expect("a request id").to_owned();
    let called = format!("http://{}/_qr/whoami", application.address);
    gate.wait_for_log(&["identify hook", "answered 500", &called, &request_id]);
    let lines = gate.log().into_iter().filter(|line| line.contains("answered 500")).count();
    assert_eq!(lines, 1);
}
