//! The computer's side: who gets a code, and what the page with it can do.

use std::time::{Duration, Instant};

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::browser::{computer, hidden, phone};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::people::{claim, code_page, show_code};

const SIGN_IN: &str = "[identify]\nlogin_url = \"/login?next={return}\"";

#[test]
fn a_signed_out_visitor_goes_to_the_login_page_without_a_redirect_loop() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, SIGN_IN);
    let mut visitor = computer(&gate);
    let away = visitor.get("/qr/");
    assert_eq!((away.status(), away.field("location")), (303, Some("/login?next=%2Fqr%2F%3Ffrom%3Dlogin")));
    let back = visitor.get("/qr/?from=login");
    assert_eq!(back.status(), 401);
    assert!(back.text().contains("You&#39;re still signed out"), "{}", back.text());
}

#[test]
fn without_a_login_url_a_page_asks_a_signed_out_visitor_to_sign_in() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let response = computer(&gate).get("/qr/");
    assert_eq!(response.status(), 401);
    assert!(response.text().contains("Sign in to Example on this computer first"), "{}", response.text());
}

#[test]
fn the_link_back_from_the_sandboxed_page_names_no_user_and_does_not_redirect() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, SIGN_IN);
    let mut visitor = computer(&gate);
    assert_eq!(visitor.get("/qr/?from=code").status(), 200);
    let cross = visitor.request("GET", "/qr/?from=login", &["Sec-Fetch-Site: cross-site"], None);
    assert_eq!(cross.status(), 200);
    let expired = visitor.get("/qr/?from=expired").text();
    assert!(
        expired.contains("This QR code has expired</h1>") && expired.contains("No phone was signed in."),
        "{expired}"
    );
    assert!(expired.contains("<button class=\"main\">Show a new code</button>"), "{expired}");
}

#[test]
fn the_way_out_of_the_sandbox_is_a_page_that_redirects_by_itself() {
    let application = TestApplication::start();
    let nowhere = TestGate::before(&application);
    let gate = TestGate::with(
        &application,
        "[public]\nurl = \"https://app.example/shop\"\n[pages]\ndevices_url = \"/account?tab=devices\"",
    );
    for (gate, path, to) in [
        (&nowhere, "/qr/?from=leave", "/"),
        (&nowhere, "/qr/?from=leave&to=devices", "/"),
        (&gate, "/qr/?from=leave", "/shop/"),
        (&gate, "/qr/?from=leave&to=devices", "/shop/account?tab=devices"),
        (&gate, "/qr/?from=leave&to=https://evil.example", "/shop/"),
    ] {
        let mut visitor = computer(gate);
        if to.starts_with("/shop") {
            visitor = visitor.at_origin("https://app.example");
        }
        let page = visitor.get(path);
        assert_eq!(page.status(), 200, "{path}");
        let refresh = format!("<meta http-equiv=\"refresh\" content=\"0; url={to}\">");
        assert!(page.text().contains(&refresh), "{path}: {}", page.text());
        assert!(page.text().contains(&format!("<a class=\"button main\" href=\"{to}\">")), "{}", page.text());
        let policy = page.field("content-security-policy").unwrap_or_default();
        assert!(!policy.contains("sandbox"), "Strict cookies travel from here: {policy}");
    }
}

#[test]
fn a_request_that_is_no_user_navigation_mints_nothing() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[public]\nurl = \"https://app.example\"");
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana")).at_origin("https://app.example");
    let good = [
        "Origin: https://app.example",
        "Sec-Fetch-Dest: document",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Site: same-origin",
    ];
    let with = |change: &dyn Fn(&mut Vec<&'static str>)| {
        let mut fields = good.to_vec();
        change(&mut fields);
        fields
    };
    let refused = [
        with(&|f| f[0] = "Origin: https://evil.example"),
        with(&|f| f[0] = "Origin: null"),
        with(&|f| _ = f.remove(0)),
        with(&|f| f[1] = "Sec-Fetch-Dest: empty"),
        with(&|f| f[1] = "Sec-Fetch-Dest: iframe"),
        with(&|f| f[1] = "Sec-Fetch-Dest: object"),
        with(&|f| f[2] = "Sec-Fetch-Mode: cors"),
        with(&|f| f[3] = "Sec-Fetch-Site: cross-site"),
        with(&|f| f[3] = "Sec-Fetch-Site: none"),
        with(&|f| _ = f.remove(1)),
        with(&|f| f.push("Sec-Purpose: prefetch;prerender")),
        with(&|f| f.push("Purpose: prefetch")),
        with(&|f| f.push("X-Moz: prefetch")),
        with(&|f| f.push("Service-Worker-Navigation-Preload: true")),
    ];
    for fields in &refused[..1].iter().chain(&refused[2..]).collect::<Vec<_>>() {
        let response = ana.request("POST", "/qr/", fields, Some(""));
        assert_eq!(response.status(), 403, "{fields:?}");
        assert!(!response.text().contains("crispEdges"), "{fields:?}");
    }
    // A page under `no-referrer` sends `null`; with `Sec-Fetch-Site: same-origin` it is accepted.
    assert_eq!(ana.request("POST", "/qr/", &refused[1], Some("")).status(), 200);
    assert_eq!(ana.request("POST", "/qr/", &good, Some("")).status(), 200);
}

#[test]
fn a_service_worker_that_passes_the_page_on_is_named() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let origin = format!("Origin: {}", gate.origin());
    let fields = [origin.as_str(), "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: same-origin"];
    let response = ana.request("POST", "/qr/", &fields, Some(""));
    assert_eq!(response.status(), 403);
    assert!(
        response.text().contains("A service worker of <bdi>Example</bdi> handled this page."),
        "{}",
        response.text()
    );
}

#[test]
fn an_account_that_is_not_allowed_gets_no_code() {
    let application = TestApplication::start();
    application
        .route("/_qr/whoami", |_| Reply::Bytes(response(200, &[], br#"{"user_id":1,"name":"root","allow":false}"#)));
    let gate = TestGate::before(&application);
    let mut root = computer(&gate).with_cookie("sessionid=x");
    for response in [root.get("/qr/"), root.post("/qr/", "")] {
        assert_eq!(response.status(), 403);
        assert!(response.text().contains("Phone sign-in isn&#39;t available for this account"), "{}", response.text());
    }
}

#[test]
fn the_computer_shows_when_another_browser_opens_the_code() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let state = |ana: &mut _| code.status(ana);
    for quiet in ["HEAD", "GET"] {
        let fields: &[&str] = if quiet == "GET" { &["Sec-Purpose: prefetch"] } else { &[] };
        phone(&gate).request(quiet, &code.path, fields, None);
        assert_eq!(state(&mut ana)["opened"], serde_json::Value::Null, "{quiet}");
    }
    ana.get(&code.path);
    assert_eq!(state(&mut ana)["opened"], serde_json::Value::Null, "the browser that made it");
    let mut person = phone(&gate);
    person.get(&code.path);
    assert_eq!((&state(&mut ana)["state"], &state(&mut ana)["opened"]), (&"issued".into(), &true.into()));
    claim(&mut person, &code);
    assert_eq!((&state(&mut ana)["state"], &state(&mut ana)["opened"]), (&"claimed".into(), &serde_json::Value::Null));
}

#[test]
fn an_application_may_name_the_account_itself() {
    let application = TestApplication::start();
    application.route("/_qr/whoami", |_| {
        Reply::Bytes(response(200, &[], br#"{"user_id":1,"name":"Ana Lindqvist","account_hint":"Customer 4711"}"#))
    });
    let gate = TestGate::before(&application);
    let code = show_code(&mut computer(&gate).with_cookie("sessionid=x"));
    let page = phone(&gate).get(&code.path).text();
    assert!(page.contains("Customer 4711") && !page.contains("Ana"), "{page}");
}

#[test]
fn a_broken_identify_hook_identifies_nobody() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let broken: [(&str, Vec<u8>); 5] = [
        ("500", response(500, &[], b"")),
        ("html", response(200, &["Content-Type: text/html"], b"<html>ana</html>")),
        ("object", response(200, &[], br#"{"user_id":{}}"#)),
        ("control", response(200, &[], br#"{"user_id":"a\u0007"}"#)),
        ("same path", response(301, &["Location: https://127.0.0.1/_qr/whoami"], b"")),
    ];
    for (what, bytes) in broken {
        application.route("/_qr/whoami", move |_| Reply::Bytes(bytes.clone()));
        let page = ana.post("/qr/", "");
        assert_eq!(page.status(), 503, "{what}");
        assert!(page.field("retry-after").is_some(), "{what}");
        assert!(!page.text().contains("crispEdges"), "{what}");
        assert!(page.text().contains("isn&#39;t responding") && !page.text().contains("itself works"), "{what}");
    }
    for body in ["null", r#"{"user_id":null}"#, r#"{"user_id":""}"#, r#"{"user_id":0}"#, r#"{"user_id":"0"}"#, "{}"] {
        application.route("/_qr/whoami", move |_| Reply::Bytes(response(200, &[], body.as_bytes())));
        assert_eq!(ana.get("/qr/").status(), 401, "{body}");
    }
}

#[test]
fn two_different_session_cookies_count_as_signed_out() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let cookies = format!("Cookie: {}; sessionid=other", application.sign_in("ana"));
    assert_eq!(gate.get("/qr/", &[&cookies]).status(), 401);
    assert!(application.requests_to("/_qr/whoami").is_empty());
}

#[test]
fn the_identify_hook_sees_the_session_cookie_and_nothing_else_of_the_client() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let cookie = format!("Cookie: theme=dark; {}; qrgate=x", application.sign_in("ana"));
    let fields = [cookie.as_str(), "Authorization: Basic x", "X-Remote-User: root", "User-Agent: Test/1"];
    assert_eq!(gate.get("/qr/", &fields).status(), 200);
    let call = application.requests_to("/_qr/whoami").pop().expect("one call");
    assert!(call.field("cookie").is_some_and(|value| value.starts_with("sessionid=")), "{call:?}");
    assert_eq!(call.field("accept"), Some("application/json"));
    assert_eq!(call.field("user-agent"), Some("Test/1"));
    assert_eq!(call.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(call.field("x-forwarded-proto"), Some("http"));
    assert_eq!(call.field("host"), Some(gate.address.to_string().as_str()));
    assert!(call.field("authorization").is_none() && call.field("x-remote-user").is_none());
}

#[test]
fn a_newer_code_replaces_the_older_one_of_the_same_browser() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let older = show_code(&mut ana);
    let newer = show_code(&mut ana);
    assert_eq!(older.state(&mut ana), "replaced");
    assert_eq!(newer.state(&mut ana), "issued");
    assert_eq!(phone(&gate).get(&older.path).status(), 410);
    assert_eq!(phone(&gate).get(&newer.path).status(), 200);
}

#[test]
fn too_many_codes_of_one_user_are_refused_with_a_wait() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[limits]\ncodes_per_user = \"2/15m\"");
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    show_code(&mut ana);
    show_code(&mut ana);
    let refused = ana.post("/qr/", "");
    assert_eq!(refused.status(), 429);
    assert!(refused.field("retry-after").is_some());
    let mut bob = computer(&gate).with_cookie(&application.sign_in("bob"));
    show_code(&mut bob);
}

#[test]
fn one_wrong_number_ends_the_code_and_malformed_input_costs_nothing() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    assert_eq!(code.type_number(&mut ana, "47").status(), 409, "no phone has claimed the code yet");
    let (number, _) = claim(&mut phone(&gate), &code);
    for nonsense in ["4", "470", "", "xx"] {
        assert_eq!(code.type_number(&mut ana, nonsense).status(), 400, "{nonsense:?}");
    }
    let wrong = if number == "47" { "48" } else { "47" };
    let response = code.type_number(&mut ana, wrong);
    assert_eq!((response.status(), response.json()["state"].as_str()), (200, Some("declined")));
    assert_eq!(response.json()["reason"], "number");
    assert_eq!(code.type_number(&mut ana, &number).status(), 409);
}

#[test]
fn the_number_is_parsed_leniently_and_sending_it_twice_approves_once() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let (number, _) = claim(&mut phone(&gate), &code);
    let arabic: String = number.chars().filter_map(|c| char::from_u32(0x0660 + c.to_digit(10)?)).collect();
    let typed: String = form_urlencoded::byte_serialize(format!("  {arabic} ").as_bytes()).collect();
    assert_eq!(code.type_number(&mut ana, &typed).json()["state"], "approved");
    let again = code.type_number(&mut ana, &number);
    assert_eq!((again.status(), again.json()["state"].as_str()), (200, Some("approved")));
}

#[test]
fn only_the_capability_in_the_page_may_approve() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let (number, _) = claim(&mut phone(&gate), &code);
    for guess in [code.token(), &code.view, "", &"A".repeat(43)] {
        let form = format!("desk={guess}&number={number}");
        let response = ana.request("POST", "/qr/approve", &["Content-Type: text/plain"], Some(&form));
        assert_eq!((response.status(), response.text().as_str()), (403, "{}"), "{guess}");
    }
    assert_eq!(code.state(&mut ana), "claimed");
}

#[test]
fn the_plain_form_works_without_a_script() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let early = ana.post("/qr/approve", &format!("desk={}&number=47", code.desk));
    assert_eq!(early.status(), 409);
    assert!(early.text().contains("No phone is waiting"), "{}", early.text());
    assert_eq!(hidden(&early.text(), "desk"), code.desk, "the form comes again");
    let (number, _) = claim(&mut phone(&gate), &code);
    let response = ana.post("/qr/approve", &format!("desk={}&number={number}", code.desk));
    assert_eq!(response.status(), 200);
    assert!(response.text().contains("Almost done"), "{}", response.text());
    let read = ana.get("/qr/approve");
    assert_eq!((read.status(), read.field("location")), (303, Some("/qr/")));
}

#[test]
fn every_response_to_the_plain_form_leads_to_a_new_code_for_the_same_destination() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let again = "href=\"/qr/?from=code&amp;next=%2Fnotes%3Fa%3D1\"";
    let mut code = || code_page(&ana.post("/qr/", "next=%2Fnotes%3Fa%3D1"));
    let (unclaimed, claimed) = (code(), code());
    let (number, _) = claim(&mut phone(&gate), &claimed);
    let wrong = if number == "47" { "48" } else { "47" };
    for (code, sent) in [(unclaimed, "number=47"), (claimed, &format!("number={wrong}"))] {
        let page = ana.post("/qr/approve", &format!("desk={}&{sent}", code.desk)).text();
        assert!(page.contains(again), "{page}");
    }
}

#[test]
fn status_sends_each_change_as_an_event() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut stream = gate.connect();
    let request = format!(
        "GET /qr/status/{} HTTP/1.1\r\nHost: {}\r\nAccept: Text/Event-Stream\r\nOrigin: null\r\n\r\n",
        code.view, gate.address
    );
    stream.write(request.as_bytes());
    let head = stream.read_head().expect("a head");
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    assert_eq!(head.field("x-accel-buffering"), Some("no"));
    assert_eq!(head.field("access-control-allow-origin"), Some("*"));
    let mut next = || {
        eventually("an event", || {
            let line = stream.read_line().expect("the stream stays open");
            let state: serde_json::Value =
                serde_json::from_str(line.strip_prefix("data: ").or(line.strip_prefix("data:"))?).expect("JSON");
            Some(state["state"].as_str().expect("a state").to_owned())
        })
    };
    assert_eq!(next(), "issued");
    phone(&gate).get(&code.path);
    assert_eq!(next(), "issued", "and opened");
    claim(&mut phone(&gate), &code);
    assert_eq!(next(), "claimed");
    code.decline(&mut ana);
    assert_eq!(next(), "declined");
}

/// An open page with a code does not delay a restart: it reconnects.
#[test]
fn a_stream_of_events_ends_cleanly_with_the_process() {
    let application = TestApplication::start();
    let mut gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut stream = code.events(&gate);
    eventually("an event", || stream.read_line().filter(|line| line.contains("issued")));
    let began = Instant::now();
    gate.signal("TERM");
    eventually("the last chunk", || stream.read_line().filter(|line| line == "0"));
    assert_eq!(gate.wait(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10), "the drain has 30 seconds: {:?}", began.elapsed());
}

#[test]
fn an_unknown_view_is_not_found_and_any_origin_may_ask() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let response = gate.get(&format!("/qr/status/{}", "A".repeat(43)), &["Origin: https://evil.example"]);
    assert_eq!(response.status(), 404);
    assert_eq!(response.field("access-control-allow-origin"), Some("*"));
    assert!(response.field("access-control-allow-credentials").is_none());
    assert!(gate.get("/qr/", &[]).field("access-control-allow-origin").is_none());
}

#[test]
fn the_page_with_the_code_is_sandboxed_and_never_cached() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let page = ana.post("/qr/", "");
    let policy = page.field("content-security-policy").expect("a policy");
    assert!(policy.contains("sandbox allow-scripts allow-forms") && !policy.contains("allow-same-origin"), "{policy}");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action ", "connect-src "] {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert_eq!(page.field("cache-control"), Some("no-store"));
    assert_eq!(page.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.field("x-frame-options"), Some("DENY"));
    assert_eq!(page.field("cross-origin-opener-policy"), Some("same-origin"));
    assert_eq!(page.field("referrer-policy"), Some("strict-origin"));
    assert_eq!(page.field("x-robots-tag"), Some("noindex"));
    let cookie = page.field("set-cookie").expect("the browser cookie");
    assert!(
        cookie.starts_with("qrgate=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    assert!(page.content.len() < 30 * 1024, "{} bytes", page.content.len());
    assert!(!gate.get("/qr/invalid_code/", &[]).field("content-security-policy").unwrap_or("").contains("form-action"));
}

#[test]
fn a_session_cookie_beyond_ascii_reaches_the_hook_unchanged() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie("sessionid=\u{e4}na");
    assert_eq!(ana.get("/qr/").status(), 401, "the cookie identifies no session, and that is not a failure");
    let asked = application.requests_to("/_qr/whoami");
    assert_eq!(asked.last().unwrap().field("cookie"), Some("sessionid=\u{e4}na"));
}

#[test]
fn the_media_type_of_an_approval_is_case_insensitive() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate);
    for (kind, json) in [("Text/Plain;charset=UTF-8", true), ("text/plainish", false)] {
        let kind = format!("Content-Type: {kind}");
        let response = ana.request("POST", "/qr/approve", &["Origin: null", &kind], Some("desk=x&number=47"));
        assert_eq!((response.status(), response.text() == "{}"), (403, json), "{kind}");
    }
}
