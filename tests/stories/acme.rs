//! Certificates by ACME, from Pebble. It checks what RFC 8555 and RFC 8737 ask of clients; the fronts in these tests
//! add only what Pebble cannot do, such as limits.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::pebble::{Pebble, acme_response, certificate_file};
use crate::harness::tls::{Authority, chain, connect};

/// A gate with both kinds of addresses; the first is https.
fn gate(application: &TestApplication, pebble: &Pebble, folder: &Path) -> TestGate {
    TestGate::with(application, &pebble.settings(folder, &["localhost"]))
}

/// The status of `/page` over TLS.
fn page(address: SocketAddr, client: ClientConfig) -> std::io::Result<String> {
    let mut stream = connect(address, client)?;
    stream.write_all(b"GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = [0; 12];
    stream.read_exact(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn issued(folder: &Path) -> Option<CertificateDer<'static>> {
    chain(&certificate_file(folder)?).into_iter().next()
}

/// Waits until the gate shows a certificate that `pebble` vouches for.
fn has_certificate(gate: &TestGate, pebble: &Pebble) {
    let client = pebble.client(&["http/1.1"]);
    eventually("a certificate", || page(gate.address, client.clone()).ok().filter(|status| status == "HTTP/1.1 200"));
}

fn readyz(gate: &TestGate) -> (u16, Option<String>) {
    let message = gate.admin("/readyz");
    (message.status(), message.json()["certificate"].as_str().map(str::to_owned))
}

#[test]
fn a_certificate_is_ordered_while_http_serves() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let mut pebble = Pebble::start();
    pebble.stop();
    let folder = folder.path().join("acme");
    let gate = gate(&application, &pebble, &folder);
    let line = gate.wait_for_log(&["no certificate yet"]);
    assert!(line.contains("\"level\":\"error\"") && line.contains("Connection refused"), "{line}");
    assert_eq!(readyz(&gate), (200, Some("none yet".to_owned())));
    let expiry = |gate: &TestGate| {
        let metrics = gate.admin("/metrics").text();
        let line = metrics.lines().find(|line| line.starts_with("qrgate_certificate_expiry_seconds"));
        line.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
    };
    assert_eq!(expiry(&gate), None);
    let refused = connect(gate.address, Authority::new().client(&["http/1.1"], None)).unwrap_err();
    assert!(!refused.to_string().contains("UnknownIssuer"), "no certificate is shown: {refused}");
    let plain = SocketAddr::from(([127, 0, 0, 1], pebble.http));
    let mut plain = crate::harness::http::Connection::open(plain);
    plain.write(b"GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(plain.read_response(false).unwrap().status(), 200);

    pebble.start_again();
    gate.signal("HUP");
    has_certificate(&gate, &pebble);
    gate.wait_for_log(&["certificate issued", "localhost"]);
    assert_eq!(readyz(&gate), (200, None));
    assert!(expiry(&gate).unwrap() > 1.7e9, "Unix time");
    for entry in walk(&folder) {
        let mode = std::fs::metadata(&entry).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if entry.is_dir() { 0o700 } else { 0o600 }, "{}", entry.display());
    }
    let challenges = certificate_file(&folder).unwrap().with_file_name("challenges");
    assert_eq!(walk(&challenges).len(), 1, "no challenge file remains");
}

/// A folder and all that is in it.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path().is_dir() {
            true => found.extend(walk(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

/// Refused nonces, and validations that take seconds.
#[test]
fn faults_of_an_authority_that_the_standard_allows_are_no_failures() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let slow = [("PEBBLE_VA_NOSLEEP", "0"), ("PEBBLE_VA_SLEEPTIME", "3")];
    let faults = [("PEBBLE_WFE_NONCEREJECT", "20"), ("PEBBLE_CHAIN_LENGTH", "3")];
    let pebble = Pebble::with(3600, &[slow, faults].concat());
    let gate = TestGate::with(&application, &pebble.settings(folder.path(), &["localhost", "one.example"]));
    let mut failures = 0;
    eventually("a certificate", || {
        // Three refused nonces in a row are a failure.
        let now = gate.log().iter().filter(|line| line.contains("no certificate yet")).count();
        if now > failures {
            failures = now;
            gate.signal("HUP");
        }
        certificate_file(folder.path())
    });
    has_certificate(&gate, &pebble);
    let names = [("localhost", true), ("one.example", true), ("two.example", false)];
    let own = issued(folder.path()).unwrap();
    let parsed = rustls::server::ParsedCertificate::try_from(&own).unwrap();
    for (name, has) in names {
        let name = rustls::pki_types::ServerName::try_from(name).unwrap();
        assert_eq!(rustls::client::verify_server_name(&parsed, &name).is_ok(), has, "{name:?}");
    }
}

#[test]
fn http_01_is_answered_where_only_http_can_be_reached() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let pebble = Pebble::start();
    application.route("/.well-known/acme-challenge/mine", |_| Reply::Bytes(response(200, &[], b"mine")));
    // Nothing listens at the port of TLS-ALPN-01.
    let addresses = format!("\"https://127.0.0.1:0\", \"http://127.0.0.1:{}\"", pebble.http);
    let directory = format!("https://localhost:{}/dir", pebble.address().port());
    let settings = pebble.settings_at(&directory, &addresses, folder.path(), &["localhost"]);
    let settings = settings.replace("[listen]\n", "[listen]\nredirect_to_https = true\n");
    let gate = TestGate::with(&application, &format!("{settings}[public]\nurl = \"https://localhost\"\n"));
    let line = gate.wait_for_log(&["no certificate yet", "tls-alpn-01"]);
    for part in ["localhost was not validated", "firewall", "next_try"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    // The next try uses the next challenge.
    gate.signal("HUP");
    has_certificate(&gate, &pebble);
    let plain = SocketAddr::from(([127, 0, 0, 1], pebble.http));
    let get = |path: &str| {
        let mut plain = crate::harness::http::Connection::open(plain);
        plain.write(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        plain.read_response(false).unwrap().status()
    };
    assert_eq!(
        get("/.well-known/acme-challenge/mine"),
        308,
        "a token that is not pending is forwarded like any other path"
    );
    let challenges = certificate_file(folder.path()).unwrap().with_file_name("challenges");
    std::fs::write(challenges.join("pending"), "pending.thumbprint").unwrap();
    assert_eq!(get("/.well-known/acme-challenge/pending"), 200);
    assert_eq!(get("/.well-known/acme-challenge/..%2f..%2faccount.json"), 308);
    assert_eq!(application.requests_to("/.well-known/acme-challenge/pending").len(), 0);
    let line = gate.wait_for_log(&["acme-challenge/pending"]);
    assert!(line.contains("\"status\":200"), "{line}");
}

#[test]
fn a_challenge_of_the_application_is_forwarded() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let pebble = Pebble::start();
    application.route("/.well-known/acme-challenge/mine", |_| Reply::Bytes(response(200, &[], b"mine")));
    let gate = gate(&application, &pebble, folder.path());
    has_certificate(&gate, &pebble);
    let mut plain = crate::harness::http::Connection::open(SocketAddr::from(([127, 0, 0, 1], pebble.http)));
    plain.write(b"GET /.well-known/acme-challenge/mine HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(plain.read_response(false).unwrap().text(), "mine");
}

/// docs/security.md, row on acme-tls/1 (RFC 8737, section 3)
#[test]
fn a_validation_sees_its_certificate_and_no_http() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let pebble = Pebble::start();
    let gate = gate(&application, &pebble, folder.path());
    has_certificate(&gate, &pebble);
    let validation = Authority::new();
    let files = validation.issue("validation", &["localhost"]);
    let client = |protocols: &[&str]| validation.client(protocols, None);
    assert!(connect(gate.address, client(&["acme-tls/1"])).is_err(), "no challenge is pending");
    let pem = std::fs::read_to_string(&files.key).unwrap() + &std::fs::read_to_string(&files.certificate).unwrap();
    let challenges = certificate_file(folder.path()).unwrap().with_file_name("challenges");
    std::fs::write(challenges.join("localhost.pem"), pem).unwrap();
    let mut stream = connect(gate.address, client(&["acme-tls/1"])).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    let _ = stream.write_all(b"GET /through HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"", "no response");
    assert!(application.requests_to("/through").is_empty());
    // A client that also offers HTTP is served like any other.
    let both = connect(gate.address, pebble.client(&["acme-tls/1", "http/1.1"])).unwrap();
    assert_eq!(both.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(
        connect(gate.address, client(&["acme-tls/1", "http/1.1"])).is_err(),
        "HTTP clients do not get the certificate of the validation"
    );
}

#[test]
fn two_processes_with_one_folder_order_once() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let pebble = Pebble::without_refused_nonces();
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = orders.clone();
    let directory = pebble.behind(move |request| {
        counted.fetch_add(usize::from(request.starts_with("POST /order-plz")), Ordering::SeqCst);
        None
    });
    let settings = |addresses: &str| pebble.settings_at(&directory, addresses, folder.path(), &["localhost"]);
    // Validations reach only the first process, whichever process orders.
    let first = format!("\"https://127.0.0.1:{}\", \"http://127.0.0.1:0\"", pebble.https);
    let gates = [first.as_str(), "\"https://127.0.0.1:0\"", "\"https://127.0.0.1:0\""]
        .map(|addresses| TestGate::with(&application, &settings(addresses)));
    gates.iter().for_each(|gate| has_certificate(gate, &pebble));
    assert_eq!(orders.load(Ordering::SeqCst), 1);
}

/// The kernel releases the lock of a killed process, and the next process overwrites its files.
#[test]
fn a_killed_process_leaves_no_lock() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let pebble = Pebble::start();
    let (hangs, ordered) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (hanging, seen) = (hangs.clone(), ordered.clone());
    let directory = pebble.behind(move |request| {
        if request.starts_with("POST /order-plz") {
            seen.store(true, Ordering::SeqCst);
            while hanging.load(Ordering::SeqCst) {
                std::thread::park_timeout(std::time::Duration::from_millis(10));
            }
        }
        None
    });
    let addresses = format!("\"https://127.0.0.1:{}\"", pebble.https);
    let settings = pebble.settings_at(&directory, &addresses, folder.path(), &["localhost"]);
    let mut killed = TestGate::with(&application, &settings);
    eventually("an order", || ordered.load(Ordering::SeqCst).then_some(()));
    killed.signal("KILL");
    killed.wait();
    hangs.store(false, Ordering::SeqCst);
    let gate = TestGate::with(&application, &settings);
    has_certificate(&gate, &pebble);
}

/// Certificates live for seconds, authorizations are valid already, and clients connect all the time.
#[test]
fn renewal_under_load_fails_no_handshake() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let pebble = Pebble::with(20, &[("PEBBLE_AUTHZREUSE", "100")]);
    let gate = gate(&application, &pebble, folder.path());
    has_certificate(&gate, &pebble);
    let (client, over) = (pebble.client(&["http/1.1"]), AtomicBool::new(false));
    let seen = Mutex::new(std::collections::HashSet::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let mut stream = connect(gate.address, client.clone()).expect("a handshake");
                    seen.lock().unwrap().insert(stream.conn.peer_certificates().unwrap()[0].to_vec());
                    stream.write_all(b"GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
                    let mut text = [0; 12];
                    stream.read_exact(&mut text).unwrap();
                    assert_eq!(&text, b"HTTP/1.1 200");
                }
            });
        }
        while seen.lock().unwrap().len() < 2 && began.elapsed().as_secs() < 60 {
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
        over.store(true, Ordering::SeqCst);
    });
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[test]
fn the_present_certificate_stays_while_the_directory_is_down() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let mut pebble = Pebble::with(20, &[]);
    let gate = gate(&application, &pebble, folder.path());
    has_certificate(&gate, &pebble);
    let client = pebble.client(&["http/1.1"]);
    let before = issued(folder.path());
    pebble.stop();
    let line = gate.wait_for_log(&["certificate not renewed; the present one stays"]);
    assert!(line.contains("\"level\":\"warn\"") && line.contains("expires"), "{line}");
    assert_eq!(page(gate.address, client).unwrap(), "HTTP/1.1 200");
    assert_eq!(issued(folder.path()), before);
    // The authority comes back without its accounts: the key is registered again.
    pebble.start_again();
    let account = certificate_file(folder.path()).unwrap().with_file_name("account.json");
    let key = |text: &str| text.split("key_pkcs8\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let first = key(&std::fs::read_to_string(&account).unwrap());
    gate.signal("HUP");
    has_certificate(&gate, &pebble);
    gate.wait_for_log(&["registered again"]);
    assert_eq!(key(&std::fs::read_to_string(&account).unwrap()), first);
}

const LIMITED: &str = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many\u001b[31m orders\n"}"#;

/// RFC 8555, section 6.6
#[test]
fn a_limit_is_respected_also_after_a_restart() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let pebble = Pebble::without_refused_nonces();
    let (limited, orders) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (rule, counted) = (limited.clone(), orders.clone());
    let directory = pebble.behind(move |request| {
        let is_order = request.starts_with("POST /order-plz");
        counted.fetch_add(usize::from(is_order), Ordering::SeqCst);
        let fields = "Content-Type: application/problem+json\r\nRetry-After: 7200\r\n";
        (is_order && rule.load(Ordering::SeqCst)).then(|| acme_response(429, fields, LIMITED))
    });
    let addresses = format!("\"https://127.0.0.1:{}\"", pebble.https);
    let settings = pebble.settings_at(&directory, &addresses, folder.path(), &["localhost"]);
    let gate = TestGate::with(&application, &settings);
    let line = gate.wait_for_log(&["no certificate yet", "(rateLimited)"]);
    assert!(line.contains("Wait") && !line.contains('\u{1b}'), "{line}");
    let pause = certificate_file(folder.path());
    assert_eq!(pause, None);
    let written = walk(folder.path()).into_iter().find(|path| path.ends_with("pause.json")).unwrap();
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(written).unwrap()).unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let rest = u128::from(written["until"].as_u64().unwrap()) - now;
    assert!((7_100_000..7_300_000).contains(&rest), "{rest}");
    drop(gate);
    limited.store(false, Ordering::SeqCst);
    let gate = TestGate::with(&application, &settings);
    gate.wait_for_log(&["no certificate yet", "the pause after a failure"]);
    assert_eq!(orders.load(Ordering::SeqCst), 1, "nothing was ordered");
    // An operator who has removed the cause sends SIGHUP.
    gate.signal("HUP");
    has_certificate(&gate, &pebble);
    assert_eq!(orders.load(Ordering::SeqCst), 2);
}

/// RFC 9773. Pebble suggests no renewal window, so the front does; it accepts one replacement of a certificate.
#[test]
fn a_certificate_is_renewed_when_the_authority_says_so() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let pebble = Pebble::with(600, &[]);
    let (asked, replaced) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (asks, replaces) = (asked.clone(), replaced.clone());
    let directory = pebble.behind(move |request| {
        let host = request.to_ascii_lowercase().split("host: ").nth(1)?.lines().next()?.to_owned();
        if request.starts_with("GET /dir ") {
            let at = |path: &str| format!("https://{host}{path}");
            let directory = serde_json::json!({ "newNonce": at("/nonce-plz"), "newAccount": at("/sign-me-up"),
                "newOrder": at("/order-plz"), "renewalInfo": at("/renewal") });
            return Some(acme_response(200, "", &directory.to_string()));
        }
        if request.starts_with("POST /order-plz ") {
            let replaced = payload(request)["replaces"].as_str()?.to_owned();
            replaces.lock().unwrap().push(replaced);
            return Some(acme_response(
                409,
                "",
                r#"{"type":"urn:ietf:params:acme:error:alreadyReplaced","detail":"once"}"#,
            ));
        }
        let id = request.strip_prefix("GET /renewal/")?.split(' ').next()?.to_owned();
        let mut seen = asks.lock().unwrap();
        seen.push(id.clone());
        let year = if seen[0] == id { 2020 } else { 2090 };
        let window = format!(r#"{{"start":"{year}-01-01T00:00:00Z","end":"{year}-01-02T00:00:00Z"}}"#);
        Some(acme_response(200, "Retry-After: 21600\r\n", &format!(r#"{{"suggestedWindow":{window}}}"#)))
    });
    let addresses = format!("\"https://127.0.0.1:{}\"", pebble.https);
    let gate = TestGate::with(&application, &pebble.settings_at(&directory, &addresses, folder.path(), &["localhost"]));
    has_certificate(&gate, &pebble);
    let first = issued(folder.path()).unwrap();
    // Two thirds of its life are 400 seconds.
    eventually("the certificate is renewed", || issued(folder.path()).filter(|now| *now != first));
    eventually("qrgate asks about the new certificate", || (asked.lock().unwrap().len() >= 2).then_some(()));
    let id = asked.lock().unwrap()[0].clone();
    assert_eq!(*replaced.lock().unwrap(), [id.as_str()]);
    let facts = openssl(&certificate_file(folder.path()).unwrap());
    let new = asked.lock().unwrap().iter().find(|other| **other != id).cloned().unwrap();
    let (key, serial) = new.split_once('.').unwrap();
    for part in [key, serial] {
        let hex = hex(part);
        assert!(facts.contains(hex.trim_start_matches("00")), "{hex} is not in {facts}");
    }
}

/// The payload of a signed request (RFC 7515, section 7.2).
fn payload(request: &str) -> serde_json::Value {
    let content: serde_json::Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    let payload = content["payload"].as_str().unwrap().as_bytes();
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(payload).unwrap()).unwrap_or_default()
}

fn hex(text: &str) -> String {
    data_encoding::HEXUPPER.encode(&data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap())
}

/// The output of OpenSSL about a certificate, without colons.
fn openssl(file: &Path) -> String {
    let arguments = ["x509", "-noout", "-serial", "-ext", "authorityKeyIdentifier", "-in"];
    let output = std::process::Command::new("openssl").args(arguments).arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().replace(':', "").to_ascii_uppercase()
}

#[test]
fn a_private_authority_needs_its_ca() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let pebble = Pebble::start();
    let settings = pebble.settings(folder.path(), &["localhost"]);
    let without: String =
        settings.lines().filter(|line| !line.starts_with("ca = ")).map(|line| format!("{line}\n")).collect();
    let gate = TestGate::start(&configuration(application.address, &without));
    let line = gate.wait_for_log(&["no certificate yet"]);
    assert!(line.contains("listen.acme.ca"), "{line}");
    gate.rewrite(&configuration(application.address, &settings));
    has_certificate(&gate, &pebble);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let (application, folder) = (TestApplication::start(), tempfile::tempdir().unwrap());
    let pebble = Pebble::start();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let gate = gate(&application, &pebble, &file);
    let line = gate.wait_for_log(&["no certificate yet", "listen.acme.folder"]);
    assert!(line.contains(file.to_str().unwrap()), "{line}");
}
