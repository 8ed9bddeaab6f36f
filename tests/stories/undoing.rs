//! Undoing a sign-in on the page with the code: "Not you? Sign that device out."

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use crate::checking::{application, check_file};
use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::browser::{Browser, computer, hidden, phone};
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::people::{approved, claim, press, show_code, signed_in};
use crate::harness::redis::TestRedis;

const REVOKE: &str = "[login]\nrevoke_path = \"/_qr/revoke\"\n";

/// An application that names sessions, a gate with its revoke hook, and ana at her computer.
fn scene(settings: &str) -> (TestApplication, TestGate, Browser, Browser) {
    let application = TestApplication::start().names_sessions();
    let gate = TestGate::with(&application, &format!("{REVOKE}{settings}"));
    let ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let phone = phone(&gate);
    (application, gate, ana, phone)
}

#[test]
fn one_press_signs_the_device_out() {
    let (application, gate, mut ana, mut phone) = scene("");
    let code = signed_in(&mut ana, &mut phone);
    let seen = code.status(&mut ana);
    assert_eq!(seen["state"], "spent");
    let left = seen["undo"].as_u64().expect("an undo that can still be used");
    assert!((590..=600).contains(&left), "{left}");
    assert_eq!(phone.get("/").text(), "signed in as ana");

    let undone = code.undo(&mut ana);
    assert_eq!((undone.status(), undone.json()["state"].as_str()), (200, Some("undone")), "{}", undone.text());
    assert_eq!(undone.json()["device"]["label"], "Safari on iPhone");
    assert_eq!(undone.field("access-control-allow-origin"), Some("*"), "the page's own origin is `null`");
    assert_eq!(phone.get("/").text(), "nobody is signed in");
    assert_eq!(ana.get("/").text(), "signed in as ana", "the computer's own session stays");
    assert_eq!(code.state(&mut ana), "undone");
    assert_eq!(code.status(&mut ana).get("undo"), None);

    let login = application.requests_to("/_qr/login").remove(0);
    let revoke = application.revokes().remove(0);
    let id = phone.session().expect("a cookie").replace("sessionid=", "");
    let message = revoke.json();
    let expected = serde_json::json!({
        "type": "qr.revoke", "user_id": "ana", "session": format!("name of {id}"),
        "ticket": login.field("webhook-id"), "issued_at": login.json()["issued_at"],
        "origin": gate.origin(), "method": "POST", "url": format!("{}/_qr/revoke", gate.origin()),
    });
    assert_eq!(message, expected);
    assert_ne!(revoke.field("webhook-id"), login.field("webhook-id"));
    assert_eq!((revoke.field("cookie"), revoke.field("x-forwarded-for")), (None, Some("127.0.0.1")));

    let again = code.undo(&mut ana);
    assert_eq!((again.status(), again.json()["state"].as_str()), (200, Some("undone")));
    assert_eq!(application.revokes().len(), 1, "a repeated undo does not call the hook again");
    let event: serde_json::Value = serde_json::from_str(&gate.wait_for_log(&["ticket.undone"])).unwrap();
    assert_eq!((event["user"].as_str(), event["phone_label"].as_str()), (Some("ana"), Some("Safari on iPhone")));
    assert!(gate.admin("/metrics").text().contains("qrgate_tickets_total{outcome=\"undone\"} 1"));
}

#[test]
fn a_hook_that_fails_leaves_the_device_signed_in_and_may_be_tried_again_under_one_id() {
    let (application, gate, mut ana, mut phone) = scene("");
    let (works, calls) = (application.revoke_reply(), Arc::new(AtomicUsize::new(0)));
    let counted = calls.clone();
    application.route("/_qr/revoke", move |request| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Bytes(response(500, &[], b"")),
        1 => Reply::Close,
        2 => Reply::Bytes(response(302, &["Location: /login"], b"")),
        _ => works(request),
    });
    let code = signed_in(&mut ana, &mut phone);
    for _ in 0..3 {
        let failed = code.undo(&mut ana);
        assert_eq!((failed.status(), failed.json()["state"].as_str()), (502, Some("spent")), "{}", failed.text());
        assert!(failed.json()["undo"].is_u64(), "the undo can be tried again");
        assert_eq!(phone.get("/").text(), "signed in as ana");
    }
    gate.wait_for_log(&["ticket.failed", "the session was not revoked: answered 500"]);
    assert_eq!(code.undo(&mut ana).status(), 200);
    assert_eq!(phone.get("/").text(), "nobody is signed in");
    let field = |name: &str| -> Vec<String> {
        application.revokes().iter().map(|call| call.field(name).unwrap_or_default().to_owned()).collect()
    };
    let (ids, mut stamps) = (field("webhook-id"), field("webhook-timestamp"));
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let sent = stamps.clone();
    stamps.dedup();
    assert!(stamps.len() == ids.len() && stamps.is_sorted(), "each call has a later timestamp: {sent:?}");
}

#[test]
fn of_two_presses_at_once_one_calls_the_hook_and_both_get_the_result() {
    let (application, gate, mut ana, mut phone) = scene("");
    let (works, (go, gone)) = (application.revoke_reply(), mpsc::channel::<()>());
    let gone = std::sync::Mutex::new(gone);
    application.route("/_qr/revoke", move |request| {
        let _ = gone.lock().unwrap().recv();
        works(request)
    });
    let code = signed_in(&mut ana, &mut phone);
    let responses: Vec<u16> = std::thread::scope(|scope| {
        let presses: Vec<_> = (0..4)
            .map(|_| {
                let (code, mut desk) = (&code, computer(&gate));
                scope.spawn(move || code.undo(&mut desk).status())
            })
            .collect();
        eventually("the hook is called", || (!application.revokes().is_empty()).then_some(()));
        go.send(()).unwrap();
        presses.into_iter().map(|press| press.join().unwrap()).collect()
    });
    assert_eq!(responses, [200; 4]);
    assert_eq!(application.revokes().len(), 1);
}

#[test]
fn only_the_capability_of_that_page_undoes_a_sign_in() {
    let (application, gate, mut ana, mut phone_of_ana) = scene("");
    let code = signed_in(&mut ana, &mut phone_of_ana);
    let mut bob = computer(&gate).with_cookie(&application.sign_in("bob"));
    let of_bob = signed_in(&mut bob, &mut phone(&gate));
    let claim_cookie = phone_of_ana.cookie("qrgate").unwrap().to_owned();
    for guess in [code.token(), &code.view, "", &"A".repeat(43), &claim_cookie] {
        let form = format!("desk={guess}");
        let refused = ana.request("POST", "/qr/undo", &["Content-Type: text/plain"], Some(&form));
        assert_eq!((refused.status(), refused.text().as_str()), (403, "{}"), "{guess}");
        let page = ana.post("/qr/undo", &form);
        assert_eq!(page.status(), 403, "{guess}");
    }
    // The capability of another page ends only that page's session.
    assert_eq!(of_bob.undo(&mut bob).status(), 200);
    assert_eq!(application.revokes().len(), 1);
    assert_eq!(phone_of_ana.get("/").text(), "signed in as ana");
    // Neither the number nor the code replaces the capability.
    for content in ["number=47", "code=BCDFGHJK", "view=x", &format!("token={}", code.token())] {
        assert_eq!(ana.request("POST", "/qr/undo", &[], Some(content)).status(), 403, "{content}");
    }
    assert_eq!(application.revokes().len(), 1);
}

#[test]
fn other_methods_are_not_allowed_and_undo_nothing() {
    let (application, _gate, mut ana, mut phone) = scene("");
    let code = signed_in(&mut ana, &mut phone);
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let refused = ana.request(method, &format!("/qr/undo?desk={}", code.desk), &[], None);
        assert_eq!((refused.status(), refused.field("allow")), (405, Some("POST")), "{method}");
    }
    let in_the_address = ana.request("POST", &format!("/qr/undo?desk={}", code.desk), &[], Some(""));
    assert_eq!(in_the_address.status(), 403);
    assert!(application.revokes().is_empty());
}

#[test]
fn before_a_sign_in_there_is_nothing_to_undo() {
    let (application, gate, mut ana, mut phone_of_ana) = scene("");
    let code = show_code(&mut ana);
    let undo = |ana: &mut Browser, state: &str| {
        let refused = code.undo(ana);
        assert_eq!((refused.status(), refused.json()["state"].as_str()), (409, Some(state)));
    };
    undo(&mut ana, "issued");
    let (number, _) = claim(&mut phone_of_ana, &code);
    undo(&mut ana, "claimed");
    code.type_number(&mut ana, &number);
    undo(&mut ana, "approved");
    code.decline(&mut ana);
    undo(&mut ana, "declined");
    let (approved, _) = approved(&mut ana, &mut phone(&gate));
    show_code(&mut ana);
    assert_eq!(approved.undo(&mut ana).json()["state"], "replaced");
    assert!(application.revokes().is_empty());
}

#[test]
fn without_a_session_name_or_a_revoke_hook_no_undo_is_offered() {
    let unnamed = TestApplication::start();
    let hooked = TestGate::with(&unnamed, REVOKE);
    let named = TestApplication::start().names_sessions();
    let plain = TestGate::before(&named);
    for (application, gate) in [(unnamed, hooked), (named, plain)] {
        let (mut ana, mut phone) = (computer(&gate).with_cookie(&application.sign_in("ana")), phone(&gate));
        let code = signed_in(&mut ana, &mut phone);
        assert_eq!(code.status(&mut ana).get("undo"), None);
        let refused = code.undo(&mut ana);
        assert_eq!((refused.status(), refused.json()["state"].as_str()), (409, Some("spent")));
        assert_eq!(phone.get("/").text(), "signed in as ana");
        assert!(application.revokes().is_empty());
    }
}

#[test]
fn an_invalid_session_name_is_logged_and_the_sign_in_succeeds() {
    for content in [r#"{"session":""}"#, r#"{"session":"a\u0000"}"#, r#"{"session":7}"#, "<html>", "{"] {
        let application = TestApplication::start();
        let gate = TestGate::with(&application, REVOKE);
        let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
        let session = application.sign_in("ana");
        application.route("/_qr/login", move |_| {
            Reply::Bytes(response(200, &[&format!("Set-Cookie: {session}; Path=/")], content.as_bytes()))
        });
        let mut phone = phone(&gate);
        let code = signed_in(&mut ana, &mut phone);
        assert_eq!(phone.get("/").text(), "signed in as ana", "{content}");
        assert_eq!(code.undo(&mut ana).status(), 409, "{content}");
        gate.wait_for_log(&["the login hook names no session"]);
    }
}

#[test]
fn the_revoke_hook_is_hidden_from_clients() {
    let (application, _gate, mut ana, _) = scene("");
    for path in ["/_qr/revoke", "/_qr/revoke/", "/_qr/%72evoke", "//_qr/revoke", "/_QR/REVOKE", "/index.php/_qr/revoke"]
    {
        assert_eq!(ana.post(path, "{}").status(), 404, "{path}");
    }
    assert!(application.revokes().is_empty());
    let without = TestApplication::start();
    let gate = TestGate::before(&without);
    assert_eq!(computer(&gate).get("/_qr/revoke").status(), 401, "the application's own path, where it is no hook");
}

#[test]
fn a_hook_elsewhere_is_called_by_its_own_address() {
    let (application, elsewhere) = (TestApplication::start().names_sessions(), TestApplication::start());
    elsewhere.route("/end", |_| Reply::Bytes(response(200, &[], b"{}")));
    let url = format!("http://{}/end", elsewhere.address);
    let gate = TestGate::with(&application, &format!("[login]\nrevoke_url = \"{url}\"\n"));
    let (mut ana, mut phone) = (computer(&gate).with_cookie(&application.sign_in("ana")), phone(&gate));
    let code = signed_in(&mut ana, &mut phone);
    assert_eq!(code.undo(&mut ana).status(), 200);
    let call = elsewhere.requests_to("/end").remove(0);
    assert_eq!(
        (call.json()["url"].as_str(), call.json()["origin"].as_str()),
        (Some(url.as_str()), Some(&*gate.origin()))
    );
}

#[test]
fn two_processes_on_one_redis_share_the_undo() {
    let (application, redis) = (TestApplication::start().names_sessions(), TestRedis::start());
    let settings = format!("{REVOKE}{}", redis.settings());
    let first = TestGate::with(&application, &settings);
    let second = TestGate::with(&application, &format!("{settings}[public]\nurl = \"{}\"", first.origin()));
    let (mut ana, mut phone) = (computer(&first).with_cookie(&application.sign_in("ana")), phone(&first));
    let code = signed_in(&mut ana, &mut phone);
    let session = phone.session().unwrap().replace("sessionid=", "");
    let dump = redis.dump();
    for secret in [session.as_str(), "name of", &code.desk, &code.view] {
        assert!(!dump.contains(secret), "{secret} is in the store");
    }
    // Only the remainder is left once the row is forgotten.
    let rows = redis.cli(&["KEYS", "qrgate:*t:*"]);
    assert_eq!(rows.lines().count(), 1, "{rows}");
    redis.cli(&["DEL", rows.trim()]);
    assert_eq!(code.state(&mut ana), "spent");
    ana.through(&second);
    assert_eq!(code.undo(&mut ana).status(), 200);
    ana.through(&first);
    assert_eq!(code.state(&mut ana), "undone");
    assert_eq!(code.undo(&mut ana).status(), 200);
    assert_eq!(application.revokes().len(), 1);
    assert_eq!(phone.get("/").text(), "nobody is signed in");
    for key in redis.cli(&["KEYS", "*"]).lines() {
        assert!(redis.cli(&["PTTL", key]).trim().parse::<i64>().unwrap() > 0, "{key} lives for ever");
    }
}

#[test]
fn a_phone_that_was_signed_out_gets_its_cookies_from_no_process_again() {
    let (application, _gate, mut ana, mut phone) = scene("");
    let (code, proof) = approved(&mut ana, &mut phone);
    let first = press(&mut phone, &code, "finish", &proof);
    assert_eq!(press(&mut phone, &code, "finish", &proof).all("set-cookie"), first.all("set-cookie"));
    application.route("/_qr/revoke", |_| Reply::Bytes(response(500, &[], b"")));
    assert_eq!(code.undo(&mut ana).status(), 502);
    let late = press(&mut phone, &code, "finish", &proof);
    assert_eq!((late.status(), late.all("set-cookie").len()), (410, 0), "not even after an undo that failed");
    assert_eq!(phone.get(&code.path).status(), 410);
    assert_eq!(application.logins(), 1);
}

#[test]
fn a_store_writer_can_neither_undo_a_sign_in_nor_fake_an_undo() {
    let (application, redis) = (TestApplication::start().names_sessions(), TestRedis::start());
    let gate = TestGate::with(&application, &format!("{REVOKE}{}", redis.settings()));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut bob = computer(&gate).with_cookie(&application.sign_in("bob"));
    let (of_ana, mut phone_of_ana) = {
        let mut phone = phone(&gate);
        (signed_in(&mut ana, &mut phone), phone)
    };
    let row = redis.cli(&["KEYS", "qrgate:*t:*"]).trim().to_owned();
    let of_bob = signed_in(&mut bob, &mut phone(&gate));
    let other = redis.cli(&["KEYS", "qrgate:*t:*"]).lines().find(|key| *key != row).unwrap().to_owned();
    // A row in the state `undone`, with the facts of the page from before.
    let said = redis.cli(&["EVAL", SAYS_UNDONE, "1", &row]);
    assert_eq!(said.trim(), "1");
    assert_eq!(
        ana.get(&format!("/qr/status/{}", of_ana.view)).status(),
        404,
        "no page says that the sign-in was undone"
    );
    assert_eq!(of_ana.undo(&mut ana).status(), 403);
    // The session of another sign-in in place of the right one.
    redis.cli(&["EVAL", SWAPS_SESSIONS, "2", &other, &row]);
    assert_eq!(of_bob.undo(&mut bob).status(), 409);
    gate.wait_for_log(&["ticket.refused", "the sealed session is not authentic"]);
    assert!(application.revokes().is_empty());
    assert_eq!(phone_of_ana.get("/").text(), "signed in as ana");
}

/// Changes the state of a row to `undone`, as a writer to the store could who knows the format.
const SAYS_UNDONE: &str = "local row = redis.call('GET', KEYS[1]) \
    local from = row:find('\"state\":{\"spent\":', 1, true) \
    local state = cjson.decode(row:sub(from + 8, -2)).spent \
    local undone = cjson.encode({ undone = { binding = state.binding, [\"until\"] = state.at + 600000 } }) \
    redis.call('SET', KEYS[1], row:sub(1, from + 7) .. undone .. '}', 'KEEPTTL') \
    return 1";

/// Puts another sign-in's sealed session into a row.
const SWAPS_SESSIONS: &str = "local pattern = '\"session\":\"[^\"]*\"' \
    local other = '\"session\":\"' .. string.rep('A', 64) .. '\"' \
    local row = redis.call('GET', KEYS[1]) \
    redis.call('SET', KEYS[1], (row:gsub(pattern, other)), 'KEEPTTL') \
    return 1";

#[test]
fn a_store_that_is_away_is_503_and_the_next_press_works() {
    let (application, mut redis) = (TestApplication::start().names_sessions(), TestRedis::start());
    let settings = format!("{REVOKE}{}", redis.settings());
    let gate = TestGate::with(&application, &settings);
    let (mut ana, mut phone) = (computer(&gate).with_cookie(&application.sign_in("ana")), phone(&gate));
    let code = signed_in(&mut ana, &mut phone);
    redis.signal("STOP");
    assert_eq!(code.undo(&mut ana).status(), 503);
    assert_eq!(ana.post("/qr/undo", &format!("desk={}", code.desk)).status(), 503);
    redis.signal("CONT");
    assert!(application.revokes().is_empty());
    eventually("the store responds again", || (code.undo(&mut ana).status() == 200).then_some(()));
    assert_eq!(phone.get("/").text(), "nobody is signed in");
    redis.end();
}

#[test]
fn the_plain_form_undoes_without_a_script() {
    let (application, _gate, mut ana, mut phone) = scene("");
    let (code, proof) = approved(&mut ana, &mut phone);
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    let late = ana.post("/qr/approve", &format!("desk={}&decision=decline", code.desk));
    assert_eq!(late.status(), 409);
    let page = late.text();
    assert!(page.contains("<form method=\"post\" action=\"/qr/undo\">"), "{page}");
    assert!(page.contains("Not you? <button class=\"quiet\">Sign that device out</button>"), "{page}");
    let desk = hidden(&page, "desk");

    application.route("/_qr/revoke", |_| Reply::Bytes(response(500, &[], b"")));
    let failed = ana.post("/qr/undo", &format!("desk={desk}"));
    assert_eq!(failed.status(), 502);
    let page = failed.text();
    assert!(page.contains("That device couldn&#39;t be signed out. Try again.</h1>"), "{page}");
    assert!(page.contains("Sign that device out</button>"), "the page has the button again: {page}");
    assert!(failed.field("content-security-policy").is_some_and(|policy| policy.contains("sandbox")));

    application.route("/_qr/revoke", application.revoke_reply());
    let undone = ana.post("/qr/undo", &format!("desk={}", hidden(&page, "desk")));
    assert_eq!(undone.status(), 200);
    let page = undone.text();
    assert!(page.contains("That device is signed out</h1>") && page.contains("Safari on iPhone"), "{page}");
    assert!(!page.contains("Sign that device out</button>"), "{page}");
    let once_more = ana.post("/qr/approve", &format!("desk={desk}&decision=decline"));
    assert_eq!(once_more.status(), 200);
    assert!(once_more.text().contains("That device is signed out</h1>"), "{}", once_more.text());
}

#[test]
fn a_page_without_an_undo_says_how_else_to_sign_out() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, REVOKE);
    let (mut ana, mut phone) = (computer(&gate).with_cookie(&application.sign_in("ana")), phone(&gate));
    let code = signed_in(&mut ana, &mut phone);
    let late = ana.post("/qr/approve", &format!("desk={}&decision=decline", code.desk)).text();
    assert!(late.contains("Not you? Sign out everywhere in ") && !late.contains("/qr/undo"), "{late}");
    let over = ana.post("/qr/undo", &format!("desk={}", code.desk));
    assert_eq!(over.status(), 409);
    assert!(over.text().contains("It&#39;s too late to sign that device out here</h1>"), "{}", over.text());
    assert!(over.text().contains("Not you? Sign out everywhere in "), "{}", over.text());
}

#[test]
fn the_page_with_the_code_stays_within_its_size_limit() {
    let (_application, _gate, mut ana, _) = scene("");
    let page = ana.post("/qr/", "");
    assert!(page.text().contains("formaction=\"/qr/undo\""), "{}", page.text());
    assert!(page.content.len() < 31 * 1024, "{} bytes", page.content.len());
}

#[test]
fn presses_are_limited_for_each_client() {
    let (application, gate, mut ana, mut phone) = scene("[limits]\nredeems_per_client = \"3/1h\"");
    let code = signed_in(&mut ana, &mut phone);
    application.route("/_qr/revoke", |_| Reply::Bytes(response(500, &[], b"")));
    let seen: Vec<u16> = (0..4).map(|_| code.undo(&mut ana).status()).collect();
    assert_eq!(seen, [502, 502, 429, 429], "the press that signed in counts, too");
    assert!(code.undo(&mut ana).field("retry-after").is_some());
    gate.wait_for_log(&["ticket.refused", "too many tries of this client"]);
    assert_eq!(application.revokes().len(), 2);
}

#[test]
fn check_tries_the_revoke_hook() {
    let checked = |application: &TestApplication, arguments: &[&str]| {
        check_file(&configuration(application.address, REVOKE), arguments)
    };
    let good = application().names_sessions();
    checked(&good, &[]).line("ok    revoke        refuses a call without a signature (401)");
    let signed = checked(&good, &["--user", "42"]);
    signed.line("ok    revoke        204, and the new session has ended");
    assert_eq!(signed.code, Some(0), "{}", signed.said);

    let missing = application().names_sessions();
    missing.route("/_qr/revoke", |_| Reply::Bytes(response(404, &[], b"")));
    for arguments in [&[][..], &["--user", "42"]] {
        let found = checked(&missing, arguments);
        found.line("FAIL  revoke        404");
        assert!(found.text().contains("The application has nothing at this path."), "{}", found.said);
        assert_eq!(found.code, Some(1));
    }
    let open = application().names_sessions();
    open.route("/_qr/revoke", |_| Reply::Bytes(response(204, &[], b"")));
    checked(&open, &[]).line("FAIL  revoke        204 to a call without a signature");
    checked(&open, &["--user", "42"]).line("FAIL  revoke        204, but the session is still open");

    let unnamed = checked(&application(), &["--user", "42"]);
    unnamed.line("warn  revoke        not tried: the login hook names no session");
    assert_eq!(unnamed.code, Some(0), "{}", unnamed.said);
    let without = check_file(&configuration(good.address, ""), &["--user", "42"]);
    assert!(!without.said.contains("revoke"), "{}", without.said);
}
