//! The store: what it contains, and how it is reached. `outage` has the stories of its faults.

use std::process::Command;

use crate::checking::check_file;
use crate::harness::application::TestApplication;
use crate::harness::browser::{computer, phone};
use crate::harness::gate::{TestGate, configuration};
use crate::harness::people::{approved, claim, press, show_code};
use crate::harness::ports::unused;
use crate::harness::redis::TestRedis;
use crate::harness::tls::Authority;

#[test]
fn the_store_contains_no_readable_token_user_or_cookie() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &redis.settings());
    let session = application.sign_in("ana.of.the.desk");
    let mut ana = computer(&gate).with_cookie(&session);
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303);
    let dump = redis.dump();
    assert!(dump.contains("qrgate:{"), "{dump}");
    let relayed = phone.session().unwrap();
    let browser = phone.cookie("qrgate").unwrap().to_owned();
    for secret in
        [code.token(), &code.desk, &code.view, "ana.of.the.desk", &session, &relayed, &browser, "Firefox", "127.0.0.1"]
    {
        assert!(!dump.contains(secret), "{secret} is in the store");
    }
    for key in redis.cli(&["KEYS", "*"]).lines() {
        let left: i64 = redis.cli(&["PTTL", key]).trim().parse().unwrap();
        assert!(left > 0, "{key} lives for ever");
        assert!(key.starts_with("qrgate:{"), "{key}");
    }
}

#[test]
fn a_swapped_or_forged_record_opens_nothing() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut bob = computer(&gate).with_cookie(&application.sign_in("bob"));
    let of_ana = show_code(&mut ana);
    let hers: Vec<String> = tickets(&redis);
    let of_bob = show_code(&mut bob);
    let his: Vec<String> = tickets(&redis).into_iter().filter(|key| !hers.contains(key)).collect();
    assert_eq!((hers.len(), his.len()), (1, 1));
    redis.cli(&["COPY", &hers[0], "spare"]);
    redis.cli(&["COPY", &his[0], &hers[0], "REPLACE"]);
    redis.cli(&["COPY", "spare", &his[0], "REPLACE"]);
    for code in [of_ana, of_bob] {
        assert_eq!(phone(&gate).get(&code.path).status(), 410);
    }
    assert_eq!(application.logins(), 0);
}

/// An overwritten row opens nothing and is logged, whatever it contains, and the next code works.
#[test]
fn a_malformed_row_opens_nothing_and_is_logged() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let gate = TestGate::with(&application, &redis.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    for garbage in ["", "x", "00000001", "{\"state\":\"approved\",\"user\":\"admin\"}"] {
        let code = show_code(&mut ana);
        let mut state = || ana.get(&format!("/qr/status/{}", code.view)).status();
        for key in tickets(&redis) {
            redis.cli(&["SET", &key, garbage, "KEEPTTL"]);
        }
        assert_eq!(phone(&gate).get(&code.path).status(), 410, "{garbage}");
        gate.wait_for_log(&["\"event\":\"ticket.refused\"", "the record is not authentic"]);
        assert_eq!(state(), 404, "{garbage}");
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

/// Only `listen.*` needs a restart.
#[test]
fn a_reload_may_change_the_redis_and_keeps_the_codes_of_the_same_one() {
    let application = TestApplication::start();
    let (one, other) = (TestRedis::start(), TestRedis::start());
    let gate = TestGate::with(&application, &one.settings());
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let reload = |settings: &str, words: &str| {
        // The ports of the first start stay: changing them needs a restart.
        gate.rewrite(&configuration(application.address, settings));
        gate.signal("HUP");
        gate.wait_for_log(&[words]);
    };
    reload(&format!("{}timeout = \"1500ms\"", one.settings()), "configuration reloaded");
    assert_eq!(phone(&gate).get(&code.path).status(), 200, "the same store with another timeout");
    reload(&other.settings(), "another store is in use");
    assert_eq!(phone(&gate).get(&code.path).status(), 410);
    let code = show_code(&mut ana);
    assert_eq!((tickets(&one).len(), tickets(&other).len()), (1, 1));
    assert_eq!(phone(&gate).get(&code.path).status(), 200);
}

#[test]
fn a_password_is_percent_encoded_and_a_new_one_keeps_the_codes() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    redis.cli(&["ACL", "SETUSER", "n:a/m@e", "on", ">1234#x@host/0?%:", ">second", "~*", "&*", "+@all"]);
    redis.cli(&["CONFIG", "SET", "requirepass", "hush"]);
    let url = |credentials: &str| format!("[store]\nurl = \"redis://{credentials}@127.0.0.1:{}/0\"\n", redis.port);
    let first = url("n%3Aa%2Fm%40e:1234%23x%40host%2F0%3F%25:");
    let checked = check_file(&configuration(application.address, &first), &[]);
    checked.line("ok    store ");
    let gate = TestGate::with(&application, &first);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    gate.rewrite(&configuration(application.address, &url("n%3aa%2fm%40e:second")));
    gate.wait_for_log(&["configuration reloaded"]);
    assert_eq!(phone(&gate).get(&code.path).status(), 200);
    assert!(!gate.log().iter().any(|line| line.contains("another store is in use")), "only the password changed");
}

#[test]
fn errors_of_redis_are_logged_and_check_has_a_fix() {
    let application = TestApplication::start();
    let password: &[&str] = &["CONFIG", "SET", "requirepass", "hush-hush"];
    let reader: &[&str] = &["ACL", "SETUSER", "default", "-evalsha"];
    let full: &[&str] = &["CONFIG", "SET", "maxmemory", "1"];
    let alone: &[&str] = &["CONFIG", "SET", "min-replicas-to-write", "1"];
    let replica: &[&str] = &["REPLICAOF", "127.0.0.1", "1"];
    for (set, credentials, word, fix) in [
        (password, "", "NOAUTH", "redis://user:password@host:port/db in store.url"),
        (password, ":whisper@", "WRONGPASS", "user and password in store.url"),
        (reader, "", "NOPERM", "the ACL SETUSER line"),
        (full, "", "OOM", "a larger maxmemory"),
        (alone, "", "NOREPLICAS", "the replicas"),
        (replica, "", "READONLY", "the master's address"),
    ] {
        let redis = TestRedis::with(&["--maxmemory-policy", "noeviction"]);
        assert!(redis.cli(set).starts_with("OK"), "{set:?}");
        let store = format!("[store]\nurl = \"redis://{credentials}127.0.0.1:{}/0\"\n", redis.port);
        let checked = check_file(&configuration(application.address, &store), &[]);
        assert!(checked.line("FAIL  store ").contains(word), "{}", checked.said);
        assert!(checked.text().contains(fix) && checked.code == Some(1), "{word}: {}", checked.said);
        let gate = TestGate::with(&application, &store);
        let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
        assert_eq!(ana.post("/qr/", "").status(), 503, "{word}");
        let line = gate.wait_for_log(&["store unavailable", &format!(": {word}\"")]);
        assert!(!line.contains("hush") && !line.contains("whisper") && !line.contains("qrgate:"), "{line}");
        if set == password {
            gate.wait_for_log(&["the store cannot be used (yet)", word]);
        }
    }
}

#[test]
fn a_store_address_that_check_refuses_is_refused_at_start_and_reload() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for (at, (url, words)) in [
        ("redis://name:1234#x@127.0.0.1/0", "raw /, ? or #"),
        ("redis://:pa#ss@127.0.0.1", "raw /, ? or #"),
        ("rediss://u:1234/x@127.0.0.1/0", "raw /, ? or #"),
        ("redis+cluster://u:1234@[::1],::2", "IPv6 address stands in brackets"),
        ("redis+sentinel://u:1234@127.0.0.1/main/0?x=y", "no parameters"),
        ("redis://1234@127.0.0.1", "the password before the @ is missing"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = configuration(application.address, &format!("[store]\nurl = \"{url}\"\n[pages]\nsite = \"{at}\"\n"));
        for arguments in [&["check", "--offline"][..], &["run"]] {
            let (said, code) = refused(&file, arguments);
            assert_eq!(code, Some(2), "{url}: {said}");
            assert!(said.contains(words) && !said.contains("1234") && !said.contains("pa#ss"), "{url}: {said}");
        }
        gate.rewrite(&file);
        gate.wait_for_log(&["reload failed; the old configuration stays in use", words]);
    }
}

/// The program's message for a file that it refuses, and its exit code.
fn refused(toml: &str, arguments: &[&str]) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    std::fs::write(&file, toml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_qrgate"));
    let output = command.args(arguments).arg("--config").arg(&file).output().unwrap();
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

fn tickets(redis: &TestRedis) -> Vec<String> {
    redis.cli(&["KEYS", "*}t:*"]).lines().map(str::to_owned).collect()
}

#[test]
fn redis_behind_tls_requires_a_client_certificate_and_password() {
    let application = TestApplication::start();
    let authority = Authority::new();
    let (theirs, ours) = (authority.issue("redis", &["127.0.0.1"]), authority.issue("qrgate", &["qrgate.example"]));
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let tls_port = unused().port();
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
    assert_eq!(ana.post("/qr/", "").status(), 503, "without a client certificate");

    let gate = TestGate::with(&application, &format!("{store}{own}"));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut holder = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut holder);
    assert_eq!(press(&mut holder, &code, "finish", &proof).status(), 303);
    let keys = redis.cli(&["-a", "hush", "--no-auth-warning", "-n", "2", "DBSIZE"]);
    assert!(keys.trim().parse::<u32>().unwrap() > 0, "{keys}");
}
