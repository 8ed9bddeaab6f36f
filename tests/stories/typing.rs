//! The code to type: from a computer to a phone, from a phone to a computer, between two phones; and everything that a
//! typed code must not do.

use crate::harness::application::TestApplication;
use crate::harness::browser::{Browser, computer, hidden, phone};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::http::Message;
use crate::harness::people::{CodePage, claim, code_page, number, open, press, show_code};
use crate::harness::redis::TestRedis;

/// Limits that a whole test from one address does not reach.
const HIGH_LIMITS: &str = "[limits]\ncodes_typed_per_client = \"1000/1m\"\n";
/// Makes the test's own connections count as a proxy that names its clients.
const PROXY: &str = "[public]\ntrusted_proxies = [\"127.0.0.1\"]\n";
/// Eight letters that a test draws with a probability of only 1 in 25,600,000,000.
const UNKNOWN: &str = "BBBB-BBBB";

/// Shows a code and returns the page with it and the letters to type.
fn show_letters(browser: &mut Browser) -> (CodePage, String) {
    let response = browser.post("/qr/", "");
    assert_eq!(response.status(), 200, "{}", response.text());
    let letters = letters(&response).expect("a code to type");
    (code_page(&response), letters)
}

fn letters(page: &Message) -> Option<String> {
    let text = page.text();
    let shown = text.split("<p class=\"typed\"><bdi dir=\"ltr\">").nth(1)?;
    shown.split('<').next().map(str::to_owned)
}

/// Opens the page for typing a code and returns the form's token.
fn typing_page(browser: &mut Browser) -> String {
    let page = browser.get("/qr/code/");
    assert_eq!(page.status(), 200, "{}", page.text());
    hidden(&page.text(), "proof")
}

/// Types a code into an open page.
fn submit(browser: &mut Browser, proof: &str, code: &str) -> Message {
    let form =
        form_urlencoded::Serializer::new(String::new()).append_pair("proof", proof).append_pair("code", code).finish();
    browser.post("/qr/code/", &form)
}

/// Opens the page and types a code.
fn enter(browser: &mut Browser, code: &str) -> Message {
    let proof = typing_page(browser);
    submit(browser, &proof, code)
}

fn from(browser: Browser, address: &str) -> Browser {
    let mut browser = browser;
    browser.fields.push(format!("X-Forwarded-For: {address}"));
    browser
}

/// All steps from the letters to a session.
fn sign_in(gate: &TestGate, application: &TestApplication, mut giver: Browser, mut receiver: Browser) {
    let (code, letters) = show_letters(&mut giver);
    let redirect = enter(&mut receiver, &letters);
    assert_eq!((redirect.status(), redirect.field("location")), (303, Some(code.path.as_str())), "{}", redirect.text());
    assert_eq!(code.state(&mut giver), "issued", "nothing is claimed yet");
    let (number, proof) = claim(&mut receiver, &code);
    assert_eq!(code.type_number(&mut giver, &number).json()["state"], "approved");
    assert_eq!(press(&mut receiver, &code, "finish", &proof).status(), 303);
    assert_eq!(application.user_of(&receiver.session().unwrap()).as_deref(), Some("ana"));
    assert_eq!(receiver.get("/").text(), "signed in as ana");
    assert_eq!(code.state(&mut giver), "spent");
    gate.wait_for_log(&["\"event\":\"ticket.typed\"", "\"user\":\"ana\""]);
}

#[test]
fn any_device_signs_any_other_in_by_a_typed_code() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, HIGH_LIMITS);
    let signed_in = |browser: Browser| browser.with_cookie(&application.sign_in("ana"));
    sign_in(&gate, &application, signed_in(computer(&gate)), phone(&gate));
    sign_in(&gate, &application, signed_in(phone(&gate)), computer(&gate));
    sign_in(&gate, &application, signed_in(phone(&gate)), phone(&gate));
    assert_eq!(application.logins(), 3);
}

#[test]
fn pages_name_each_device_by_what_it_is() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, HIGH_LIMITS);
    let mut desk = computer(&gate).with_cookie(&application.sign_in("ana"));
    let page = desk.post("/qr/", "").text();
    let place = |page: &str, mark: &str| page.find(mark).unwrap_or_else(|| panic!("no {mark}: {page}"));
    assert!(
        place(&page, "class=\"letters\"") < place(&page, "id=\"code\""),
        "the computer shows the code beside the steps"
    );
    assert!(page.contains("Sign in on your phone"));

    let mut ana = phone(&gate).with_cookie(&application.sign_in("ana"));
    assert!(ana.get("/qr/").text().contains("Sign in another device"));
    let response = ana.post("/qr/", "");
    let (code, letters, page) = (code_page(&response), letters(&response).unwrap(), response.text());
    assert!(
        page.find("class=\"typed\"").unwrap() < page.find("crispEdges").unwrap(),
        "a phone shows the letters first"
    );
    assert!(page.contains("Sign in another device") && !page.contains("Sign in on your phone"), "{page}");
    assert!(page.contains("Same network as this phone"), "{page}");

    let mut desk = computer(&gate);
    assert_eq!(enter(&mut desk, &letters).status(), 303);
    claim(&mut desk, &code);
    let waiting = desk.get(&code.path).text();
    assert!(waiting.contains("Type this on your phone") && !waiting.contains("on your computer"), "{waiting}");
    assert_eq!(code.status(&mut ana)["device"]["kind"], "computer");
    let declined = ana.post("/qr/approve", &format!("desk={}&number=00", code.desk)).text();
    assert!(declined.contains("the right number"), "{declined}");
    let ended = desk.get(&code.path).text();
    assert!(ended.contains("The number typed on the phone"), "{ended}");
}

#[test]
fn with_approval_by_phone_typing_and_one_tap_are_enough() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[tickets]\napproval = \"phone\"");
    let mut ana = phone(&gate).with_cookie(&application.sign_in("ana"));
    let mut desk = computer(&gate);
    let (code, letters) = show_letters(&mut ana);
    assert_eq!(enter(&mut desk, &letters).status(), 303);
    assert_eq!(application.logins(), 0);
    let proof = open(&mut desk, &code);
    assert_eq!(press(&mut desk, &code, "continue", &proof).status(), 303);
    assert_eq!(desk.get("/").text(), "signed in as ana");
}

#[test]
fn a_code_shown_by_one_process_is_typed_at_another() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let first = TestGate::with(&application, &redis.settings());
    let second = TestGate::with(&application, &format!("{}[public]\nurl = \"{}\"", redis.settings(), first.origin()));
    let mut ana = computer(&first).with_cookie(&application.sign_in("ana"));
    let mut person = phone(&first);
    let (code, letters) = show_letters(&mut ana);
    person.through(&second);
    assert_eq!(enter(&mut person, &letters).field("location"), Some(code.path.as_str()));
    let (number, proof) = claim(&mut person, &code);
    assert_eq!(code.type_number(&mut ana, &number).json()["state"], "approved");
    assert_eq!(press(&mut person, &code, "finish", &proof).status(), 303);
    assert_eq!(person.get("/").text(), "signed in as ana");
}

#[test]
fn the_page_for_typing_responds_as_its_table_says() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut person = phone(&gate);
    let head = person.request("HEAD", "/qr/code/", &[], None);
    assert_eq!((head.status(), head.content.len()), (200, 0));
    let mut person = phone(&gate);
    let page = person.get("/qr/code/?next=/inbox&code=BCDF-GHJK");
    assert_eq!(page.status(), 200);
    assert!(person.cookie("qrgate").is_some(), "the browser cookie");
    assert_eq!(hidden(&page.text(), "next"), "/inbox");
    assert_eq!(page.text().matches("<input").count(), 3, "the form token, next, and one field: {}", page.text());
    assert!(!page.text().contains("BCDF"), "?code= is ignored");
    assert_eq!(application.logins(), 0);
    let moved = person.get("/qr/code?next=/inbox");
    assert_eq!((moved.status(), moved.field("location")), (308, Some("/qr/code/?next=/inbox")));
    for method in ["PUT", "DELETE", "OPTIONS"] {
        let refused = person.request(method, "/qr/code/", &[], Some(""));
        assert_eq!((refused.status(), refused.field("allow")), (405, Some("GET, HEAD, POST")), "{method}");
    }
    let mut bob = phone(&gate).with_cookie(&application.sign_in("bob"));
    assert!(
        bob.get("/qr/code/").text().contains("bob of example"),
        "the page names the account that is signed in on this device"
    );
}

#[test]
fn with_code_off_no_page_has_letters_and_the_page_for_typing_is_404() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[tickets]\ncode = \"off\"");
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    assert_eq!(letters(&ana.post("/qr/", "")), None);
    assert_eq!(ana.get("/qr/code/").status(), 404);
    assert_eq!(ana.get("/qr/code").status(), 404);
    assert_eq!(ana.post("/qr/code/", "code=BCDF-GHJK").status(), 404);
    assert!(application.requests_to("/qr/code/").is_empty());
}

/// Removes the form token, which is the only difference between two pages.
fn without_proof(response: &Message) -> String {
    let text = response.text();
    let nonce = text.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce").to_owned();
    text.replace(&hidden(&text, "proof"), "PROOF").replace(&nonce, "NONCE")
}

/// S2
#[test]
fn every_typed_code_that_opens_nothing_gets_the_same_page_and_store_commands() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate =
        TestGate::with(&application, &format!("{PROXY}{HIGH_LIMITS}codes_typed = \"1000/1m\"\n{}", redis.settings()));
    eventually("the process has read the mark of the ticket secret", || (calls(&redis, "get") > 0).then_some(()));
    let (here, there) = ("203.0.113.7", "203.0.113.8");
    let mut ana = from(computer(&gate), here).with_cookie(&application.sign_in("ana"));
    let mut stranger = from(phone(&gate), here);
    let mut refuse = |letters: &str, address: &str, cause: &str| {
        stranger.fields = vec![format!("X-Forwarded-For: {address}")];
        let proof = typing_page(&mut stranger);
        redis.cli(&["CONFIG", "RESETSTAT"]);
        let refused = submit(&mut stranger, &proof, letters);
        assert_eq!(refused.status(), 410, "{cause}");
        // PUBLISH does not count: the heartbeat sends it once a second.
        let calls = ["get", "evalsha", "set"].map(|command| calls(&redis, command));
        (cause.to_owned(), without_proof(&refused), refused.content.len(), calls)
    };
    let mut seen = vec![refuse(UNKNOWN, here, "unknown")];
    let (code, letters) = show_letters(&mut ana);
    seen.push(refuse(&letters, there, "not near"));
    claim(&mut from(phone(&gate), here), &code);
    seen.push(refuse(&letters, here, "claimed"));
    code.decline(&mut ana);
    seen.push(refuse(&letters, here, "declined"));
    let (_, letters) = show_letters(&mut ana);
    show_letters(&mut ana);
    seen.push(refuse(&letters, here, "replaced"));
    let (_, letters) = show_letters(&mut ana);
    for key in redis.cli(&["KEYS", "qrgate:{*}c:*"]).lines() {
        redis.cli(&["DEL", key]);
    }
    seen.push(refuse(&letters, here, "expired"));
    for (cause, page, size, calls) in &seen {
        assert_eq!((page, size, calls), (&seen[0].1, &seen[0].2, &seen[0].3), "{cause}");
    }
}

/// How often Redis ran a command since its statistics were reset, commands of scripts included.
fn calls(redis: &TestRedis, command: &str) -> u64 {
    let stats = redis.cli(&["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|rest| rest.split(',').next()).and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// S1
#[test]
fn each_address_has_few_tries_right_or_wrong() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, PROXY);
    let mut ana = from(computer(&gate), "203.0.113.7").with_cookie(&application.sign_in("ana"));
    let (_, letters) = show_letters(&mut ana);
    let mut person = from(phone(&gate), "203.0.113.7");
    let statuses: Vec<u16> = [&letters, UNKNOWN, "nonsense", &letters, UNKNOWN, &letters]
        .map(|code| enter(&mut person, code).status())
        .into();
    assert_eq!(statuses, [303, 410, 400, 303, 410, 429]);
    let limited = enter(&mut person, &letters);
    let wait: u64 = limited.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(enter(&mut from(phone(&gate), "203.0.113.9"), UNKNOWN).status(), 410, "another address");
    let metrics = gate.admin("/metrics").text();
    for sample in ["opened\"} 2", "refused\"} 4", "limited\"} 2"] {
        assert!(metrics.contains(&format!("qrgate_codes_typed_total{{outcome=\"{sample}")), "{sample}: {metrics}");
    }
}

/// S3
#[test]
fn guessing_from_many_addresses_does_not_lock_other_clients_out() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    for settings in [redis.settings(), String::new()] {
        let gate = TestGate::with(&application, &format!("{PROXY}[limits]\ncodes_typed = \"3/10m\"\n{settings}"));
        let mut ana = from(computer(&gate), "203.0.113.7").with_cookie(&application.sign_in("ana"));
        let (code, letters) = show_letters(&mut ana);
        for number in 1..=3 {
            let mut bot = from(phone(&gate), &format!("198.51.100.{number}"));
            assert_eq!(enter(&mut bot, UNKNOWN).status(), 410);
        }
        let mut bot = from(phone(&gate), "198.51.100.1");
        assert_eq!(
            enter(&mut bot, UNKNOWN).status(),
            429,
            "the limit of all clients is used up, and this client has failed"
        );
        let mut honest = from(phone(&gate), "203.0.113.7");
        assert_eq!(enter(&mut honest, &letters).field("location"), Some(code.path.as_str()));
        let limited = enter(&mut honest, &letters);
        assert_eq!(limited.status(), 429, "one try a minute");
        assert!((1..=60).contains(&limited.field("retry-after").unwrap().parse::<u64>().unwrap()));
        assert_eq!(phone(&gate).get(&code.path).status(), 200, "scanning is not counted");
        assert_eq!(
            enter(&mut from(phone(&gate), "2001:db8::1"), UNKNOWN).status(),
            410,
            "another client has its own try"
        );
    }
}

/// S4, S5, S6
#[test]
fn a_code_is_accepted_from_the_address_of_the_device_that_shows_it() {
    let application = TestApplication::start();
    let near = TestGate::with(&application, &format!("{PROXY}{HIGH_LIMITS}"));
    let anywhere = TestGate::with(&application, &format!("{PROXY}{HIGH_LIMITS}[tickets]\ncode = \"anywhere\""));
    for (shown_at, typed_at, is_near) in [
        ("203.0.113.7", "203.0.113.7", true),
        ("203.0.113.7", "203.0.113.8", false),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ("203.0.113.7", "2001:db8::1", false),
        ("203.0.113.7", "::ffff:203.0.113.7", true),
    ] {
        for (gate, opens) in [(&near, is_near), (&anywhere, true)] {
            let mut ana = from(computer(gate), shown_at).with_cookie(&application.sign_in("ana"));
            let (code, letters) = show_letters(&mut ana);
            let redirect = enter(&mut from(phone(gate), typed_at), &letters);
            assert_eq!(redirect.status(), if opens { 303 } else { 410 }, "{shown_at} {typed_at}");
            assert_eq!(code.state(&mut ana), "issued");
        }
    }
}

/// S4
#[test]
fn another_network_is_shown_before_the_code_is_approved() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, &format!("{PROXY}[tickets]\ncode = \"anywhere\""));
    let mut ana = from(computer(&gate), "203.0.113.7").with_cookie(&application.sign_in("ana"));
    let (code, letters) = show_letters(&mut ana);
    let mut caller = from(phone(&gate), "198.51.100.9");
    assert_eq!(enter(&mut caller, &letters).status(), 303);
    let (number, proof) = claim(&mut caller, &code);
    let device = &code.status(&mut ana)["device"];
    assert_eq!((&device["label"], &device["address"]), (&"Safari on iPhone".into(), &"198.51.100.9".into()));
    assert_eq!(device["same_network"], false);
    let wrong = if number == "47" { "48" } else { "47" };
    assert_eq!(code.type_number(&mut ana, wrong).json()["state"], "declined", "one try");
    assert_eq!(press(&mut caller, &code, "finish", &proof).status(), 410);
    assert_eq!(application.logins(), 0);
}

/// S6
#[test]
fn behind_an_undeclared_proxy_no_device_is_near() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, HIGH_LIMITS);
    let mut ana = from(computer(&gate), "203.0.113.7").with_cookie(&application.sign_in("ana"));
    let (_, letters) = show_letters(&mut ana);
    assert_eq!(enter(&mut from(phone(&gate), "203.0.113.7"), &letters).status(), 410, "both unknown");
    assert_eq!(enter(&mut phone(&gate), &letters).status(), 410, "one unknown");
}

/// S7
#[test]
fn a_typed_code_is_in_no_address_and_no_log() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, HIGH_LIMITS);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let (code, letters) = show_letters(&mut ana);
    let mut person = phone(&gate);
    let proof = typing_page(&mut person);
    let by_address = person.post(&format!("/qr/code/?code={letters}"), &format!("proof={proof}"));
    assert_eq!(by_address.status(), 400, "only the content counts");
    assert_eq!(enter(&mut person, &letters).status(), 303);
    enter(&mut person, UNKNOWN);
    gate.wait_for_log(&["\"event\":\"ticket.typed\"", "\"phone_label\":\"Safari on iPhone\""]);
    gate.wait_for_log(&["\"event\":\"ticket.refused\"", "the typed code opens nothing here"]);
    let access = gate.wait_for_log(&["\"method\":\"POST\"", "\"path\":\"/qr/code/\"", "303"]);
    assert!(!access.contains('?'), "{access}");
    for line in gate.log() {
        for secret in [&letters, &letters.replace('-', ""), UNKNOWN, code.token(), &proof] {
            assert!(!line.contains(secret), "{secret}: {line}");
        }
    }
}

/// S8
#[test]
fn only_a_form_of_this_browser_on_this_origin_types_a_code() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let (code, letters) = show_letters(&mut ana);
    let mut victim = phone(&gate);
    let proof = typing_page(&mut victim);
    let form = format!("proof={proof}&code={letters}");
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let own = format!("Origin: {}", gate.origin());
    for fields in [
        &["Origin: https://evil.example", kind][..],
        &["Origin: null", "Sec-Fetch-Site: same-origin", kind],
        &[kind],
        &[&own, "Sec-Fetch-Site: cross-site", kind],
        &[&own, &own, kind],
    ] {
        assert_eq!(victim.request("POST", "/qr/code/", fields, Some(&form)).status(), 403, "{fields:?}");
    }
    assert_eq!(phone(&gate).post("/qr/code/", &form).status(), 403, "no cookie");
    let mut other = phone(&gate);
    typing_page(&mut other);
    assert_eq!(other.post("/qr/code/", &form).status(), 403, "the form token belongs to another browser");
    let confirm = open(&mut phone(&gate), &code);
    assert_eq!(
        victim.post("/qr/code/", &format!("proof={confirm}&code={letters}")).status(),
        403,
        "the form token belongs to another form"
    );
    assert_eq!(victim.post("/qr/code/", &format!("code={letters}")).status(), 403);
    // None of these counted as a try: five are left.
    for _ in 0..5 {
        assert_eq!(submit(&mut victim, &proof, &letters).status(), 303);
    }
    assert_eq!(code.state(&mut ana), "issued");
    let page = victim.get(&code.path).text();
    assert!(page.contains("a••"), "the confirm page names the account: {page}");
}

/// S9
#[test]
fn the_store_reveals_no_code_and_a_swapped_row_opens_nothing() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &format!("{HIGH_LIMITS}{}", redis.settings()));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut bob = computer(&gate).with_cookie(&application.sign_in("bob"));
    let rows = || redis.cli(&["KEYS", "qrgate:{*}c:*"]).lines().map(str::to_owned).collect::<Vec<_>>();
    let before = rows();
    let (_, hers) = show_letters(&mut ana);
    let her_row: Vec<String> = rows().into_iter().filter(|key| !before.contains(key)).collect();
    let (_, his) = show_letters(&mut bob);
    let is_older = |key: &String| before.contains(key) || her_row.contains(key);
    let his_row: Vec<String> = rows().into_iter().filter(|key| !is_older(key)).collect();
    assert_eq!((her_row.len(), his_row.len()), (1, 1));
    let dump = redis.dump();
    for letters in [&hers, &his] {
        assert!(!dump.contains(letters.as_str()) && !dump.contains(&letters.replace('-', "")), "{letters}");
    }
    for row in [&her_row[0], &his_row[0]] {
        let left: u64 = redis.cli(&["PTTL", row]).trim().parse().unwrap();
        assert!((1..=120_000).contains(&left), "{left}");
    }
    redis.cli(&["COPY", &her_row[0], "spare"]);
    redis.cli(&["COPY", &his_row[0], &her_row[0], "REPLACE"]);
    redis.cli(&["COPY", "spare", &his_row[0], "REPLACE"]);
    let mut person = phone(&gate);
    assert_eq!(enter(&mut person, &hers).status(), 410);
    assert_eq!(enter(&mut person, &his).status(), 410);
    redis.cli(&["SET", &her_row[0], "x", "KEEPTTL"]);
    assert_eq!(enter(&mut person, &hers).status(), 410);
}

/// S10
#[test]
fn a_code_is_read_however_it_is_written() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, HIGH_LIMITS);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let (code, letters) = show_letters(&mut ana);
    let wide: String =
        letters.chars().map(|c| if c == '-' { '－' } else { char::from_u32(c as u32 + 0xfee0).unwrap() }).collect();
    let mut person = phone(&gate);
    for written in [
        letters.to_lowercase(),
        letters.replace('-', ""),
        letters.replace('-', "\u{2011}"),
        format!(" {} \u{200f}", letters.replace('-', "\u{3000}")),
        format!("\u{202d}{letters}\u{202c}"),
        wide,
    ] {
        assert_eq!(enter(&mut person, &written).field("location"), Some(code.path.as_str()), "{written}");
    }
    for malformed in ["", "BCDF-GHJ", "BCDF-GHJKL", "BCDF-GHJ1", "ACDF-GHJK", &"B".repeat(5000)] {
        let refused = enter(&mut person, malformed);
        assert_eq!(refused.status(), 400, "{malformed}");
        assert!(!hidden(&refused.text(), "proof").is_empty(), "the page has the field again");
    }
}

/// S11
#[test]
fn of_two_devices_that_type_one_code_one_claims_it_and_the_other_is_reported() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let (code, letters) = show_letters(&mut ana);
    let (mut first, mut second) = (phone(&gate), computer(&gate));
    assert_eq!(enter(&mut first, &letters).status(), 303);
    assert_eq!(enter(&mut second, &letters).status(), 303);
    let proof = open(&mut second, &code);
    claim(&mut first, &code);
    assert_eq!(press(&mut second, &code, "continue", &proof).status(), 409);
    second.get(&code.path);
    assert_eq!(code.status(&mut ana)["contested"], true);
    assert_eq!(enter(&mut second, &letters).status(), 410, "a claim ends the code");
}

#[test]
fn a_device_that_types_a_code_lands_on_its_own_next() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, HIGH_LIMITS);
    for (minted, typed, lands) in [
        ("/basket", "/inbox?page=2", "/inbox?page=2"),
        ("/basket", "", "/basket"),
        ("/basket", "//evil.example/", "/basket"),
        ("", "/inbox", "/inbox"),
        ("", "", "/"),
    ] {
        let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
        let mut person = phone(&gate);
        let encode = |next: &str| form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>();
        let response = ana.post("/qr/", &format!("next={}", encode(minted)));
        let (code, letters) = (code_page(&response), letters(&response).unwrap());
        let page = person.get(&format!("/qr/code/?next={}", encode(typed)));
        let form = format!("proof={}&code={letters}&next={}", hidden(&page.text(), "proof"), encode(typed));
        let redirect = person.post("/qr/code/", &form);
        let address = redirect.field("location").expect("a confirm page").to_owned();
        let confirm = person.get(&address).text();
        let proof = hidden(&confirm, "proof");
        let next = if confirm.contains("name=\"next\"") { hidden(&confirm, "next") } else { String::new() };
        let continued = format!("proof={proof}&action=continue&next={}", encode(&next));
        assert_eq!(person.post(&code.path, &continued).status(), 303);
        let shown = number(&mut person, &code);
        assert_eq!(code.type_number(&mut ana, &shown).json()["state"], "approved");
        assert_eq!(press(&mut person, &code, "finish", &proof).field("location"), Some(lands), "{minted} {typed}");
    }
}

#[test]
fn an_unreachable_store_does_not_count_as_a_try() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let settings = format!("[limits]\ncodes_typed_per_client = \"1/10m\"\n{}timeout = \"1s\"\n", redis.settings());
    let gate = TestGate::with(&application, &settings);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let (code, letters) = show_letters(&mut ana);
    let mut person = phone(&gate);
    redis.signal("STOP");
    for _ in 0..3 {
        let away = enter(&mut person, &letters);
        assert_eq!(away.status(), 503, "{}", away.text());
        assert!(away.field("retry-after").is_some());
    }
    redis.signal("CONT");
    let redirect = crate::harness::eventually("Redis responds", || {
        let response = enter(&mut person, &letters);
        (response.status() != 503).then_some(response)
    });
    assert_eq!((redirect.status(), redirect.field("location")), (303, Some(code.path.as_str())));
    assert_eq!(enter(&mut person, &letters).status(), 429, "the try after the outage counted");
}

#[test]
fn refused_tries_are_logged_at_most_once_a_second() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, &format!("{HIGH_LIMITS}codes_typed = \"10000/1m\""));
    let mut person = phone(&gate);
    let proof = typing_page(&mut person);
    let began = std::time::Instant::now();
    for _ in 0..60 {
        assert_eq!(submit(&mut person, &proof, UNKNOWN).status(), 410);
    }
    let seconds = began.elapsed().as_secs() as usize + 2;
    gate.wait_for_log(&["the typed code opens nothing here"]);
    let lines = gate.log().iter().filter(|line| line.contains("the typed code opens nothing here")).count();
    assert!((1..=seconds).contains(&lines), "{lines} in {seconds} s");
    assert!(gate.admin("/metrics").text().contains("qrgate_codes_typed_total{outcome=\"refused\"} 60"));
}

#[test]
fn a_code_costs_one_write_more_in_redis() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let mut costs = Vec::new();
    for code in ["off", "near"] {
        let gate = TestGate::with(&application, &format!("{}[tickets]\ncode = \"{code}\"", redis.settings()));
        let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
        show_code(&mut ana);
        redis.cli(&["CONFIG", "RESETSTAT"]);
        show_code(&mut computer(&gate).with_cookie(&application.sign_in("bob")));
        costs.push((calls(&redis, "evalsha"), calls(&redis, "set"), calls(&redis, "get")));
    }
    let (without, with) = (costs[0], costs[1]);
    assert_eq!(with, (without.0, without.1 + 1, without.2), "one SET");
}
