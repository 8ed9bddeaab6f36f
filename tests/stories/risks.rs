//! Rows of the risk assessment (docs/security.md) that have no story elsewhere: the effect of an address, an id, a user
//! agent or a killed process, and what a page reveals.

use std::sync::Barrier;
use std::time::Duration;

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::browser::{computer, phone};
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::Message;
use crate::harness::people::{approved, claim, press, show_code};
use crate::harness::redis::TestRedis;

fn whoami(json: String) -> Reply {
    Reply::Bytes(response(200, &["Content-Type: application/json"], json.as_bytes()))
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the application's clock is the system's")]
fn a_sign_in_that_is_too_old_must_be_renewed_before_a_code_is_shown() {
    let application = TestApplication::start();
    let settings = "[identify]\nmax_auth_age = \"1h\"\nreauth_url = \"/reauth?next={return}\"";
    let gate = TestGate::with(&application, settings);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (auth_time, status) in [(None, 303), (Some(now - 3700), 303), (Some(now - 60), 200)] {
        let member = auth_time.map_or(String::new(), |at| format!(", \"auth_time\": {at}"));
        application.route("/_qr/whoami", move |_| whoami(format!("{{\"user_id\": \"ana\"{member}}}")));
        let response = ana.post("/qr/", "");
        assert_eq!(response.status(), status, "{auth_time:?}");
        let location = (status == 303).then_some("/reauth?next=%2Fqr%2F");
        assert_eq!(response.field("location").map(|to| &to[..21]), location, "{auth_time:?}");
    }
}

#[test]
fn nothing_in_a_codes_address_changes_what_was_sealed() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut code = show_code(&mut ana);
    let plain = code.path.clone();
    code.path.push_str("?approval=phone&next=%2F%2Fevil.example&user=bob&action=finish");
    let mut phone = phone(&gate);
    let proof = crate::harness::people::open(&mut phone, &code);
    let response = press(&mut phone, &code, "continue", &proof);
    assert_eq!((response.status(), response.field("location")), (303, Some(plain.as_str())));
    assert_eq!((code.state(&mut ana).as_str(), application.logins()), ("claimed", 0), "the number is still required");
    let number = crate::harness::people::number(&mut phone, &code);
    code.type_number(&mut ana, &number);
    let response = press(&mut phone, &code, "finish", &proof);
    assert_eq!((response.status(), response.field("location")), (303, Some("/")));
    assert_eq!(application.requests_to("/_qr/login")[0].json()["user_id"], "ana");
}

/// The process that called the hook is killed before it could store the result.
#[test]
fn a_killed_process_leaves_one_more_call_with_the_same_id() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let settings = format!("{}[identify]\ntimeout = \"2s\"\n[login]\ntimeout = \"2s\"\n", redis.settings());
    let (gate, other) = (TestGate::with(&application, &settings), TestGate::with(&application, &settings));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut holder = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut holder);
    let login = application.login_reply();
    application.route("/_qr/login", |_| Reply::Take(Box::new(|mut connection| drop(connection.read_line()))));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let form = format!("proof={proof}&action=finish");
            let cookie = format!("Cookie: qrgate={}", holder.cookie("qrgate").unwrap());
            let lines = format!("Host: {}\r\nOrigin: {}\r\n{cookie}\r\n", gate.address, gate.origin());
            let kind = "Content-Type: application/x-www-form-urlencoded";
            gate.send(format!(
                "POST {} HTTP/1.1\r\n{lines}{kind}\r\nContent-Length: {}\r\n\r\n{form}",
                code.path,
                form.len()
            ))
        });
        eventually("the hook is called", || (application.logins() == 1).then_some(()));
        gate.signal("KILL");
    });
    application.route("/_qr/login", login);
    for person in [&mut ana, &mut holder] {
        person.through(&other);
    }
    let pressed = eventually("the lease expires", || {
        let response = press(&mut holder, &code, "finish", &proof);
        (response.status() == 303).then_some(response)
    });
    assert!(!pressed.all("set-cookie").is_empty());
    let calls = application.requests_to("/_qr/login");
    let ids: Vec<_> = calls.iter().map(|call| call.field("webhook-id").unwrap()).collect();
    assert_eq!((ids.len(), ids[0]), (2, ids[1]), "an application that remembers the id makes one session");
    assert_eq!(code.state(&mut ana), "spent");
}

#[test]
fn a_code_of_one_address_opens_nothing_at_another() {
    let application = TestApplication::start();
    let settings = "[public]\nurl = \"http://app.example\"\nhosts = [\"other.example\"]";
    let gate = TestGate::with(&application, settings);
    let mut ana = computer(&gate).at_origin("http://app.example").with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let elsewhere = phone(&gate).at_origin("http://other.example").get(&code.path);
    assert_eq!(elsewhere.status(), 410);
    assert_eq!(phone(&gate).at_origin("http://app.example").get(&code.path).status(), 200);
}

#[test]
fn a_hook_response_without_a_session_signs_nobody_in_and_is_reported() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let responses: [(u16, &[&str], &[u8]); 5] = [
        (200, &["Content-Type: text/html"], b"<form>Password</form>"),
        (204, &[], b""),
        (302, &["Location: /login"], b""),
        (200, &["Set-Cookie: sessionid=; Max-Age=0; Path=/"], b"<form>Second factor</form>"),
        (204, &["Set-Cookie: csrftoken=1; Path=/"], b""),
    ];
    for (status, fields, content) in responses {
        application.route("/_qr/login", move |_| Reply::Bytes(response(status, fields, content)));
        let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
        let mut phone = phone(&gate);
        let (code, proof) = approved(&mut ana, &mut phone);
        let pressed = press(&mut phone, &code, "finish", &proof);
        assert_eq!((pressed.status(), pressed.all("set-cookie").len()), (502, 0), "{status} {fields:?}");
        assert!(!pressed.text().contains("<form>"), "the application's page is not shown");
        assert_eq!(code.state(&mut ana), "approved", "the code stays usable: {status} {fields:?}");
    }
}

/// A hook has a separate timeout; the timeout of forwarded requests may be shorter.
#[test]
fn a_hook_may_take_longer_than_forwarded_requests() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[application]\nresponse_timeout = \"100ms\"");
    let reply = application.login_reply();
    application.route("/_qr/login", move |request| {
        std::thread::sleep(Duration::from_millis(400));
        reply(request)
    });
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
}

#[test]
fn codes_asked_for_at_once_are_each_for_their_own_user() {
    const EACH: usize = 20;
    let application = TestApplication::start();
    let settings =
        "[identify]\ntimeout = \"20s\"\n[limits]\ncodes_per_user = \"1000/1m\"\nopens_per_client = \"1000/1m\"";
    let gate = TestGate::with(&application, settings);
    // No response is sent before all requests have arrived.
    let all = Barrier::new(2 * EACH);
    application.route("/_qr/whoami", move |request: &Message| {
        let user = request.field("cookie").and_then(|cookie| cookie.rsplit('-').next()).unwrap_or("nobody").to_owned();
        all.wait();
        whoami(format!("{{\"user_id\": \"{user}\", \"name\": \"{user} of example\"}}"))
    });
    std::thread::scope(|scope| {
        for user in ["ana", "bob"].repeat(EACH) {
            let (gate, session) = (&gate, application.sign_in(user));
            scope.spawn(move || {
                let page = computer(gate).with_cookie(&session).post("/qr/", "");
                assert_eq!(page.status(), 200);
                let other = if user == "ana" { "bob of example" } else { "ana of example" };
                assert!(page.text().contains(&format!("{user} of example")) && !page.text().contains(other));
            });
        }
    });
    assert_eq!(application.requests_to("/_qr/whoami").len(), 2 * EACH, "each session was identified, none was cached");
}

#[test]
fn a_user_id_is_passed_on_unchanged() {
    for id in ["a@evil@corp", "ana ", " Ana", "ANA", "42"] {
        let application = TestApplication::start();
        let gate = TestGate::before(&application);
        application.route("/_qr/whoami", move |request| match request.all("cookie").is_empty() {
            true => Reply::Bytes(response(401, &[], b"{}")),
            false => whoami(serde_json::json!({ "user_id": id }).to_string()),
        });
        application.route("/_qr/login", |_| Reply::Bytes(response(204, &["Set-Cookie: sessionid=1; Path=/"], b"")));
        let mut ana = computer(&gate).with_cookie("sessionid=1");
        let mut phone = phone(&gate);
        let (code, proof) = approved(&mut ana, &mut phone);
        assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303, "{id:?}");
        assert_eq!(application.requests_to("/_qr/login")[0].json()["user_id"], id);
    }
}

#[test]
fn no_user_agent_gets_special_treatment() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for agent in ["kube-probe/1.31", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Prometheus/3.0", "", "Googlebot/2.1"] {
        let agent = format!("User-Agent: {agent}");
        assert_eq!(gate.get("/_qr/login", &[&agent]).status(), 404, "{agent}");
        assert_eq!(gate.get("/_qr/whoami", &[&agent]).status(), 404, "{agent}");
        assert_eq!(gate.get("/qr/", &[&agent]).status(), 401, "{agent}");
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(gate.get(path, &[&agent]).text(), "nobody is signed in", "{path} is the application's");
        }
    }
    assert_eq!(application.logins(), 0);
}

#[test]
fn an_error_page_has_the_request_id_and_no_version_and_no_address() {
    let application = TestApplication::start();
    let settings = "[public]\nurl = \"http://app.example\"\n[application]\nresponse_timeout = \"1s\"";
    let gate = TestGate::with(&application, settings);
    application.route("/breaks", |_| Reply::Close);
    application.route("/slow", |_| Reply::Take(Box::new(|mut connection| drop(connection.read_line()))));
    let known = "Host: app.example";
    for (status, start, host) in [
        (400, "GET /a\\b HTTP/1.1", known),
        (404, "GET /_qr/login HTTP/1.1", known),
        (404, "GET /qr/nothing HTTP/1.1", known),
        (405, "TRACE / HTTP/1.1", known),
        (405, "PUT /qr/ HTTP/1.1", known),
        (401, "GET /qr/ HTTP/1.1", known),
        (403, "POST /qr/ HTTP/1.1", known),
        (410, "GET /qr/invalid_code/ HTTP/1.1", known),
        (421, "GET /qr/ HTTP/1.1", "Host: another.example"),
        (502, "GET /breaks HTTP/1.1", known),
        (504, "GET /slow HTTP/1.1", known),
    ] {
        let id = format!("id-of-{status}");
        let lines =
            format!("{start}\r\n{host}\r\nX-Request-ID: {id}\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
        let page = gate.send(lines).unwrap_or_else(|| panic!("no response to {start}"));
        assert_eq!(page.status(), status, "{start}");
        let head: String = page.fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let whole = format!("{head}{}", page.text());
        assert!(whole.contains(&id), "{start}: {whole}");
        assert!(page.all("server").is_empty(), "{head}");
        for secret in [&application.address.to_string(), &gate.address.to_string(), env!("CARGO_PKG_VERSION"), "hyper"]
        {
            assert!(!whole.contains(secret), "{start} reveals {secret}: {whole}");
        }
    }
}

#[test]
fn a_redis_that_evicts_keys_is_reported_at_the_start() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    let gate = TestGate::with(&application, &redis.settings());
    let line: serde_json::Value = serde_json::from_str(&gate.wait_for_log(&["Redis may evict keys"])).unwrap();
    assert_eq!((&line["level"], &line["maxmemory-policy"]), (&"warn".into(), &"volatile-lru".into()));
}

/// Two processes with different ticket secrets on one store do not open each other's codes.
#[test]
fn a_code_opens_with_the_secret_it_was_made_with_only() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &redis.settings());
    let other = "[tickets]\nsecret = \"whsec_YW5vdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMgb3IgbW8=\"\n";
    let stranger = TestGate::start(&configuration(application.address, &format!("{}{other}", redis.settings())));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut holder = phone(&gate);
    claim(&mut holder, &code);
    holder.through(&stranger);
    assert_eq!(holder.get(&code.path).status(), 410);
    holder.through(&gate);
    assert_eq!(holder.get(&code.path).status(), 200);
}
