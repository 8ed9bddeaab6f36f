//! The main journey: signed in on the computer, then on the phone.

use crate::harness::application::TestApplication;
use crate::harness::browser::{computer, phone};
use crate::harness::gate::TestGate;
use crate::harness::people::{approved, claim, open, press, show_code};
use crate::harness::redis::TestRedis;

#[test]
fn a_phone_signs_in_with_the_number_typed_at_the_computer() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);

    let start = computer.get("/qr/");
    assert_eq!(start.status(), 200);
    assert!(start.text().contains("ana of example"), "{}", start.text());
    let code = show_code(&mut computer);
    assert_eq!(code.state(&mut computer), "issued");

    let (number, proof) = claim(&mut phone, &code);
    let seen = code.status(&mut computer);
    assert_eq!(seen["state"], "claimed");
    assert_eq!(seen["device"]["label"], "Safari on iPhone");
    assert_eq!(application.logins(), 0, "nothing is asked before the computer agreed");

    assert_eq!(code.type_number(&mut computer, &number).json()["state"], "approved");
    let landed = press(&mut phone, &code, "finish", &proof);
    assert_eq!((landed.status(), landed.field("location")), (303, Some("/")));
    assert_eq!(code.state(&mut computer), "spent");

    let session = phone.session().expect("a separate session");
    assert_eq!(application.user_of(&session).as_deref(), Some("ana"));
    assert_ne!(Some(session), computer.session());
    assert_eq!(phone.get("/").text(), "signed in as ana");
    assert_eq!(application.logins(), 1);
}

#[test]
fn with_approval_by_phone_the_tap_is_enough() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[tickets]\napproval = \"phone\"");
    let mut computer = computer(&gate).with_cookie(&application.sign_in("bob"));
    let mut phone = phone(&gate);
    let code = show_code(&mut computer);
    let proof = open(&mut phone, &code);
    let landed = press(&mut phone, &code, "continue", &proof);
    assert_eq!((landed.status(), landed.field("location")), (303, Some("/")), "{}", landed.text());
    assert_eq!(phone.get("/").text(), "signed in as bob");
    assert_eq!(code.state(&mut computer), "spent");
}

#[test]
fn two_processes_on_one_redis_share_the_journey() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let first = TestGate::with(&application, &redis.settings());
    let second = TestGate::with(&application, &format!("{}[public]\nurl = \"{}\"", redis.settings(), first.origin()));
    let mut computer = computer(&first).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&first);
    let code = show_code(&mut computer);

    phone.through(&second);
    let (number, proof) = claim(&mut phone, &code);
    assert_eq!(code.type_number(&mut computer, &number).json()["state"], "approved");
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    assert_eq!(code.state(&mut computer), "spent");
    assert_eq!(phone.get("/").text(), "signed in as ana");
}

#[test]
fn the_phone_lands_where_the_code_was_asked_for() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    for (next, lands) in [("/basket?item=7", "/basket?item=7"), ("//evil.example/", "/"), ("/%5cevil.example", "/")] {
        let start = computer.get(&format!("/qr/?next={}", next.replace('%', "%25").replace('?', "%3F")));
        assert_eq!(start.status(), 200);
        let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let code = crate::harness::people::code_page(&computer.post("/qr/", &form));
        let mut phone = phone(&gate);
        let (number, proof) = claim(&mut phone, &code);
        code.type_number(&mut computer, &number);
        assert_eq!(press(&mut phone, &code, "finish", &proof).field("location"), Some(lands), "{next}");
    }
}

#[test]
fn a_lost_response_is_given_again_without_another_call() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut computer, &mut phone);
    let first = press(&mut phone, &code, "finish", &proof);
    let second = press(&mut phone, &code, "finish", &proof);
    assert_eq!(second.status(), 303);
    assert_eq!(first.all("set-cookie"), second.all("set-cookie"));
    assert_eq!(application.logins(), 1);
    let done = phone.get(&code.path);
    assert_eq!(done.status(), 200);
    assert!(done.text().contains("You&#39;re signed in"), "{}", done.text());
}

#[test]
fn a_phone_signed_in_as_another_user_is_asked_first() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut computer = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate).with_cookie(&application.sign_in("bob"));
    let code = show_code(&mut computer);
    let asked = phone.get(&code.path).text();
    assert!(asked.contains("bob of example"), "{asked}");
    let (number, proof) = claim(&mut phone, &code);
    code.type_number(&mut computer, &number);
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    assert_eq!(phone.get("/").text(), "signed in as ana");
    let call = application.requests_to("/_qr/login").pop().expect("one call");
    assert!(call.all("cookie").is_empty(), "the hook sees no cookie of the client");
    assert_eq!(call.json()["type"], "qr.login");
    assert_eq!(call.json()["amr"], serde_json::json!(["qr"]));
}
