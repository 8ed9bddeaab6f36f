//! The wall clock jumps: libfaketime moves it under the running process. The monotonic clock, which timeouts use, does
//! not jump; in the last test both run fast. Debian's Redis does not start under libfaketime; src/store/count_tests.rs
//! and src/store/redis_tests.rs test its clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::application::TestApplication;
use crate::harness::browser::computer;
use crate::harness::eventually;
use crate::harness::gate::{TICKET_SECRET, TestGate, configuration};
use crate::harness::outage::{HIGH_LIMITS, Outage, SHORT_TIMEOUTS};
use crate::harness::people::show_code;
use crate::harness::redis::TestRedis;

const HOUR: i64 = 3600;

/// A clock that a process is started with.
struct Clock {
    folder: tempfile::TempDir,
}

impl Clock {
    fn right() -> Clock {
        let clock = Clock { folder: tempfile::tempdir().unwrap() };
        clock.jumps_to(0);
        clock
    }

    /// Sets the clock this many seconds ahead of the true time.
    fn jumps_to(&self, seconds: i64) {
        // Written atomically, because it is read all the time.
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("clock")
    }

    fn environment(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().to_str().unwrap().to_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A gate with this clock.
    fn gate(&self, application: &TestApplication, settings: &str) -> TestGate {
        let environment = self.environment();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        TestGate::start_in(
            &configuration(application.address, &format!("{settings}{SHORT_TIMEOUTS}{HIGH_LIMITS}")),
            &environment,
        )
    }
}

fn library() -> String {
    let libraries = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let library = libraries.map(|path| path.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    library.expect("libfaketime is needed: tests/setup.sh installs it").to_str().unwrap().to_owned()
}

#[allow(clippy::disallowed_methods, reason = "the true time is what the clocks under test are off")]
fn true_time() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// The timestamps of the calls of the login hook, as seconds ahead of the true time.
fn signed_ahead(application: &TestApplication) -> Vec<i64> {
    let calls = application.requests_to("/_qr/login");
    calls.iter().map(|call| call.field("webhook-timestamp").unwrap().parse::<i64>().unwrap() - true_time()).collect()
}

/// The clock of the store jumps: existing codes end, new ones work, and no counter blocks them.
fn ends_existing_codes(fault: &'static str, jump: i64) {
    let (application, clock) = (TestApplication::start(), Clock::right());
    let gate = clock.gate(&application, "");
    let mut outage = Outage::of(fault, &application, &gate);
    let mut ana = outage.person(&gate, "ana");
    let mut bob = computer(&gate).with_cookie(&application.sign_in("bob"));
    let code = show_code(&mut bob);
    clock.jumps_to(jump);
    assert_eq!(ana.finish().status(), 410);
    // An hour later they are also forgotten.
    assert!(matches!(code.state(&mut bob).as_str(), "expired" | "none"));
    show_code(&mut bob);
    outage.gets_in(ana);
    outage.ends();
    let ahead = signed_ahead(&application);
    assert!(ahead.len() == 1 && (ahead[0] - jump).abs() < 30, "signed with the clock after the jump: {ahead:?}");
}

#[test]
fn a_clock_set_ahead_ends_the_codes_in_memory() {
    ends_existing_codes("clock an hour ahead, codes in memory", HOUR);
}

#[test]
fn a_clock_set_back_ends_the_codes_in_memory() {
    ends_existing_codes("clock an hour back, codes in memory", -HOUR);
}

/// docs/security.md, row B16
#[test]
fn a_gate_whose_clock_jumps_uses_the_clock_of_its_redis() {
    let (application, clock, redis) = (TestApplication::start(), Clock::right(), TestRedis::start());
    let gate = clock.gate(&application, &redis.settings());
    let mut outage = Outage::of("clock an hour ahead and back, codes in Redis", &application, &gate);
    let people = ["ana", "bob", "cleo"].map(|user| outage.person(&gate, user));
    for (mut person, jump) in people.into_iter().zip([HOUR, -HOUR, 0]) {
        clock.jumps_to(jump);
        let left = person.code.status(&mut person.computer)["expires_in"].as_u64().unwrap();
        assert!((60..=180).contains(&left), "{left}");
        assert_eq!(person.finish().status(), 303);
        outage.gets_in(person);
    }
    outage.ends();
    assert!(signed_ahead(&application).iter().all(|ahead| ahead.abs() < 30), "{:?}", signed_ahead(&application));
}

/// The heartbeat comments of a stream do not delay its last event.
#[test]
fn a_stream_that_was_silent_for_long_reports_that_its_code_has_expired() {
    let application = TestApplication::start();
    let settings = configuration(application.address, "[tickets]\nlifetime = \"1m\"");
    let gate = TestGate::start_in(&settings, &[("LD_PRELOAD", &library()), ("FAKETIME", "+0 x20")]);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut stream = code.events(&gate);
    let mut lines = std::iter::from_fn(|| stream.read_line()).filter(|line| line.starts_with([':', 'd']));
    assert!(lines.any(|line| line.contains("\"issued\"")), "the present state at once");
    assert_eq!(lines.next().as_deref(), Some(":"), "a comment after 15 seconds");
    // The fourth comment is due at the code's very end.
    let last = lines.take(4).find(|line| line != ":").expect("an event");
    assert!(last.contains("\"expired\""), "{last}");
}

/// Once a minute a process compares its ticket secret with the mark in the store.
#[test]
fn a_process_whose_ticket_secret_differs_from_the_others_says_so_in_the_log() {
    let (application, redis) = (TestApplication::start(), TestRedis::start());
    let other = format!("whsec_{}", data_encoding::BASE64.encode(&[7; 32]));
    let gate = |secrets: &str| {
        let store = format!("[store]\nurl = \"redis://127.0.0.1:{}/0\"\ntimeout = \"60s\"", redis.port);
        let settings = configuration(application.address, &format!("{store}\n[tickets]\nsecret = {secrets}"));
        TestGate::start_in(&settings, &[("LD_PRELOAD", &library()), ("FAKETIME", "+0 x60")])
    };
    let first = gate(&format!("\"{other}\""));
    eventually("the first process has written its mark", || (redis.cli(&["DBSIZE"]).trim() != "0").then_some(()));
    let rotating = gate(&format!("[\"{TICKET_SECRET}\", \"{other}\"]"));
    let last = gate(&format!("\"{TICKET_SECRET}\""));
    let words = "another process on this store has another ticket secret";
    last.wait_for_log(&[words]);
    for gate in [first, rotating] {
        assert!(!gate.log().iter().any(|line| line.contains(words)), "the process can open every code");
    }
}
