//! Where tickets are kept: what is in there, and what happens when it goes away.

use std::net::SocketAddr;

use crate::harness::application::TestApplication;
use crate::harness::browser::{computer, phone};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::people::{approved, claim, press, show_code};
use crate::harness::redis::TestRedis;

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
    eventually("codes are shown again", || (ana.post("/qr/", "").status() == 200).then_some(()));
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
