//! Redirects, cookies and responses under the ticket path: no value from a client or the application becomes a redirect
//! target, another field, or a cookie of qrgate. Rows: docs/conformance.md, section I.

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::browser::{Browser, computer, phone};
use crate::harness::gate::TestGate;
use crate::harness::http::Message;
use crate::harness::people::{approved, claim, code_page, open, press, show_code};

/// The response to a phone that redeems a code minted with this `next`, with `approval = "phone"`.
fn landing(gate: &TestGate, ana: &mut Browser, next: &str) -> Message {
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    let code = code_page(&ana.post("/qr/", &form));
    let mut phone = phone(gate);
    let proof = open(&mut phone, &code);
    press(&mut phone, &code, "continue", &proof)
}

/// docs/conformance.md, rows I1, I2; more of them in src/return_path.rs
#[test]
fn the_phone_is_redirected_into_the_application_only() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[tickets]\napproval = \"phone\"\n[limits]\ncodes_per_user = \"100/1m\"");
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    for next in [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "/%5cevil.example",
        "javascript:alert(1)",
        "/a\r\nX-Evil: 1",
        "/%0d%0aSet-Cookie:evil=1",
        "/a/../../evil",
    ] {
        let landed = landing(&gate, &mut ana, next);
        assert_eq!((landed.status(), landed.field("location")), (303, Some("/")), "{next:?}");
        assert!(landed.field("x-evil").is_none() && landed.all("set-cookie").iter().all(|line| !line.contains("evil")));
    }
    let local = "/a;b/~c'(d)*?b=c&d=%20e:f@g,h+i!$";
    assert_eq!(landing(&gate, &mut ana, local).field("location"), Some(local));
}

/// docs/conformance.md, row I2
#[test]
fn a_line_end_in_a_value_is_never_one_in_a_field() {
    let application = TestApplication::start();
    let settings = "[listen]\nredirect_to_https = true\n[public]\nurl = \"https://app.example\"";
    let redirecting = TestGate::with(&application, settings);
    for target in ["/a%0d%0aX-Evil:1", "/?a=%0d%0aX-Evil:1", "/%0aX-Evil:1", "/a%E5%98%8D%E5%98%8AX-Evil:1"] {
        let moved = redirecting.send(format!("GET {target} HTTP/1.1\r\nHost: app.example\r\n\r\n")).unwrap();
        assert_eq!(moved.field("location"), Some(format!("https://app.example{target}").as_str()));
        assert!(moved.field("x-evil").is_none(), "{moved:?}");
    }
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    // A name, a User-Agent and a Host with escape sequences stay text.
    application.route("/_qr/whoami", |_| {
        let json = br#"{"user_id":"ana","name":"a\r\nX-Evil: 1\u0000<b>"}"#;
        Reply::Bytes(response(200, &["Content-Type: application/json"], json))
    });
    let page = ana.get("/qr/");
    assert!(page.field("x-evil").is_none() && !page.text().contains("<b>"), "{page:?}");
    // A cookie of the hook with a line end is dropped.
    for value in ["a=b\rX-Evil: 1", "a=b\0", "a=b\r Path=/"] {
        let bytes = format!("HTTP/1.1 204 No Content\r\nSet-Cookie: {value}\r\n\r\n").into_bytes();
        application.route("/_qr/login", move |_| Reply::Bytes(bytes.clone()));
        let mut phone = phone(&gate);
        let (code, proof) = approved(&mut ana, &mut phone);
        let failed = press(&mut phone, &code, "finish", &proof);
        assert_eq!(failed.status(), 502, "{value:?}");
        assert!(failed.all("set-cookie").is_empty() && failed.field("x-evil").is_none(), "{failed:?}");
    }
}

/// docs/conformance.md, row I3
#[test]
fn a_browser_has_one_browser_cookie_and_keeps_it() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut first = phone(&gate);
    let proof = open(&mut first, &code);
    let own = first.cookie("qrgate").unwrap().to_owned();
    let again = first.get(&code.path);
    assert!(again.all("set-cookie").is_empty(), "a second scan keeps the cookie of the first");
    let origin = format!("Origin: {}", gate.origin());
    let form = format!("proof={proof}&action=continue");
    let with = |cookies: &[&str]| {
        let mut fields = vec![origin.as_str(), "Content-Type: application/x-www-form-urlencoded"];
        fields.extend(cookies);
        phone(&gate).request("POST", &code.path, &fields, Some(&form)).status()
    };
    let (good, foreign) = (format!("Cookie: qrgate={own}"), format!("Cookie: qrgate={}", "A".repeat(43)));
    let both = format!("Cookie: qrgate={own}; qrgate={}", "A".repeat(43));
    let twice = format!("Cookie: qrgate={own}; qrgate={own}");
    for cookies in [&[good.as_str(), foreign.as_str()][..], &[&both], &[&twice], &[&foreign], &["Cookie: qrgate="], &[]]
    {
        assert_eq!(with(cookies), 403, "{cookies:?}");
    }
    assert_eq!(code.state(&mut ana), "issued");
    assert_eq!(with(&[&good]), 303);
}

/// docs/conformance.md, rows I4, I5
#[test]
fn only_qrgates_exact_cookie_names_are_reserved() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let lines = [
        "Cookie: $Version=1; __Host-qrgate=a; qrgate=b; qrgate-0a1b2c3d=a; __Host-qrgate-0a1b2c3d=b",
        "Cookie: qrgate-theme=i; qrgate-0a1b2c3=j; qrgate-0A1B2C3D=k; qrgate-0a1b2c3d4=l; __Host-qrgate-id=m",
        "Cookie: \u{2000}__Host-qrgate=c; \"qrgate\"=d; qrgate =e; QRGATE=f; __host-qrgate=g; x=qrgate=h",
    ];
    gate.get("/page", &lines);
    let seen = application.requests_to("/page")[0].all("cookie").join("; ");
    for pair in ["$Version=1", "\u{2000}__Host-qrgate=c", "\"qrgate\"=d", "QRGATE=f", "__host-qrgate=g", "x=qrgate=h"] {
        assert!(seen.contains(pair), "{pair} in {seen}");
    }
    for pair in ["qrgate-theme=i", "qrgate-0a1b2c3=j", "qrgate-0A1B2C3D=k", "qrgate-0a1b2c3d4=l", "__Host-qrgate-id=m"]
    {
        assert!(seen.contains(pair), "{pair} in {seen}");
    }
    for value in ["=a", "=b"] {
        assert!(!seen.split("; ").any(|pair| pair.ends_with(value)), "{value} in {seen}");
    }
    // Under the ticket path none of them counts as the browser cookie.
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut visitor = phone(&gate);
    let proof = open(&mut visitor, &code);
    let own = visitor.cookie("qrgate").unwrap().to_owned();
    let origin = format!("Origin: {}", gate.origin());
    for cookie in [
        format!("\u{2000}qrgate={own}"),
        format!("\"qrgate\"={own}"),
        format!("QRGATE={own}"),
        format!("qrgate=\"{own}\""),
    ] {
        let fields = [origin.as_str(), "Content-Type: application/x-www-form-urlencoded", &format!("Cookie: {cookie}")];
        let form = format!("proof={proof}&action=continue");
        assert_eq!(phone(&gate).request("POST", &code.path, &fields, Some(&form)).status(), 403, "{cookie}");
    }
}

/// docs/conformance.md, row I8
#[test]
fn a_session_that_the_phone_brought_is_not_the_one_it_gets() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut victim = phone(&gate).with_cookie("sessionid=fixed");
    let (code, proof) = approved(&mut ana, &mut victim);
    let landed = press(&mut victim, &code, "finish", &proof);
    assert_eq!(landed.status(), 303);
    let call = application.requests_to("/_qr/login").pop().unwrap();
    assert!(call.all("cookie").is_empty(), "{call:?}");
    let session = victim.session().unwrap();
    assert_ne!(session, "sessionid=fixed");
    assert_eq!(application.user_of(&session).as_deref(), Some("ana"));
}

/// docs/conformance.md, rows I7, I9
#[test]
fn a_cookie_of_the_hook_becomes_secure_on_https_and_is_otherwise_unchanged() {
    let application = TestApplication::start();
    let settings =
        "[public]\nurl = \"https://app.example\"\ntrusted_proxies = [\"127.0.0.1\"]\n[tickets]\napproval = \"phone\"";
    let gate = TestGate::with(&application, settings);
    let session = application.sign_in("ana");
    let lines = [
        format!("{session}; Path=/; Expires=Fri, 31 Dec 2100 23:59:59 GMT; HttpOnly"),
        "b=\"1,2\"; path=/; secure; SameSite=None".to_owned(),
        "c=3; Expires=Wed, 01 Jan 2200 00:00:00 GMT".to_owned(),
    ];
    let fields: Vec<String> = lines.iter().map(|line| format!("Set-Cookie: {line}")).collect();
    let reply = response(204, &fields.iter().map(String::as_str).collect::<Vec<_>>(), b"");
    application.route("/_qr/login", move |_| Reply::Bytes(reply.clone()));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana")).at_origin("https://app.example");
    let browsers = [
        "X-Forwarded-Proto: https",
        "Sec-Fetch-Dest: document",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Site: same-origin",
    ];
    ana.fields.extend(browsers.map(str::to_owned));
    let code = show_code(&mut ana);
    let mut phone = phone(&gate).at_origin("https://app.example");
    phone.fields.push("X-Forwarded-Proto: https".to_owned());
    let proof = open(&mut phone, &code);
    assert!(phone.cookie("__Host-qrgate").is_some());
    let landed = press(&mut phone, &code, "continue", &proof);
    assert_eq!(landed.status(), 303, "{}", landed.text());
    let wanted = [format!("{}; Secure", lines[0]), lines[1].clone(), format!("{}; Secure", lines[2])];
    let (claim, relayed): (Vec<&str>, Vec<&str>) =
        landed.all("set-cookie").into_iter().partition(|line| line.starts_with("__Host-qrgate-"));
    assert_eq!(relayed, wanted);
    // With approval by phone, the claim and the sign-in are one response.
    assert!(claim.len() == 1 && claim[0].contains("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age="), "{claim:?}");
}

/// docs/conformance.md, rows I10, I12
#[test]
fn every_response_under_the_ticket_path_has_the_protective_fields() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut visitor = phone(&gate);
    claim(&mut visitor, &code);
    let paths = [
        "/qr/".to_owned(),
        "/qr".to_owned(),
        "/qr/x.css".to_owned(),
        format!("{}style.css", code.path),
        code.path.clone(),
        format!("/qr/{}/", "A".repeat(44)),
        "/qr/invalid_code/".to_owned(),
        "/qr/approve".to_owned(),
        "/qr/undo".to_owned(),
        format!("/qr/status/{}", code.view),
        "/qr/status/x".to_owned(),
        "/qr\\x".to_owned(),
    ];
    for path in &paths {
        for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS"] {
            let fields = ["Origin: https://evil.example", "Access-Control-Request-Method: POST"];
            let got = ana.request(method, path, &fields, None);
            let is = |name, value| assert_eq!(got.field(name), Some(value), "{method} {path}: {got:?}");
            is("cache-control", "no-store");
            is("x-content-type-options", "nosniff");
            is("x-frame-options", "DENY");
            is("referrer-policy", "strict-origin");
            is("x-robots-tag", "noindex");
            is("cross-origin-opener-policy", "same-origin");
            let policy = got.field("content-security-policy").unwrap_or_else(|| panic!("{method} {path}: {got:?}"));
            for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(part), "{method} {path}: {policy}");
            }
            assert!(got.field("strict-transport-security").is_none() && got.field("server").is_none());
            let any = path.ends_with(&code.view) || path == "/qr/approve" || path == "/qr/undo";
            assert_eq!(got.field("access-control-allow-origin"), any.then_some("*"), "{method} {path}");
            assert!(got.field("access-control-allow-credentials").is_none());
            assert!(
                method != "OPTIONS" || matches!(got.status(), 308 | 400 | 404 | 405),
                "{path}: there is no preflight"
            );
        }
    }
}
