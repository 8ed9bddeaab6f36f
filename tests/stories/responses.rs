//! Responses of an application, byte for byte: each reaches the client in one framing, incomplete ones stay incomplete,
//! and no byte of one is taken for another. Rows: docs/conformance.md, section G.

use std::io::Write;

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::http::{Connection, Message};

/// An application that responds to `/x` with these bytes and keeps the connection, behind a gate with one worker.
fn answering(bytes: impl Into<Vec<u8>>) -> (TestApplication, TestGate) {
    let application = TestApplication::start();
    let bytes = bytes.into();
    application.route("/x", move |_| Reply::Bytes(bytes.clone()));
    let gate = TestGate::with(
        &application,
        "[listen]\nworkers = 1\n[application]\nidle_timeout = \"1s\"\nresponse_timeout = \"2s\"",
    );
    (application, gate)
}

/// The same, but it closes the connection afterwards.
fn answering_and_closing(bytes: impl Into<Vec<u8>>) -> (TestApplication, TestGate) {
    let (application, gate) = answering("");
    let bytes = bytes.into();
    application.route("/x", move |_| {
        let bytes = bytes.clone();
        Reply::Take(Box::new(move |connection: Connection| {
            let _ = connection.stream().write_all(&bytes);
        }))
    });
    (application, gate)
}

/// The response to `/x` on a persistent connection.
fn ask(gate: &TestGate, method: &str) -> (Connection, Message) {
    let mut connection = gate.connect();
    connection.write(format!("{method} /x HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    let response = connection.read_response(method == "HEAD").unwrap_or_else(|| panic!("no response to {method}"));
    (connection, response)
}

/// Ten further requests get their own responses, and the connection of the bad one is not reused for them.
fn is_unharmed(application: &TestApplication, gate: &TestGate, connections: usize) {
    for number in 0..10 {
        let got = gate.get(&format!("/after/{number}"), &[]);
        assert_eq!((got.status(), got.text().as_str()), (200, "nobody is signed in"));
    }
    assert_eq!(application.connections(), connections, "connections to the application");
}

/// docs/conformance.md, row G20
#[test]
fn a_content_length_beside_a_transfer_coding_is_dropped_from_a_response() {
    for lines in ["Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 99"]
    {
        let (_application, gate) = answering(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
        let (mut connection, got) = ask(&gate, "GET");
        assert_eq!((got.status(), got.text().as_str(), got.complete), (200, "hello", true));
        assert!(got.field("content-length").is_none(), "{got:?}");
        connection.write(format!("GET /after HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
        assert_eq!(connection.read_response(false).unwrap().text(), "nobody is signed in");
    }
}

/// docs/conformance.md, row G20
#[test]
fn an_ambiguous_response_is_a_502_and_its_connection_is_discarded() {
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 0\r\nContent-Length: 0",
        "Content-Length: 5, 6",
        "Content-Length: 5, 5",
        "Content-Length: 0, 0",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 5a",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nContent-Length: 5",
    ] {
        let (application, gate) = answering(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nhello"));
        let (_, got) = ask(&gate, "GET");
        assert_eq!(got.status(), 502, "{lines:?}: {got:?}");
        assert!(!got.text().contains("hello"));
        is_unharmed(&application, &gate, 2);
    }
}

/// docs/conformance.md, rows G8, G20
#[test]
fn a_length_goes_out_as_one_plain_number() {
    for length in ["005", "5 "] {
        let (_application, gate) = answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello"));
        let (_, got) = ask(&gate, "GET");
        assert_eq!((got.field("content-length"), got.text().as_str()), (Some("5"), "hello"));
    }
}

/// docs/conformance.md, row G20
#[test]
fn a_malformed_response_is_a_502() {
    for bytes in [
        "",
        "\r\n",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rX: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "220 mail.example ESMTP\r\n",
    ] {
        let (application, gate) = answering_and_closing(bytes);
        let (_, got) = ask(&gate, "GET");
        assert_eq!(got.status(), 502, "{bytes:?}: {got:?}");
        let id = got.field("x-request-id").expect("a request id").to_owned();
        assert!(got.text().contains(&id) && !got.text().contains("127.0.0.1"), "{}", got.text());
        is_unharmed(&application, &gate, 2);
    }
}

/// docs/conformance.md, rows K4, K6
#[test]
fn a_head_without_end_is_a_502_in_bounded_memory() {
    let many = "A: b\r\n".repeat(300);
    let long = format!("A: {}\r\n", "b".repeat(2 << 20));
    for fields in [many, long] {
        let (application, gate) = answering(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"));
        let (_, got) = ask(&gate, "GET");
        assert_eq!(got.status(), 502, "{}", fields.len());
        is_unharmed(&application, &gate, 2);
    }
}

/// docs/conformance.md, row G20
#[test]
fn an_incomplete_response_is_never_passed_on_as_complete() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfXX0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n-1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nFFFFFFFFFFFFFFFFF\r\n\r\n",
    ] {
        for closes in [true, false] {
            let (application, gate) = if closes { answering_and_closing(bytes) } else { answering(bytes) };
            let (mut connection, got) = ask(&gate, "GET");
            assert!(got.status() == 200 && !got.complete, "{bytes:?} {closes}: {got:?}");
            assert!(connection.is_closed(), "{bytes:?} {closes}");
            is_unharmed(&application, &gate, 2);
        }
    }
}

/// docs/conformance.md, row G20
#[test]
fn bytes_after_a_response_reach_no_client() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for first in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{evil}"),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokX".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{evil}"),
    ] {
        let (application, gate) = answering(first.clone());
        for _ in 0..5 {
            let before = application.connections();
            let (_, got) = ask(&gate, "GET");
            assert_eq!(got.text(), "ok", "{first:?}");
            assert!(application.connections() <= before + 1);
        }
        let got = gate.get("/after", &[]);
        assert_eq!((got.status(), got.text().as_str()), (200, "nobody is signed in"), "{first:?}");
        assert_eq!(application.connections(), 6, "{first:?}");
    }
}

/// docs/conformance.md, row G20
#[test]
fn bytes_that_arrive_later_than_a_response_reach_no_client() {
    let (application, gate) = answering("");
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(Some(wait));
    let said = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let saying = said.clone();
    application.route("/x", move |_| {
        let wait = wait.lock().unwrap().take().unwrap();
        let said = saying.clone();
        Reply::Take(Box::new(move |mut connection: Connection| {
            connection.write(&response(200, &[], b"ok"));
            wait.recv().unwrap();
            connection.write(&response(200, &[], b"evil"));
            said.store(true, std::sync::atomic::Ordering::SeqCst);
            connection.is_closed();
        }))
    });
    assert_eq!(ask(&gate, "GET").1.text(), "ok");
    go.send(()).unwrap();
    eventually("it is said", || said.load(std::sync::atomic::Ordering::SeqCst).then_some(()));
    is_unharmed(&application, &gate, 2);
}

/// RFC 9112, section 6.3: content after a response without content, too late to be detected at its end.
#[test]
fn content_that_arrives_late_after_a_bodyless_response_reaches_no_other_client() {
    let cases = [
        ("HEAD", "200 OK\r\nContent-Length: 4"),
        ("HEAD", "404 Not Found\r\nTransfer-Encoding: chunked"),
        ("GET", "204 No Content\r\nContent-Length: 77"),
        ("DELETE", "204 No Content\r\nTransfer-Encoding: chunked"),
        ("GET", "304 Not Modified\r\nContent-Length: 1000"),
        ("GET", "103 Early Hints\r\nContent-Length: 4\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0"),
    ];
    for (method, head) in cases {
        let (application, gate) = answering("");
        application.route("/x", move |_| {
            Reply::Take(Box::new(move |mut connection: Connection| {
                connection.write(format!("HTTP/1.1 {head}\r\n\r\n").as_bytes());
                // Too late for the response, and in time for the next request on this connection.
                if connection.read_line().is_some() {
                    connection.write(&response(200, &[], b"evil"));
                }
            }))
        });
        ask(&gate, method);
        is_unharmed(&application, &gate, 2);
    }
    // Without such a field the connection is kept.
    for (method, head) in [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified\r\nETag: \"a\"")] {
        let (application, gate) = answering(format!("HTTP/1.1 {head}\r\n\r\n"));
        ask(&gate, method);
        is_unharmed(&application, &gate, 1);
    }
}

/// docs/conformance.md, row G20
#[test]
fn responses_without_content_have_none_whatever_their_fields_say() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
        for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            for content in [String::new(), "hello".to_owned(), "5\r\nhello\r\n0\r\n\r\n".to_owned(), evil.to_owned()] {
                let (application, gate) = answering(format!("HTTP/1.1 {status} X\r\n{framing}\r\n\r\n{content}"));
                let (mut connection, got) = ask(&gate, method);
                assert_eq!(got.status(), status);
                assert!(got.field("transfer-encoding").is_none() || method == "HEAD", "{got:?}");
                connection.write(format!("GET /after HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
                let next = connection.read_response(false).unwrap();
                assert_eq!((next.status(), next.text().as_str()), (200, "nobody is signed in"), "{method} {status}");
                is_unharmed(&application, &gate, 2);
            }
        }
    }
    let (_, gate) = answering("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n");
    assert!(ask(&gate, "GET").1.field("content-length").is_none(), "RFC 9110, section 8.6");
    let (_, gate) = answering("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
    assert_eq!(ask(&gate, "HEAD").1.field("content-length"), Some("1234"));
}

/// docs/conformance.md, row G21
#[test]
fn interim_responses_are_read_and_never_passed_on() {
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        "HTTP/1.1 102 Processing\r\n\r\n".to_owned(),
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: a=b\r\n\r\n".to_owned(),
        "HTTP/1.1 199 Whatever\r\nContent-Length: 5\r\n\r\n".to_owned(),
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".repeat(1000),
    ] {
        let (application, gate) = answering(format!("{interim}{last}"));
        let (_, got) = ask(&gate, "GET");
        assert_eq!((got.status(), got.text().as_str()), (200, "ok"), "{}", &interim[..25]);
        assert!(got.field("link").is_none() && got.field("set-cookie").is_none(), "{got:?}");
        is_unharmed(&application, &gate, 1 + usize::from(interim.contains("Length")));
    }
}

/// docs/conformance.md, row G21
#[test]
fn endless_interim_responses_are_a_502() {
    let (application, gate) = answering("");
    application.route("/x", |_| {
        Reply::Take(Box::new(|connection: Connection| {
            while connection.stream().write_all(&b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(100)).is_ok()
            {
            }
        }))
    });
    let (_, got) = ask(&gate, "GET");
    assert!(matches!(got.status(), 502 | 504), "{got:?}");
    is_unharmed(&application, &gate, 2);
}

/// docs/conformance.md, row J6
#[test]
fn an_unrequested_101_is_a_502_and_nothing_is_tunnelled() {
    for fields in ["", "Connection: upgrade\r\nUpgrade: websocket\r\n", "Content-Length: 2\r\n"] {
        let (application, gate) = answering(format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\nevil"));
        let (_, got) = ask(&gate, "GET");
        assert_eq!(got.status(), 502, "{fields:?}: {got:?}");
        assert!(!got.text().contains("evil"));
        is_unharmed(&application, &gate, 2);
    }
}

#[test]
fn connection_specific_fields_of_a_response_are_not_passed_on() {
    let fields =
        "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c";
    let (_application, gate) =
        answering_and_closing(format!("HTTP/1.1 200 OK\r\n{fields}\r\nX-Kept: a\r\nContent-Length: 2\r\n\r\nok"));
    let (mut connection, got) = ask(&gate, "GET");
    for name in ["connection", "x-hop", "keep-alive", "proxy-connection", "upgrade"] {
        assert!(got.field(name).is_none(), "{name}: {got:?}");
    }
    assert_eq!((got.field("x-kept"), got.text().as_str()), (Some("a"), "ok"));
    connection.write(format!("GET /after HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    assert_eq!(connection.read_response(false).unwrap().status(), 200, "the client's connection is another one");
}

/// docs/conformance.md, rows I2, G12
#[test]
fn allowed_trailers_of_a_response_pass_and_others_do_not() {
    let trailers = "X-Sum: 5\r\nSet-Cookie: a=evil\r\nContent-Length: 9\r\nLocation: /evil\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n";
    let names = "X-Sum, Set-Cookie, Content-Length, Location, Transfer-Encoding, Connection";
    let (_application, gate) = answering(format!(
        "HTTP/1.1 200 OK\r\nTrailer: {names}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n{trailers}\r\n"
    ));
    let mut connection = gate.connect();
    for te in ["", "TE: trailers\r\n"] {
        connection.write(format!("GET /x HTTP/1.1\r\nHost: {}\r\n{te}\r\n", gate.address).as_bytes());
        let got = connection.read_response(false).unwrap();
        assert_eq!((got.text().as_str(), got.complete), ("hello", true));
        let passed: Vec<_> = got.fields.iter().filter(|(name, _)| name.starts_with("trailer-")).collect();
        let names: Vec<_> = passed.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        assert_eq!(names, ["trailer-x-sum"], "{te:?}");
    }
}
