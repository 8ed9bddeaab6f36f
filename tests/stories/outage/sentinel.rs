//! Failovers on command, during sign-ins. In `split.rs` the sentinels decide on a failover themselves, in a network
//! that splits.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::http::Message;
use crate::harness::outage::{HIGH_LIMITS, Outage, Person, SHORT_TIMEOUTS};
use crate::harness::redis::TestSentinel;

/// Two gates of one origin, and ana, who uses the first.
fn scene(
    fault: &'static str,
    application: &TestApplication,
    redis: &TestSentinel,
) -> (TestGate, TestGate, Outage, Person) {
    let first = TestGate::with(application, &format!("{}{SHORT_TIMEOUTS}{HIGH_LIMITS}", redis.settings()));
    let second = TestGate::with(application, &late_settings(redis, &first));
    let mut outage = Outage::of(fault, application, &first);
    let ana = outage.person(&first, "ana");
    (first, second, outage, ana)
}

/// The settings of a further gate at the origin of the first one.
fn late_settings(redis: &TestSentinel, first: &TestGate) -> String {
    format!("{}{SHORT_TIMEOUTS}{HIGH_LIMITS}[public]\nurl = \"{}\"", redis.settings(), first.origin())
}

/// The first response that is not 503.
fn finishes(person: &mut Person) -> Message {
    eventually("the successor responds", || Some(person.finish()).filter(|response| response.status() != 503))
}

fn has_a_session(response: &Message) -> bool {
    response.all("set-cookie").iter().any(|line| line.starts_with("sessionid"))
}

#[test]
fn a_failover_in_the_middle_of_a_sign_in_costs_at_most_a_second_press() {
    let application = TestApplication::start();
    let redis = TestSentinel::start();
    let (gate, _second, mut outage, mut ana) = scene("Sentinel: failover", &application, &redis);
    redis.replica_catches_up();
    redis.fail_over();
    let mut finished = finishes(&mut ana);
    if finished.status() == 200 {
        // The redeem began on the old master, and the new one never received its lease.
        assert!(finished.text().contains("data-state=\"approved\""), "{}", finished.text());
        finished = finishes(&mut ana);
    }
    assert_eq!(finished.status(), 303, "{}", finished.text());
    let ready = eventually("the store is well", || Some(gate.admin("/readyz")).filter(|ready| ready.status() == 200));
    assert_eq!(ready.json()["store"], "ok");
    outage.gets_in(ana);
    outage.ends();
    let calls = application.requests_to("/_qr/login");
    let ids: HashSet<_> = calls.iter().map(|call| call.field("webhook-id").unwrap().to_owned()).collect();
    assert!(calls.len() <= 2 && ids.len() == 1, "{} calls, {ids:?}", calls.len());
}

/// docs/security.md, row B12: the replica that becomes master never received the write that the code is spent.
#[test]
fn a_code_that_a_failover_revives_is_refused_or_redeemed_under_the_same_webhook_id() {
    let application = TestApplication::start();
    let redis = TestSentinel::start();
    let (first, second, _outage, mut ana) = scene("Sentinel: `spent` lost", &application, &redis);
    eventually("both processes listen", || {
        let listeners = redis.master.cli(&["PUBSUB", "NUMSUB", "qrgate:changed"]);
        (listeners.lines().nth(1) == Some("2")).then_some(())
    });
    redis.replica_catches_up();
    redis.cut_the_replica();
    assert_eq!(ana.finish().status(), 303);
    redis.master.signal("KILL");
    redis.fail_over();
    // Neither the process that saw it spent nor the one that was informed calls the hook again.
    for gate in [&first, &second] {
        ana.through(gate);
        assert!(!has_a_session(&finishes(&mut ana)));
    }
    assert_eq!(application.logins(), 1);
    // A process that started later trusts the store and calls the login hook with the id of the first call. This
    // application does not remember ids: the only case in which a code gives two sessions, both to the same phone.
    let late = TestGate::with(&application, &late_settings(&redis, &first));
    ana.through(&late);
    assert_eq!(finishes(&mut ana).status(), 303);
    let calls = application.requests_to("/_qr/login");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].field("webhook-id"), calls[1].field("webhook-id"));
}

#[test]
fn an_application_that_remembers_webhook_ids_opens_one_session_whatever_redis_forgets() {
    let application = TestApplication::start();
    let redis = TestSentinel::start();
    let (good, seen) = (application.login_reply(), Mutex::new(HashSet::new()));
    application.route("/_qr/login", move |request| {
        match seen.lock().unwrap().insert(request.field("webhook-id").unwrap().to_owned()) {
            true => good(request),
            false => Reply::Bytes(response(409, &["Content-Type: application/json"], b"{}")),
        }
    });
    let fault = "Sentinel: `spent` lost, ids remembered";
    let (first, _second, mut outage, mut ana) = scene(fault, &application, &redis);
    redis.replica_catches_up();
    redis.cut_the_replica();
    assert_eq!(ana.finish().status(), 303);
    redis.master.signal("KILL");
    redis.fail_over();
    let late = TestGate::with(&application, &late_settings(&redis, &first));
    ana.through(&late);
    assert!(!has_a_session(&finishes(&mut ana)));
    assert_eq!(application.logins(), 2);
    outage.leaves(&ana);
    outage.ends();
}
