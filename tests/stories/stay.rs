//! `login.stay`: the person who approves chooses how long the new session lasts, and the login hook learns it.

use serde_json::{Value, json};

use crate::harness::application::TestApplication;
use crate::harness::browser::{Browser, computer, hidden, phone};
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::Message;
use crate::harness::people::{CodePage, claim, code_page, press, show_code};

const LENGTHS: &str = "[login]\nstay = [\"browser\", \"8h\", \"14d\"]\n";
const BY_PHONE: &str = "[tickets]\napproval = \"phone\"\n";

/// The values of the choice in a page, and those that are marked as chosen.
fn choice(page: &str) -> (Vec<&str>, Vec<&str>) {
    let Some(options) = page.split("<select id=\"stay\" name=\"stay\"").nth(1) else { return (vec![], vec![]) };
    let options = options.split("</select>").next().unwrap().split("<option value=\"").skip(1);
    let pairs: Vec<_> = options.filter_map(|option| option.split_once('"')).collect();
    let chosen = pairs.iter().filter(|(_, rest)| rest.starts_with(" selected>"));
    (pairs.iter().map(|(value, _)| *value).collect(), chosen.map(|(value, _)| *value).collect())
}

/// Sends the number as the page's script does, with `stay=…`.
fn approve(computer: &mut Browser, code: &CodePage, number: &str, stay: &str) -> Message {
    code.type_number(computer, &format!("{number}{stay}"))
}

/// The length in the last call of the login hook.
fn told(application: &TestApplication) -> Option<Value> {
    application.requests_to("/_qr/login").last().expect("a call").json().get("stay").cloned()
}

#[test]
fn the_length_chosen_with_the_number_reaches_the_login_hook() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, LENGTHS);
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    for (stay, expected, event) in [
        ("", json!("browser"), "\"stay\":\"browser\""),
        ("&stay=8h", json!(28_800), "\"stay\":\"8h\""),
        ("&stay=14d", json!(1_209_600), "\"stay\":\"14d\""),
    ] {
        let page = computer.post("/qr/", "");
        assert_eq!(choice(&page.text()).0, ["browser", "8h", "14d"]);
        let (code, mut phone) = (code_page(&page), phone(&gate));
        assert!(choice(&phone.get(&code.path).text()).0.is_empty(), "the computer chooses");
        let (number, proof) = claim(&mut phone, &code);
        assert_eq!(approve(&mut computer, &code, &number, stay).json()["state"], "approved");
        gate.wait_for_log(&["ticket.approved", event]);
        assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
        assert_eq!(told(&application), Some(expected), "{stay}");
    }
}

#[test]
fn a_length_that_was_not_offered_is_refused_and_changes_nothing() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, LENGTHS);
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let code = show_code(&mut computer);
    let (number, proof) = claim(&mut phone, &code);
    let wrong = if number == "10" { "11" } else { "10" };
    for stay in ["400d", "480m", "8H", "28800", "session", "%20"] {
        for number in [number.as_str(), wrong] {
            let refused = approve(&mut computer, &code, number, &format!("&stay={stay}"));
            assert_eq!((refused.status(), &refused.json()["state"]), (400, &json!("claimed")), "{stay}");
        }
    }
    assert_eq!(approve(&mut computer, &code, &number, "&stay=8h").json()["state"], "approved");
    let again = approve(&mut computer, &code, &number, "&stay=14d");
    assert_eq!((again.status(), &again.json()["state"]), (200, &json!("approved")), "the first choice counts");
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    assert_eq!(told(&application), Some(json!(28_800)));
}

#[test]
fn without_a_script_the_form_offers_the_lengths_and_keeps_the_choice() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, LENGTHS);
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut computer);
    let mut send = |number: &str| {
        let form = format!("desk={}&number={number}&stay=14d", code.desk);
        let plain = ["Origin: null", "Content-Type: application/x-www-form-urlencoded"];
        computer.request("POST", "/qr/approve", &plain, Some(&form))
    };
    for (number, status) in [("47", 409), ("4", 400)] {
        let page = send(number);
        assert_eq!(page.status(), status);
        assert_eq!(choice(&page.text()), (vec!["browser", "8h", "14d"], vec!["14d"]), "{}", page.text());
        assert_eq!(hidden(&page.text(), "desk"), code.desk);
    }
    let mut phone = phone(&gate);
    let (number, proof) = claim(&mut phone, &code);
    assert_eq!(send(&number).status(), 200);
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    assert_eq!(told(&application), Some(json!(1_209_600)));
}

#[test]
fn with_approval_by_phone_the_confirm_page_asks() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, &format!("{LENGTHS}{BY_PHONE}"));
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    for (stay, expected) in [("", json!("browser")), ("&stay=8h", json!(28_800))] {
        let page = computer.post("/qr/", "");
        assert!(choice(&page.text()).0.is_empty(), "the phone chooses");
        let (code, mut phone) = (code_page(&page), phone(&gate));
        let asked = phone.get(&code.path).text();
        assert_eq!(choice(&asked).0, ["browser", "8h", "14d"]);
        let proof = hidden(&asked, "proof");
        let calls = application.logins();
        assert_eq!(press(&mut phone, &code, "continue&stay=400d", &proof).status(), 400);
        assert_eq!((code.state(&mut computer).as_str(), application.logins()), ("issued", calls), "nothing changed");
        assert_eq!(press(&mut phone, &code, &format!("continue{stay}"), &proof).status(), 303);
        assert_eq!(told(&application), Some(expected), "{stay}");
    }
    let approved = gate.wait_for_logs(2, &["ticket.approved"]);
    assert!(approved[0].contains("\"stay\":\"browser\"") && approved[1].contains("\"stay\":\"8h\""), "{approved:?}");
}

#[test]
fn without_stay_no_page_and_no_hook_call_mentions_a_length() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    let page = computer.post("/qr/", "");
    assert!(!page.text().contains("<select"), "{}", page.text());
    let (code, mut phone) = (code_page(&page), phone(&gate));
    let (number, proof) = claim(&mut phone, &code);
    assert_eq!(approve(&mut computer, &code, &number, "&stay=8h").status(), 400);
    assert_eq!(approve(&mut computer, &code, &number, "").json()["state"], "approved");
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    assert_eq!(told(&application), None);
    assert!(!gate.log().iter().any(|line| line.contains("\"stay\"")));
}

#[test]
fn a_single_length_is_used_without_a_question() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[login]\nstay = \"8h\"");
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    let page = computer.post("/qr/", "");
    assert!(!page.text().contains("<select"), "{}", page.text());
    let (code, mut phone) = (code_page(&page), phone(&gate));
    let (number, proof) = claim(&mut phone, &code);
    assert_eq!(approve(&mut computer, &code, &number, "").json()["state"], "approved");
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    assert_eq!(told(&application), Some(json!(28_800)));
}

/// The lengths are sealed when the code is made, and the choice when it is approved.
#[test]
fn a_reload_during_a_sign_in_changes_neither_offer_nor_choice() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, LENGTHS);
    let reload = |settings: &str, times: usize| {
        gate.rewrite(&configuration(application.address, settings));
        assert_eq!(gate.wait_for_logs(times, &["configuration reloaded"]).len(), times);
    };
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let code = show_code(&mut computer);
    let (number, proof) = claim(&mut phone, &code);
    reload("[login]\nstay = [\"1h\"]", 1);
    assert_eq!(approve(&mut computer, &code, &number, "&stay=1h").status(), 400);
    assert_eq!(approve(&mut computer, &code, &number, "&stay=14d").json()["state"], "approved");
    reload("", 2);
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    assert_eq!(told(&application), Some(json!(1_209_600)));
}
