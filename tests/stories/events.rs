//! `[events]`: the application's receiver learns how each sign-in ended, at least once and in order, and no sign-in
//! waits for it.

use std::time::{Duration, Instant};

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::browser::{Browser, computer, phone};
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::Message;
use crate::harness::people::{CodePage, approved, claim, open, press, show_code, signed_in};
use crate::harness::ports::unused;
use crate::harness::receiver::TestReceiver;
use crate::harness::redis::{TestCluster, TestRedis, TestSentinel};

struct Scene {
    application: TestApplication,
    receiver: TestReceiver,
    gate: TestGate,
}

impl Scene {
    fn new(settings: &str) -> Scene {
        let (application, receiver) = (TestApplication::start(), TestReceiver::start());
        let gate = TestGate::with(&application, &format!("{}{settings}", receiver.settings()));
        Scene { application, receiver, gate }
    }

    fn computer(&self, user: &str) -> Browser {
        computer(&self.gate).with_cookie(&self.application.sign_in(user))
    }

    /// Signs a phone of this user in. Returns the code.
    fn signs_in(&self, user: &str) -> CodePage {
        signs_in(&self.application, &self.gate, user)
    }

    /// Another browser opens the used code.
    fn replays(&self, code: &CodePage) {
        assert_eq!(phone(&self.gate).get(&code.path).status(), 410);
    }
}

fn signs_in(application: &TestApplication, gate: &TestGate, user: &str) -> CodePage {
    let (mut computer, mut phone) = (computer(gate).with_cookie(&application.sign_in(user)), phone(gate));
    let (code, proof) = approved(&mut computer, &mut phone);
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    code
}

fn kinds(events: &[Message]) -> Vec<String> {
    events.iter().map(|event| event.json()["type"].as_str().unwrap().to_owned()).collect()
}

fn ids(events: &[Message]) -> Vec<String> {
    events.iter().map(|event| event.field("webhook-id").unwrap().to_owned()).collect()
}

/// The value of a metric without labels, or with these.
fn metric(gate: &TestGate, name: &str) -> u64 {
    let text = gate.admin("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[test]
fn a_sign_in_is_reported_under_the_name_that_the_login_hook_saw() {
    let scene = Scene::new("");
    scene.signs_in("ana");
    let event = &scene.receiver.has_accepted(1)[0];
    let (body, call) = (event.json(), &scene.application.requests_to("/_qr/login")[0]);
    let ticket = call.field("webhook-id").unwrap();
    assert_eq!(body["type"], "ticket.spent");
    assert_eq!((body["ticket"].as_str(), body["user_id"].as_str()), (Some(ticket), Some("ana")));
    assert_eq!(call.json()["ticket"], body["ticket"]);
    assert_eq!(body["computer"], serde_json::json!({"address": "127.0.0.1", "label": "Firefox on Linux"}));
    assert_eq!(body["phone"], serde_json::json!({"address": "127.0.0.1", "label": "Safari on iPhone"}));
    assert!(body.get("reason").is_none(), "{body}");
    let (at, signed) = (body["at"].as_u64().unwrap(), event.field("webhook-timestamp").unwrap());
    assert!((at..at + 60).contains(&signed.parse().unwrap()), "{at} {signed}");
    assert_eq!(event.field("webhook-id"), Some(&*format!("{ticket}-spent")));
    assert_eq!((event.target(), event.field("content-type")), ("/events?key=k", Some("application/json")));
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["at", "computer", "phone", "ticket", "type", "user_id"], "no other event is sent");
    eventually("it is counted", || {
        (metric(&scene.gate, "qrgate_events_total{outcome=\"delivered\"}") == 1).then_some(())
    });
    eventually("the queue is empty", || (metric(&scene.gate, "qrgate_events_queued") == 0).then_some(()));
}

#[test]
fn each_way_to_decline_is_reported_with_its_reason() {
    let scene = Scene::new("");
    let mut ana = scene.computer("ana");
    let declined = |number: usize, reason: &str| {
        let event = scene.receiver.has_accepted(number).remove(number - 1);
        let body = event.json();
        assert_eq!((body["type"].as_str(), body["reason"].as_str()), (Some("ticket.declined"), Some(reason)), "{body}");
        assert_eq!(event.field("webhook-id").unwrap(), format!("{}-declined", body["ticket"].as_str().unwrap()));
        body
    };
    // Before a phone has opened the code.
    let code = show_code(&mut ana);
    assert_eq!(code.decline(&mut ana).json()["state"], "declined");
    assert!(declined(1, "computer").get("phone").is_none());
    let code = show_code(&mut ana);
    let (number, _) = claim(&mut phone(&scene.gate), &code);
    let wrong = if number == "47" { "48" } else { "47" };
    assert_eq!(code.type_number(&mut ana, wrong).json()["state"], "declined");
    assert_eq!(declined(2, "number")["phone"]["label"], "Safari on iPhone");
    let (code, mut phone) = (show_code(&mut ana), phone(&scene.gate));
    let proof = open(&mut phone, &code);
    assert_eq!(press(&mut phone, &code, "cancel", &proof).status(), 200);
    declined(3, "phone");
    scene.application.route("/_qr/login", |_| Reply::Bytes(response(403, &[], b"{}")));
    let (code, proof) = approved(&mut ana, &mut phone);
    press(&mut phone, &code, "finish", &proof);
    let body = declined(4, "application");
    assert_eq!(scene.application.requests_to("/_qr/login")[0].json()["ticket"], body["ticket"]);
    let (code, proof) = approved(&mut ana, &mut phone);
    scene.application.sign_out(&ana.session().unwrap());
    press(&mut phone, &code, "finish", &proof);
    declined(5, "signed_out");
}

#[test]
fn a_login_hook_that_fails_for_the_third_time_is_reported_once() {
    let scene = Scene::new("");
    let (mut ana, mut phone) = (scene.computer("ana"), phone(&scene.gate));
    scene.application.route("/_qr/login", |_| Reply::Bytes(response(500, &[], b"")));
    let (code, proof) = approved(&mut ana, &mut phone);
    for _ in 0..4 {
        press(&mut phone, &code, "finish", &proof);
    }
    assert_eq!(scene.receiver.has_accepted(1)[0].json()["reason"], "application");
    let code = scene.signs_in_again(&mut ana);
    assert_eq!(kinds(&scene.receiver.has_accepted(2)), ["ticket.declined", "ticket.declined"], "{}", code.path);
}

impl Scene {
    /// Declines another code, so that its event follows all earlier ones.
    fn signs_in_again(&self, ana: &mut Browser) -> CodePage {
        let code = show_code(ana);
        code.decline(ana);
        code
    }
}

#[test]
fn a_second_use_is_reported_once_however_often_it_happens() {
    let scene = Scene::new("");
    let code = scene.signs_in("ana");
    for _ in 0..3 {
        scene.replays(&code);
    }
    // A preview is no second use.
    phone(&scene.gate).request("HEAD", &code.path, &[], None);
    let replayed = scene.receiver.has_accepted_a("ticket.replayed");
    scene.signs_in("bob");
    let events = scene.receiver.has_accepted(3);
    assert_eq!(kinds(&events), ["ticket.spent", "ticket.replayed", "ticket.spent"]);
    assert_eq!(replayed.json()["ticket"], events[0].json()["ticket"]);
    assert_eq!(scene.gate.wait_for_logs(3, &["ticket.replayed"]).len(), 3, "the log has every use");
}

#[test]
fn an_undone_sign_in_is_reported_once_after_it_was_spent() {
    let redis = TestRedis::start();
    for store in ["", &redis.settings()] {
        let (application, receiver) = (TestApplication::start().names_sessions(), TestReceiver::start());
        let settings = format!("{}[login]\nrevoke_path = \"/_qr/revoke\"\n{store}", receiver.settings());
        let gate = TestGate::with(&application, &settings);
        let (mut ana, mut phone) = (computer(&gate).with_cookie(&application.sign_in("ana")), phone(&gate));
        let code = signed_in(&mut ana, &mut phone);
        for _ in 0..2 {
            assert_eq!(code.undo(&mut ana).json()["state"], "undone");
        }
        let events = receiver.has_accepted(2);
        assert_eq!(kinds(&events), ["ticket.spent", "ticket.undone"]);
        let [spent, undone] = [&events[0], &events[1]].map(|event| event.json());
        for member in ["ticket", "user_id", "computer", "phone"] {
            assert_eq!(spent[member], undone[member], "{member}");
        }
        assert_eq!(application.revokes()[0].json()["ticket"], undone["ticket"]);
        signs_in(&application, &gate, "bob");
        assert_eq!(kinds(&receiver.has_accepted(3))[2], "ticket.spent", "and no other in between");
    }
}

#[test]
fn without_a_receiver_nothing_is_queued() {
    let (application, redis) = (TestApplication::start(), TestRedis::start());
    let gate = TestGate::with(&application, &redis.settings());
    let code = signs_in(&application, &gate, "ana");
    assert_eq!(phone(&gate).get(&code.path).status(), 410);
    assert_eq!(redis.cli(&["KEYS", "*}e:*"]).trim(), "");
    assert!(!redis.dump().contains("\"replayed\":true"));
}

#[test]
fn a_failed_event_is_tried_again_with_its_id_and_those_of_its_ticket_stay_in_order() {
    let scene = Scene::new("");
    scene.receiver.responds(500);
    let code = scene.signs_in("ana");
    scene.replays(&code);
    let warned = scene.gate.wait_for_log(&["an event was not delivered"]);
    let url = format!("http://{}/events\"", scene.receiver.server.address);
    assert!(warned.contains(&url) && warned.contains("status 500") && !warned.contains("key=k"), "{warned}");
    scene.receiver.is_tried_after(1);
    scene.receiver.responds(204);
    let events = scene.receiver.has_accepted(2);
    assert_eq!(kinds(&events), ["ticket.spent", "ticket.replayed"]);
    let tries = scene.receiver.tries();
    let mut seen = ids(&tries);
    seen.dedup();
    assert_eq!(seen, ids(&events), "no second event before the first is accepted, and one id for all tries");
    let signed: Vec<u64> = tries.iter().map(|call| call.field("webhook-timestamp").unwrap().parse().unwrap()).collect();
    assert!(signed.is_sorted() && signed[0] < signed[signed.len() - 1], "{signed:?}");
    scene.gate.wait_for_log(&["events are delivered again"]);
    assert!(metric(&scene.gate, "qrgate_events_total{outcome=\"failed\"}") >= 2);
    assert_eq!(scene.gate.log().iter().filter(|line| line.contains("an event was not delivered")).count(), 1);
}

#[test]
fn one_ticket_that_the_receiver_refuses_delays_no_other() {
    let (application, receiver) = (TestApplication::start(), TestReceiver::start());
    let good = receiver.clone();
    receiver.server.route("/picky", move |request| match request.json()["user_id"] == "ana" {
        true => Reply::Bytes(response(422, &[], b"")),
        false => Reply::Bytes(response(if good.tries().is_empty() { 200 } else { 500 }, &[], b"")),
    });
    let settings = receiver.settings().replace("/events", "/picky");
    let gate = TestGate::with(&application, &settings);
    signs_in(&application, &gate, "ana");
    signs_in(&application, &gate, "bob");
    eventually("bob's event arrives", || {
        (metric(&gate, "qrgate_events_total{outcome=\"delivered\"}") == 1).then_some(())
    });
    eventually("ana's event waits", || (metric(&gate, "qrgate_events_queued") == 1).then_some(()));
}

#[test]
fn no_sign_in_waits_for_a_receiver() {
    let unreachable = unused();
    let hung = TestReceiver::start();
    hung.responds(0);
    let refused = hung.settings().replace(&hung.server.address.to_string(), &unreachable.to_string());
    for settings in [refused, hung.settings()] {
        let application = TestApplication::start();
        let gate = TestGate::with(&application, &settings);
        let began = Instant::now();
        let code = signs_in(&application, &gate, "ana");
        assert_eq!(phone(&gate).get(&code.path).status(), 410);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        eventually("the events wait", || (metric(&gate, "qrgate_events_queued") == 2).then_some(()));
        eventually("their age grows", || (metric(&gate, "qrgate_event_oldest_seconds") >= 2).then_some(()));
    }
}

#[test]
fn a_receiver_can_neither_redirect_a_call_nor_respond_without_end() {
    let scene = Scene::new("");
    let content = vec![b'x'; 3_000_000];
    scene.receiver.server.route("/events", move |_| Reply::Bytes(response(200, &[], &content)));
    scene.signs_in("ana");
    eventually("a long response is a success", || {
        (metric(&scene.gate, "qrgate_events_total{outcome=\"delivered\"}") == 1).then_some(())
    });
    scene.receiver.server.route("/events", |_| Reply::Bytes(response(307, &["Location: /elsewhere"], b"")));
    scene.signs_in("bob");
    scene.gate.wait_for_log(&["an event was not delivered", "status 307"]);
    assert!(scene.receiver.server.requests_to("/elsewhere").is_empty());
}

#[test]
fn a_receiver_that_responds_410_gets_no_second_try() {
    let scene = Scene::new("");
    scene.receiver.responds(410);
    scene.signs_in("ana");
    scene.gate.wait_for_log(&["an event was dropped", "410"]);
    eventually("it is counted", || {
        (metric(&scene.gate, "qrgate_events_total{outcome=\"dropped\"}") == 1).then_some(())
    });
    scene.receiver.responds(200);
    scene.signs_in("bob");
    assert_eq!(scene.receiver.has_accepted_a("ticket.spent").json()["user_id"], "bob");
    assert_eq!(scene.receiver.tries().len(), 2);
}

#[test]
fn retry_after_is_kept_where_it_is_longer_than_the_pause() {
    let scene = Scene::new("");
    scene.receiver.server.route("/events", |_| Reply::Bytes(response(503, &["Retry-After: 9"], b"")));
    scene.signs_in("ana");
    scene.receiver.is_tried_after(0);
    let first = Instant::now();
    scene.receiver.is_tried_after(1);
    assert!(first.elapsed() > Duration::from_secs(8), "{:?}", first.elapsed());
}

#[test]
fn a_reload_takes_another_receiver() {
    let scene = Scene::new("");
    scene.receiver.responds(500);
    scene.signs_in("ana");
    scene.receiver.is_tried_after(0);
    let other = TestReceiver::start();
    scene.gate.rewrite(&configuration(scene.application.address, &other.settings()));
    scene.gate.signal("HUP");
    scene.gate.wait_for_log(&["configuration reloaded"]);
    assert_eq!(other.has_accepted(1)[0].json()["user_id"], "ana", "waiting events go to the new receiver");
    scene.signs_in("bob");
    assert_eq!(other.has_accepted(2)[1].json()["user_id"], "bob");
}

#[test]
fn a_process_that_is_stopped_delivers_what_is_due_first_and_waits_for_no_hung_receiver() {
    let mut scene = Scene::new("");
    scene.signs_in("ana");
    scene.gate.signal("TERM");
    assert_eq!(scene.gate.wait(), Some(0));
    assert_eq!(scene.receiver.accepted().len(), 1);
    let mut scene = Scene::new("");
    scene.receiver.responds(0);
    scene.signs_in("ana");
    scene.receiver.is_tried_after(0);
    let began = Instant::now();
    scene.gate.signal("TERM");
    assert_eq!(scene.gate.wait(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn events_outlive_a_killed_process_and_stay_in_order() {
    let (redis, application, receiver) = (TestRedis::start(), TestApplication::start(), TestReceiver::start());
    let settings = format!("{}{}", receiver.settings(), redis.settings());
    receiver.responds(500);
    let mut gate = TestGate::with(&application, &settings);
    let code = signs_in(&application, &gate, "ana");
    receiver.is_tried_after(0);
    assert_eq!(phone(&gate).get(&code.path).status(), 410);
    let dump = redis.cli(&["--no-raw", "LRANGE", redis.cli(&["KEYS", "*e:queue"]).trim(), "0", "-1"]);
    assert!(dump.lines().count() == 2 && !dump.contains("ana") && !dump.contains("ticket.spent"), "{dump}");
    gate.signal("KILL");
    gate.wait();
    receiver.responds(200);
    let _second = TestGate::with(&application, &settings);
    eventually("the dead process' lease ends", || {
        (!receiver.accepted().is_empty() || redis.cli(&["EXISTS", "qrgate:{00}e:leader"]).trim() == "0").then_some(())
    });
    let events = receiver.has_accepted(2);
    assert_eq!(kinds(&events), ["ticket.spent", "ticket.replayed"]);
    assert_eq!(
        events[0].field("webhook-id"),
        receiver.tries()[0].field("webhook-id"),
        "the webhook-id outlives the process, too"
    );
}

/// The process that delivers also delivers the events of the others.
fn of_two_processes_one_delivers(store: &str) {
    let (application, receiver) = (TestApplication::start(), TestReceiver::start());
    let settings = format!("{}{store}", receiver.settings());
    let first = TestGate::with(&application, &settings);
    signs_in(&application, &first, "ana");
    receiver.has_accepted(1);
    let second = TestGate::with(&application, &settings);
    for user in ["bob", "cleo", "dan"] {
        signs_in(&application, &second, user);
    }
    let events = receiver.has_accepted(4);
    let mut users: Vec<String> = events.iter().map(|e| e.json()["user_id"].as_str().unwrap().to_owned()).collect();
    users.sort();
    assert_eq!(users, ["ana", "bob", "cleo", "dan"]);
    assert_eq!(metric(&second, "qrgate_events_total{outcome=\"delivered\"}"), 0);
    // When the first process ends, it leaves the rest to the second.
    drop(first);
}

#[test]
fn of_two_processes_on_one_redis_one_delivers() {
    of_two_processes_one_delivers(&TestRedis::start().settings());
}

#[test]
fn of_two_processes_on_a_sentinel_one_delivers() {
    of_two_processes_one_delivers(&TestSentinel::start().settings());
}

#[test]
fn of_two_processes_on_a_cluster_one_delivers() {
    of_two_processes_one_delivers(&TestCluster::start().settings());
}

#[test]
fn a_process_that_is_stopped_hands_its_lease_over() {
    let (redis, application, receiver) = (TestRedis::start(), TestApplication::start(), TestReceiver::start());
    let settings = format!("{}{}", receiver.settings(), redis.settings());
    let mut first = TestGate::with(&application, &settings);
    signs_in(&application, &first, "ana");
    receiver.has_accepted(1);
    let second = TestGate::with(&application, &settings);
    first.signal("TERM");
    assert_eq!(first.wait(), Some(0));
    let began = Instant::now();
    signs_in(&application, &second, "bob");
    receiver.has_accepted(2);
    assert!(began.elapsed() < Duration::from_secs(10), "before its lease would have expired: {:?}", began.elapsed());
}
