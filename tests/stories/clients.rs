//! Which address counts as the client's behind a declared proxy, behind an undeclared one, and after a PROXY preamble:
//! in pages, logs and limits.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::harness::application::TestApplication;
use crate::harness::browser::{computer, hidden, phone};
use crate::harness::gate::TestGate;
use crate::harness::people::{claim, show_code};

/// A code that opens nothing.
fn guess() -> String {
    format!("/qr/{}/", "A".repeat(44))
}

fn limited(public: &str) -> String {
    format!("{public}\n[limits]\nopens_per_client = \"3/1h\"\nredeems_per_client = \"3/1h\"\n")
}

/// How many of these guesses are admitted, each with a different address in a field.
fn admitted(gate: &TestGate, of: usize) -> usize {
    let guess = |number: usize| gate.get(&guess(), &[&format!("X-Forwarded-For: 198.51.100.{number}")]).status();
    let statuses: Vec<u16> = (0..of).map(guess).collect();
    assert!(statuses.iter().all(|status| [410, 429].contains(status)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 410).count()
}

/// The audit event of that name, as JSON.
fn event(gate: &TestGate, name: &str) -> serde_json::Value {
    serde_json::from_str(&gate.wait_for_log(&[&format!("\"event\":\"{name}\"")])).expect("JSON")
}

#[test]
fn where_proxies_are_declared_a_peer_nearby_is_a_client_like_any_other() {
    let application = TestApplication::start();
    for trusted in ["10.1.2.3", "unix", "203.0.113.0/24"] {
        let gate = TestGate::with(&application, &limited(&format!("[public]\ntrusted_proxies = [\"{trusted}\"]")));
        let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
        ana.fields.push("X-Forwarded-For: 198.51.100.7".to_owned());
        let code = show_code(&mut ana);
        let mut phone = phone(&gate);
        phone.fields.push("Forwarded: for=198.51.100.8".to_owned());
        claim(&mut phone, &code);
        let device = &code.status(&mut ana)["device"];
        assert_eq!((&device["address"], &device["same_network"]), (&"127.0.0.1".into(), &true.into()), "{device}");
        let claimed = event(&gate, "ticket.claimed");
        assert_eq!((&claimed["phone_address"], &claimed["peer_address"]), (&"127.0.0.1".into(), &"127.0.0.1".into()));
        // The mint and the phone's GET were two of the three.
        assert_eq!(admitted(&gate, 10), 1, "{trusted}");
        gate.wait_for_log(&["from 127.0.0.1 ignored: not in public.trusted_proxies"]);
        assert!(gate.admin("/readyz").json()["proxies"].is_null());
    }
}

#[test]
fn an_undeclared_proxy_has_the_share_of_twenty_clients_and_is_reported_everywhere() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, &limited(""));
    assert_eq!(admitted(&gate, 70), 60);
    assert_eq!(gate.get(&guess(), &[]).status(), 410, "a peer that sends no such field is a separate client");
    let refused = event(&gate, "ticket.refused");
    assert_eq!((refused.get("phone_address"), &refused["peer_address"]), (None, &"127.0.0.1".into()), "{refused}");

    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    ana.fields.push("X-Real-IP: 198.51.100.7".to_owned());
    let code = show_code(&mut ana);
    let mut phone = phone(&gate);
    phone.fields.push("X-Real-IP: 198.51.100.8".to_owned());
    let confirm = phone.get(&code.path).text();
    assert!(confirm.contains("<dt>Network</dt><dd>Unknown</dd>"), "{confirm}");
    claim(&mut phone, &code);
    let device = &code.status(&mut ana)["device"];
    assert!(device["address"].is_null() && device["same_network"].is_null(), "{device}");
    for name in ["ticket.issued", "ticket.claimed"] {
        let event = event(&gate, name);
        assert_eq!((event.get("computer_address"), &event["peer_address"]), (None, &"127.0.0.1".into()), "{event}");
    }
    assert_eq!(gate.admin("/readyz").json()["proxies"], "not in public.trusted_proxies: 127.0.0.1");
}

#[test]
fn peers_on_a_unix_socket_are_limited_too() {
    let application = TestApplication::start();
    let folder = tempfile::tempdir().unwrap();
    for (name, trusted, share) in [("a", "", 60), ("b", "\"10.1.2.3\"", 3), ("c", "\"unix\"", 60)] {
        let socket = folder.path().join(name);
        let listen = format!("[listen]\naddress = [\"127.0.0.1:0\", \"unix:{}\"]\n", socket.display());
        let public = format!("[public]\nurl = \"http://app.example\"\ntrusted_proxies = [{trusted}]");
        let gate = TestGate::with(&application, &format!("{listen}{}", limited(&public)));
        let admitted = (0..70).filter(|_| {
            let mut stream = UnixStream::connect(&socket).unwrap();
            write!(stream, "GET {} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n", guess()).unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).unwrap();
            assert!(response.starts_with("HTTP/1.1 410 ") || response.starts_with("HTTP/1.1 429 "), "{response}");
            response.starts_with("HTTP/1.1 410 ")
        });
        assert_eq!(admitted.count(), share, "{trusted}");
        assert_eq!(event(&gate, "ticket.refused")["peer_address"], "unix");
    }
}

/// A GET after a preamble, with fields that a client may write.
fn after(gate: &TestGate, preamble: &[u8], path: &str) -> u16 {
    let mut connection = gate.connect();
    connection.write(preamble);
    let lies = "X-Forwarded-For: 198.51.100.9\r\nForwarded: for=198.51.100.9\r\nX-Forwarded-Proto: https\r\n\
                X-Forwarded-Host: evil.example\r\nCF-Connecting-IP: 198.51.100.9";
    let head = format!("GET {path} HTTP/1.1\r\nHost: app.example\r\n{lies}\r\nConnection: close\r\n\r\n");
    connection.write(head.as_bytes());
    connection.read_response(false).expect("a response").status()
}

/// A preamble of version 2 for that command and family, which names `named` or nothing.
fn version_2(command: u8, family: u8, named: &[u8]) -> Vec<u8> {
    let length = u16::try_from(named.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x20 | command, family], &length, named].concat()
}

fn behind_preambles(more: &str) -> String {
    let public = "[public]\nurl = \"http://app.example\"\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n\
                  proxy_headers = [\"CF-Connecting-IP\"]";
    format!("[listen]\nproxy_protocol = true\n{}{more}", limited(public))
}

#[test]
fn after_a_preamble_no_forwarded_field_is_used() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, &behind_preambles(""));
    let trusted = [10, 0, 0, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
    for (number, (preamble, client)) in [
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (b"PROXY UNKNOWN 203.0.113.7 10.0.0.1 1 2\r\n".to_vec(), "127.0.0.1"),
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n".to_vec(), "203.0.113.7"),
        (b"PROXY TCP4 10.0.0.7 10.0.0.1 4711 80\r\n".to_vec(), "10.0.0.7"),
        (b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 80\r\n".to_vec(), "127.0.0.1"),
        (version_2(0, 0, &[]), "127.0.0.1"),
        (version_2(0, 0x11, &trusted), "127.0.0.1"),
        (version_2(1, 0, &[]), "127.0.0.1"),
        (version_2(1, 0x11, &trusted), "10.0.0.7"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{number}");
        assert_eq!(after(&gate, &preamble, &path), 200);
        let seen = &application.requests_to(&path)[0];
        for (name, value) in [
            ("x-forwarded-for", Some(client)),
            ("x-real-ip", Some(client)),
            ("x-forwarded-proto", Some("http")),
            ("x-forwarded-host", Some("app.example")),
            ("forwarded", None),
            ("cf-connecting-ip", None),
        ] {
            assert_eq!(seen.field(name), value, "{name} after {:?}", String::from_utf8_lossy(&preamble));
        }
    }
}

#[test]
fn an_unknown_client_of_a_preamble_is_counted_as_its_proxy() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, &behind_preambles(""));
    let admitted = |preamble: &[u8]| (0..70).filter(|_| after(&gate, preamble, &guess()) == 410).count();
    assert_eq!(admitted(b"PROXY UNKNOWN\r\n"), 60);
    assert_eq!(admitted(b"PROXY TCP4 10.0.0.7 10.0.0.1 4711 80\r\n"), 3, "a client that the preamble names is known");
    let refused = event(&gate, "ticket.refused");
    assert_eq!((refused.get("phone_address"), &refused["peer_address"]), (None, &"127.0.0.1".into()), "{refused}");

    // With `same_network = "require"` an unknown network does not count as the same.
    let toml = behind_preambles("[tickets]\nsame_network = \"require\"\n");
    let gate = TestGate::with(&application, &toml);
    let mut ana = computer(&gate).at_origin("http://app.example").with_cookie(&application.sign_in("ana"));
    ana.preamble = "PROXY UNKNOWN\r\n".to_owned();
    let code = show_code(&mut ana);
    let mut phone = phone(&gate).at_origin("http://app.example");
    phone.preamble = "PROXY UNKNOWN\r\n".to_owned();
    let page = phone.get(&code.path).text();
    let press = format!("action=continue&proof={}", hidden(&page, "proof"));
    assert_eq!(phone.post(&code.path, &press).status(), 403);
    assert_eq!(code.status(&mut ana)["state"], "issued");
}
