//! What `qrgate check` tests on an application, and how it reports it.

use std::process::Command;

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::gate::{TestGate, configuration};
use crate::harness::ports::unused;
use crate::harness::receiver::TestReceiver;
use crate::harness::redis::TestRedis;

/// The output and exit code of `qrgate check`.
pub struct Checked {
    pub said: String,
    pub code: Option<i32>,
}

impl Checked {
    /// The line that contains these words.
    pub fn line(&self, words: &str) -> &str {
        self.said.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words} in {}", self.said))
    }

    /// The output as one line, because sentences are wrapped.
    pub fn text(&self) -> String {
        self.said.replace("\n      ", " ")
    }
}

fn check(application: &TestApplication, arguments: &[&str]) -> Checked {
    check_file(&configuration(application.address, ""), arguments)
}

pub fn check_file(toml: &str, arguments: &[&str]) -> Checked {
    let folder = tempfile::tempdir().expect("tempdir");
    let file = folder.path().join("proxy.toml");
    std::fs::write(&file, toml).expect("write proxy.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_qrgate"));
    let output = command.arg("check").arg("--config").arg(&file).args(arguments).output().expect("run qrgate");
    Checked { said: String::from_utf8_lossy(&output.stdout).into_owned(), code: output.status.code() }
}

/// An application without a route at the ticket path, like most.
pub fn application() -> TestApplication {
    let application = TestApplication::start();
    application.route("/qr/", |_| Reply::Bytes(response(404, &[], b"")));
    application
}

#[test]
fn check_reports_what_keeps_the_code_to_type_from_working() {
    let settings = |more: &str| {
        let checked = check_file(&configuration(([127, 0, 0, 1], 9).into(), more), &["--offline"]);
        assert_eq!(checked.code, Some(0), "{}", checked.said);
        checked.text()
    };
    for (more, words) in [
        ("", "ok    code          typed at the address of the device that shows it"),
        ("[tickets]\ncode = \"off\"", "ok    code          none to type"),
        ("[tickets]\ncode = \"anywhere\"", "ok    code          typed from any address"),
        ("[public]\nurl = \"https://app.example\"", "warn  code          no code can be typed"),
        ("[public]\nurl = \"https://app.example\"\ntrusted_proxies = [\"127.0.0.1\"]", "ok    code          typed at"),
        (
            "[public]\nurl = \"https://app.example\"\n[listen]\naddress = \"0.0.0.0:8080\"",
            "ok    code          typed at",
        ),
        ("[listen]\naddress = \"0.0.0.0:8080\"", "warn  code          with tickets.code = \"near\" both devices"),
        (
            "[public]\nurl = \"http://10.0.0.7\"\ntrusted_proxies = [\"10.0.0.1\"]",
            "warn  code          with tickets.code",
        ),
    ] {
        assert!(settings(more).contains(words), "{more}: {}", settings(more));
    }
}

#[test]
fn the_receiver_of_events_gets_a_wrong_signature_and_a_right_one() {
    let (application, receiver) = (application(), TestReceiver::start());
    let checked = |settings: &str| check_file(&configuration(application.address, settings), &[]);
    let good = checked(&receiver.settings());
    assert!(good.text().contains("refused a test event with a wrong signature (401)"), "{}", good.said);
    assert!(good.text().contains("/events accepted a signed test event (type qrgate.test)"), "{}", good.said);
    let sent = receiver.tries();
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|event| event.json()["type"] == "qrgate.test"), "no event reports a sign-in");
    assert!(!good.said.contains("key=k"), "{}", good.said);
    receiver.responds(410);
    assert!(checked(&receiver.settings()).text().contains("410 means that it wants no events"));
    let other = receiver.settings().replace("whsec_", "whsec_MDAwMDAw");
    let refused = checked(&other);
    assert_eq!(refused.code, Some(1));
    assert!(refused.text().contains("It has another secret"), "{}", refused.said);
    receiver.server.route("/events", |_| Reply::Bytes(response(200, &[], b"")));
    let credulous = checked(&receiver.settings());
    assert_eq!(credulous.code, Some(1));
    assert!(credulous.text().contains("Anyone who reaches this address can make up events."), "{}", credulous.said);
    let unreachable = receiver.settings().replace(&receiver.server.address.to_string(), &unused().to_string());
    assert!(checked(&unreachable).text().contains("no response"));
}

#[test]
fn a_good_application_passes_every_check() {
    let application = application();
    let cookie = application.sign_in("ana");
    let checked = check(&application, &["--user", "42", "--cookie", &cookie]);
    for words in [
        "ok    proxy.toml ",
        "answered 200 in ",
        "ok    store ",
        "ok    ticket path   the application answers 404 at /qr/",
        "ok    identify      signed out without a cookie (401)",
        "ok    identify      this cookie is user ana (ana of example)",
        "ok    login         204 with 1 Set-Cookie",
        "ok    verify        the new session is user 42 (42 of example)",
        "0 failures, ",
    ] {
        checked.line(words);
    }
    assert_eq!(checked.code, Some(0), "{}", checked.said);
}

#[test]
fn compression_or_a_byte_order_mark_in_the_identify_hook_is_reported() {
    for (field, content, said) in [
        (&["Content-Encoding: gzip"][..], &b"\x1f\x8b\x08\x00\x00"[..], "200 with Content-Encoding: gzip"),
        (&["Content-Encoding: br"], b"\x0b\x02\x80{}\x03", "200 with Content-Encoding: br"),
        (&[], b"\xef\xbb\xbf{\"user_id\": null}", "200 with JSON after a byte order mark"),
    ] {
        let application = application();
        let reply = response(200, field, content);
        application.route("/_qr/whoami", move |_| Reply::Bytes(reply.clone()));
        let checked = check(&application, &[]);
        assert!(checked.line("FAIL  identify").contains(said), "{}", checked.said);
        assert!(checked.text().contains("compression off for the hook's path"), "{}", checked.said);
    }
}

#[test]
fn an_application_that_redirects_to_its_own_address_is_reported_by_check_and_once_in_the_log() {
    let application = application();
    let own = format!("Location: http://{}/home", application.address);
    application.route("/", move |_| Reply::Bytes(response(302, &[&own], b"")));
    application.route("/elsewhere", |_| Reply::Bytes(response(302, &["Location: /home"], b"")));
    let settings = "host = \"application\"\n";
    let file = configuration(application.address, &format!("[application]\n{settings}"));
    let line = check_file(&file, &[]).line("warn  application").to_owned();
    assert!(line.contains("redirects browsers to its own address") && line.contains("\"preserve\""), "{line}");
    let gate = TestGate::start(&file);
    gate.get("/elsewhere", &[]);
    for _ in 0..3 {
        assert_eq!(gate.get("/", &[]).status(), 302);
    }
    let words = "the application redirects browsers to its own address; see application.host";
    let line = gate.wait_for_log(&[words]);
    assert!(line.contains(&application.address.to_string()), "{line}");
    gate.get("/last", &[]);
    gate.wait_for_log(&["\"path\":\"/last\""]);
    assert_eq!(gate.log().iter().filter(|line| line.contains(words)).count(), 1);
}

#[test]
fn without_a_user_no_sign_in_is_tried() {
    let application = application();
    let checked = check(&application, &[]);
    checked.line("ok    login         refuses a call without a signature (401)");
    assert_eq!((checked.code, application.logins()), (Some(0), 1));
    application.route("/_qr/login", |_| Reply::Bytes(response(204, &["Set-Cookie: sessionid=x"], b"")));
    let checked = check(&application, &[]);
    checked.line("FAIL  login         204 to a call without a signature");
    assert_eq!(checked.code, Some(1));
}

#[test]
fn a_login_without_a_cookie_is_reported_with_cause_and_fix() {
    let application = application();
    application.route("/_qr/login", |_| Reply::Bytes(response(200, &[], b"")));
    let checked = check(&application, &["--user", "42"]);
    checked.line("FAIL  login         200 but no Set-Cookie");
    checked.line("the application does not trust this proxy");
    checked.line("Fix: app.set('trust proxy', 'loopback')");
    checked.line("warn  verify        not tried: it needs the login hook");
    assert!(checked.said.contains("1 failure, "), "{}", checked.said);
    assert_eq!(checked.code, Some(1));
}

#[test]
fn a_forbidden_page_is_diagnosed_as_csrf_protection() {
    let application = application();
    application
        .route("/_qr/login", |_| Reply::Bytes(response(403, &["Content-Type: text/html"], b"<h1>Forbidden</h1>")));
    for arguments in [&[][..], &["--user", "42"]] {
        let checked = check(&application, arguments);
        checked.line("FAIL  login         403");
        checked.line("CSRF protection");
        assert_eq!(checked.code, Some(1));
    }
}

#[test]
fn a_redirect_to_the_same_path_is_diagnosed_as_the_scheme() {
    let application = application();
    let elsewhere = "Location: https://app.example/_qr/whoami";
    application.route("/_qr/whoami", move |_| Reply::Bytes(response(301, &[elsewhere], b"")));
    let checked = check(&application, &[]);
    checked.line("FAIL  identify      301 to https://app.example/_qr/whoami");
    checked.line("does not trust the scheme");
    assert_eq!(checked.code, Some(1));
}

#[test]
fn a_session_that_identifies_no_user_is_not_a_sign_in() {
    let application = application();
    let gives = |lines: &'static str| move |_: &_| Reply::Bytes(response(204, &[lines], b""));
    for (line, finding) in [
        ("Set-Cookie: sessionid=unknown; Path=/", "FAIL  verify        the new session is signed out"),
        ("Set-Cookie: other=1; Path=/", "FAIL  verify        other not in identify.session_cookies"),
        ("Set-Cookie: sessionid=1; Path=/; Secure", "FAIL  verify        the new session's cookies are Secure"),
        ("Set-Cookie: sessionid=; Path=/; Max-Age=0", "FAIL  login         204 with deleted cookies only"),
    ] {
        application.route("/_qr/login", gives(line));
        let checked = check(&application, &["--user", "42"]);
        checked.line(finding);
        assert_eq!(checked.code, Some(1));
    }
    let bobs = format!("Set-Cookie: {}; Path=/", application.sign_in("bob"));
    application.route("/_qr/login", move |_| Reply::Bytes(response(204, &[&bobs], b"")));
    check(&application, &["--user", "42"]).line("FAIL  verify        the new session is user bob (bob of example)");
}

#[test]
fn check_reports_the_version_and_eviction_policy_of_redis() {
    let application = application();
    let redis = TestRedis::start();
    let toml = configuration(application.address, &redis.settings());
    check_file(&toml, &[]).line(", scripts allowed, noeviction, ");
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let checked = check_file(&toml, &[]);
    checked.line("maxmemory-policy allkeys-lru: it may forget codes");
    assert_eq!(checked.code, Some(0));
    drop(redis);
    let checked = check_file(&toml, &[]);
    checked.line("FAIL  store ");
    assert_eq!(checked.code, Some(1));
}

#[test]
fn an_unreachable_application_is_one_failure() {
    let unreachable = unused();
    let checked = check_file(&configuration(unreachable, ""), &["--user", "42"]);
    checked.line("FAIL  application ");
    checked.line("The application does not run");
    assert!(checked.said.contains("1 failure, "), "{}", checked.said);
    assert_eq!(checked.code, Some(1));
}

#[test]
fn offline_calls_nothing_and_a_broken_file_is_exit_2() {
    let application = application();
    let checked = check(&application, &["--offline"]);
    checked.line("the application, the store and the hooks were not tried");
    assert_eq!((checked.code, application.requests().len()), (Some(0), 0));
    assert_eq!(check_file("[application]\nurl = 1\n", &[]).code, Some(2));
}
