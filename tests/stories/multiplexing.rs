//! Many streams on one HTTP/2 connection, on either side: a stalled one does not delay the others.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::harness::application::response;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::{Connection, Message, TIMEOUT};
use crate::harness::http2::{END_HEADERS, END_STREAM, GOAWAY, HEADERS, SETTINGS, frame};
use crate::harness::modern::ModernApplication;
use crate::harness::tls::Authority;
use crate::harness::{eventually, stands_still};

/// Bytes read of the first upload.
const FAST: usize = 64 << 20;
/// The requests that a client may have at once on one connection.
const STREAMS: usize = 128;

/// An application that reads the upload to `/read`, responds to a GET, and reads nothing else.
fn deaf(path: &std::path::Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut start = [0; 10];
                stream.read_exact(&mut start).unwrap();
                if &start == b"POST /read" {
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                } else if start.starts_with(b"GET") {
                    let _ = stream.write_all(&response(200, &[], b"here"));
                }
                std::thread::park_timeout(TIMEOUT);
            });
        }
    });
}

/// A client's connection to a gate.
async fn connect(gate: SocketAddr, client: rustls::ClientConfig) -> h2::client::SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(gate).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let (client, connection) = h2::client::handshake(connector.connect(name, stream).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Sends on `streams` streams of one connection as much as the gate accepts, and counts it, until `stop`.
async fn push(
    gate: SocketAddr,
    client: rustls::ClientConfig,
    streams: usize,
    sent: Arc<AtomicUsize>,
    stop: tokio::sync::oneshot::Receiver<()>,
) {
    let client = connect(gate, client).await;
    for number in 0..streams {
        let path = if number == 0 { "read".to_owned() } else { format!("stalled/{number}") };
        let request = http::Request::post(format!("https://{gate}/{path}")).body(()).unwrap();
        let mut client = client.clone().ready().await.unwrap();
        let (response, mut content) = client.send_request(request, false).unwrap();
        let counted = sent.clone();
        tokio::spawn(async move {
            let mut own = 0;
            while own < FAST {
                content.reserve_capacity(1 << 14);
                let Some(Ok(room)) = std::future::poll_fn(|cx| content.poll_capacity(cx)).await else { break };
                content.send_data(Bytes::from(vec![b'x'; room]), false).unwrap();
                own += room;
                counted.fetch_add(room, Ordering::SeqCst);
            }
            drop(response.await);
        });
        if number == 0 {
            // An adaptive window has grown by now.
            while sent.load(Ordering::SeqCst) < FAST {
                tokio::task::yield_now().await;
            }
        }
    }
    let _ = stop.await;
}

fn before_deaf() -> (tempfile::TempDir, Authority, TestGate) {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let socket = folder.path().join("application");
    deaf(&socket);
    let tls = authority.issue("gate", &["localhost"]).settings();
    let settings = format!("{tls}[application]\nurl = \"unix:{}\"", socket.display());
    let gate = TestGate::start(&configuration("127.0.0.1:1".parse().unwrap(), &settings));
    (folder, authority, gate)
}

/// Sends up to `most` bytes, until the gate accepts no more for a short time. Returns how many it accepted.
async fn fill(content: &mut h2::SendStream<Bytes>, most: usize) -> usize {
    let mut sent = 0;
    while sent < most {
        content.reserve_capacity(1 << 14);
        let capacity = std::future::poll_fn(|cx| content.poll_capacity(cx));
        let Ok(Some(Ok(room))) = tokio::time::timeout(Duration::from_millis(500), capacity).await else { break };
        content.send_data(Bytes::from(vec![b'x'; room]), false).unwrap();
        sent += room;
    }
    sent
}

/// RFC 9113, section 5.2.2: an exhausted window stops content only.
#[test]
fn a_connection_full_of_stalled_uploads_gets_responses_and_recovers() {
    let (_folder, authority, gate) = before_deaf();
    let client = authority.client(&["h2"], None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = connect(gate.address, client).await;
        let request = |method: &str, path: &str| {
            http::Request::builder().method(method).uri(format!("https://{}{path}", gate.address)).body(()).unwrap()
        };
        let mut stalled = Vec::new();
        for _ in 0..4 {
            let (response, mut content) = client.send_request(request("POST", "/stalled"), false).unwrap();
            fill(&mut content, usize::MAX).await;
            stalled.push((response, content));
        }
        let (_answer, mut content) = client.send_request(request("POST", "/read"), false).unwrap();
        assert_eq!(fill(&mut content, 1).await, 0, "the connection's window is used up");
        let (response, _) = client.send_request(request("GET", "/page"), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
        for (response, mut content) in stalled {
            content.send_reset(h2::Reason::CANCEL);
            drop(response);
        }
        assert!(fill(&mut content, 4 << 20).await >= 4 << 20, "the window is free again");
    });
}

/// docs/performance.md: content that the application does not read takes a bounded memory for each client connection.
#[test]
fn stalled_uploads_of_one_connection_hold_one_mebibyte() {
    let (_folder, authority, gate) = before_deaf();
    let (sent, (stop, stopped)) = (Arc::new(AtomicUsize::new(0)), tokio::sync::oneshot::channel());
    let pushing = push(gate.address, authority.client(&["h2"], None), STREAMS, sent.clone(), stopped);
    let thread = std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(pushing);
    });
    eventually("the first upload is read", || (sent.load(Ordering::SeqCst) >= FAST).then_some(()));
    let pushed = stands_still(&sent);
    stop.send(()).unwrap();
    thread.join().unwrap();
    let lines = eventually("every upload has its access line", || {
        let lines: Vec<String> = gate.log().into_iter().filter(|line| line.contains("\"method\":\"POST\"")).collect();
        (lines.len() == STREAMS).then_some(lines)
    });
    let field = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["bytes_in"].as_u64().unwrap();
    let taken: u64 = lines.iter().map(field).sum();
    let held = pushed - usize::try_from(taken).unwrap();
    assert!(held <= 1 << 20, "{held} bytes are held for one connection, of {pushed} that it sent");
}

/// A gate with one worker in front of an application with HTTP/2.
fn before(application: SocketAddr) -> TestGate {
    let settings = format!("[listen]\nworkers = 1\n[application]\nurl = \"h2c://{application}\"");
    TestGate::start(&configuration(application, &settings))
}

/// Sends a request and reads nothing.
fn ask(gate: &TestGate, path: &str) -> Connection {
    let mut connection = gate.connect();
    connection.write(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    connection
}

fn post(gate: &TestGate, path: &str, content: &str) -> Message {
    let head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}", gate.address, content.len());
    gate.send(format!("{head}\r\n\r\n{content}")).unwrap()
}

fn pages_and_hooks_are_served(gate: &TestGate) {
    assert_eq!(gate.get("/large/300000", &[]).content.len(), 300_000);
    assert_eq!(gate.get("/qr/", &["Cookie: sessionid=a"]).status(), 200);
    assert_eq!(post(gate, "/echo", "hello").text(), "hello");
}

/// RFC 9113, section 5.2: the window of a connection is not that of one stream.
#[test]
fn clients_that_do_not_read_hold_back_no_other_response() {
    let application = ModernApplication::with(None, 100);
    let gate = before(application.address);
    assert_eq!(gate.get("/large/1", &[]).status(), 200);
    let mut readers = Vec::new();
    for count in [1, 3, 70] {
        readers.resize_with(count, || ask(&gate, "/large/40000000"));
        stands_still(&application.sent);
        pages_and_hooks_are_served(&gate);
    }
    drop(readers);
    pages_and_hooks_are_served(&gate);
}

/// The same the other way: the server's window for a connection may be that of one stream.
#[test]
fn an_upload_that_the_application_does_not_read_holds_back_no_other() {
    let application = ModernApplication::with(None, 100);
    let gate = before(application.address);
    let stalled: Vec<Connection> = (0..3)
        .map(|_| {
            let mut connection = gate.connect();
            let head = format!("POST /deaf HTTP/1.1\r\nHost: {}\r\nContent-Length: 9000000\r\n\r\n", gate.address);
            connection.write(head.as_bytes());
            connection.write(&[b'x'; 200_000]);
            connection
        })
        .collect();
    eventually("the application has all of them", || (application.requests_to("/deaf").len() == 3).then_some(()));
    pages_and_hooks_are_served(&gate);
    drop(stalled);
}

/// RFC 9113, section 5.1.2: when the streams of a connection are exhausted, another connection is opened.
#[test]
fn open_responses_do_not_exhaust_connections_for_others() {
    for streams in [1, 2, 100] {
        let application = ModernApplication::with(None, streams);
        let gate = before(application.address);
        let mut events: Vec<Connection> = (0..2 * streams + 1).map(|_| ask(&gate, "/events")).collect();
        for event in &mut events {
            assert_eq!(event.read_head().unwrap().status(), 200);
        }
        pages_and_hooks_are_served(&gate);
        let hooks = application.requests_to("/_qr/whoami").into_iter().map(|seen| seen.connection);
        let pages: Vec<_> = application.requests_to("/events").into_iter().map(|seen| seen.connection).collect();
        assert!(hooks.into_iter().all(|hook| !pages.contains(&hook)), "hooks have separate connections");
        let used = application.connections();
        assert!(used <= pages.len() / streams.min(64) as usize + 4, "{used} connections for {} streams", pages.len());
        drop(events);
        // Freed streams are reused.
        pages_and_hooks_are_served(&gate);
        assert!(application.connections() <= used + 1);
    }
}

/// docs/performance.md: the limit of connections.
#[test]
fn beyond_every_connection_a_request_is_refused_at_once_with_the_cause() {
    let application = ModernApplication::with(None, 1);
    let gate = before(application.address);
    // One after the other: 256 handshakes at once can exceed the connect timeout on a slow machine.
    let mut events = Vec::new();
    for _ in 0..256 {
        let mut event = ask(&gate, "/events");
        assert_eq!(event.read_head().unwrap().status(), 200);
        events.push(event);
    }
    let began = Instant::now();
    assert_eq!(gate.get("/echo", &[]).status(), 503);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    gate.wait_for_log(&["256 HTTP/2 connections", "SETTINGS_MAX_CONCURRENT_STREAMS"]);
    assert_eq!(gate.get("/qr/", &["Cookie: sessionid=a"]).status(), 200, "hooks are not page traffic");
    events.pop();
    eventually("a place is free", || (gate.get("/echo", &[]).status() == 200).then_some(()));
}

#[test]
fn a_server_that_allows_no_stream_is_an_error_at_once() {
    let application = ModernApplication::with(None, 0);
    let gate = before(application.address);
    assert_eq!(gate.get("/echo", &[]).status(), 502);
    gate.wait_for_log(&["SETTINGS_MAX_CONCURRENT_STREAMS is 0"]);
    assert_eq!(application.connections(), 1);
}

/// RFC 9113, section 8.7: REFUSED_STREAM.
#[test]
fn a_refused_stream_is_sent_again_with_its_content() {
    let application = ModernApplication::start(None);
    let gate = before(application.address);
    assert_eq!(gate.get("/refused/1", &[]).status(), 200);
    assert_eq!(post(&gate, "/refused/2", "hello").text(), "hello");
    let seen: Vec<_> = application.requests_to("/refused/2").iter().map(|seen| seen.content.len()).collect();
    assert_eq!(seen, [0, 0, 5], "two were refused, the third was served");
    // Content of unknown length that is still coming.
    let mut connection = gate.connect();
    let head = format!("PUT /refused/1/chunks HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked", gate.address);
    connection.write(format!("{head}\r\n\r\n5\r\nhello\r\n").as_bytes());
    connection.write(b"6\r\n again\r\n0\r\n\r\n");
    assert_eq!(connection.read_response(false).unwrap().text(), "hello again");
    assert_eq!(application.requests_to("/refused/1/chunks").len(), 2);
    // Content beyond what is kept arrives completely or not at all.
    let large = "0123456789".repeat(10_000);
    let response = post(&gate, "/refused/1/large", &large);
    assert!(response.status() == 502 || response.text() == large, "{}", response.status());
    // Retries are bounded.
    assert_eq!(gate.get("/refused/99", &[]).status(), 502);
    assert_eq!(application.requests_to("/refused/99").len(), 3);
    gate.wait_for_log(&["refused the request unprocessed"]);
}

/// What an application of HTTP/2 does with a connection, by its number and the bytes of its requests.
fn scripted(script: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = Arc::new(script);
    std::thread::spawn(move || {
        for (number, mut stream) in listener.incoming().flatten().enumerate() {
            let script = script.clone();
            std::thread::spawn(move || {
                let mut preface = [0; 24];
                stream.read_exact(&mut preface).unwrap();
                stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
                script(number, &mut stream);
            });
        }
    });
    address
}

/// The stream of the next request on a connection.
fn next_request(stream: &mut TcpStream) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).ok()?;
        if head[3] == HEADERS {
            return Some(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
    }
}

/// A 200 without content: the field is an entry of the static table (RFC 7541, appendix A).
fn ok(number: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, number, &[0x88])
}

/// RFC 9113, section 6.8: streams above a GOAWAY's last one were not processed.
#[test]
fn a_request_above_the_last_stream_of_a_goaway_is_sent_again() {
    for (method, code) in [("GET", 0u32), ("DELETE", 0), ("POST", 11)] {
        let address = scripted(move |number, stream| {
            while let Some(request) = next_request(stream) {
                if number > 0 || request == 1 {
                    stream.write_all(&ok(request)).unwrap();
                } else {
                    stream.write_all(&frame(GOAWAY, 0, 0, &[1u32.to_be_bytes(), code.to_be_bytes()].concat())).unwrap();
                }
            }
        });
        let gate = before(address);
        assert_eq!(gate.get("/first", &[]).status(), 200);
        let request = format!("{method} /second HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", gate.address);
        assert_eq!(gate.send(request).unwrap().status(), 200, "{method} {code}");
    }
}

/// A server that is shutting down accepts connections for a moment, but no requests on them.
#[test]
fn a_connection_that_ends_before_its_first_request_is_replaced() {
    let address = scripted(|number, stream| {
        if number < 2 {
            stream.write_all(&frame(GOAWAY, 0, 0, &[0; 8])).unwrap();
        }
        while let Some(request) = next_request(stream) {
            if number >= 2 {
                stream.write_all(&ok(request)).unwrap();
            }
        }
    });
    let gate = before(address);
    assert_eq!(post(&gate, "/form", "a=b").status(), 200);
}

/// RFC 9113, section 6.8: a stream up to the last one may have been processed.
#[test]
fn a_request_that_a_goaway_does_not_exclude_is_not_sent_again() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let address = scripted(move |_, stream| {
        while let Some(request) = next_request(stream) {
            counted.fetch_add(1, Ordering::SeqCst);
            if request == 1 {
                stream.write_all(&ok(request)).unwrap();
                continue;
            }
            stream.write_all(&frame(GOAWAY, 0, 0, &[request.to_be_bytes(), [0; 4]].concat())).unwrap();
            return;
        }
    });
    let gate = before(address);
    assert_eq!(gate.get("/first", &[]).status(), 200);
    assert_eq!(post(&gate, "/second", "").status(), 502);
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}
