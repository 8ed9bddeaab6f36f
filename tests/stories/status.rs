//! `qrgate status`: one screen about a running qrgate, and an exit code for a monitor.

use std::process::Command;

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::browser::{computer, phone};
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::people::{approved, press, show_code};
use crate::harness::ports::unused;
use crate::harness::redis::TestRedis;

struct Told {
    out: String,
    err: String,
    code: Option<i32>,
}

fn run(arguments: &[&str]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_qrgate")).arg("status").args(arguments).output().expect("run qrgate");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Told { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
}

fn status(gate: &TestGate) -> Told {
    run(&["--admin", &gate.admin.expect("an admin listener").to_string()])
}

impl Told {
    fn line(&self, words: &str) -> &str {
        self.out.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words} in {}", self.out))
    }
}

#[test]
fn after_a_sign_in_every_line_is_ok() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[public]\ntrusted_proxies = [\"127.0.0.1\"]");
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut mobile = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut mobile);
    assert_eq!(press(&mut mobile, &code, "finish", &proof).status(), 303);
    let mut bob = computer(&gate).with_cookie(&application.sign_in("bob"));
    let _page = show_code(&mut bob).events(&gate);
    let told = status(&gate);
    for words in [
        "ok    qrgate        0.1.0, up ",
        "ok    store         memory: responds",
        &format!("ok    application   http://{} accepts connections", application.address),
        "ok    identify      signed in ",
        "signed out 0, failed 0",
        "ok    login         sessions 1, refused 0, failed 0",
        "ok    revoke        sessions ended 0, failed 0",
        "ok    events        waiting now 0, delivered 0, failed 0, dropped 0",
        "ok    codes         on screens now 1, shown 2, used 1, declined 0",
        "ok    proxies       127.0.0.1 in front",
        "ok    certificate   none: TLS is not terminated here",
        "ok    log           no line lost",
        "0 failures, 0 warnings",
    ] {
        told.line(words);
    }
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
}

#[test]
fn a_hook_that_fails_and_an_undeclared_proxy_are_warnings() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    application.route("/_qr/whoami", |_| Reply::Bytes(response(500, &[], b"")));
    application.route("/broken", |_| Reply::Close);
    computer(&gate).with_cookie("sessionid=1").get("/qr/");
    assert_eq!(gate.get("/broken", &["X-Forwarded-For: 203.0.113.7"]).status(), 502);
    let told = status(&gate);
    assert!(told.line("warn  identify").contains("failed 1; last failure "), "{}", told.out);
    assert!(told.line("warn  identify").contains("500"), "{}", told.out);
    assert!(told.line("warn  application").contains("accepts connections; last failure "), "{}", told.out);
    told.line("warn  proxies       none seen; not in public.trusted_proxies: 127.0.0.1");
    assert_eq!(told.code, Some(1));
}

#[test]
fn a_store_or_an_application_that_is_away_is_a_failure() {
    let (application, mut redis) = (TestApplication::start(), TestRedis::start());
    let gate = TestGate::with(&application, &redis.settings());
    let address = format!("redis://127.0.0.1:{}", redis.port);
    status(&gate).line(&format!("ok    store         {address} responds"));
    redis.end();
    let told = eventually("the store is unreachable", || Some(status(&gate)).filter(|told| told.code == Some(2)));
    told.line(&format!("FAIL  store         {address}: the store failed at ping"));

    let free = unused();
    let gate = TestGate::start(&configuration(free, ""));
    let told = status(&gate);
    told.line(&format!("FAIL  application   http://{free} accepts no connection"));
    assert_eq!(told.code, Some(2));
}

#[test]
fn json_is_what_the_admin_listener_sends() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let told = run(&["--json", "--admin", &gate.admin.expect("an admin listener").to_string()]);
    let json: serde_json::Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!((json["version"].as_str(), json["level"].as_str()), (Some(env!("CARGO_PKG_VERSION")), Some("ok")));
    assert!(json["uptime"].is_u64());
    assert_eq!(json["parts"][0], serde_json::json!({"part": "store", "level": "ok", "text": "memory: responds"}));
    let response = gate.admin("/status");
    assert_eq!(response.field("content-type"), Some("application/json"));
    assert_eq!(response.json()["parts"], json["parts"]);
}

#[test]
fn the_admin_listener_is_found_by_the_configuration_and_its_absence_is_explained() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let folder = tempfile::tempdir().expect("tempdir");
    let file = folder.path().join("proxy.toml");
    let with_admin = |admin: &str| {
        let settings = configuration(application.address, &format!("[listen]\nadmin = \"{admin}\""));
        std::fs::write(&file, settings).expect("write proxy.toml");
        run(&["--config", file.to_str().expect("a path")])
    };
    let address = gate.admin.expect("an admin listener").to_string();
    assert_eq!(with_admin(&address).code, Some(0));

    let off = with_admin("off");
    assert!(off.err.contains("Set admin = \"127.0.0.1:9180\" in [listen]"), "{}", off.err);
    let free = unused().to_string();
    let down = with_admin(&free);
    assert!(down.err.starts_with(&format!("{free} (listen.admin): Connection refused")), "{}", down.err);
    assert!(down.err.contains("Does qrgate run?"), "{}", down.err);
    let other = with_admin(&gate.address.to_string());
    assert!(other.err.contains("another program, or another version of qrgate, listens there"), "{}", other.err);
    std::fs::remove_file(&file).expect("remove proxy.toml");
    let missing = run(&["--config", file.to_str().expect("a path")]);
    assert!(missing.err.contains("--admin ADDRESS asks without this file"), "{}", missing.err);
    // Without a file, the default address is used, and another program may listen there.
    let mut command = Command::new(env!("CARGO_BIN_EXE_qrgate"));
    let output = command.arg("status").current_dir(&folder).output().expect("run qrgate");
    let said = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains("proxy.toml"), "{}", String::from_utf8_lossy(&said));
    for told in [off, down, other, missing] {
        assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "{}", told.err);
    }
}
