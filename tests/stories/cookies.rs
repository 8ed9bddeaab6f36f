//! Session cookies that a browser would drop: they are no sign-in, and the log names the cookie and the rule.

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::browser::{computer, phone};
use crate::harness::gate::TestGate;
use crate::harness::http::Message;
use crate::harness::people::{open, press, show_code};

/// A phone redeems a code at `origin` while the login hook responds with these lines. Returns the response, once the
/// log contains `words`.
fn redeem(gate: &TestGate, application: &TestApplication, origin: &str, lines: &[&str], words: &[&str]) -> Message {
    let fields: Vec<String> = lines.iter().map(|line| format!("Set-Cookie: {line}")).collect();
    let reply = response(204, &fields.iter().map(String::as_str).collect::<Vec<_>>(), b"");
    application.route("/_qr/login", move |_| Reply::Bytes(reply.clone()));
    let mut ana = computer(gate).with_cookie(&application.sign_in("ana")).at_origin(origin);
    let code = show_code(&mut ana);
    let mut phone = phone(gate).at_origin(origin);
    let proof = open(&mut phone, &code);
    let landed = press(&mut phone, &code, "continue", &proof);
    if !words.is_empty() {
        gate.wait_for_log(words);
    }
    landed
}

fn gate_at(application: &TestApplication, origin: &str) -> TestGate {
    let limits = "[limits]\ncodes_per_user = \"100/1m\"\n";
    let settings = format!("[public]\nurl = \"{origin}\"\n[tickets]\napproval = \"phone\"\n{limits}");
    TestGate::with(application, &settings)
}

#[test]
fn a_session_cookie_that_browsers_drop_is_no_sign_in_and_the_log_has_its_name_and_reason() {
    let application = TestApplication::start();
    let origin = "http://app.example";
    let gate = gate_at(&application, origin);
    let long = "x".repeat(4096);
    let session = |attributes: &str| format!("sessionid=hush; Path=/; {attributes}");
    for (line, rule) in [
        (session("Secure"), "sessionid: is Secure, and the public origin is http"),
        (session("SameSite=None; Secure"), "sessionid: is Secure, and the public origin is http"),
        (session("SameSite=None"), "sessionid: is SameSite=None without Secure"),
        (session("samesite = NONE"), "sessionid: is SameSite=None without Secure"),
        (session("Partitioned"), "sessionid: is Partitioned without Secure"),
        (session("Domain=evil.example"), "sessionid: is for a foreign Domain"),
        (session("Max-Age=0"), "sessionid: is deleted or expired"),
        (session("Expires=Thu, 01 Jan 1970 00:00:00 GMT"), "sessionid: is deleted or expired"),
        (session("Path=/admin"), "sessionid: has a Path that does not cover identify.path"),
        (format!("sessionid={long}; Path=/"), "sessionid: is longer than 4096 bytes with its value"),
        ("__Host-sessionid=hush; Path=/".to_owned(), "__Host-sessionid: lacks what the prefix __Host- asks for"),
        ("__Secure-sessionid=hush; Path=/".to_owned(), "__Secure-sessionid: lacks what the prefix __Secure- asks for"),
    ] {
        // Another cookie that browsers keep must not count as the session.
        for lines in [vec![line.as_str()], vec!["csrftoken=1; Path=/", &line]] {
            let landed = redeem(&gate, &application, origin, &lines, &[rule]);
            assert_eq!(landed.status(), 502, "{line:.60}");
            assert!(landed.all("set-cookie").is_empty(), "{line:.60}");
        }
    }
    assert!(!gate.log().iter().any(|line| line.contains("hush") || line.contains(&long)), "values are never told");
}

#[test]
fn a_session_cookie_that_browsers_keep_is_a_sign_in() {
    let application = TestApplication::start();
    let origin = "http://app.example";
    let gate = gate_at(&application, origin);
    let loopback = TestGate::with(&application, "[tickets]\napproval = \"phone\"\n");
    for attributes in ["SameSite=Lax", "SameSite=None; SameSite=Strict", "HttpOnly; Max-Age=60"] {
        let line = format!("{}; Path=/; {attributes}", application.sign_in("ana"));
        assert_eq!(redeem(&gate, &application, origin, &[&line], &[]).status(), 303, "{attributes}");
    }
    // Browsers treat loopback as secure.
    for attributes in ["Secure", "SameSite=None; Secure", "Partitioned; Secure"] {
        let line = format!("{}; Path=/; {attributes}", application.sign_in("ana"));
        assert_eq!(redeem(&loopback, &application, &loopback.origin(), &[&line], &[]).status(), 303, "{attributes}");
    }
    for attributes in ["SameSite=None", "Partitioned"] {
        let line = format!("{}; Path=/; {attributes}", application.sign_in("ana"));
        assert_eq!(redeem(&loopback, &application, &loopback.origin(), &[&line], &[]).status(), 502, "{attributes}");
    }
}

/// With `verify = false` the session is not identified, but a browser must still keep its cookie.
#[test]
fn an_unverified_session_must_be_kept_too() {
    let application = TestApplication::start();
    let origin = "http://app.example";
    let settings = format!("[public]\nurl = \"{origin}\"\n[tickets]\napproval = \"phone\"\n[login]\nverify = false\n");
    let gate = TestGate::with(&application, &settings);
    let words = ["gave no cookie that a browser would keep", "sessionid: is SameSite=None without Secure"];
    let landed = redeem(&gate, &application, origin, &["sessionid=1; Path=/; SameSite=None"], &words);
    assert_eq!(landed.status(), 502);
}
