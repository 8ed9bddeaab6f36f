//! Which browser holds a claim, against planted cookies, a second device and a writer to the store.

use crate::harness::application::TestApplication;
use crate::harness::browser::{Browser, computer, phone};
use crate::harness::gate::{TestGate, configuration};
use crate::harness::people::{CodePage, approved, claim, number, open, press, show_code};
use crate::harness::redis::TestRedis;

/// A gate that trusts this test's `X-Forwarded-For`.
const TRUSTING: &str = "[public]\ntrusted_proxies = [\"127.0.0.1\"]";

fn from(browser: &mut Browser, address: &str) {
    browser.fields.retain(|line| !line.starts_with("X-Forwarded-For"));
    browser.fields.push(format!("X-Forwarded-For: {address}"));
}

/// The claim cookie in a browser's jar, as `name=value`.
fn claim_cookie(response: &crate::harness::http::Message) -> String {
    let lines = response.all("set-cookie");
    let line = lines.iter().find(|line| line.starts_with("qrgate-")).expect("a claim cookie");
    line.split(';').next().unwrap().to_owned()
}

#[test]
fn a_planted_browser_cookie_holds_no_claim() {
    for approval in ["number", "phone"] {
        let application = TestApplication::start();
        let gate = TestGate::with(&application, &format!("[tickets]\napproval = \"{approval}\""));
        let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
        let code = show_code(&mut ana);
        // The attacker knows the code and the planted cookie, and fetched a form with it beforehand.
        let planted = format!("qrgate={}", phone_cookie(&gate, &code));
        let mut attacker = phone(&gate).with_cookie(&planted);
        let mut victim = phone(&gate).with_cookie(&planted);
        let stolen_form = open(&mut attacker, &code);
        let proof = open(&mut victim, &code);
        assert_eq!(press(&mut victim, &code, "continue", &proof).status(), 303);
        if approval == "number" {
            assert_eq!(attacker.get(&code.path).status(), 409, "no number for the attacker");
            for action in ["continue", "finish", "cancel"] {
                assert_eq!(press(&mut attacker, &code, action, &stolen_form).status(), 409, "{action}");
            }
            let number = number(&mut victim, &code);
            assert_eq!(code.type_number(&mut ana, &number).json()["state"], "approved");
            assert_eq!(press(&mut attacker, &code, "finish", &stolen_form).status(), 409);
            assert_eq!(press(&mut victim, &code, "finish", &proof).status(), 303);
        }
        for action in ["continue", "finish"] {
            let refused = press(&mut attacker, &code, action, &stolen_form);
            assert_eq!((refused.status(), refused.all("set-cookie").len()), (410, 0), "{action}");
        }
        assert_eq!(application.logins(), 1);
        assert!(attacker.session().is_none() && victim.session().is_some());
    }
}

/// A browser cookie as qrgate sets it.
fn phone_cookie(gate: &TestGate, code: &CodePage) -> String {
    let mut first = phone(gate);
    open(&mut first, code);
    first.cookie("qrgate").unwrap().to_owned()
}

#[test]
fn a_claim_has_a_separate_cookie_that_the_client_does_not_choose() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut person = phone(&gate);
    let proof = open(&mut person, &code);
    let claimed = press(&mut person, &code, "continue", &proof);
    let cookie = claim_cookie(&claimed);
    let line = claimed.all("set-cookie").join("\n");
    assert!(line.contains("; HttpOnly") && line.contains("; SameSite=Lax") && line.contains("; Max-Age="), "{line}");
    let (name, value) = cookie.split_once('=').unwrap();
    assert_eq!(value.len(), 43);
    // Without it the same browser counts as another one; a made-up value beside it has no effect.
    let own = format!("qrgate={}", person.cookie("qrgate").unwrap());
    assert_eq!(phone(&gate).with_cookie(&own).get(&code.path).status(), 409);
    let made_up = format!("Cookie: {own}; {name}={}; {cookie}; {name}=", "A".repeat(43));
    assert_eq!(phone(&gate).request("GET", &code.path, &[&made_up], None).status(), 200);
    let other = format!("Cookie: {own}; {name}={}", "A".repeat(43));
    assert_eq!(phone(&gate).request("GET", &code.path, &[&other], None).status(), 409);
}

#[test]
fn a_second_scan_in_the_same_browser_keeps_the_claim() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut bob = computer(&gate).with_cookie(&application.sign_in("bob"));
    let mut person = phone(&gate);
    let (first, proof) = approved(&mut ana, &mut person);
    let second = show_code(&mut bob);
    claim(&mut person, &second);
    assert_eq!(press(&mut person, &first, "finish", &proof).status(), 303);
    assert_eq!(application.user_of(&person.session().unwrap()).as_deref(), Some("ana"));
    assert_eq!(person.get(&second.path).status(), 200, "and the second claim stands");
}

#[test]
fn a_button_pressed_twice_or_a_lost_response_keeps_the_claim() {
    for approval in ["number", "phone"] {
        let application = TestApplication::start();
        let gate = TestGate::with(&application, &format!("[tickets]\napproval = \"{approval}\""));
        let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
        let code = show_code(&mut ana);
        let mut person = phone(&gate);
        let proof = open(&mut person, &code);
        let own = format!("Cookie: qrgate={}", person.cookie("qrgate").unwrap());
        let origin = format!("Origin: {}", gate.origin());
        // The response to the first press is lost, and its cookies with it.
        let form = format!("proof={proof}&action=continue");
        assert_eq!(phone(&gate).request("POST", &code.path, &[&own, &origin], Some(&form)).status(), 303);
        let again = press(&mut person, &code, "continue", &proof);
        assert_eq!(again.status(), 303);
        claim_cookie(&again);
        assert_eq!(person.get(&code.path).status(), 200, "{approval}");
        if approval == "phone" {
            assert_eq!(press(&mut person, &code, "finish", &proof).status(), 303, "the same session once more");
            assert_eq!((application.logins(), person.session().is_some()), (1, true));
        }
    }
}

#[test]
fn the_computer_is_shown_who_pressed_finish() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, TRUSTING);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut person = phone(&gate);
    from(&mut ana, "203.0.113.7");
    from(&mut person, "203.0.113.8");
    let (code, proof) = approved(&mut ana, &mut person);
    assert_eq!(code.status(&mut ana)["contested"], serde_json::Value::Null);
    // A thief of the claim cookie finishes from another device.
    from(&mut person, "198.51.100.9");
    assert_eq!(press(&mut person, &code, "finish", &proof).status(), 303);
    let status = code.status(&mut ana);
    assert_eq!((&status["state"], &status["contested"]), (&"spent".into(), &true.into()), "{status}");
    assert_eq!(status["device"]["address"], "198.51.100.9");
    gate.wait_for_log(&["ticket.contested", "198.51.100.9"]);
    // A final state does not change: the cookies are given again to the same phone only.
    from(&mut person, "192.0.2.1");
    let elsewhere = press(&mut person, &code, "finish", &proof);
    assert!(elsewhere.all("set-cookie").is_empty(), "{}", elsewhere.status());
    from(&mut person, "198.51.100.9");
    assert!(!press(&mut person, &code, "finish", &proof).all("set-cookie").is_empty());
}

#[test]
fn a_planted_claim_cookie_is_seen_at_the_computer() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, TRUSTING);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    from(&mut ana, "203.0.113.7");
    let code = show_code(&mut ana);
    // The attacker claims first and plants the claim in the victim's phone, which shows the number.
    let mut attacker = phone(&gate);
    from(&mut attacker, "198.51.100.9");
    let proof = open(&mut attacker, &code);
    let claimed = press(&mut attacker, &code, "continue", &proof);
    let browser = format!("qrgate={}", attacker.cookie("qrgate").unwrap());
    let mut victim = phone(&gate).with_cookie(&browser).with_cookie(&claim_cookie(&claimed));
    from(&mut victim, "203.0.113.8");
    number(&mut victim, &code);
    let status = code.status(&mut ana);
    assert_eq!(
        (&status["contested"], &status["device"]["address"]),
        (&true.into(), &"198.51.100.9".into()),
        "{status}"
    );
}

/// An attacker who sees the code, reads and writes Redis, and does not have the ticket secret.
struct Writer<'a> {
    redis: &'a TestRedis,
    key: String,
}

impl Writer<'_> {
    fn on(redis: &TestRedis) -> Writer<'_> {
        let key = redis.cli(&["--scan", "--pattern", "*t:*"]).trim().to_owned();
        Writer { redis, key }
    }

    fn take(&self) -> String {
        self.redis
            .cli(&[
                "EVAL",
                "return (redis.call('GET', KEYS[1]):gsub('.', function(c) return string.format('%02x', c:byte()) end))",
                "1",
                &self.key,
            ])
            .trim()
            .to_owned()
    }

    fn put_back(&self, row: &str) {
        let script = "redis.call('SET', KEYS[1], (ARGV[1]:gsub('..', function(h) return string.char(tonumber(h, 16)) end)), 'PX', 120000)";
        self.redis.cli(&["EVAL", script, "1", &self.key, row]);
    }
}

#[test]
fn a_number_typed_for_one_claim_approves_no_other() {
    let (application, redis) = (TestApplication::start(), TestRedis::start());
    let gate = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let writer = Writer::on(&redis);
    let issued = writer.take();
    let (mut victim, mut attacker) = (phone(&gate), phone(&gate));
    claim(&mut attacker, &code);
    let attackers = writer.take();
    let attackers_number = number(&mut attacker, &code);
    writer.put_back(&issued);
    claim(&mut victim, &code);
    let told = code.status(&mut ana)["claim"].as_str().expect("the page knows the claim").to_owned();
    // The page showed the victim's phone. Now the attacker's row is stored, and its number matches that row.
    writer.put_back(&attackers);
    let form = format!("desk={}&number={attackers_number}&claim={told}", code.desk);
    let response = ana.request("POST", "/qr/approve", &["Origin: null", "Content-Type: text/plain"], Some(&form));
    assert_eq!((response.status(), &response.json()["state"]), (409, &"declined".into()), "{}", response.text());
    writer.put_back(&attackers);
    let retried = code.type_number(&mut ana, &attackers_number);
    assert_eq!(retried.status(), 409, "the ticket has ended: {}", retried.text());
    assert_eq!(application.logins(), 0);
    gate.wait_for_log(&["the claim in the store changed"]);
}

#[test]
fn a_row_restored_in_redis_revives_no_code_in_any_process() {
    for approval in ["number", "phone"] {
        let (application, redis) = (TestApplication::start(), TestRedis::start());
        let settings = format!("{}[tickets]\napproval = \"{approval}\"\n", redis.settings());
        let first = TestGate::with(&application, &settings);
        let public = format!("{settings}[public]\nurl = \"{}\"\n", first.origin());
        let second = TestGate::with(&application, &public);
        crate::harness::eventually("both processes listen", || {
            (redis.cli(&["PUBSUB", "NUMSUB", "qrgate:changed"]).lines().nth(1) == Some("2")).then_some(())
        });
        let mut ana = computer(&first).with_cookie(&application.sign_in("ana"));
        let mut person = phone(&first);
        let (code, proof, writer, row) = spent(&mut ana, &mut person, &redis, approval);
        // The second process has received a later step, so it has also received the earlier end.
        let mut bob = computer(&first).with_cookie(&application.sign_in("bob"));
        let other = show_code(&mut bob);
        let mut events = second.connect();
        let target = format!("/qr/status/{}", other.view);
        let host = first.address;
        events.write(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n").as_bytes());
        assert_eq!(events.read_head().expect("a head").status(), 200);
        let mut another = phone(&first);
        claim_or_tap(&mut another, &other);
        while !events.read_line().expect("an event").contains(if approval == "number" { "claimed" } else { "spent" }) {}
        writer.put_back(&row);
        let logins = application.logins();
        for gate in [&second, &first] {
            person.through(gate);
            for action in ["continue", "finish"] {
                let again = press(&mut person, &code, action, &proof);
                assert!(
                    !again.all("set-cookie").iter().any(|line| line.starts_with("sessionid")),
                    "{approval} {action}"
                );
            }
            let state = code.state(&mut person);
            assert!(!["issued", "claimed", "approved"].contains(&state.as_str()), "{approval}: {state}");
        }
        assert_eq!(application.logins(), logins, "{approval}");
    }
}

#[test]
fn a_reload_that_spells_the_address_of_redis_differently_revives_no_code() {
    let (application, redis) = (TestApplication::start(), TestRedis::start());
    let settings = format!("{}[tickets]\napproval = \"phone\"\n", redis.settings());
    let gate = TestGate::with(&application, &settings);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let (code, _, writer, row) = spent(&mut ana, &mut phone(&gate), &redis, "phone");
    gate.rewrite(&configuration(application.address, &settings.replace("127.0.0.1", "localhost")));
    gate.signal("HUP");
    gate.wait_for_log(&["configuration reloaded"]);
    writer.put_back(&row);
    assert_eq!(phone(&gate).get(&code.path).status(), 410);
    assert_eq!(application.logins(), 1);
}

fn claim_or_tap(phone: &mut Browser, code: &CodePage) {
    let proof = open(phone, code);
    assert_eq!(press(phone, code, "continue", &proof).status(), 303);
}

/// Signs a phone in. Returns a copy of the last row that still allowed it.
fn spent<'a>(
    ana: &mut Browser,
    phone: &mut Browser,
    redis: &'a TestRedis,
    approval: &str,
) -> (CodePage, String, Writer<'a>, String) {
    let code = show_code(ana);
    let writer = Writer::on(redis);
    let proof = open(phone, &code);
    let mut row = writer.take();
    let mut pressed = press(phone, &code, "continue", &proof);
    if approval == "number" {
        let number = number(phone, &code);
        code.type_number(ana, &number);
        row = writer.take();
        pressed = press(phone, &code, "finish", &proof);
    }
    assert_eq!((pressed.status(), phone.session().is_some()), (303, true));
    (code, proof, writer, row)
}

#[test]
fn a_row_cannot_choose_when_a_call_was_signed() {
    let (application, redis) = (TestApplication::start(), TestRedis::start());
    let gate = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut person = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut person);
    let writer = Writer::on(&redis);
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let row = writer.take();
    assert!(row.contains(&hex("\"signed\":0")), "the row says when the last call was signed");
    writer.put_back(&row.replace(&hex("\"signed\":0"), &hex("\"signed\":1893456000")));
    assert_eq!(press(&mut person, &code, "finish", &proof).status(), 303);
    let call = application.requests_to("/_qr/login").pop().expect("a call");
    let signed: u64 = call.field("webhook-timestamp").unwrap().parse().unwrap();
    // The code was minted a moment ago.
    let minted = call.json()["issued_at"].as_u64().unwrap();
    assert!(signed <= minted + 60, "signed {} s after the mint", signed - minted);
}

#[test]
fn requests_that_open_nothing_are_counted_before_the_store_is_asked() {
    let (application, redis) = (TestApplication::start(), TestRedis::start());
    let settings = format!("{}[limits]\nopens_per_client = \"5/1h\"\n{TRUSTING}", redis.settings());
    let gate = TestGate::with(&application, &settings);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    from(&mut ana, "203.0.113.1");
    let code = show_code(&mut ana);
    let plain = "Content-Type: text/plain";
    let origin = format!("Origin: {}", gate.origin());
    let cookie = format!("Cookie: qrgate={}", "A".repeat(43));
    let guess = |i: usize| format!("{:A<40}{i:03}", "");
    type Guess<'a> = Box<dyn Fn(&mut Browser, usize) -> u16 + 'a>;
    let guesses: Vec<Guess<'_>> = vec![
        Box::new(|who, i| who.request("GET", &format!("/qr/A{}/", guess(i)), &[], None).status()),
        Box::new(|who, i| who.request("HEAD", &format!("/qr/A{}/", guess(i)), &[&cookie], None).status()),
        Box::new(|who, i| {
            who.request("POST", &format!("/qr/A{}/", guess(i)), &[&cookie, &origin], Some("action=continue")).status()
        }),
        Box::new(|who, i| who.request("GET", &format!("/qr/status/{}", guess(i)), &[], None).status()),
        Box::new(|who, i| {
            let form = format!("desk={}&number=47", guess(i));
            who.request("POST", "/qr/approve", &["Origin: null", plain], Some(&form)).status()
        }),
        Box::new(|who, i| {
            let form = format!("desk={}&decision=decline", guess(i));
            who.request("POST", "/qr/approve", &["Origin: null"], Some(&form)).status()
        }),
    ];
    for (way, guess) in guesses.iter().enumerate() {
        let mut stranger = phone(&gate);
        from(&mut stranger, &format!("198.51.100.{way}"));
        let statuses: Vec<u16> = (0..5).map(|i| guess(&mut stranger, i)).collect();
        assert!(!statuses.contains(&429), "{way}: {statuses:?}");
        let commands = || {
            let info = redis.cli(&["INFO", "commandstats"]);
            info.lines()
                .filter(|line| line.contains("cmdstat_get:") || line.contains("cmdstat_eval"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let before = commands();
        let statuses: Vec<u16> = (5..20).map(|i| guess(&mut stranger, i)).collect();
        assert!(statuses.iter().all(|status| *status == 429), "{way}: {statuses:?}");
        assert_eq!(commands(), before, "{way}: the store was asked");
    }
    // Requests that open a code are not counted, however many there are.
    for _ in 0..20 {
        assert_eq!(code.state(&mut ana), "issued");
        assert_eq!(code.type_number(&mut ana, "x").status(), 400);
    }
    let mut person = phone(&gate);
    from(&mut person, "203.0.113.2");
    let (number, proof) = claim(&mut person, &code);
    for _ in 0..20 {
        assert_eq!(person.get(&code.path).status(), 200, "nor does the holder's own page");
        assert_eq!(press(&mut person, &code, "continue", &proof).status(), 303);
    }
    assert_eq!(code.type_number(&mut ana, &number).json()["state"], "approved");
    assert_eq!(press(&mut person, &code, "finish", &proof).status(), 303);
}

#[test]
fn an_unreachable_store_does_not_use_up_a_clients_limit() {
    let (application, mut redis) = (TestApplication::start(), TestRedis::start());
    let settings = format!("{}timeout = \"1s\"\n[limits]\nopens_per_client = \"5/1h\"", redis.settings());
    let gate = TestGate::with(&application, &settings);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut person = phone(&gate);
    let proof = open(&mut person, &code);
    redis.end();
    for _ in 0..6 {
        let status = ana.request("GET", &format!("/qr/status/{}", code.view), &[], None);
        assert_eq!((status.status(), status.field("retry-after").is_some()), (503, true));
        assert_eq!(code.type_number(&mut ana, "47").status(), 503);
        assert_eq!(press(&mut person, &code, "continue", &proof).status(), 503);
    }
}
