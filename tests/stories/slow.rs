//! Slow peers on either side: each phase has its timeout, progress resets it, and other clients are not affected. Rows:
//! docs/conformance.md, section K.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::http::Connection;

const LIMITS: &str = "[limits]\nheader_timeout = \"1s\"\nkeep_alive = \"5s\"\n[application]\nidle_timeout = \"2s\"\n";

fn ground() -> (TestApplication, TestGate) {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, LIMITS);
    (application, gate)
}

fn is_unharmed(gate: &TestGate) {
    assert_eq!(gate.get("/good", &[]).status(), 200);
}

/// Writes byte by byte with pauses, until the peer has closed or all bytes are written.
fn drip(connection: &mut Connection, bytes: &[u8], pause: Duration) {
    for byte in bytes {
        connection.write(&[*byte]);
        connection.stream().set_read_timeout(Some(pause)).unwrap();
        if connection.stream().peek(&mut [0]).is_ok() {
            break;
        }
    }
    connection.stream().set_read_timeout(Some(crate::harness::http::TIMEOUT)).unwrap();
}

/// docs/conformance.md, row K1
#[test]
fn a_head_must_arrive_within_header_timeout() {
    let (application, gate) = ground();
    let head = format!("GET /page HTTP/1.1\r\nHost: {}\r\nX-A: {}\r\n\r\n", gate.address, "b".repeat(100));
    let mut connection = gate.connect();
    drip(&mut connection, head.as_bytes(), Duration::from_millis(50));
    assert!(connection.is_closed(), "closed without a response");
    // Also on a connection that served a request before.
    let mut connection = gate.connect();
    connection.write(format!("GET /good HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    assert_eq!(connection.read_response(false).unwrap().status(), 200);
    drip(&mut connection, head.as_bytes(), Duration::from_millis(50));
    assert!(connection.is_closed());
    assert!(application.requests_to("/page").is_empty());
    is_unharmed(&gate);
}

/// docs/conformance.md, rows K1, K5
#[test]
fn hundreds_of_slow_clients_do_not_slow_the_others() {
    let (_application, gate) = ground();
    let mut slow: Vec<Connection> = (0..300).map(|_| gate.connect()).collect();
    for (number, connection) in slow.iter_mut().enumerate() {
        connection.write(&b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"[..[0, 9, 30, 51][number % 4]]);
    }
    let began = Instant::now();
    for _ in 0..20 {
        is_unharmed(&gate);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for connection in &mut slow {
        while connection.read_line().is_some() {}
    }
    eventually("all clients have disconnected", || {
        gate.admin("/metrics").text().contains("\nqrgate_connections 0\n").then_some(())
    });
}

/// docs/conformance.md, row K2; `application.idle_timeout`
#[test]
fn an_upload_that_stalls_times_out_and_a_slow_one_does_not() {
    let (application, gate) = ground();
    for framing in ["Content-Length: 30", "Transfer-Encoding: chunked"] {
        let head = format!("POST /echo HTTP/1.1\r\nHost: {}\r\n{framing}\r\n\r\n", gate.address);
        let before = application.requests().len();
        let mut connection = gate.connect();
        connection.write(head.as_bytes());
        connection.write(b"2\r\nhi\r\n");
        let got = connection.read_response(false);
        assert!(got.is_none_or(|response| response.status() == 408), "{framing}");
        assert!(connection.is_closed());
        let seen =
            eventually("the application sees the end of the request", || application.requests().get(before).cloned());
        assert!(!seen.complete, "{seen:?}");
        // Twice the timeout in total, but never idle for that long.
        let content = if framing.starts_with('C') { "x".repeat(30) } else { "1\r\nx\r\n".repeat(5) + "0\r\n\r\n" };
        let mut connection = gate.connect();
        connection.write(head.as_bytes());
        drip(&mut connection, content.as_bytes(), Duration::from_millis(140));
        assert_eq!(connection.read_response(false).unwrap().status(), 200, "{framing}");
    }
    is_unharmed(&gate);
}

/// docs/conformance.md, row K2
#[test]
fn a_client_that_reads_nothing_times_out_and_its_request_is_cancelled() {
    let (application, gate) = ground();
    let (told, stopped) = std::sync::mpsc::channel();
    application.route("/endless", move |_| {
        let told = told.clone();
        Reply::Take(Box::new(move |connection: Connection| {
            let _ = connection.stream().write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while connection.stream().write_all(&[b'x'; 1 << 16]).is_ok() {}
            let _ = told.send(());
        }))
    });
    let mut connection = gate.connect();
    connection.write(format!("GET /endless HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    stopped.recv_timeout(crate::harness::http::TIMEOUT).expect("the application's connection is closed");
    let line = gate.wait_for_log(&["\"path\":\"/endless\""]);
    assert!(line.contains("\"status\":200"), "{line}");
    is_unharmed(&gate);
    // Slow progress resets the timeout.
    application.route("/large", |_| Reply::Bytes(response(200, &[], &vec![b'x'; 1 << 20])));
    let mut connection = gate.connect();
    connection.write(format!("GET /large HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", gate.address).as_bytes());
    let mut all = 0;
    let mut piece = [0; 1 << 16];
    while let Ok(count @ 1..) = connection.stream().read(&mut piece) {
        all += count;
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert!(all > 1 << 20, "{all} bytes came");
}

/// `limits.keep_alive`
#[test]
fn an_idle_connection_is_kept_for_a_while_and_then_closed() {
    let (_application, gate) = ground();
    let mut connection = gate.connect();
    let get = format!("GET /page HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address);
    for _ in 0..2 {
        connection.write(get.as_bytes());
        assert_eq!(connection.read_response(false).unwrap().status(), 200);
        connection.stream().set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
        assert!(connection.stream().read(&mut [0]).is_err(), "open for longer than header_timeout");
    }
    connection.stream().set_read_timeout(Some(crate::harness::http::TIMEOUT)).unwrap();
    assert!(connection.is_closed());
}

/// `application.response_timeout`, `application.connect_timeout`
#[test]
fn an_application_that_does_not_respond_is_a_504() {
    let application = TestApplication::start();
    application
        .route("/never", |_| Reply::Take(Box::new(|mut connection: Connection| assert!(connection.is_closed()))));
    let gate = TestGate::with(&application, "[application]\nresponse_timeout = \"1s\"");
    for _ in 0..3 {
        assert_eq!(gate.get("/never", &[]).status(), 504);
    }
    let metrics = gate.admin("/metrics").text();
    assert!(metrics.contains("qrgate_application_errors_total{kind=\"timeout\"} 3"), "{metrics}");
    is_unharmed(&gate);
    // `off`: no timeout.
    application.route("/late", |_| {
        Reply::Take(Box::new(|mut connection: Connection| {
            std::thread::park_timeout(Duration::from_millis(900));
            connection.write(&response(200, &[], b"late"));
        }))
    });
    let patient = TestGate::with(&application, "[application]\nresponse_timeout = \"off\"\nidle_timeout = \"300ms\"");
    assert_eq!(patient.get("/late", &[]).text(), "late");

    // A listener whose queue is full completes no handshake.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let queue: Vec<_> = (0..4)
        .filter_map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
        .collect();
    assert!(!queue.is_empty());
    let alone =
        TestGate::start(&crate::harness::gate::configuration(address, "[application]\nconnect_timeout = \"300ms\""));
    assert_eq!(alone.get("/", &[]).status(), 504);
    assert!(alone.admin("/metrics").text().contains("kind=\"connect_timeout\"} 1"));
}
