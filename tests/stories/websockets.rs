//! WebSockets to an application that speaks HTTP/2 always use HTTP/1.1, on a separate connection.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::{Connection, accept_of};
use crate::harness::http2::*;
use crate::harness::modern::{ModernApplication, server, under_tls};
use crate::harness::tls::Authority;

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
fn before(address: SocketAddr, settings: &str) -> TestGate {
    TestGate::start(&configuration(address, &format!("[application]\nurl = \"h2c://{address}\"\n{settings}")))
}

fn open(gate: &TestGate, path: &str) -> Connection {
    let mut connection = gate.connect();
    connection.write(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}\r\n", gate.address).as_bytes());
    let head = connection.read_head().unwrap();
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

/// RFC 6455, section 4: the application gets an upgrade, whichever version its other requests use.
#[test]
fn an_application_with_http_2_gets_websockets_over_http_1_1() {
    let application = Twofold::start();
    let gate = before(application.address, "[listen]\nworkers = 1\n");
    for _ in 0..3 {
        says(&mut open(&gate, "/socket"), "hello");
    }
    assert_eq!(application.connections_that_began("GET"), 3);
    assert_eq!(application.connections_that_began("PRI"), 0, "HTTP/2 is not tried for an upgrade");
}

/// RFC 7301: a connection for a WebSocket offers http/1.1 alone; RFC 8441 on the client's side.
#[test]
fn under_tls_a_websocket_gets_a_connection_with_alpn_http_1_1() {
    let authority = Authority::new();
    let application = Twofold::start();
    let files = authority.issue("application", &["localhost"]);
    let address = under_tls(application.address, server(&files, &["h2", "http/1.1"], None));
    let tls = authority.issue("gate", &["localhost"]).settings();
    let url = format!("url = \"https://localhost:{}\"", address.port());
    let settings = format!("[application]\n{url}\n[application.tls]\nca = {:?}\n{tls}", authority.file());
    let gate = TestGate::start(&configuration(address, &settings));
    let mut connection = Http2::open(&gate, &authority);
    connect(&mut connection, &gate, 1, "/socket");
    connection.frame(DATA, END_STREAM, 1, b"hello"); // so that the response ends, too
    let response = connection.response(1);
    assert_eq!((response.status, response.content.as_slice()), (Some(200), &b"hello"[..]));
    assert_eq!(application.connections_that_began("GET"), 1);
    assert_eq!(application.connections_that_began("PRI"), 0);
}

/// docs/out-of-scope.md: an extended CONNECT towards the application.
#[test]
fn an_application_with_http_2_only_has_no_websockets_and_keeps_its_requests() {
    let application = ModernApplication::start(None);
    let gate = before(application.address, "");
    let request = format!("GET /socket HTTP/1.1\r\nHost: {}\r\n{WEBSOCKET}\r\n", gate.address);
    assert_eq!(gate.send(request).unwrap().status(), 502);
    assert!(application.requests_to("/socket").is_empty());
    assert_eq!(gate.get("/echo", &[]).status(), 200);
    assert_eq!(application.connections(), 2, "one connection that the application closed, one for requests");
}

/// An application that ignores HTTP/2, and accepts WebSockets over HTTP/1.1.
struct Twofold {
    address: SocketAddr,
    /// The first three bytes of each connection.
    began: Arc<Mutex<Vec<String>>>,
}

impl Twofold {
    fn start() -> Twofold {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let began: Arc<Mutex<Vec<String>>> = Arc::default();
        let all = began.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let all = all.clone();
                std::thread::spawn(move || serve(stream, &all));
            }
        });
        Twofold { address, began }
    }

    fn connections_that_began(&self, with: &str) -> usize {
        self.began.lock().unwrap().iter().filter(|began| began.starts_with(with)).count()
    }
}

fn serve(mut stream: TcpStream, began: &Mutex<Vec<String>>) {
    let mut start = [0; 3];
    if stream.read_exact(&mut start).is_err() {
        return;
    }
    began.lock().unwrap().push(String::from_utf8_lossy(&start).into_owned());
    if &start == b"PRI" {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        return;
    }
    let mut connection = Connection::over(stream);
    let mut key = None;
    while let Some(line) = connection.read_line().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap_or_default();
        key = key.or_else(|| name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.to_owned()));
    }
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    let accept = accept_of(&key.expect("a key"));
    connection.write(format!("{switched}Sec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes());
    let message = connection.read_bytes(5);
    connection.write(&message);
}
