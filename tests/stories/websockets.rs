//! WebSockets to an application of HTTP/2: an extended CONNECT where it takes one (RFC 8441), HTTP/1.1 where it does not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::{Connection, Message, PATIENCE};
use crate::harness::http2::*;
use crate::harness::modern::{MOST_STREAMS, ModernApplication, server};
use crate::harness::tls::Authority;

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
/// RFC 6455, section 1.3: the answer to that key.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn before(address: SocketAddr, settings: &str) -> TestGate {
    TestGate::start(&configuration(address, &format!("[application]\nurl = \"h2c://{address}\"\n{settings}")))
}

/// Asks for a WebSocket in HTTP/1.1.
fn ask(gate: &TestGate, path: &str, more: &str) -> (Connection, Message) {
    let mut connection = gate.connect();
    connection.write(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}{more}", gate.address).as_bytes());
    let head = connection.read_head().unwrap();
    (connection, head)
}

fn open(gate: &TestGate, path: &str) -> Connection {
    let (connection, head) = ask(gate, path, "\r\n");
    assert_eq!(head.status(), 101, "{head:?}");
    connection
}

fn says(connection: &mut Connection, text: &str) {
    connection.write(text.as_bytes());
    assert_eq!(connection.read_bytes(text.len()), text.as_bytes());
}

/// The head of the extended CONNECT of a WebSocket of that gate.
fn connect(connection: &mut Http2, gate: &TestGate, stream: u32, path: &str) {
    let own = gate.address.to_string();
    let head = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", &own),
        (":path", path),
    ];
    connection.frame(HEADERS, END_HEADERS, stream, &block(&head));
}

fn nothing_is_left(gate: &TestGate) {
    eventually("the gauges are back", || {
        let metrics = gate.admin("/metrics").text();
        (metrics.contains("qrgate_requests_in_flight 0") && metrics.contains("qrgate_connections 0")).then_some(())
    });
}

/// product.md 9: WebSocket; RFC 8441, section 5
#[test]
fn a_websocket_becomes_an_extended_connect() {
    let application = ModernApplication::start(None);
    let gate = before(application.address, "");
    let more =
        "Origin: https://a.example\r\nSec-WebSocket-Protocol: chat\r\nCookie: a=b; qrgate=x\r\nContent-Length: 0\r\n";
    let (mut connection, head) = ask(&gate, "/socket?a=%20b", &format!("{more}\r\nearly"));
    assert_eq!(head.status(), 101);
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", ACCEPT),
        ("sec-websocket-protocol", "chat"),
        ("x-application", "here"),
    ] {
        assert_eq!(head.all(name), [value], "{name}");
    }
    assert_eq!(connection.read_bytes(5), b"early");
    says(&mut connection, "ping!");
    assert!(gate.admin("/metrics").text().contains("qrgate_requests_in_flight 1"));
    connection.finish_writing();
    assert!(connection.is_closed(), "the application's end is the client's");
    drop(connection);
    let seen = eventually("the application has seen it", || application.requests_to("/socket").pop());
    assert!(seen.complete && seen.content == b"earlyping!", "{seen:?}");
    assert_eq!((seen.head.method().as_str(), seen.head.uri().scheme_str()), ("CONNECT", Some("http")));
    assert_eq!(seen.head.extensions().get::<h2::ext::Protocol>().map(h2::ext::Protocol::as_str), Some("websocket"));
    assert_eq!(seen.head.uri().path_and_query().unwrap(), "/socket?a=%20b");
    assert_eq!(seen.head.uri().authority().unwrap().as_str(), gate.address.to_string());
    let fields = seen.head.headers();
    for (name, value) in [
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
        ("origin", "https://a.example"),
        ("cookie", "a=b"),
        ("x-forwarded-proto", "http"),
    ] {
        assert!(fields.get_all(name).iter().eq([value]), "{name}: {fields:?}");
    }
    for gone in ["connection", "upgrade", "sec-websocket-key", "host", "content-length"] {
        assert!(!fields.contains_key(gone), "{gone}: {fields:?}");
    }
    let line: serde_json::Value = serde_json::from_str(&gate.wait_for_log(&["\"path\":\"/socket\""])).unwrap();
    assert_eq!((&line["status"], &line["bytes_in"], &line["bytes_out"]), (&101.into(), &10.into(), &10.into()));
    nothing_is_left(&gate);
}

/// product.md 9: extended CONNECT for WebSocket over h2, HTTP/2 out
#[test]
fn a_websocket_stays_in_http_2_all_the_way() {
    let authority = Authority::new();
    let application = ModernApplication::start(Some(server(
        &authority.issue("application", &["localhost"]),
        &["h2", "http/1.1"],
        None,
    )));
    let tls = authority.issue("gate", &["localhost"]).settings();
    let url = format!("url = \"https://localhost:{}\"", application.address.port());
    let settings = format!("[application]\n{url}\n[application.tls]\nca = {:?}\n{tls}", authority.file());
    let gate = TestGate::start(&configuration(application.address, &settings));
    let mut connection = Http2::open(&gate, &authority);
    connect(&mut connection, &gate, 1, "/socket");
    connection.frame(DATA, 0, 1, b"hello");
    connection.frame(DATA, END_STREAM, 1, b"!");
    let answer = connection.answer(1);
    assert_eq!((answer.status, answer.content, answer.complete), (Some(200), b"hello!".to_vec(), true));
    let seen = eventually("the application has seen it", || application.requests_to("/socket").pop());
    assert!(seen.complete && seen.content == b"hello!", "{seen:?}");
    assert_eq!(seen.head.headers()["sec-websocket-version"], "13");
    assert!(!seen.head.headers().contains_key("sec-websocket-key"));
    for (stream, path, status, content) in
        [(3, "/refused", 403, &b"not you"[..]), (5, "/bye", 200, b"bye"), (7, "/empty", 502, b"")]
    {
        connect(&mut connection, &gate, stream, path);
        let answer = connection.answer(stream);
        assert_eq!((answer.status, answer.complete), (Some(status), true), "{path}");
        assert!(status == 502 || answer.content == content, "{path}: {:?}", answer.content);
    }
    assert_eq!(connection.get(9, "/echo").status, Some(200));
}

/// threats.md J2; RFC 8441, section 5
#[test]
fn what_is_no_tunnel_is_an_answer_and_http_goes_on() {
    let application = ModernApplication::start(None);
    let gate = before(application.address, "");
    let host = gate.address;
    for (path, status) in [("/refused", 403), ("/empty", 502)] {
        let mut connection = gate.connect();
        connection.write(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{WEBSOCKET}\r\n").as_bytes());
        let answer = connection.read_answer(false).unwrap();
        assert_eq!(answer.status(), status);
        if status == 403 {
            assert_eq!((answer.text().as_str(), answer.field("x-application")), ("not you", Some("here")));
        }
        for name in ["upgrade", "sec-websocket-accept"] {
            assert!(answer.field(name).is_none(), "{name}");
        }
        connection.write(format!("GET /_qr/login HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(connection.read_answer(false).unwrap().status(), 404);
        connection.write(format!("GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(connection.read_answer(false).unwrap().status(), 200);
    }
    eventually("one connection is left, for requests", || (application.open() <= 1).then_some(()));
}

/// product.md 4 (`application.idle_timeout`), 11; threats.md J8
#[test]
fn a_stream_ends_when_nothing_passes_and_either_end_ends_the_other() {
    let application = ModernApplication::start(None);
    let gate = before(application.address, "idle_timeout = \"700ms\"\n");
    let mut connection = open(&gate, "/quiet");
    // Longer than the timeout in all, never as long without a byte.
    for _ in 0..4 {
        says(&mut connection, "ping!");
        let _ = connection.stream().set_read_timeout(Some(std::time::Duration::from_millis(300)));
        assert!(connection.stream().read(&mut [0]).is_err(), "nothing comes by itself");
    }
    let _ = connection.stream().set_read_timeout(Some(PATIENCE));
    assert!(connection.is_closed());
    let seen = eventually("the application is told", || application.requests_to("/quiet").pop());
    assert!(!seen.complete, "it was taken back");
    drop(open(&gate, "/left"));
    eventually("the application sees the client go", || application.requests_to("/left").pop());
    let connection = open(&gate, "/bye");
    let mut rest = Vec::new();
    assert!(connection.stream().read_to_end(&mut rest).is_ok());
    drop(connection);
    let mut connection = open(&gate, "/broken");
    connection.write(b"x");
    assert!(connection.is_closed(), "a reset is the end of the client's connection");
    drop(connection);
    let line = gate.wait_for_log(&["\"path\":\"/bye\""]);
    assert!(line.contains("\"bytes_out\":3"), "{line}");
    nothing_is_left(&gate);
    eventually("the connections that they had are closed", || (application.open() == 0).then_some(()));
}

/// product.md 9: backpressure, upgraded connections included
#[test]
fn a_stream_holds_back_an_application_that_nobody_reads() {
    let application = ModernApplication::start(None);
    let gate = before(application.address, "");
    let mut connection = open(&gate, "/flood");
    let seen = eventually("the application had to stop", || application.requests_to("/flood").pop());
    let sent: usize = String::from_utf8(seen.content).unwrap().parse().unwrap();
    assert!(sent < 64 << 20, "nobody reads, and {sent} bytes were taken");
    assert!(gate.resident() < 96 << 20, "{} bytes resident", gate.resident());
    assert_eq!(connection.read_bytes(sent).len(), sent, "and none is lost");
}

/// product.md 9: a WebSocket takes no room from requests
#[test]
fn open_streams_do_not_use_up_the_requests_at_once() {
    let application = ModernApplication::start(None);
    let gate = before(application.address, "[listen]\nworkers = 1\n");
    assert_eq!(gate.get("/echo", &[]).status(), 200);
    let mut all: Vec<Connection> = (0..3 * MOST_STREAMS).map(|_| open(&gate, "/socket")).collect();
    for connection in &mut all {
        says(connection, "ping!");
    }
    assert_eq!(gate.get("/echo", &[]).status(), 200);
    assert_eq!(application.connections(), all.len() + 1, "each has one to itself, the requests share theirs");
}

/// product.md 3: SIGTERM drains, SIGHUP keeps streams
#[test]
fn a_stream_outlives_a_reload_and_a_signal_but_not_the_drain() {
    let application = ModernApplication::start(None);
    let mut gate = before(application.address, "[limits]\ndrain_timeout = \"2s\"");
    let mut connection = open(&gate, "/socket");
    gate.signal("HUP");
    gate.wait_for_log(&["configuration reloaded"]);
    says(&mut connection, "still here");
    gate.signal("TERM");
    says(&mut connection, "me too");
    assert!(connection.is_closed(), "the drain has an end");
    assert_eq!(gate.wait(), Some(0));
    gate.wait_for_log(&["\"path\":\"/socket\"", "\"bytes_in\":16"]);
}

/// An application that speaks HTTP/2, with these SETTINGS and no request ever answered, and knows WebSockets in HTTP/1.1.
struct Twofold {
    address: SocketAddr,
    /// How each connection began.
    began: Arc<Mutex<Vec<String>>>,
}

impl Twofold {
    fn start(settings: &'static [u8]) -> Twofold {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let began: Arc<Mutex<Vec<String>>> = Arc::default();
        let all = began.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let all = all.clone();
                std::thread::spawn(move || serve(stream, settings, &all));
            }
        });
        Twofold { address, began }
    }

    fn connections_that_began(&self, with: &str) -> usize {
        self.began.lock().unwrap().iter().filter(|began| began.starts_with(with)).count()
    }
}

fn serve(mut stream: TcpStream, settings: &[u8], began: &Mutex<Vec<String>>) {
    let mut start = [0; 3];
    if stream.read_exact(&mut start).is_err() {
        return;
    }
    began.lock().unwrap().push(String::from_utf8_lossy(&start).into_owned());
    if &start == b"PRI" {
        let _ = stream.write_all(settings);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        return;
    }
    let mut connection = Connection::over(stream);
    while connection.read_line().is_some_and(|line| !line.is_empty()) {}
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    connection.write(format!("{switched}Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n").as_bytes());
    let message = connection.read_bytes(5);
    connection.write(&message);
}

/// RFC 8441, section 3: a client asks for nothing that the server's SETTINGS do not allow
#[test]
fn an_application_without_the_setting_is_asked_in_http_1_1_and_not_twice() {
    let (none, off): (&[u8], &[u8]) = (&[0, 0, 0, 4, 0, 0, 0, 0, 0], &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]);
    for settings in [none, off] {
        let application = Twofold::start(settings);
        let gate = before(application.address, "[listen]\nworkers = 1\n");
        for _ in 0..3 {
            says(&mut open(&gate, "/socket"), "hello");
        }
        assert_eq!(application.connections_that_began("GET"), 3);
        assert_eq!(application.connections_that_began("PRI"), 1, "what the SETTINGS said is remembered");
    }
}

/// No setting can be read of what does not speak HTTP/2
#[test]
fn an_application_that_does_not_speak_http_2_at_all_still_gets_its_websockets() {
    let application = Twofold::start(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    let gate = before(application.address, "");
    says(&mut open(&gate, "/socket"), "hello");
}

/// RFC 6455, section 4.2.1: what no server would take is not made a WebSocket by us
#[test]
fn a_handshake_without_one_good_key_is_not_translated() {
    let application = ModernApplication::start(None);
    let gate = before(application.address, "");
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for fields in [
        "Connection: Upgrade\r\n".to_owned(),
        "Connection: Upgrade\r\nSec-WebSocket-Key: short\r\n".to_owned(),
        format!("Connection: Upgrade\r\n{key}{key}"),
    ] {
        let request = format!("GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n{fields}\r\n");
        assert_eq!(gate.send(request).unwrap().status(), 502, "{fields}");
    }
    assert!(application.requests_to("/socket").is_empty());
}
