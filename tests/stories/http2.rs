//! HTTP/2, frame by frame: malformed requests are not forwarded, and a flood affects only its own connection.
//! Rows: docs/conformance.md, section H.

use crate::harness::application::{Reply, TestApplication};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::http::{Connection, accept_of};
use crate::harness::http2::*;
use crate::harness::tls::Authority;

/// A gate with TLS in front of an application.
struct Ground {
    application: TestApplication,
    gate: TestGate,
    authority: Authority,
}

impl Ground {
    fn new() -> Ground {
        Ground::with("")
    }

    fn with(settings: &str) -> Ground {
        let application = TestApplication::start();
        let authority = Authority::new();
        let tls = authority.issue("gate", &["localhost"]).settings();
        let gate = TestGate::with(&application, &format!("{tls}{settings}"));
        Ground { application, gate, authority }
    }

    fn connect(&self) -> Http2 {
        Http2::open(&self.gate, &self.authority)
    }

    /// Another client is served.
    fn is_unharmed(&self) {
        let response = self.connect().get(1, "/good");
        assert_eq!((response.status, response.complete), (Some(200), true));
    }

    /// A head with these fields is refused and not forwarded; others on a new connection are served.
    fn refuses(&self, block: &[u8]) {
        let mut connection = self.connect();
        connection.frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
        let response = connection.response(1);
        assert!(response.is_refusal(), "{:?}: {response:?}", String::from_utf8_lossy(block));
        self.is_unharmed();
        assert!(self.application.requests().iter().all(|request| request.target() == "/good"), "{response:?}");
    }
}

/// The four pseudo-fields of a GET, then this one.
fn with_field(ground: &Ground, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut block = block(&ground.connect().pseudo("GET", "/page"));
    literal(&mut block, name, value);
    block
}

/// docs/conformance.md, row H1
#[test]
fn connection_specific_fields_are_malformed_in_http_2() {
    let ground = Ground::new();
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("connection", "x-forwarded-proto"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
    ] {
        ground.refuses(&with_field(&ground, name.as_bytes(), value.as_bytes()));
    }
    let mut connection = ground.connect();
    connection.request(1, "GET", "/page", &[("te", "trailers")], true);
    assert_eq!(connection.response(1).status, Some(200));
}

/// docs/conformance.md, row H2
#[test]
fn no_forbidden_byte_passes_in_a_name_or_value() {
    let ground = Ground::new();
    let values: [&[u8]; 9] = [
        b"b\rc",
        b"b\nc",
        b"b\r\nX-Evil: 1",
        b"b\0c",
        b" b",
        b"b ",
        b"\tb",
        b"b\t",
        b"b\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
    ];
    for value in values {
        ground.refuses(&with_field(&ground, b"x-a", value));
    }
    let names: [&[u8]; 11] = [
        b"X-A",
        b"x a",
        b"x\0a",
        b"x:a",
        b"",
        b"x\r\na",
        b"x\na",
        b"x\x7fa",
        b"x\xe9a",
        b"x\x01a",
        b"x-a: b\r\nx-evil",
    ];
    for name in names {
        ground.refuses(&with_field(&ground, name, b"b"));
    }
}

/// docs/conformance.md, rows H2, H4, F6
#[test]
fn a_target_or_method_cannot_carry_a_second_line() {
    let ground = Ground::new();
    for (method, path) in [
        ("GET", "/a\r\nX-Evil: 1"),
        ("GET", "/a HTTP/1.1\r\nHost: evil\r\n\r\n"),
        ("GET", "/a b"),
        ("GET", "/a\0"),
        ("GET", "/a\t"),
        ("GET", "/a\u{e9}"),
        ("GET", "/a\\b"),
        ("GET /evil HTTP/1.1\r\nX:", "/a"),
        ("GE T", "/a"),
        ("", "/a"),
        ("G\0T", "/a"),
    ] {
        ground.refuses(&block(&ground.connect().pseudo(method, path)));
    }
}

/// docs/conformance.md, row H4
#[test]
fn pseudo_fields_come_once_first_and_agree() {
    let ground = Ground::new();
    let own = ground.gate.address.to_string();
    let (m, s, a, p) = ((":method", "GET"), (":scheme", "https"), (":authority", own.as_str()), (":path", "/page"));
    let heads: &[&[(&str, &str)]] = &[
        &[m, s, a, p, (":path", "/other")],
        &[m, s, a, (":path", "/other"), p],
        &[m, m, s, a, p],
        &[m, s, s, a, p],
        &[m, s, a, a, p],
        &[m, s, a, (":path", "page")],
        &[m, s, a, (":path", "")],
        &[m, s, a, (":path", "*")],
        &[m, s, a, (":path", "http://evil.example/page")],
        &[m, s, a],
        &[s, a, p],
        &[m, a, p],
        &[m, s, p],
        &[m, s, a, p, (":status", "200")],
        &[m, s, a, p, (":evil", "x")],
        &[m, s, a, p, (":protocol", "websocket")],
        &[m, s, a, ("x-a", "b"), p],
        &[m, s, a, p, ("host", "evil.example")],
        &[m, s, (":authority", "evil.example"), p, ("host", &own)],
        &[m, s, a, p, ("host", &own), ("host", &own)],
        &[m, s, (":authority", "user@evil.example"), p],
        &[m, s, (":authority", "a b"), p],
        &[m, s, (":authority", "a, b"), p],
        &[m, s, (":authority", "a/b"), p],
        &[m, s, (":authority", ""), p],
        &[m, s, (":authority", "a:99999"), p],
    ];
    for head in heads {
        ground.refuses(&block(head));
    }
    let mut connection = ground.connect();
    connection.request(1, "GET", "/page", &[("host", &own)], true);
    assert_eq!(connection.response(1).status, Some(200));
    assert_eq!(ground.application.requests_to("/page")[0].field("host"), Some(own.as_str()));
    // RFC 9113, section 8.3.1: an OPTIONS request for the server as a whole has the path `*`.
    connection.request(3, "OPTIONS", "*", &[], true);
    assert_eq!(connection.response(3).status, Some(200));
    assert_eq!(ground.application.requests_to("*").len(), 1);
}

/// docs/conformance.md, rows H3, G6, G7
#[test]
fn content_is_as_long_as_its_content_length() {
    let ground = Ground::new();
    for (length, content) in [("5", "abc"), ("5", "abcdefgh"), ("5", ""), ("0", "abc"), ("3", "abcd")] {
        let before = ground.application.requests().len();
        let mut connection = ground.connect();
        connection.request(1, "POST", "/echo", &[("content-length", length)], false);
        // The head has been forwarded by now. Its Content-Length must not count as the end of the content.
        ground.is_unharmed();
        connection.frame(DATA, END_STREAM, 1, content.as_bytes());
        let response = connection.response(1);
        assert!(response.is_refusal(), "{length} {content:?}: {response:?}");
        ground.is_unharmed();
        // The application sees an incomplete request.
        let seen = ground.application.requests().split_off(before);
        assert!(seen.iter().all(|request| request.target() == "/good" || !request.complete), "{length}: {seen:?}");
    }
    for lengths in
        [&["5", "6"][..], &["5", "5"], &["+5"], &["0x5"], &["-1"], &[""], &["5, 5"], &["05"], &["99999999999999999999"]]
    {
        let mut connection = ground.connect();
        let fields: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
        connection.request(1, "POST", "/echo", &fields, false);
        connection.frame(DATA, END_STREAM, 1, b"hello");
        let response = connection.response(1);
        assert!(response.is_refusal(), "{lengths:?}: {response:?}");
    }
    ground.is_unharmed();
    assert!(ground.application.requests_to("/echo").iter().all(|request| !request.complete));
    let mut connection = ground.connect();
    for (stream, length, content) in [(1, "5", "hello"), (3, "0", "")] {
        connection.request(stream, "POST", "/echo", &[("content-length", length)], false);
        connection.frame(DATA, END_STREAM, stream, content.as_bytes());
        let response = connection.response(stream);
        assert_eq!((response.status, response.content), (Some(200), content.as_bytes().to_vec()));
    }
}

/// Sends no response until the client has disconnected.
fn silent(application: &TestApplication) {
    application
        .route("/silent", |_| Reply::Take(Box::new(|mut connection: Connection| assert!(connection.is_closed()))));
}

/// docs/conformance.md, row H5
#[test]
fn a_burst_of_resets_ends_only_its_connection() {
    let ground = Ground::new();
    silent(&ground.application);
    ground.is_unharmed();
    let before = ground.gate.resident();
    let mut connection = ground.connect();
    let head = block(&connection.pseudo("GET", "/silent"));
    let mut burst = Vec::new();
    for stream in (1..20_000).step_by(2) {
        burst.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
        burst.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
    }
    connection.write(&burst);
    assert!(
        connection.goodbye().is_some_and(|code| code != 0) || !connection.takes(b"\0"),
        "the connection is still open"
    );
    ground.is_unharmed();
    let grown = ground.gate.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    assert!(ground.application.connections() < 400, "{} connections", ground.application.connections());
}

/// docs/conformance.md, row H5
#[test]
fn resets_one_by_one_are_counted_too() {
    let ground = Ground::new();
    silent(&ground.application);
    let mut connection = ground.connect();
    let head = block(&connection.pseudo("GET", "/silent"));
    let mut sent = 0;
    for stream in (1..2_000).step_by(2) {
        let asked = ground.application.requests_to("/silent").len();
        if !connection.takes(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)) {
            break;
        }
        sent += 1;
        // Paced: each has reached the application before it is reset.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while ground.application.requests_to("/silent").len() == asked && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        connection.frame(RST_STREAM, 0, stream, &8u32.to_be_bytes());
        if ground.application.requests_to("/silent").len() == asked {
            break;
        }
    }
    assert!((200..=230).contains(&sent), "{sent} requests were taken back");
    connection.goodbye();
    ground.is_unharmed();
}

/// docs/conformance.md, row H6
#[test]
fn provoking_resets_ends_the_connection() {
    let ground = Ground::new();
    silent(&ground.application);
    let mut connection = ground.connect();
    let head = block(&connection.pseudo("GET", "/silent"));
    let mut attack = Vec::new();
    for stream in (1..4_000).step_by(2) {
        attack.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
        // A window increment of 0 is a stream error (RFC 9113, section 6.9).
        attack.extend(frame(WINDOW_UPDATE, 0, stream, &0u32.to_be_bytes()));
    }
    connection.write(&attack);
    // Frames still in transit may reset the connection before the GOAWAY is read.
    assert!(
        connection.goodbye().is_some_and(|code| code != 0) || !connection.takes(b"\0"),
        "the connection is still open"
    );
    ground.is_unharmed();
}

/// docs/conformance.md, row H7
#[test]
fn an_endless_head_and_an_hpack_bomb_are_refused() {
    let ground = Ground::new();
    ground.is_unharmed();
    let before = ground.gate.resident();
    // An endless head in CONTINUATION frames.
    let mut connection = ground.connect();
    let mut first = block(&connection.pseudo("GET", "/page"));
    literal(&mut first, b"x-a", b"b");
    connection.frame(HEADERS, END_STREAM, 1, &first);
    let mut piece = Vec::new();
    literal(&mut piece, b"x-a", &[b'b'; 1000]);
    let more = frame(CONTINUATION, 0, 1, &piece);
    let mut sent = 0;
    while sent < 20_000 && connection.takes(&more) {
        sent += 1;
    }
    assert!(sent < 20_000, "20 MB of a head were taken");
    // The same with empty CONTINUATION frames.
    let mut connection = ground.connect();
    connection.frame(HEADERS, END_STREAM, 1, &first);
    let empty = frame(CONTINUATION, 0, 1, &[]).repeat(100);
    let mut sent = 0;
    while sent < 20_000 && connection.takes(&empty) {
        sent += 1;
    }
    assert!(sent < 20_000, "two million empty frames of a head were taken");
    // One entry of the table, referenced again and again.
    let mut connection = ground.connect();
    let mut bomb = block(&connection.pseudo("GET", "/page"));
    bomb.push(0x40);
    for text in [&b"x-a"[..], &[b'b'; 3900]] {
        length(&mut bomb, text.len());
        bomb.extend_from_slice(text);
    }
    bomb.extend(std::iter::repeat_n(0x80 | 62, 10_000));
    connection.frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb);
    let response = connection.response(1);
    assert!(response.is_refusal() || response.closed, "{response:?}");
    // A value that is too long by itself.
    let mut connection = ground.connect();
    connection.request(1, "GET", "/page", &[("x-a", &"b".repeat(12_000)), ("x-b", &"b".repeat(6_000))], false);
    let response = connection.response(1);
    assert!(response.is_refusal() || response.closed, "{response:?}");
    ground.is_unharmed();
    let grown = ground.gate.resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    assert!(ground.application.requests_to("/page").is_empty());
}

/// docs/conformance.md, row H8
#[test]
fn floods_of_frames_without_effect_are_bounded() {
    let ground = Ground::new();
    ground.is_unharmed();
    let before = ground.gate.resident();
    let settings = [0, 3, 0, 0, 0, 100];
    let floods: [(&str, Vec<u8>); 6] = [
        ("empty DATA", frame(DATA, 0, 1, &[])),
        ("padded DATA", frame(DATA, 8, 1, &[10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &settings)),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes())),
        ("unknown frames", frame(0x7F, 0, 1, &[0; 100])),
    ];
    for (name, one) in floods {
        let mut connection = ground.connect();
        connection.request(1, "POST", "/echo", &[], false);
        let many = one.repeat(1000);
        // The client does not read the responses, so flow control stops it and it times out.
        connection.give_up_after(std::time::Duration::from_millis(500));
        let mut sent = 0;
        while sent < 200 && connection.takes(&many) {
            sent += 1;
        }
        let grown = ground.gate.resident().saturating_sub(before);
        assert!(grown < 48 << 20, "{name}: {grown} bytes more after {sent} thousand");
        ground.is_unharmed();
    }
}

/// docs/conformance.md, rows H5, K5
#[test]
fn more_requests_at_once_than_allowed_are_refused_one_by_one() {
    let ground = Ground::new();
    silent(&ground.application);
    let mut connection = ground.connect();
    for stream in (1..=301).step_by(2) {
        connection.request(stream, "GET", "/silent", &[], true);
    }
    let refused = connection.response(301);
    assert!(refused.reset == Some(REFUSED) || refused.goaway.is_some(), "{refused:?}");
    assert!(ground.application.requests_to("/silent").len() <= 128);
    ground.is_unharmed();
}

/// docs/conformance.md, rows K2, K6
#[test]
fn many_unread_responses_take_little_memory() {
    let ground = Ground::new();
    ground.application.route("/endless", |_| {
        Reply::Take(Box::new(|connection: Connection| {
            use std::io::Write;
            let _ = connection.stream().write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while connection.stream().write_all(&[b'x'; 1 << 16]).is_ok() {}
        }))
    });
    ground.is_unharmed();
    let before = ground.gate.resident();
    let mut connection = ground.connect();
    // The largest windows, on the connection and on each stream.
    connection.frame(SETTINGS, 0, 0, &[&[0, 4][..], &0x7FFF_FFFFu32.to_be_bytes()].concat());
    connection.frame(WINDOW_UPDATE, 0, 0, &0x7FFF_0000u32.to_be_bytes());
    for stream in (1..=199).step_by(2) {
        connection.request(stream, "GET", "/endless", &[], true);
    }
    let (mut most, mut since) = (0, std::time::Instant::now());
    eventually("the memory stops growing", || {
        let now = ground.gate.resident().saturating_sub(before);
        if now > most + (256 << 10) {
            (most, since) = (now, std::time::Instant::now());
        }
        (since.elapsed() > std::time::Duration::from_secs(1)).then_some(())
    });
    assert_eq!(ground.application.requests_to("/endless").len(), 100);
    // Each has one piece of its response waiting, not a queue.
    assert!(most < 16 << 20, "{most} bytes more for a hundred responses");
    ground.is_unharmed();
}

/// docs/conformance.md, row H9
#[test]
fn cookie_pairs_in_several_fields_become_one_field() {
    let ground = Ground::new();
    for (stream, count) in [5, 200].into_iter().enumerate() {
        let crumbs: Vec<String> = (0..count).map(|number| format!("c{number}=v")).collect();
        let fields: Vec<_> = crumbs.iter().map(|crumb| ("cookie", crumb.as_str())).collect();
        let mut connection = ground.connect();
        let path = format!("/{stream}");
        connection.request(1, "GET", &path, &fields, true);
        assert_eq!(connection.response(1).status, Some(200), "{count} crumbs");
        let seen = ground.application.requests_to(&path).pop().unwrap();
        assert_eq!(seen.field("cookie"), Some(crumbs.join("; ").as_str()));
    }
    let session = ground.application.sign_in("ana");
    let mut connection = ground.connect();
    connection.request(
        1,
        "GET",
        "/qr/",
        &[("cookie", "a=b"), ("cookie", &session), ("cookie", "__Host-qrgate=x")],
        true,
    );
    let page = connection.response(1);
    assert!(page.status == Some(200), "{page:?}");
    let asked = ground.application.requests_to("/_qr/whoami").pop().unwrap();
    assert_eq!(asked.field("cookie"), Some(session.as_str()));
    let mut connection = ground.connect();
    let many: Vec<String> = (0..400).map(|number| format!("c{number}={}", "v".repeat(50))).collect();
    let fields: Vec<_> = many.iter().map(|crumb| ("cookie", crumb.as_str())).collect();
    connection.request(1, "GET", "/page", &fields, true);
    assert!(connection.response(1).is_refusal(), "the limit applies to their sum");
    let mut connection = ground.connect();
    let many: Vec<(String, &str)> = (0..101).map(|number| (format!("x-{number}"), "1")).collect();
    let fields: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    connection.request(1, "GET", "/page", &fields, true);
    assert_eq!(connection.response(1).status, Some(431));
    assert!(ground.application.requests_to("/page").is_empty());
}

/// docs/conformance.md, row H10
#[test]
fn connect_opens_only_websockets() {
    let ground = Ground::new();
    let own = ground.gate.address.to_string();
    let target = ground.application.address.to_string();
    let extended = |protocol, path| {
        [
            (":method", "CONNECT"),
            (":protocol", protocol),
            (":scheme", "https"),
            (":authority", own.as_str()),
            (":path", path),
        ]
    };
    let mut connection = ground.connect();
    connection.frame(HEADERS, END_HEADERS, 1, &block(&[(":method", "CONNECT"), (":authority", &target)]));
    let response = connection.response(1);
    assert!(response.is_refusal(), "{response:?}");
    for (protocol, path, status) in [
        ("connect-udp", "/page", 405),
        ("h2c", "/page", 405),
        ("", "/page", 405),
        ("websocket", "/_qr/login", 404),
        ("websocket", "/%5fqr/login", 404),
        ("websocket", "/qr/x", 404),
        ("websocket", "/qr/", 405),
    ] {
        let mut connection = ground.connect();
        connection.frame(HEADERS, END_HEADERS, 1, &block(&extended(protocol, path)));
        let response = connection.response(1);
        assert!(response.status == Some(status) || response.reset.is_some(), "{protocol} {path}: {response:?}");
    }
    assert_eq!(ground.application.connections(), 0);
}

/// docs/conformance.md, row H10
#[test]
fn a_websocket_over_http_2_is_tunnelled() {
    let ground = Ground::new();
    ground.application.route("/socket", |request| {
        assert_eq!((request.method(), request.field("upgrade")), ("GET", Some("websocket")));
        let accept = accept_of(request.field("sec-websocket-key").expect("a key"));
        Reply::Take(Box::new(move |mut connection: Connection| {
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
            connection.write(format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes());
            let message = connection.read_bytes(5);
            connection.write(&message);
        }))
    });
    let mut connection = ground.connect();
    let own = ground.gate.address.to_string();
    let head = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", &own),
        (":path", "/socket?a=b"),
        ("sec-websocket-version", "13"),
    ];
    connection.frame(HEADERS, END_HEADERS, 1, &block(&head));
    connection.frame(DATA, 0, 1, b"hello");
    let response = connection.response(1);
    assert_eq!(
        (response.status, response.content, response.complete),
        (Some(200), b"hello".to_vec(), true),
        "{:?}",
        response.reset
    );
    assert_eq!(ground.application.requests_to("/socket")[0].target(), "/socket?a=b");
    connection.frame(DATA, END_STREAM, 1, &[]);
    let line = ground.gate.wait_for_log(&["\"path\":\"/socket\""]);
    assert!(line.contains("\"bytes_in\":5,\"bytes_out\":5"), "{line}");
    assert_eq!(connection.get(3, "/after").status, Some(200));
    eventually("nothing is in flight", || {
        ground.gate.admin("/metrics").text().contains("qrgate_requests_in_flight 0").then_some(())
    });
}

/// docs/conformance.md, rows E14, F2
#[test]
fn authority_is_checked_like_host() {
    let ground = Ground::new();
    let head = |authority, path| [(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", path)];
    for (authority, path, status) in
        [("evil.example", "/qr/", 421), ("evil.example", "/page", 200), ("evil.example", "/_qr/login", 404)]
    {
        let mut connection = ground.connect();
        connection.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&head(authority, path)));
        assert_eq!(connection.response(1).status, Some(status), "{authority} {path}");
    }
    assert_eq!(ground.application.requests_to("/page")[0].field("x-forwarded-host"), Some("evil.example"));
}
