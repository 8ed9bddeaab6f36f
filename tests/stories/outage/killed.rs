//! qrgate is killed between each two steps of a redeem; the stories check what the phone and the application see then.
//!
//! Every step of a redeem after the first read is a call to the store or to the application. So killing needs no code
//! in qrgate: the application kills it from inside a hook, and a relay in front of Redis kills it while a write is on
//! its way there, or its reply on the way back. A second process on the same store takes over.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::application::{Reply, TestApplication};
use crate::harness::gate::TestGate;
use crate::harness::outage::{HIGH_LIMITS, Outage, Person, SHORT_TIMEOUTS};
use crate::harness::redis::TestRedis;
use crate::harness::relay::{Fate, Relay, When, kill};

/// Bytes that are in the row only while a redeem is under way.
const LEASED: &str = "\"lease\":{";
const SPENT: &str = "\"spent\":{";

/// Two gates on one Redis, and a phone that may finish at the first. A client browses at the second.
struct Scene {
    application: TestApplication,
    relay: Relay,
    first: TestGate,
    second: TestGate,
    outage: Outage,
    ana: Person,
    _redis: TestRedis,
}

impl Scene {
    fn before(fault: &'static str) -> Scene {
        let application = TestApplication::start();
        let redis = TestRedis::start();
        let relay = Relay::before(redis.port);
        let first = TestGate::with(&application, &format!("{}{SHORT_TIMEOUTS}{HIGH_LIMITS}", relay.settings()));
        let public = format!("[public]\nurl = \"{}\"\n", first.origin());
        let second =
            TestGate::with(&application, &format!("{}{SHORT_TIMEOUTS}{HIGH_LIMITS}{public}", redis.settings()));
        let mut outage = Outage::of(fault, &application, &second);
        let ana = outage.person(&first, "ana");
        Scene { application, relay, first, second, outage, ana, _redis: redis }
    }

    /// Kills the first gate during the `nth` call of the identify hook from now on.
    fn killed_by_identify(&self, nth: usize) {
        let (pid, good, count) = (self.first.pid(), self.application.identify_reply(), AtomicUsize::new(0));
        self.application.route("/_qr/whoami", move |request| {
            if count.fetch_add(1, Ordering::SeqCst) + 1 != nth {
                return good(request);
            }
            kill(pid);
            Reply::Close
        });
    }

    /// Kills the first gate during the login hook, before or after the application has made a session.
    fn killed_by_login(&self, when: When) {
        let (pid, good, done) = (self.first.pid(), self.application.login_reply(), AtomicBool::new(false));
        self.application.route("/_qr/login", move |request| {
            if done.swap(true, Ordering::SeqCst) {
                return good(request);
            }
            if when == When::After {
                drop(good(request));
            }
            kill(pid);
            Reply::Close
        });
    }

    /// Finish at the first gate, which dies; then at the second, as its page does, until the phone is signed in.
    /// Returns how often the login hook was called.
    fn finishes_at_the_second(mut self) -> usize {
        assert!(self.ana.try_finish().is_none(), "a killed gate sends the phone no response");
        assert_eq!(self.first.wait(), None, "it was killed");
        self.ana.through(&self.second);
        let mut ana = self.outage.gets_in(self.ana);
        let calls = self.application.requests_to("/_qr/login");
        // The same session, however often it is requested.
        assert_eq!(ana.finish().status(), 303);
        self.outage.leaves(&ana);
        assert_eq!(self.application.logins(), calls.len());
        let signed: Vec<_> = calls.iter().map(|call| call.field("webhook-timestamp").expect("a timestamp")).collect();
        assert!(signed.windows(2).all(|pair| pair[0] < pair[1]), "each call has a later timestamp");
        self.outage.ends();
        calls.len()
    }
}

#[test]
fn killed_before_the_lease_is_written_the_next_press_starts_again() {
    let scene = Scene::before("killed before the lease is written");
    scene.relay.arm(LEASED, When::Before, Fate::Kills(scene.first.pid()));
    assert_eq!(scene.finishes_at_the_second(), 1);
}

#[test]
fn killed_once_the_lease_is_written_the_phone_waits_for_its_end() {
    let scene = Scene::before("killed after the lease is written");
    scene.relay.arm(LEASED, When::After, Fate::Kills(scene.first.pid()));
    assert_eq!(scene.finishes_at_the_second(), 1);
}

#[test]
fn killed_while_the_computers_session_is_identified_the_login_hook_was_not_called() {
    let scene = Scene::before("killed while the computer's session is asked about");
    scene.killed_by_identify(1);
    assert_eq!(scene.finishes_at_the_second(), 1);
}

#[test]
fn killed_before_the_hook_made_a_session_it_is_called_again_with_the_same_id() {
    let scene = Scene::before("killed before the hook made a session");
    scene.killed_by_login(When::Before);
    assert_eq!(scene.finishes_at_the_second(), 2);
}

#[test]
fn killed_after_the_hook_made_a_session_it_is_never_handed_out() {
    let scene = Scene::before("killed after the hook made a session");
    scene.killed_by_login(When::After);
    assert_eq!(scene.finishes_at_the_second(), 2);
}

#[test]
fn killed_while_the_new_session_is_verified_it_is_never_handed_out() {
    let scene = Scene::before("killed while the new session is verified");
    scene.killed_by_identify(2);
    assert_eq!(scene.finishes_at_the_second(), 2);
}

#[test]
fn killed_before_spent_is_written_the_session_is_never_handed_out() {
    let scene = Scene::before("killed before `spent` is written");
    scene.relay.arm(SPENT, When::Before, Fate::Kills(scene.first.pid()));
    assert_eq!(scene.finishes_at_the_second(), 2);
}

#[test]
fn killed_once_spent_is_written_the_second_process_gives_the_same_session() {
    let scene = Scene::before("killed after `spent` is written");
    scene.relay.arm(SPENT, When::After, Fate::Kills(scene.first.pid()));
    assert_eq!(scene.finishes_at_the_second(), 1, "no call but the one before the kill");
}

/// With codes in memory nothing survives the process (docs/operations.md).
#[test]
fn killed_with_codes_in_memory_the_phone_reads_that_the_code_is_invalid_and_a_new_one_works() {
    let application = TestApplication::start();
    let first = TestGate::with(&application, &format!("{SHORT_TIMEOUTS}{HIGH_LIMITS}"));
    let public = format!("[public]\nurl = \"{}\"\n", first.origin());
    let second = TestGate::with(&application, &format!("{SHORT_TIMEOUTS}{HIGH_LIMITS}{public}"));
    let mut outage = Outage::of("killed with codes in memory", &application, &second);
    let mut ana = outage.person(&first, "ana");
    kill(first.pid());
    ana.through(&second);
    let told = ana.finish();
    assert_eq!(told.status(), 410);
    assert!(told.all("set-cookie").is_empty());
    outage.gets_in(ana);
    outage.ends();
    assert_eq!(application.logins(), 1);
}
