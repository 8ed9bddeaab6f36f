//! Where tickets are kept: what is in there, and what happens when it goes away.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::harness::application::TestApplication;
use crate::harness::browser::{computer, phone};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::people::{approved, claim, press, show_code};
use crate::harness::redis::TestRedis;
use crate::harness::tls::Authority;

#[test]
fn who_reads_the_store_finds_no_token_no_user_and_no_cookie() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &redis.settings());
    let session = application.sign_in("ana");
    let mut ana = computer(&gate).with_cookie(&session);
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    let dump = redis.dump();
    assert!(dump.contains("qrgate:{"), "{dump}");
    let relayed = phone.session().unwrap();
    let browser = phone.cookie("qrgate").unwrap().to_owned();
    for secret in [code.token(), &code.desk, &code.view, "ana", &session, &relayed, &browser, "Firefox", "127.0.0.1"] {
        assert!(!dump.contains(secret), "{secret} is in the store");
    }
    for key in redis.cli(&["KEYS", "*"]).lines() {
        let left: i64 = redis.cli(&["PTTL", key]).trim().parse().unwrap();
        assert!(left > 0, "{key} lives for ever");
        assert!(key.starts_with("qrgate:{"), "{key}");
    }
}

#[test]
fn a_redis_that_is_away_stops_codes_and_nothing_else() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut holder = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut holder);
    let port = redis.kill();

    let mint = ana.post("/qr/", "");
    assert_eq!(mint.status(), 503);
    assert!(mint.field("retry-after").is_some());
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 503);
    assert_eq!(ana.get("/anything").text(), "signed in as ana");
    assert_eq!(gate.admin("/healthz").status(), 200);
    assert!(gate.admin("/metrics").text().contains("qrgate_store_errors_total{op="));
    let ready = gate.admin("/readyz");
    assert_eq!(ready.status(), 503);
    assert_ne!(ready.json()["store"], "ok");
    assert_eq!(application.logins(), 0);

    let _again = TestRedis::at(port);
    assert_eq!(ana.post("/qr/", "").status(), 200, "the first press after its return shows a code");
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 410, "an empty store knows no code");
    assert_eq!(application.logins(), 0);
}

#[test]
fn a_gate_that_starts_without_its_redis_forwards_and_recovers() {
    let application = TestApplication::start();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let gate = TestGate::with(&application, &format!("[store]\nurl = \"redis://127.0.0.1:{port}/0\""));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    assert_eq!(ana.get("/").text(), "signed in as ana");
    assert_eq!(ana.post("/qr/", "").status(), 503);
    let _redis = TestRedis::at(port);
    eventually("codes are shown", || (ana.post("/qr/", "").status() == 200).then_some(()));
}

#[test]
fn a_swapped_or_forged_record_opens_nothing() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut bob = computer(&gate).with_cookie(&application.sign_in("bob"));
    let of_ana = show_code(&mut ana);
    let hers: Vec<String> = hashes(&redis);
    let of_bob = show_code(&mut bob);
    let his: Vec<String> = hashes(&redis).into_iter().filter(|key| !hers.contains(key)).collect();
    assert_eq!((hers.len(), his.len()), (1, 1));
    redis.cli(&["COPY", &hers[0], "spare"]);
    redis.cli(&["COPY", &his[0], &hers[0], "REPLACE"]);
    redis.cli(&["COPY", "spare", &his[0], "REPLACE"]);
    for code in [of_ana, of_bob] {
        assert_eq!(phone(&gate).get(&code.path).status(), 410);
    }
    assert_eq!(application.logins(), 0);
}

#[test]
fn a_code_outlives_a_reload_and_a_restart_on_redis() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let first = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&first).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let origin = first.origin();
    drop(first);
    let second = TestGate::with(&application, &format!("{}[public]\nurl = \"{origin}\"", redis.settings()));
    let mut holder = phone(&second).at_origin(&origin);
    ana.through(&second);
    let (number, proof) = claim(&mut holder, &code);
    code.type_number(&mut ana, &number);
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 303);
}

fn hashes(redis: &TestRedis) -> Vec<String> {
    let keys = redis.cli(&["KEYS", "*"]);
    keys.lines().filter(|key| redis.cli(&["TYPE", key]).trim() == "hash").map(str::to_owned).collect()
}

#[test]
fn a_hung_redis_is_given_up_within_its_timeout() {
    let application = TestApplication::start();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hung: SocketAddr = listener.local_addr().unwrap();
    let gate = TestGate::with(&application, &format!("[store]\nurl = \"redis://{hung}/0\"\ntimeout = \"300ms\""));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let began = std::time::Instant::now();
    assert_eq!(ana.post("/qr/", "").status(), 503);
    assert!(began.elapsed() < std::time::Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(ana.get("/").text(), "signed in as ana");
}

#[test]
fn a_slow_redis_stops_codes_in_time_and_slows_no_other_request() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &format!("{}timeout = \"500ms\"", redis.settings()));
    let session = application.sign_in("ana");
    let mut ana = computer(&gate).with_cookie(&session);
    assert_eq!(ana.post("/qr/", "").status(), 200);
    assert_eq!(redis.cli(&["CLIENT", "PAUSE", "2000", "ALL"]).trim(), "OK");
    let paused = Instant::now();
    let pressing = std::thread::spawn(move || {
        let began = Instant::now();
        (ana.post("/qr/", "").status(), began.elapsed(), ana)
    });
    let mut other = computer(&gate).with_cookie(&session);
    let mut slowest = Duration::ZERO;
    while !pressing.is_finished() {
        let began = Instant::now();
        assert_eq!(other.get("/").text(), "signed in as ana");
        slowest = slowest.max(began.elapsed());
    }
    let (status, took, mut ana) = pressing.join().unwrap();
    assert_eq!(status, 503);
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(slowest < Duration::from_millis(400), "a forwarded request took {slowest:?}");
    std::thread::sleep(Duration::from_millis(2050).saturating_sub(paused.elapsed()));
    assert_eq!(ana.post("/qr/", "").status(), 200, "the first press afterwards shows a code");
}

#[test]
fn a_stopped_redis_that_goes_on_is_used_at_once() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &format!("{}timeout = \"300ms\"", redis.settings()));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    redis.signal("STOP");
    assert_eq!(ana.post("/qr/", "").status(), 503);
    assert_eq!(phone(&gate).get(&code.path).status(), 503);
    redis.signal("CONT");
    assert_eq!(phone(&gate).get(&code.path).status(), 200);
}

#[test]
fn a_full_redis_that_evicts_nothing_refuses_codes_and_keeps_those_there_are() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut bob = computer(&gate).with_cookie(&application.sign_in("bob"));
    let mut holder = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut holder);
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(bob.post("/qr/", "").status(), 503);
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 503);
    assert_eq!(code.state(&mut ana), "approved", "what is there is read");
    assert_eq!(application.logins(), 0, "no call without a lease");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 303);
    assert_eq!(application.logins(), 1);
}

#[test]
fn a_full_redis_that_evicts_loses_codes_and_opens_nothing() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut holder = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut holder);
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    // The next command that writes makes room for itself.
    redis.cli(&["SET", "other", "x"]);
    eventually("all is evicted", || (redis.cli(&["DBSIZE"]).trim() == "0").then_some(()));
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 410);
    assert_eq!(application.logins(), 0);
    assert_eq!(ana.post("/qr/", "").status(), 200);
}

#[test]
fn a_redis_that_forgot_the_scripts_is_told_them_again() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut holder = phone(&gate);
    let code = show_code(&mut ana);
    redis.cli(&["SCRIPT", "FLUSH"]);
    let (number, proof) = claim(&mut holder, &code);
    redis.cli(&["SCRIPT", "FLUSH"]);
    code.type_number(&mut ana, &number);
    redis.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 303);
}

#[test]
fn redis_behind_tls_asks_for_our_certificate_and_password() {
    let application = TestApplication::start();
    let authority = Authority::new();
    let (theirs, ours) = (authority.issue("redis", &["127.0.0.1"]), authority.issue("qrgate", &["qrgate.example"]));
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let tls_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let redis = TestRedis::with(&[
        "--tls-port",
        &tls_port.to_string(),
        "--tls-cert-file",
        &path(&theirs.certificate),
        "--tls-key-file",
        &path(&theirs.key),
        "--tls-ca-cert-file",
        &path(&authority.file()),
        "--requirepass",
        "hush",
    ]);
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("redis.url");
    std::fs::write(&url, format!("rediss://:hush@127.0.0.1:{tls_port}/2\n")).unwrap();
    let store = format!("[store]\nurl_file = \"{}\"\n[store.tls]\nca = \"{}\"\n", path(&url), path(&authority.file()));
    let own = format!("certificate = \"{}\"\nkey = \"{}\"\n", path(&ours.certificate), path(&ours.key));
    let stranger = TestGate::with(&application, &store);
    let mut ana = computer(&stranger).with_cookie(&application.sign_in("ana"));
    assert_eq!(ana.post("/qr/", "").status(), 503, "without a certificate of its own");

    let gate = TestGate::with(&application, &format!("{store}{own}"));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut holder = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut holder);
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 303);
    let keys = redis.cli(&["-a", "hush", "--no-auth-warning", "-n", "2", "DBSIZE"]);
    assert!(keys.trim().parse::<u32>().unwrap() > 0, "{keys}");
}
