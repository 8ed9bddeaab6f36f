//! Upgrades: a tunnel opens only after a complete request and a matching 101. Rows: docs/conformance.md, section J.

use std::io::{Read, Write};

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::http::Connection;

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Upgrades `/socket` and echoes from then on.
fn echoing(application: &TestApplication) {
    application.route("/socket", |_| {
        Reply::Take(Box::new(|mut connection: Connection| {
            connection.write(SWITCHED);
            let mut byte = [0];
            while matches!(connection.stream().read(&mut byte), Ok(1)) {
                connection.write(&byte);
            }
        }))
    });
}

/// Requests the upgrade of `/socket` and reads the 101.
fn open(gate: &TestGate) -> Connection {
    let mut connection = gate.connect();
    connection.write(format!("GET /socket HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}\r\n", gate.address).as_bytes());
    assert_eq!(connection.read_head().unwrap().status(), 101);
    connection
}

fn says(connection: &mut Connection, text: &str) {
    connection.write(text.as_bytes());
    assert_eq!(connection.read_bytes(text.len()), text.as_bytes());
}

fn access_line(gate: &TestGate, path: &str) -> serde_json::Value {
    serde_json::from_str(&gate.wait_for_log(&[&format!("\"path\":\"{path}\""), "duration_ms"])).unwrap()
}

/// docs/conformance.md, row J1
#[test]
fn nothing_is_tunnelled_before_a_101() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let host = gate.address;
    for protocol in ["foo", "websocket"] {
        let mut connection = gate.connect();
        connection.write(
            format!(
                "GET /page HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n\
                 GET /_qr/login HTTP/1.1\r\nHost: {host}\r\n\r\nGET /after HTTP/1.1\r\nHost: {host}\r\n\r\n"
            )
            .as_bytes(),
        );
        let statuses: Vec<u16> = (0..3).map(|_| connection.read_response(false).unwrap().status()).collect();
        assert_eq!(statuses, [200, 404, 200], "{protocol}");
    }
    assert_eq!(application.logins(), 0);
    assert!(!String::from_utf8_lossy(&application.bytes()).contains("_qr"));
}

/// docs/conformance.md, row J2
#[test]
fn after_a_refused_upgrade_the_connection_stays_http() {
    let application = TestApplication::start();
    application.route("/socket", |_| Reply::Bytes(response(426, &["Upgrade: foo", "Connection: Upgrade"], b"no")));
    let gate = TestGate::before(&application);
    let host = gate.address;
    let mut connection = gate.connect();
    connection.write(format!("GET /socket HTTP/1.1\r\nHost: {host}\r\n{WEBSOCKET}\r\n").as_bytes());
    assert_eq!(connection.read_response(false).unwrap().status(), 426);
    connection.write(format!("GET /_qr/login HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    assert_eq!(connection.read_response(false).unwrap().status(), 404);
    connection.write(format!("GET /after HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    assert_eq!(connection.read_response(false).unwrap().status(), 200);
}

/// docs/conformance.md, row J3
#[test]
fn qrgates_own_paths_accept_no_upgrade() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for target in ["/qr/", "/qr/x", "/_qr/login", "/_qr/whoami", "/%5fqr/login", "/qr\\", "//qr/"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}\r\n", gate.address);
        let status = gate.send(request).unwrap().status();
        assert!(matches!(status, 400 | 401 | 404), "{target}: {status}");
    }
    assert!(
        application.requests().iter().all(|request| request.field("upgrade").is_none()),
        "{:?}",
        application.requests()
    );
}

/// docs/conformance.md, row J4
#[test]
fn the_origin_of_a_websocket_is_left_to_the_application() {
    let application = TestApplication::start();
    echoing(&application);
    let gate = TestGate::before(&application);
    let mut connection = gate.connect();
    let foreign = "Origin: https://evil.example\r\nSec-WebSocket-Protocol: chat\r\n";
    connection.write(format!("GET /socket HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}{foreign}\r\n", gate.address).as_bytes());
    assert_eq!(connection.read_head().unwrap().status(), 101);
    let seen = application.requests_to("/socket").pop().unwrap();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-websocket-protocol", "chat"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
    ] {
        assert_eq!(seen.field(name), Some(value), "{name}");
    }
}

/// docs/conformance.md, rows J5, H11
#[test]
fn an_incomplete_upgrade_is_a_plain_request() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let host = gate.address;
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (number, request) in [
        format!("GET /N HTTP/1.0\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n"),
        format!("GET /N HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n{key}\r\n"),
        format!("GET /N HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n{key}\r\n"),
        format!("POST /N HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n"),
        format!("GET /N HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx"),
        format!("GET /N HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket, foo\r\n\r\n"),
        format!("GET /N HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: foo\r\n\r\n"),
        format!("GET /N HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: \r\n\r\n"),
        format!("GET /N HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"),
        format!("GET /N HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: H2C\r\n\r\n"),
        format!("GET /N HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n"),
    ]
    .iter()
    .enumerate()
    {
        let path = format!("/{number}");
        let response = gate.send(request.replace("/N", &path)).unwrap();
        assert_eq!(response.status(), 200, "{request:?}");
        let seen = application.requests_to(&path).pop().unwrap();
        for name in ["upgrade", "connection", "http2-settings"] {
            assert!(seen.field(name).is_none(), "{request:?}: {seen:?}");
        }
    }
}

/// `docker exec`: POST with the command as content.
#[test]
fn an_upgrade_with_content_is_accepted_unless_it_is_a_websocket() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let host = gate.address;
    application.route("/exec", |_| {
        Reply::Take(Box::new(|mut connection: Connection| {
            connection.write(&String::from_utf8_lossy(SWITCHED).replace("websocket", "tcp").into_bytes());
            let mut byte = [0];
            while matches!(connection.stream().read(&mut byte), Ok(1)) {
                connection.write(&byte);
            }
        }))
    });
    let asks = format!("/exec HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n");
    for (head, content) in [
        ("Content-Length: 13\r\n", "{\"Tty\":false}"),
        ("Transfer-Encoding: chunked\r\n", "d\r\n{\"Tty\":false}\r\n0\r\n\r\n"),
        ("Content-Length: 0\r\n", ""),
    ] {
        for method in ["POST", "GET", "PUT"] {
            let mut connection = gate.connect();
            connection.write(format!("{method} {asks}{head}\r\n{content}ping").as_bytes());
            let response = connection.read_head().unwrap();
            assert_eq!((response.status(), response.field("upgrade")), (101, Some("tcp")), "{method} {head}");
            assert_eq!(connection.read_bytes(4), b"ping", "{method} {head}");
            says(&mut connection, "pong");
            let seen = application.requests_to("/exec").pop().unwrap();
            assert_eq!(seen.field("upgrade"), Some("tcp"), "{seen:?}");
            assert_eq!(seen.text(), if content.is_empty() { "" } else { "{\"Tty\":false}" });
        }
    }
}

/// An application may switch before it has read all content: the rest of the content goes before the tunnel.
#[test]
fn the_rest_of_an_upgrades_content_is_sent_before_the_tunnel() {
    let application = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = TestGate::start(&crate::harness::gate::configuration(application.local_addr().unwrap(), ""));
    let mut client = gate.connect();
    let asks = "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 6\r\n\r\nabc";
    client.write(format!("POST /exec HTTP/1.1\r\nHost: {}\r\n{asks}", gate.address).as_bytes());
    let (mut server, _) = application.accept().unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"abc") {
        let mut byte = [0];
        server.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello";
    server.write_all(switched).unwrap();
    client.write(b"defping");
    let mut rest = [0; 7];
    server.read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"defping");
    assert_eq!(client.read_head().unwrap().status(), 101);
    assert_eq!(client.read_bytes(5), b"hello");
}

/// docs/conformance.md, row H11
#[test]
fn http_2_without_tls_is_refused() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut connection = gate.connect();
    connection.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert!(connection.read_response(false).is_none_or(|response| matches!(response.status(), 400 | 505)));
    assert!(application.requests().is_empty());
}

/// docs/conformance.md, row J6
#[test]
fn a_101_names_exactly_the_requested_protocol() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for (number, fields) in [
        "",
        "Connection: Upgrade\r\n",
        "Connection: Upgrade\r\nUpgrade: foo\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, foo\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: foo\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{number}");
        let bytes = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\nevil").into_bytes();
        application.route(&path, move |_| Reply::Bytes(bytes.clone()));
        let mut connection = gate.connect();
        connection.write(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}\r\n", gate.address).as_bytes());
        let got = connection.read_response(false).unwrap();
        assert!(got.status() == 502 && !got.text().contains("evil"), "{fields:?}: {got:?}");
        assert_eq!(gate.get("/after", &[]).text(), "nobody is signed in");
    }
}

/// docs/conformance.md, rows J7, H10, I11
#[test]
fn connect_and_trace_are_refused() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for request in [
        "CONNECT 127.0.0.1:6379 HTTP/1.1\r\nHost: 127.0.0.1:6379\r\n\r\n".to_owned(),
        format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n{WEBSOCKET}\r\n", application.address),
        format!("CONNECT /socket HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}\r\n", gate.address),
        format!("TRACE / HTTP/1.1\r\nHost: {}\r\nMax-Forwards: 5\r\n\r\n", gate.address),
    ] {
        let response = gate.send(&request).unwrap();
        assert!(matches!(response.status(), 400 | 405), "{request:?}: {response:?}");
        assert!(response.status() == 400 || response.field("allow").is_some());
    }
    assert_eq!(application.connections(), 0);
}

/// docs/conformance.md, row J8; `application.idle_timeout`
#[test]
fn an_idle_tunnel_ends_and_its_access_line_counts_the_bytes() {
    let application = TestApplication::start();
    echoing(&application);
    let gate = TestGate::with(&application, "[application]\nidle_timeout = \"3s\"");
    let mut connection = open(&gate);
    // Longer than the timeout in total, but never idle for that long.
    for _ in 0..4 {
        says(&mut connection, "ping!");
        let _ = connection.stream().set_read_timeout(Some(std::time::Duration::from_millis(1000)));
        assert!(connection.stream().read(&mut [0]).is_err(), "the tunnel sends nothing by itself");
    }
    let _ = connection.stream().set_read_timeout(Some(crate::harness::http::TIMEOUT));
    assert!(gate.admin("/metrics").text().contains("qrgate_requests_in_flight 1"));
    assert!(
        !gate.log().iter().any(|line| line.contains("\"/socket\"")),
        "the access line is written at the end of the tunnel"
    );
    assert!(connection.is_closed());
    let line = access_line(&gate, "/socket");
    assert_eq!((&line["status"], &line["bytes_in"], &line["bytes_out"]), (&101.into(), &20.into(), &20.into()));
    assert!(line["duration_ms"].as_f64().unwrap() > 3000.0, "{line}");
    eventually("the gauges are back", || {
        let metrics = gate.admin("/metrics").text();
        (metrics.contains("qrgate_requests_in_flight 0") && metrics.contains("qrgate_connections 0")).then_some(())
    });
}

/// docs/conformance.md, row J8
#[test]
fn closing_either_end_of_a_tunnel_closes_the_other() {
    let application = TestApplication::start();
    let (told, ended) = std::sync::mpsc::channel();
    application.route("/socket", move |_| {
        let told = told.clone();
        Reply::Take(Box::new(move |mut connection: Connection| {
            connection.write(SWITCHED);
            told.send(connection.is_closed()).unwrap();
        }))
    });
    application.route("/short", |_| {
        Reply::Take(Box::new(|mut connection: Connection| connection.write(&[SWITCHED, b"bye"].concat())))
    });
    let gate = TestGate::before(&application);
    drop(open(&gate));
    assert!(
        ended.recv_timeout(crate::harness::http::TIMEOUT).unwrap(),
        "the application sees that the client has disconnected"
    );
    let mut connection = gate.connect();
    connection.write(format!("GET /short HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}\r\n", gate.address).as_bytes());
    connection.read_head().unwrap();
    let mut rest = Vec::new();
    assert!(
        connection.stream().read_to_end(&mut rest).is_ok(),
        "the client sees that the application has disconnected"
    );
    drop(connection);
    eventually("the gauges are back", || gate.admin("/metrics").text().contains("qrgate_connections 0").then_some(()));
}

#[test]
fn a_tunnel_applies_backpressure_to_the_sender() {
    let application = TestApplication::start();
    let (told, stopped) = std::sync::mpsc::channel();
    application.route("/socket", move |_| {
        let told = told.clone();
        Reply::Take(Box::new(move |mut connection: Connection| {
            connection.write(SWITCHED);
            let _ = connection.stream().set_write_timeout(Some(std::time::Duration::from_millis(300)));
            let mut sent = 0;
            while let (Ok(count), true) = (connection.stream().write(&[b'x'; 1 << 16]), sent < 1 << 30) {
                sent += count;
            }
            told.send(sent).unwrap();
        }))
    });
    let gate = TestGate::before(&application);
    let mut connection = open(&gate);
    let sent = stopped.recv_timeout(crate::harness::http::TIMEOUT).unwrap();
    assert!(sent < 64 << 20, "{sent} bytes were accepted although the other side reads nothing");
    assert!(gate.resident() < 96 << 20, "{} bytes resident", gate.resident());
    assert_eq!(connection.read_bytes(sent).len(), sent, "no byte is lost");
}

#[test]
fn a_tunnel_survives_the_signal_and_ends_with_the_drain() {
    let application = TestApplication::start();
    echoing(&application);
    let mut gate = TestGate::with(&application, "[limits]\ndrain_timeout = \"2s\"");
    let (mut leaves, mut stays) = (open(&gate), open(&gate));
    let mut idle = gate.connect();
    gate.signal("TERM");
    assert!(idle.is_closed());
    says(&mut leaves, "still here");
    drop(leaves);
    says(&mut stays, "me too");
    assert_eq!(access_line(&gate, "/socket")["bytes_in"], 10);
    assert!(stays.is_closed(), "the drain has an end");
    assert_eq!(gate.wait(), Some(0));
    let line = gate.wait_for_log(&["\"path\":\"/socket\"", "\"bytes_in\":6"]);
    assert!(line.contains("\"bytes_out\":6"), "a tunnel that was cut off has an access line too: {line}");
}

#[test]
fn a_reload_leaves_tunnels_alone() {
    let application = TestApplication::start();
    echoing(&application);
    let gate = TestGate::before(&application);
    let mut connection = open(&gate);
    gate.signal("HUP");
    gate.wait_for_log(&["configuration reloaded"]);
    says(&mut connection, "still here");
}
