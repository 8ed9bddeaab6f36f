//! Mistakes of operators during setup, and what the log says about each: the cause, and what to change.

use crate::checking::{Checked, application, check_file};
use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::browser::computer;
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::redis::TestRedis;

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
    assert!(named(), "another field of this peer was reported first");
    reload(&gate, &configuration(application.address, "[listen]\nworkers = 1\n[login]\nredirect = \"/inbox\""));
    assert!(!named());
    gate.get("/", &["X-Forwarded-For: 203.0.113.7"]);
    assert!(named());
    let lines = gate.wait_for_logs(2, &["not in public.trusted_proxies"]);
    assert_eq!(lines.len(), 2, "once before the reload and once after it: {lines:?}");
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
    assert!(text.contains("know the address") && text.contains("https://app.example"), "{text}");
    gate.wait_for_log(&[
        "ticket.refused",
        "Origin is not the public origin: https://app.example, not http://app.example",
    ]);
}

#[test]
fn a_hook_that_fails_is_logged_once_with_the_address_that_was_called() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[public]\nurl = \"https://app.example\"");
    application.route("/_qr/whoami", |_| Reply::Bytes(response(500, &[], b"")));
    let page = computer(&gate).at_origin("https://app.example").with_cookie("sessionid=1").get("/qr/");
    assert_eq!(page.status(), 503);
    let request_id = page.field("x-request-id").expect("a request id").to_owned();
    let called = format!("http://{}/_qr/whoami", application.address);
    gate.wait_for_log(&["identify hook", "answered 500", &called, &request_id]);
    let lines = gate.log().into_iter().filter(|line| line.contains("answered 500")).count();
    assert_eq!(lines, 1);
}

fn check(application: &TestApplication, settings: &str, arguments: &[&str]) -> Checked {
    check_file(&configuration(application.address, settings), arguments)
}

fn status(code: u16, fields: &[&str]) -> Reply {
    Reply::Bytes(response(code, fields, b""))
}

#[test]
fn a_secure_session_cookie_on_http_is_named_before_the_names_of_other_cookies() {
    let application = application();
    let lines = ["Set-Cookie: sessionid=1; Path=/; Secure", "Set-Cookie: csrftoken=2; Path=/"];
    application.route("/_qr/login", move |_| status(204, &lines));
    let checked = check(&application, "", &["--user", "42"]);
    checked.line("FAIL  verify        the new session's cookies are Secure, and the public origin is http: sessionid");
    assert!(checked.text().contains("SESSION_COOKIE_SECURE = False") && !checked.said.contains("csrftoken not in"));
}

#[test]
fn an_account_that_gets_no_code_is_named() {
    let application = application();
    let content = br#"{"user_id": "42", "name": "Root", "allow": false}"#;
    application.route("/_qr/whoami", move |request| match request.field("cookie") {
        Some(_) => Reply::Bytes(response(200, &["Content-Type: application/json"], content)),
        None => status(401, &[]),
    });
    let checked = check(&application, "", &["--user", "42"]);
    checked.line("warn  verify        the new session is user 42 (Root)");
    assert!(checked.text().contains("Try an ordinary account"), "{}", checked.said);
    assert_eq!(checked.code, Some(0));
}

#[test]
fn a_login_url_that_is_missing_or_does_not_lead_back_is_reported() {
    let application = application();
    application.route("/gone", |_| status(404, &[]));
    let login_url = |url: &str| check(&application, &format!("[identify]\nlogin_url = \"{url}\""), &[]);
    login_url("").line("warn  login_url     not set");
    let gone = login_url("/gone?next={return}");
    gone.line("FAIL  login_url     404 at /gone?next={return}");
    assert!(gone.text().contains("Fix: identify.login_url") && gone.code == Some(1), "{}", gone.said);
    login_url("/sign-in").line("warn  login_url     /sign-in has no {return}");
    login_url("/sign-in?next={return}").line("ok    login_url     200 at /sign-in?next={return}");
    let asked = application.requests_to("/sign-in").pop().expect("a request");
    assert!(asked.target().contains("next=%2Fqr%2F%3Ffrom%3Dlogin"), "{}", asked.target());
}

#[test]
fn a_hook_that_fails_is_explained_in_the_words_of_its_framework() {
    let application = application();
    for path in ["/_qr/whoami", "/_qr/login"] {
        application.route(path, |_| status(500, &[]));
    }
    for (cookie, words) in [
        ("sessionid", "manage.py migrate (without the package createcachetable). See docs/recipes/django.md"),
        ("connect.sid", "express.json()"),
        ("PHPSESSID", "env[QRGATE_HOOK_SECRET]"),
        ("wordpress_logged_in_*", "wp-config.php"),
        ("laravel_session", "config:clear"),
        ("_notes_session", "log/production.log"),
        ("session", "QRGATE_HOOK_SECRET"),
        ("JSESSIONID", "a filter that reads the body first"),
    ] {
        let checked = check(&application, &format!("[identify]\nsession_cookies = [\"{cookie}\"]"), &["--user", "42"]);
        checked.line("FAIL  login         500");
        assert!(checked.text().contains(words), "{words} in {}", checked.said);
        assert_eq!(checked.said.contains("express.json()"), cookie == "connect.sid", "{}", checked.said);
    }
    let unnamed = check(&application, "", &["--user", "42"]);
    assert!(unnamed.text().contains("express.json()") && unnamed.text().contains("Django"), "{}", unnamed.said);
}

#[test]
fn djangos_mistakes_are_explained_in_djangos_words() {
    let application = application();
    for (code, fields, words) in [
        (302, &["Location: /accounts/login/?next=/_qr/login"][..], "Fix: @login_not_required on both hooks."),
        (403, &[], "Fix: @csrf_exempt on the login hook."),
        (404, &[], "Fix: path(\"_qr/\", include(\"qrgate_django.urls\")) in urls.py"),
        (204, &[], "Fix: login(request, user) in the hook"),
        (204, &["Set-Cookie: sessionid=1; Path=/; Secure"], "for a trial on http, SESSION_COOKIE_SECURE = False. See"),
        (204, &["Set-Cookie: sessionid=1; Path=/; Domain=other.example"], "Fix: SESSION_COOKIE_DOMAIN = None"),
    ] {
        application.route("/_qr/login", move |_| status(code, fields));
        let checked = check(&application, "[identify]\nsession_cookies = [\"sessionid\"]", &["--user", "42"]);
        let said = checked.text();
        assert!(said.contains(words) && said.contains("See docs/recipes/django.md"), "{code} {fields:?}: {said}");
    }
}

#[test]
fn http_in_public_url_that_redirects_to_https_is_a_failure() {
    let application = application();
    let https = format!("Location: https://{}/", application.address);
    application.route("/", move |_| status(301, &[&https]));
    let checked = check(&application, &format!("[public]\nurl = \"http://{}\"", application.address), &[]);
    let failed = format!("FAIL  outside       http://{0} redirects to https://{0}/", application.address);
    checked.line(&failed);
    assert!(checked.text().contains("Fix: https in public.url"), "{}", checked.said);
}

#[test]
fn an_application_that_refuses_the_network_address_is_named() {
    let is_private = |address: &std::net::IpAddr| match address {
        std::net::IpAddr::V4(v4) => v4.is_private(),
        std::net::IpAddr::V6(v6) => v6.is_unique_local(),
    };
    let interfaces = if_addrs::get_if_addrs().expect("interfaces");
    let Some(address) = interfaces.into_iter().map(|each| each.ip()).find(is_private) else { return };
    let at = std::net::SocketAddr::new(address, 8080);
    let application = application();
    let here = at.to_string();
    application.route("/", move |request| status(if request.field("host") == Some(&here) { 400 } else { 200 }, &[]));
    let listen = |first: &str| format!("[listen]\naddress = [\"{first}\", \"{at}\"]");
    let checked = check(&application, &listen("127.0.0.1:8081"), &[]);
    checked.line(&format!("FAIL  network       400 for http://{at}"));
    assert!(checked.text().contains("Django ALLOWED_HOSTS"), "{}", checked.said);
    let named = format!("{}\n[public]\nurl = \"http://127.0.0.1:1\"", listen("127.0.0.1:8081"));
    assert!(!check(&application, &named, &[]).said.contains("network  "), "phones use public.url");
}

#[test]
fn without_a_user_check_says_what_it_did_not_try() {
    let application = application();
    check(&application, "", &[]).line("warn  verify        not tried: --user ID");
}

#[test]
fn a_process_with_another_ticket_secret_is_named() {
    let (application, redis) = (application(), TestRedis::with(&["--maxmemory-policy", "noeviction"]));
    let store = format!("[store]\nurl = \"redis://127.0.0.1:{}/0\"", redis.port);
    let other = format!("{store}\n[tickets]\nsecret = \"whsec_{}\"", data_encoding::BASE64.encode(&[7; 32]));
    check(&application, &other, &[]).line("ok    store");
    let _gate = TestGate::with(&application, &store);
    let words = "FAIL  store         a process on this store has another ticket secret";
    let failed = eventually("the process has written its mark", || {
        Some(check(&application, &other, &[])).filter(|checked| checked.said.contains(words))
    });
    assert!(failed.text().contains("the same tickets.secret_file") && failed.code == Some(1), "{}", failed.said);
    check(&application, &store, &[]).line("ok    store");
}
