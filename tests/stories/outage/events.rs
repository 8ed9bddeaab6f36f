//! Events during a fault: none that the store has is lost, and no sign-in needs the receiver.

use crate::harness::application::TestApplication;
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::outage::{HIGH_LIMITS, Outage, SHORT_TIMEOUTS};
use crate::harness::receiver::TestReceiver;
use crate::harness::redis::TestRedis;
use crate::harness::relay::{Fate, Relay, When};

/// Bytes that are in the row once the phone is signed in.
const SPENT: &str = "\"spent\":{";

#[test]
fn events_outlive_a_redis_that_is_killed_and_comes_back_with_its_data() {
    let (application, receiver) = (TestApplication::start(), TestReceiver::start());
    let mut redis = TestRedis::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let settings = format!("{}{}{SHORT_TIMEOUTS}{HIGH_LIMITS}", receiver.settings(), redis.settings());
    let gate = TestGate::with(&application, &settings);
    let mut outage = Outage::of("Redis killed while events wait", &application, &gate);
    receiver.responds(503);
    let ana = outage.person(&gate, "ana");
    outage.gets_in(ana);
    receiver.is_tried_after(0);
    redis.end();
    assert_eq!(gate.get("/", &[]).status(), 200);
    redis.start_again();
    receiver.responds(200);
    assert_eq!(receiver.has_accepted_a("ticket.spent").json()["user_id"], "ana");
    let bob = outage.person(&gate, "bob");
    outage.gets_in(bob);
    eventually("the next one", || {
        receiver.accepted().iter().any(|event| event.json()["user_id"] == "bob").then_some(())
    });
    outage.ends();
}

#[test]
fn killed_once_spent_is_written_the_event_is_delivered_by_another_process() {
    let (application, receiver, redis) = (TestApplication::start(), TestReceiver::start(), TestRedis::start());
    let relay = Relay::before(redis.port);
    let more = format!("{}{SHORT_TIMEOUTS}{HIGH_LIMITS}", receiver.settings());
    let mut first = TestGate::with(&application, &format!("{}{more}", relay.settings()));
    let public = format!("[public]\nurl = \"{}\"\n", first.origin());
    let second = TestGate::with(&application, &format!("{}{more}{public}", redis.settings()));
    let mut outage = Outage::of("killed after `spent` is written, with events", &application, &second);
    let mut ana = outage.person(&first, "ana");
    relay.arm(SPENT, When::After, Fate::Kills(first.pid()));
    assert!(ana.try_finish().is_none());
    assert_eq!(first.wait(), None);
    ana.through(&second);
    outage.gets_in(ana);
    eventually("the dead process' lease ends", || {
        (!receiver.accepted().is_empty() || redis.cli(&["EXISTS", "qrgate:{00}e:leader"]).trim() == "0").then_some(())
    });
    let spent = receiver.has_accepted_a("ticket.spent");
    assert_eq!(spent.json()["ticket"], application.requests_to("/_qr/login")[0].json()["ticket"]);
    outage.ends();
}

#[test]
fn without_redis_a_receiver_changes_nothing() {
    let (application, receiver) = (TestApplication::start(), TestReceiver::start());
    let mut redis = TestRedis::start();
    redis.end();
    let settings = format!("{}{}{SHORT_TIMEOUTS}{HIGH_LIMITS}", receiver.settings(), redis.settings());
    let gate = TestGate::with(&application, &settings);
    let mut outage = Outage::of("Redis away at the start, with events", &application, &gate);
    assert_eq!(gate.get("/", &[]).status(), 200);
    redis.start_again();
    let ana = outage.person(&gate, "ana");
    outage.gets_in(ana);
    receiver.has_accepted_a("ticket.spent");
    outage.ends();
}
