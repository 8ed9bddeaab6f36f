//! Streaming: any size in constant memory, backpressure, each piece forwarded at once, and the end of one side ends the
//! other.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::{Connection, TIMEOUT};
use crate::harness::http2::{DATA, END_STREAM, Http2, RST_STREAM};
use crate::harness::modern::ModernApplication;
use crate::harness::tls::Authority;
use crate::harness::{eventually, stands_still};

const MIB: usize = 1 << 20;
const HUGE: usize = 256 * MIB;
/// How much the memory of a gate may grow, in bytes.
const GROWTH: u64 = 24 << 20;

/// Reads uploads at a bare socket and counts their bytes. Responds to `HUGE` after this many; reads no other upload.
fn counting(counted: &Arc<AtomicUsize>, most: usize) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let counted = counted.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut piece = vec![0; 1 << 16];
            while counted.load(Ordering::SeqCst) < most {
                match stream.read(&mut piece) {
                    Ok(count @ 1..) => drop(counted.fetch_add(count, Ordering::SeqCst)),
                    _ => return,
                }
            }
            if most >= HUGE {
                let _ = stream.write_all(&response(200, &[], b"taken"));
            }
            std::thread::park_timeout(TIMEOUT);
        }
    });
    address
}

/// Responds to `/endless` without end, and counts the bytes that were sent.
fn endless(application: &TestApplication) -> Arc<AtomicUsize> {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    application.route("/endless", move |_| {
        let sent = counted.clone();
        Reply::Take(Box::new(move |connection: Connection| {
            let mut stream = connection.stream();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while let Ok(count) = stream.write(&[b'x'; 1 << 16]) {
                sent.fetch_add(count, Ordering::SeqCst);
            }
        }))
    });
    sent
}

#[test]
fn a_download_of_any_size_takes_the_same_memory() {
    let application = TestApplication::start();
    endless(&application);
    let gate = TestGate::before(&application);
    gate.get("/warm", &[]);
    let before = gate.resident();
    let mut connection = gate.connect();
    connection.write(format!("GET /endless HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    assert_eq!(connection.read_head().unwrap().status(), 200);
    let mut most = 0;
    for _ in 0..HUGE / MIB {
        assert_eq!(connection.read_bytes(MIB).len(), MIB);
        most = most.max(gate.resident().saturating_sub(before));
    }
    assert!(most < GROWTH, "{most} bytes more");
}

#[test]
fn an_upload_of_any_size_takes_the_same_memory() {
    let counted = Arc::new(AtomicUsize::new(0));
    let gate = TestGate::start(&configuration(counting(&counted, HUGE), ""));
    let before = gate.resident();
    let mut connection = gate.connect();
    connection
        .write(format!("POST /up HTTP/1.1\r\nHost: {}\r\nContent-Length: {HUGE}\r\n\r\n", gate.address).as_bytes());
    let mut most = 0;
    for _ in 0..HUGE / MIB {
        connection.write(&[b'x'; MIB]);
        most = most.max(gate.resident().saturating_sub(before));
    }
    assert_eq!(connection.read_response(false).unwrap().text(), "taken");
    assert!(most < GROWTH, "{most} bytes more");
    assert!(gate.wait_for_log(&["\"path\":\"/up\""]).contains(&format!("\"bytes_in\":{HUGE}")));
}

#[test]
fn a_reader_that_stops_pauses_the_sender() {
    // Download: the client reads nothing.
    let application = TestApplication::start();
    let sent = endless(&application);
    let gate = TestGate::before(&application);
    let mut reader = gate.connect();
    reader.write(format!("GET /endless HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    let stalled = stands_still(&sent);
    assert!(stalled < 48 * MIB, "{stalled} bytes were taken from the application");
    assert!(reader.read_head().is_some());
    reader.read_bytes(stalled);
    eventually("the sender continues when the client reads", || (sent.load(Ordering::SeqCst) > stalled).then_some(()));
    // Upload: the application reads nothing.
    let counted = Arc::new(AtomicUsize::new(0));
    let gate = TestGate::start(&configuration(counting(&counted, MIB), ""));
    let connection = gate.connect();
    let (sent, sending) = (Arc::new(AtomicUsize::new(0)), connection.stream().try_clone().unwrap());
    let counting_sent = sent.clone();
    let head = format!("POST /up HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", gate.address, 8 * HUGE);
    std::thread::spawn(move || {
        let mut sending = sending;
        let _ = sending.write_all(head.as_bytes());
        while let Ok(count) = sending.write(&[b'x'; 1 << 16]) {
            counting_sent.fetch_add(count, Ordering::SeqCst);
        }
    });
    let stalled = stands_still(&sent);
    assert!(stalled < 48 * MIB, "{stalled} bytes were taken from the client");
}

#[test]
fn over_http_2_a_reader_that_stops_pauses_the_sender() {
    let (application, authority) = (TestApplication::start(), Authority::new());
    let sent = endless(&application);
    let gate = TestGate::with(&application, &authority.issue("gate", &["localhost"]).settings());
    let mut connection = Http2::open(&gate, &authority);
    let before = gate.resident();
    connection.request(1, "GET", "/endless", &[], true);
    let stalled = stands_still(&sent);
    assert!(stalled < 48 * MIB, "{stalled} bytes were taken from the application");
    assert!(gate.resident().saturating_sub(before) < GROWTH);
    // Another stream of the connection is not delayed by the unread one.
    assert_eq!(connection.get(3, "/page").status, Some(200));
    connection.frame(RST_STREAM, 0, 1, &8u32.to_be_bytes());
    let stopped = sent.load(Ordering::SeqCst);
    assert_eq!(connection.get(5, "/page").status, Some(200));
    assert!(sent.load(Ordering::SeqCst) < stopped + 8 * MIB, "the application sends no more after the reset");
    // Upload: more than a window, in pieces.
    let mut connection = Http2::open(&gate, &authority);
    connection.request(1, "POST", "/echo", &[], false);
    for _ in 0..3 {
        connection.frame(DATA, 0, 1, &[b'x'; 16_000]);
    }
    connection.frame(DATA, END_STREAM, 1, &[]);
    assert_eq!(connection.response(1).content.len(), 48_000);
}

#[test]
fn each_message_of_a_grpc_call_is_forwarded_at_once_and_trailers_follow() {
    let authority = Authority::new();
    let application = ModernApplication::start(None);
    let tls = authority.issue("gate", &["localhost"]).settings();
    let settings = format!("[application]\nurl = \"h2c://{}\"\n{tls}", application.address);
    let gate = TestGate::start(&configuration(application.address, &settings));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(gate.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(authority.client(&["h2"], None)));
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(format!("https://{}/package.Service/Method", gate.address));
        let request = request.header("te", "trailers").header("content-type", "application/grpc").body(()).unwrap();
        let (response, mut messages) = client.send_request(request, false).unwrap();
        let mut echoed: Option<h2::RecvStream> = None;
        let mut response = Some(response);
        for message in ["first", "second", "third"] {
            messages.send_data(message.into(), false).unwrap();
            if let Some(response) = response.take() {
                echoed = Some(tokio::time::timeout(TIMEOUT, response).await.unwrap().unwrap().into_body());
            }
            let back = tokio::time::timeout(TIMEOUT, echoed.as_mut().unwrap().data()).await.unwrap();
            assert_eq!(back.unwrap().unwrap(), message, "the message arrives before the next one is sent");
        }
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-checksum", "5".parse().unwrap());
        messages.send_trailers(trailers).unwrap();
        let mut echoed = echoed.unwrap();
        assert!(echoed.data().await.is_none());
        let trailers = echoed.trailers().await.unwrap().expect("trailers");
        assert_eq!(trailers["grpc-status"], "0");
        assert!(!trailers.contains_key("x-forwarded-proto"));
    });
    let seen = &application.requests_to("/package.Service/Method")[0];
    assert!(seen.complete && seen.content == b"firstsecondthird");
    assert_eq!(seen.trailers.as_ref().unwrap()["x-checksum"], "5");
    assert_eq!(
        (seen.head.headers()["te"].as_bytes(), seen.head.headers()["content-type"].as_bytes()),
        (&b"trailers"[..], &b"application/grpc"[..])
    );
}

#[test]
fn a_client_that_disconnects_cancels_its_request_to_the_application() {
    let (application, authority) = (TestApplication::start(), Authority::new());
    let (told, gone) = std::sync::mpsc::channel();
    application.route("/slow", move |_| {
        let told = told.clone();
        Reply::Take(Box::new(move |mut connection: Connection| told.send(connection.is_closed()).unwrap()))
    });
    let plain = TestGate::before(&application);
    let mut connection = plain.connect();
    connection.write(format!("GET /slow HTTP/1.1\r\nHost: {}\r\n\r\n", plain.address).as_bytes());
    eventually("it is asked", || (application.requests_to("/slow").len() == 1).then_some(()));
    drop(connection);
    assert!(gone.recv_timeout(TIMEOUT).unwrap());
    let gate = TestGate::with(&application, &authority.issue("gate", &["localhost"]).settings());
    let mut connection = Http2::open(&gate, &authority);
    connection.request(1, "GET", "/slow", &[], true);
    eventually("it is asked", || (application.requests_to("/slow").len() == 2).then_some(()));
    connection.frame(RST_STREAM, 0, 1, &8u32.to_be_bytes());
    assert!(gone.recv_timeout(TIMEOUT).unwrap());
    assert_eq!(connection.get(3, "/page").status, Some(200));
}

#[test]
fn an_incomplete_response_is_a_reset_stream() {
    let (application, authority) = (TestApplication::start(), Authority::new());
    for (path, bytes) in [
        ("/length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        ("/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    ] {
        application.route(path, move |_| {
            Reply::Take(Box::new(move |mut connection: Connection| connection.write(bytes.as_bytes())))
        });
    }
    let gate = TestGate::with(&application, &authority.issue("gate", &["localhost"]).settings());
    let mut connection = Http2::open(&gate, &authority);
    for (stream, path) in [(1, "/length"), (3, "/chunked")] {
        let response = connection.get(stream, path);
        assert!(!response.complete && response.reset.is_some() && response.content == b"half", "{path}: {response:?}");
    }
    assert_eq!(connection.get(5, "/page").content, b"nobody is signed in");
}

#[test]
fn a_response_before_the_end_of_the_upload_is_passed_on() {
    let application = TestApplication::start();
    let early = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = early.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in early.incoming().flatten() {
            let mut connection = Connection::over(stream);
            if connection.read_head().is_some() {
                connection.write(&response(413, &["Connection: close"], b"too large"));
            }
        }
    });
    let gate = TestGate::start(&configuration(address, ""));
    let mut connection = gate.connect();
    connection
        .write(format!("POST /up HTTP/1.1\r\nHost: {}\r\nContent-Length: 100000000\r\n\r\n", gate.address).as_bytes());
    let got = connection.read_response(false).unwrap();
    assert_eq!((got.status(), got.text().as_str(), got.complete), (413, "too large", true));
    drop(application);
}

/// Bytes that encode their position.
fn numbered(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_be_bytes).take(length).collect()
}

#[test]
fn content_of_any_length_arrives_byte_for_byte_and_so_does_what_follows_it() {
    let application = TestApplication::start();
    application.route("/down", |request| {
        let length = request.target().rsplit('=').next().unwrap().parse().unwrap();
        Reply::Bytes(response(200, &[], &numbered(length)))
    });
    application.route("/up", |request| {
        let whole = request.content == numbered(request.content.len());
        Reply::Bytes(response(200, &[], format!("{} {whole}", request.content.len()).as_bytes()))
    });
    let gate = TestGate::before(&application);
    let mut connection = gate.connect();
    let lengths = [1, 8 << 10, (32 << 10) - 1, (40 << 10) + 3, 100 << 10, (1 << 20) + 7, 3 << 20];
    for length in lengths {
        connection.write(format!("GET /down?length={length} HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
        assert!(connection.read_response(false).unwrap().content == numbered(length), "{length} down");
        let head = format!("POST /up HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n", gate.address);
        connection.write(&[head.as_bytes(), &numbered(length)].concat());
        assert_eq!(connection.read_response(false).unwrap().text(), format!("{length} true"));
    }
    for length in lengths {
        let line = gate.wait_for_log(&[&format!("\"bytes_out\":{length},")]);
        assert!(line.contains("/down"), "{line}");
        gate.wait_for_log(&[&format!("\"bytes_in\":{length},")]);
    }
}

#[test]
fn a_large_incomplete_response_stays_recognisable_over_http_1_0() {
    let application = TestApplication::start();
    application.route("/part", |_| {
        Reply::Take(Box::new(|connection: Connection| {
            let mut stream = connection.stream();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
            let _ = stream.write_all(&numbered(200_000));
        }))
    });
    application.route("/chunks", |_| {
        Reply::Take(Box::new(|connection: Connection| {
            let _ =
                connection.stream().write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        }))
    });
    let gate = TestGate::before(&application);
    let mut connection = gate.connect();
    connection.write(format!("GET /part HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    let part = connection.read_response(false).unwrap();
    assert!(!part.complete && part.content == numbered(200_000), "{} bytes came", part.content.len());
    // In HTTP/1.0 the end of the connection would be the end of the content; only a reset shows that it is incomplete.
    let mut connection = gate.connect();
    connection.write(format!("GET /chunks HTTP/1.0\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    let mut read = Vec::new();
    let error = connection.stream().read_to_end(&mut read).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn ranges_conditions_and_head_are_left_to_the_application() {
    let application = TestApplication::start();
    application.route("/file", |request| {
        let partial = request.field("range") == Some("bytes=2-4");
        let fields = ["Content-Range: bytes 2-4/9", "Accept-Ranges: bytes", "ETag: \"a\"", "Vary: Accept-Encoding"];
        Reply::Bytes(response(if partial { 206 } else { 416 }, &fields, if partial { b"cde" } else { b"" }))
    });
    application.route("/same", |request| {
        assert_eq!(request.field("if-none-match"), Some("\"a\", W/\"b\""));
        Reply::Bytes(b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec())
    });
    let gate = TestGate::before(&application);
    let got = gate.get("/file", &["Range: bytes=2-4", "Accept-Encoding: gzip, br;q=0.5"]);
    assert_eq!((got.status(), got.text().as_str(), got.field("content-range")), (206, "cde", Some("bytes 2-4/9")));
    assert_eq!(
        (got.field("etag"), got.field("accept-ranges"), got.field("vary")),
        (Some("\"a\""), Some("bytes"), Some("Accept-Encoding"))
    );
    assert_eq!(application.requests_to("/file")[0].field("accept-encoding"), Some("gzip, br;q=0.5"));
    assert_eq!(gate.get("/file", &["Range: bytes=99-"]).status(), 416);
    let same = gate.get("/same", &["If-None-Match: \"a\", W/\"b\""]);
    assert_eq!((same.status(), same.field("etag")), (304, Some("\"a\"")));
}

/// An application whose connections end, and a gate with one worker, so with one idle connection at most.
struct Dying {
    application: TestApplication,
    gate: TestGate,
}

impl Dying {
    fn start() -> Dying {
        let application = TestApplication::start();
        application.route("/last", |_| {
            Reply::Take(Box::new(|mut connection: Connection| {
                connection.write(&response(200, &["Connection: close"], b"bye"));
            }))
        });
        let gate = TestGate::with(&application, "[listen]\nworkers = 1");
        Dying { application, gate }
    }

    /// How often such a request arrives when the application sends `said` and closes its connection, and the status
    /// that the client gets.
    fn sends(&self, reused: bool, request: (&str, &str, &str), said: &'static str) -> (usize, Option<u16>) {
        let before = self.application.requests_to("/dies").len();
        self.application.route("/dies", move |_| {
            Reply::Take(Box::new(move |mut connection: Connection| connection.write(said.as_bytes())))
        });
        self.gate.get(if reused { "/warm" } else { "/last" }, &[]);
        let (method, lines, content) = request;
        let mut connection = self.gate.connect();
        let head = format!("{method} /dies HTTP/1.1\r\nHost: {}\r\n{lines}\r\n", self.gate.address);
        connection.write((head + content).as_bytes());
        let got = connection.read_response(method == "HEAD");
        let times = self.application.requests_to("/dies").len() - before;
        (times, got.filter(|got| got.complete).map(|got| got.status()))
    }
}

#[test]
fn a_request_is_sent_again_in_one_case_only() {
    let dying = Dying::start();
    let bare = |method| (method, "", "");
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(dying.sends(true, bare(method), ""), (2, Some(502)), "{method}: once more, on a new connection");
        assert_eq!(dying.sends(false, bare(method), ""), (1, Some(502)), "{method}: the connection was new");
        assert_eq!(dying.sends(true, bare(method), "HTTP/1.1 2"), (1, Some(502)), "{method}: a response had begun");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
        assert_eq!(dying.sends(true, bare(method), ""), (1, Some(502)), "{method} may have been obeyed");
    }
    let contents = [("Content-Length: 1\r\n", "x"), ("Transfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\n\r\n")];
    for (lines, content) in contents {
        assert_eq!(
            dying.sends(true, ("GET", lines, content), ""),
            (1, Some(502)),
            "content is not kept to be sent twice"
        );
    }
    let broken = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    assert_eq!(dying.sends(true, bare("GET"), broken), (1, None), "a broken response is passed on as broken");
}
