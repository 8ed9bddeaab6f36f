//! Failovers that a sentinel makes, seen by the people who are signing in.

use crate::harness::application::{Reply, TestApplication};
use crate::harness::browser::{computer, phone};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::people::{approved, claim, press, show_code};
use crate::harness::redis::TestSentinel;

#[test]
fn a_failover_in_the_middle_of_a_sign_in_costs_at_most_a_second_press() {
    let application = TestApplication::start();
    let redis = TestSentinel::start();
    let gate = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut holder = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut holder);
    redis.replica_catches_up();
    redis.fail_over();
    assert_eq!(ana.get("/").text(), "signed in as ana");
    let finished = eventually("the code is redeemed at the successor", || {
        let answer = press(&mut holder, &code, "finish", &proof);
        (answer.status() != 503).then_some(answer)
    });
    assert_eq!(finished.status(), 303, "{}", finished.text());
    assert_eq!(application.logins(), 1);
    let ready = eventually("the store is well", || Some(gate.admin("/readyz")).filter(|ready| ready.status() == 200));
    assert_eq!(ready.json()["store"], "ok");
}

/// B12: the replica that becomes master never heard that the code was spent.
#[test]
fn a_code_that_a_failover_revives_is_refused_or_redeemed_under_the_same_webhook_id() {
    let application = TestApplication::start();
    let redis = TestSentinel::start();
    let first = TestGate::with(&application, &redis.settings());
    let origin = first.origin();
    let second = TestGate::with(&application, &format!("{}[public]\nurl = \"{origin}\"", redis.settings()));
    let mut ana = computer(&first).with_cookie(&application.sign_in("ana"));
    let mut holder = phone(&first);
    let (code, proof) = approved(&mut ana, &mut holder);
    redis.replica_catches_up();
    redis.cut_the_replica();
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 303);
    assert_eq!(application.logins(), 1);
    redis.master.signal("KILL");
    redis.fail_over();

    // The process that saw it spent: whoever presses, nothing is called.
    let refused = eventually("the successor answers", || {
        let answer = press(&mut holder, &code, "finish", &proof);
        (answer.status() != 503).then_some(answer)
    });
    assert!(!refused.all("set-cookie").iter().any(|line| line.starts_with("sessionid")), "{}", refused.text());
    assert_eq!(application.logins(), 1);
    // Another one believes the store, and the application is asked under the id that it has seen.
    holder.through(&second);
    eventually("the successor answers there too", || {
        (press(&mut holder, &code, "finish", &proof).status() == 303).then_some(())
    });
    let calls = application.requests_to("/_qr/login");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].field("webhook-id"), calls[1].field("webhook-id"));
}

#[test]
fn an_application_that_remembers_webhook_ids_opens_one_session_whatever_redis_forgets() {
    let application = TestApplication::start();
    let redis = TestSentinel::start();
    let seen = std::sync::Mutex::new(std::collections::HashSet::new());
    let good = application.login_reply();
    application.route("/_qr/login", move |request| {
        let id = request.field("webhook-id").unwrap().to_owned();
        match seen.lock().unwrap().insert(id) {
            true => good(request),
            false => Reply::Bytes(
                b"HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
            ),
        }
    });
    let first = TestGate::with(&application, &redis.settings());
    let origin = first.origin();
    let mut ana = computer(&first).with_cookie(&application.sign_in("ana"));
    let mut holder = phone(&first);
    let code = show_code(&mut ana);
    let (number, proof) = claim(&mut holder, &code);
    code.type_number(&mut ana, &number);
    redis.replica_catches_up();
    redis.cut_the_replica();
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 303);
    redis.master.signal("KILL");
    redis.fail_over();
    let second = TestGate::with(&application, &format!("{}[public]\nurl = \"{origin}\"", redis.settings()));
    holder.through(&second);
    let refused = eventually("the successor answers", || {
        let answer = press(&mut holder, &code, "finish", &proof);
        (answer.status() != 503).then_some(answer)
    });
    assert!(!refused.all("set-cookie").iter().any(|line| line.starts_with("sessionid")), "{}", refused.text());
    assert_eq!(application.logins(), 2);
}
