//! One Redis: killed, stopped, slow, full, emptied, and cut off in the middle of a command.

use std::time::{Duration, Instant};

use crate::harness::application::TestApplication;
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::outage::{HIGH_LIMITS, Outage, Person, SHORT_TIMEOUTS};
use crate::harness::redis::TestRedis;
use crate::harness::relay::{Fate, Relay, When};

/// Bytes that are in the row only while a redeem is under way.
const LEASED: &str = "\"lease\":{";
const SPENT: &str = "\"spent\":{";

struct Scene {
    application: TestApplication,
    redis: TestRedis,
    relay: Relay,
    gate: TestGate,
    outage: Outage,
    ana: Person,
}

impl Scene {
    /// A gate with a store timeout of a second, and ana, who only has to press Finish.
    fn before(fault: &'static str) -> Scene {
        Scene::with(fault, "")
    }

    fn with(fault: &'static str, more: &str) -> Scene {
        let application = TestApplication::start();
        let redis = TestRedis::start();
        let relay = Relay::before(redis.port);
        let settings = format!("{}timeout = \"1500ms\"\n{SHORT_TIMEOUTS}{HIGH_LIMITS}{more}", relay.settings());
        let gate = TestGate::with(&application, &settings);
        let mut outage = Outage::of(fault, &application, &gate);
        let ana = outage.person(&gate, "ana");
        Scene { application, redis, relay, gate, outage, ana }
    }

    /// No page shows a button that cannot work. This holds if the store is unreachable, not if it is full.
    fn the_start_page_says_so(&mut self) {
        let start = self.ana.computer.get("/qr/");
        assert_eq!((start.status(), start.field("retry-after")), (503, Some("5")));
    }

    /// A new code and the last step of an existing one both fail with 503 within the timeout.
    fn codes_are_refused_in_time(&mut self) {
        let began = Instant::now();
        let mint = self.ana.computer.post("/qr/", "");
        assert_eq!(mint.status(), 503);
        assert!(mint.field("retry-after").is_some());
        assert_eq!(self.ana.finish().status(), 503);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!(self.application.logins(), 0, "no call without a lease");
    }

    /// Ana signs her phone in. Returns how often the login hook was called for her codes.
    fn ends(mut self) -> usize {
        self.outage.gets_in(self.ana);
        self.outage.ends();
        self.application.logins()
    }
}

#[test]
fn a_killed_redis_that_comes_back_empty_loses_existing_codes() {
    let mut scene = Scene::before("Redis killed, and back empty");
    scene.redis.end();
    scene.the_start_page_says_so();
    scene.codes_are_refused_in_time();
    assert_eq!(scene.gate.admin("/healthz").status(), 200);
    let ready = scene.gate.admin("/readyz");
    assert_eq!((ready.status(), ready.json()["store"] == "ok"), (503, false));
    assert!(scene.gate.admin("/metrics").text().contains("qrgate_store_errors_total{op="));
    scene.redis.start_again();
    assert_eq!(scene.ana.computer.post("/qr/", "").status(), 200, "the first press after its return shows a code");
    assert_eq!(scene.ana.finish().status(), 410, "an empty store knows no code");
    assert_eq!(scene.ends(), 1);
}

#[test]
fn an_emptied_redis_loses_existing_codes() {
    let mut scene = Scene::before("Redis emptied");
    scene.redis.cli(&["FLUSHALL"]);
    assert_eq!(scene.ana.finish().status(), 410);
    assert_eq!(scene.ends(), 1);
}

#[test]
fn a_stopped_redis_times_out_and_is_used_at_once_when_it_continues() {
    let mut scene = Scene::before("Redis hung (SIGSTOP)");
    scene.redis.signal("STOP");
    scene.the_start_page_says_so();
    scene.codes_are_refused_in_time();
    scene.redis.signal("CONT");
    assert_eq!(scene.ana.finish().status(), 303, "the first press");
    assert_eq!(scene.ends(), 1);
}

/// One worker, so that every press uses the one connection.
#[test]
fn a_silently_dropped_connection_costs_no_press() {
    let mut scene = Scene::with("the connection to Redis dropped silently", "[listen]\nworkers = 1\n");
    scene.relay.drops_without_a_word();
    assert_eq!(scene.ana.finish().status(), 303, "the first call reads, and is sent again");
    let last = Instant::now();
    scene.relay.drops_without_a_word();
    eventually("a second of silence", || (last.elapsed() > Duration::from_millis(1200)).then_some(()));
    assert_eq!(
        scene.ana.computer.post("/qr/", "").status(),
        200,
        "the first call writes, on a connection that was tried"
    );
    assert!(!scene.gate.admin("/metrics").text().contains("qrgate_store_errors_total{"), "nothing failed");
    assert_eq!(scene.ends(), 1);
}

#[test]
fn a_connection_closed_while_idle_costs_no_press() {
    let mut scene = Scene::with("the idle connection to Redis closed", "[listen]\nworkers = 1\n");
    for _ in 0..3 {
        scene.relay.closes();
        assert_eq!(scene.ana.phone.get(&scene.ana.code.path).status(), 200, "the first call reads");
    }
    scene.relay.closes();
    assert_eq!(scene.ana.finish().status(), 303);
    assert_eq!(scene.ends(), 1);
}

/// `/proc/net/tcp`: the field `tr` is 2 while a keepalive timer runs.
#[cfg(target_os = "linux")]
#[test]
fn connections_to_redis_are_kept_alive() {
    let scene = Scene::before("none");
    let towards = format!(":{:04X}", scene.relay.address.port());
    eventually("every connection has a keepalive timer", || {
        let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", scene.gate.pid())).unwrap();
        let sockets: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        let ours: Vec<_> = sockets.iter().filter(|field| field[2].ends_with(&towards) && field[3] == "01").collect();
        (!ours.is_empty() && ours.iter().all(|field| field[5].starts_with("02:"))).then_some(())
    });
    scene.ends();
}

#[test]
fn a_slow_redis_stops_codes_in_time_and_slows_no_other_request() {
    let mut scene = Scene::before("Redis slow (6 s)");
    scene.relay.delays(Duration::from_secs(6));
    scene.codes_are_refused_in_time();
    scene.relay.delays(Duration::ZERO);
    eventually("the delayed commands have been executed", || {
        (scene.ana.computer.post("/qr/", "").status() == 200).then_some(())
    });
    scene.ends();
}

#[test]
fn a_redis_that_gets_slow_in_the_middle_of_a_redeem_signs_in_once() {
    let mut scene = Scene::before("Redis slow (6 s) in the middle of a redeem");
    let (relay, good) = (scene.relay.clone(), scene.application.login_reply());
    scene.application.route("/_qr/login", move |request| {
        relay.delays(Duration::from_secs(6));
        good(request)
    });
    assert_eq!(scene.ana.finish().status(), 503, "a session that was not stored is not relayed");
    scene.application.route("/_qr/login", scene.application.login_reply());
    scene.relay.delays(Duration::ZERO);
    assert_eq!(scene.ends(), 2, "the write was lost, so that session is never relayed");
}

#[test]
fn a_full_redis_without_eviction_refuses_new_codes_and_keeps_existing_ones() {
    let mut scene = Scene::before("Redis full (noeviction)");
    scene.redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    scene.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    scene.codes_are_refused_in_time();
    assert_eq!(scene.ana.code.state(&mut scene.ana.computer), "approved", "existing rows can be read");
    scene.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(scene.ana.finish().status(), 303, "the first press");
    assert_eq!(scene.ends(), 1);
}

#[test]
fn a_full_redis_with_eviction_loses_codes_and_opens_nothing() {
    let mut scene = Scene::before("Redis full (allkeys-lru)");
    let used: u64 = scene.redis.info("used_memory").parse().unwrap();
    scene.redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    scene.redis.cli(&["CONFIG", "SET", "maxmemory", &(used + 2_000_000).to_string()]);
    let fill = "for i = 1, 500 do redis.call('SET', 'other' .. ARGV[1] .. i, string.rep('x', 1000)) end";
    let mut round = 0;
    eventually("ana's code is evicted", || {
        round += 1;
        scene.redis.cli(&["EVAL", fill, "0", &format!("{round}-")]);
        (scene.ana.phone.get(&scene.ana.code.path).status() == 410).then_some(())
    });
    assert_eq!(scene.ana.finish().status(), 410);
    assert_eq!(scene.application.logins(), 0);
    assert_eq!(scene.ends(), 1);
}

#[test]
fn a_redis_without_the_scripts_gets_them_again() {
    let mut scene = Scene::before("Redis' scripts flushed");
    scene.redis.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(scene.ana.finish().status(), 303, "the first press");
    let (gate, redis) = (&scene.gate, &scene.redis);
    for user in ["bob", "cleo"] {
        redis.cli(&["SCRIPT", "FLUSH"]);
        let bob = scene.outage.person(gate, user);
        redis.cli(&["SCRIPT", "FLUSH"]);
        scene.outage.gets_in(bob);
    }
    assert_eq!(scene.ends(), 3);
}

#[test]
fn a_lease_that_never_reached_redis_costs_a_press() {
    let mut scene = Scene::before("connection lost before the lease is written");
    scene.relay.arm(LEASED, When::Before, Fate::IsLost);
    assert_eq!(scene.ana.finish().status(), 503);
    assert_eq!(scene.ana.finish().status(), 303);
    assert_eq!(scene.ends(), 1);
}

#[test]
fn a_lease_whose_reply_was_lost_is_waited_for() {
    let mut scene = Scene::before("connection lost after the lease is written");
    scene.relay.arm(LEASED, When::After, Fate::IsLost);
    assert_eq!(scene.ana.finish().status(), 503);
    assert!(scene.ana.finish().text().contains("Signing you in"));
    assert_eq!(scene.ends(), 1);
}

#[test]
fn a_session_that_could_not_be_stored_is_never_handed_out() {
    let mut scene = Scene::before("connection lost before `spent` is written");
    scene.relay.arm(SPENT, When::Before, Fate::IsLost);
    assert_eq!(scene.ana.finish().status(), 503);
    assert_eq!(scene.ends(), 2);
}

#[test]
fn a_session_whose_write_was_not_confirmed_is_given_with_the_next_press() {
    let mut scene = Scene::before("connection lost after `spent` is written");
    scene.relay.arm(SPENT, When::After, Fate::IsLost);
    assert_eq!(scene.ana.finish().status(), 503);
    assert_eq!(scene.ana.finish().status(), 303);
    assert_eq!(scene.ends(), 1);
}

#[test]
fn a_gate_that_starts_without_its_redis_forwards_and_recovers() {
    let application = TestApplication::start();
    let mut redis = TestRedis::start();
    redis.end();
    let gate = TestGate::with(&application, &format!("{}{SHORT_TIMEOUTS}{HIGH_LIMITS}", redis.settings()));
    let mut outage = Outage::of("Redis away at the start", &application, &gate);
    let mut ana = crate::harness::browser::computer(&gate).with_cookie(&application.sign_in("somebody"));
    assert_eq!(ana.get("/").text(), "signed in as somebody");
    assert_eq!(ana.post("/qr/", "").status(), 503);
    redis.start_again();
    assert_eq!(ana.post("/qr/", "").status(), 200, "the first press after Redis has started");
    let ana = outage.person(&gate, "ana");
    outage.gets_in(ana);
    outage.ends();
}
