//! Ambiguous requests, byte for byte: each is refused, or reaches the application as one request with one framing.
//! Rows: docs/conformance.md, sections E and G.

use crate::harness::attempt::Ground;
use crate::harness::eventually;

/// A POST with these field lines beside Host, and this content.
fn post(ground: &Ground, lines: &[&str], content: &str) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("POST /echo HTTP/1.1\r\n{}\r\n{lines}\r\n{content}", ground.host())
}

/// A GET with these field lines beside Host.
fn get(ground: &Ground, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET /page HTTP/1.1\r\n{}\r\n{lines}\r\n", ground.host())
}

const CHUNKED: &str = "Transfer-Encoding: chunked";
const HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

/// docs/conformance.md, rows G1, G2
#[test]
fn a_content_length_beside_a_transfer_coding_is_refused() {
    let ground = Ground::new();
    for lines in [["Content-Length: 5", CHUNKED], [CHUNKED, "Content-Length: 5"], [CHUNKED, "Content-Length: 500"]] {
        let smuggled = format!("{HELLO}GET /smuggled HTTP/1.1\r\n{}\r\n\r\n", ground.host());
        ground.refuses(post(&ground, &lines, &smuggled));
    }
}

/// docs/conformance.md, row G3
#[test]
fn chunked_is_the_only_transfer_coding() {
    let ground = Ground::new();
    for value in [
        "xchunked",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked, identity",
        "identity, chunked",
        "chunked;q=1",
        "chunked; a=b",
        "chunked,",
        ",chunked",
        "\"chunked\"",
        "'chunked'",
        "chunkedx",
        "chunk",
        "chunked chunked",
        "\u{b}chunked",
        "chunked\u{b}",
        "chun\tked",
        "",
    ] {
        ground.refuses(post(&ground, &[&format!("Transfer-Encoding: {value}")], HELLO));
        ground.refuses(post(&ground, &["Content-Length: 15", &format!("Transfer-Encoding: {value}")], HELLO));
    }
    for lines in [[CHUNKED, CHUNKED], [CHUNKED, "Transfer-Encoding: identity"], ["Transfer-Encoding: gzip", CHUNKED]] {
        ground.refuses(post(&ground, &lines, HELLO));
    }
    ground.refuses(post(&ground, &["Transfer-Encoding:\r\n chunked"], HELLO));
    for line in ["Transfer-Encoding: Chunked", "TRANSFER-ENCODING: CHUNKED", "Transfer-Encoding:chunked  "] {
        let (seen, attempt) = ground.passes(post(&ground, &[line], HELLO));
        assert_eq!((seen.text().as_str(), seen.field("transfer-encoding")), ("hello", Some("chunked")));
        assert!(attempt.open);
    }
}

/// docs/conformance.md, row G4
#[test]
fn http_1_0_has_no_transfer_coding() {
    let ground = Ground::new();
    ground.refuses(post(&ground, &[CHUNKED], HELLO).replace("HTTP/1.1", "HTTP/1.0"));
    ground.refuses(post(&ground, &["Content-Length: 5", CHUNKED], HELLO).replace("HTTP/1.1", "HTTP/1.0"));
}

/// docs/conformance.md, row G5
#[test]
fn a_name_is_followed_by_its_colon() {
    let ground = Ground::new();
    for name in [
        "Transfer-Encoding ",
        "Transfer-Encoding\t",
        " Transfer-Encoding",
        "Transfer Encoding",
        "Transfer-Encoding\0",
        "Transfer-Encoding\u{e9}",
        "Content-Length ",
        "Host ",
    ] {
        ground.refuses(post(&ground, &["Content-Length: 5", &format!("{name}: chunked")], "hello"));
    }
}

/// docs/conformance.md, rows G5, E4, E5, E6
#[test]
fn another_spelling_of_a_framing_field_has_no_effect_and_is_not_forwarded() {
    let ground = Ground::new();
    let aliases = [
        "Transfer_Encoding: chunked",
        "transfer.encoding: chunked",
        "Transfer~Encoding: chunked",
        "Content_Length: 0",
        "Content.Length: 99",
        "Content`Length: 99",
        "Connection_: close",
        "X_Forwarded_Proto: https",
        "X.Forwarded.Proto: https",
        "X-Forwarded~Proto: https",
        "x_FORWARDED-proto: https",
        "X^Real|IP: 203.0.113.9",
        "Front_End_Https: on",
        "X_Qrgate_User: root",
    ];
    let lines: Vec<&str> = std::iter::once("Content-Length: 5").chain(aliases).collect();
    let (seen, attempt) = ground.passes(post(&ground, &lines, "hello"));
    assert_eq!((seen.text().as_str(), seen.field("content-length")), ("hello", Some("5")));
    assert!(attempt.open);
    for alias in aliases.iter().filter(|alias| !alias.starts_with("Connection_")) {
        let name = alias.split(':').next().unwrap();
        assert!(seen.field(name).is_none(), "{name} arrived: {seen:?}");
    }
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
}

/// docs/conformance.md, rows G6, G7, G8
#[test]
fn a_content_length_is_one_number() {
    let ground = Ground::new();
    for lines in [
        &["Content-Length: 5", "Content-Length: 6"][..],
        &["Content-Length: 5, 6"],
        &["Content-Length: 5, 5"],
        &["Content-Length: 5", "Content-Length: 5"],
        &["Content-Length: 5,"],
        &["Content-Length: +5"],
        &["Content-Length: -1"],
        &["Content-Length: -0"],
        &["Content-Length: 0x5"],
        &["Content-Length: 5.0"],
        &["Content-Length: 5e0"],
        &["Content-Length: 5 5"],
        &["Content-Length: 5;a"],
        &["Content-Length: \"5\""],
        &["Content-Length: 1_0"],
        &["Content-Length: \u{665}"],
        &["Content-Length: "],
        &["Content-Length:"],
        &["Content-Length: 18446744073709551616"],
        &["Content-Length: 18446744073709551621"],
        &["Content-Length: 99999999999999999999999999999999999999999"],
        &["Content-Length:\r\n 5"],
        &["Content-Length: 05"],
        &["Content-Length: 0000000000000000000000000000005"],
    ] {
        ground.refuses(post(&ground, lines, "hello"));
    }
    let (seen, _) = ground.passes(post(&ground, &["Content-Length:5\t "], "hello"));
    assert_eq!((seen.text().as_str(), seen.field("content-length")), ("hello", Some("5")));
}

/// docs/conformance.md, row G9
#[test]
fn a_chunk_size_is_hexadecimal_digits() {
    let ground = Ground::new();
    for size in [
        "0x5",
        "-5",
        "+5",
        "",
        "g",
        "5g",
        "5 5",
        "5,",
        "FFFFFFFFFFFFFFFFF",
        "10000000000000005",
        "\u{665}",
        "\0",
        "5\0",
        "5\r",
    ] {
        ground.breaks(post(&ground, &[CHUNKED], &format!("{size}\r\nhello\r\n0\r\n\r\n")));
    }
    // What hyper reads leniently is framed again before it is forwarded.
    for size in ["5", "05", "0000000005", "5 ", "5\t"] {
        let attempt = ground.attempt(post(&ground, &[CHUNKED], &format!("{size}\r\nhello\r\n0\r\n\r\n")));
        if let [seen] = &attempt.seen[..] {
            assert!(!seen.complete || seen.text() == "hello", "{size:?}: {seen:?}");
            assert!(attempt.bytes.contains("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{size:?}: {attempt:?}");
        }
    }
}

/// docs/conformance.md, row G10
#[test]
fn chunk_extensions_are_not_forwarded() {
    let ground = Ground::new();
    for extension in [";a=b", ";a=\"b;c\"", ";a", ";", "; x=0\t"] {
        let content = format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n");
        let attempt = ground.attempt(post(&ground, &[CHUNKED], &content));
        if let [seen] = &attempt.seen[..] {
            assert!(!seen.complete || seen.text() == "hello", "{extension:?}: {seen:?}");
            assert!(attempt.bytes.contains("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "{extension:?}: {attempt:?}");
        }
    }
    let long = "a".repeat(20 * 1024);
    let many = format!("1;{}\r\nx\r\n", "b".repeat(1024)).repeat(20);
    for content in [
        "5;\nhello\r\n0\r\n\r\n".to_owned(),
        "5;a\nb\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5;a\rb\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5;a=\"\r\nhello\r\n0\r\n\r\n\"\nx\r\n0\r\n\r\n".to_owned(),
        format!("5;{long}\r\nhello\r\n0\r\n\r\n"),
        format!("{many}0\r\n\r\n"),
    ] {
        let attempt = ground.attempt(post(&ground, &[CHUNKED], &content));
        assert!(!attempt.bytes.contains("aaaa") && !attempt.bytes.contains("bbbb"), "{attempt:?}");
        // Quoting does not hide a line end: the chunk after it counts, bytes after the last chunk do not.
        let quoted = content.starts_with("5;a=\"");
        assert!(attempt.seen.iter().all(|seen| !seen.complete || quoted && seen.text() == "hello"), "{attempt:?}");
    }
}

/// docs/conformance.md, row G11
#[test]
fn a_chunk_ends_where_its_size_says() {
    let ground = Ground::new();
    for content in [
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX\r\n0\r\n\r\n",
        "5\r\nhelloX0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\r\rn0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX",
        "5\r\nhello\r\n0\r\nno colon\r\n\r\n",
        "5\r\nhello\r\nX\r\n\r\n",
    ] {
        ground.breaks(post(&ground, &[CHUNKED], content));
    }
}

/// docs/conformance.md, row G12
#[test]
fn trailers_stay_trailers_and_only_harmless_ones_pass() {
    let ground = Ground::new();
    let names = "Trailer: Host, X-Forwarded-Proto, X_Forwarded_Proto, Content-Length, Transfer-Encoding, Authorization, Cookie, Connection, X-Qrgate-User, X-Request-ID, X-Sum";
    let trailers = [
        "Host: evil.example",
        "X-Forwarded-Proto: https",
        "X_Forwarded_Proto: https",
        "Content-Length: 99",
        "Transfer-Encoding: gzip",
        "Authorization: Basic eDp5",
        "Cookie: sessionid=evil",
        "Connection: close",
        "X-Qrgate-User: root",
        "X-Request-ID: evil",
        "X-Sum: 5",
    ];
    let content = format!("5\r\nhello\r\n0\r\n{}\r\n\r\n", trailers.join("\r\n"));
    let (seen, _) = ground.passes(post(&ground, &[CHUNKED, names], &content));
    let passed: Vec<_> = seen.fields.iter().filter(|(name, _)| name.starts_with("trailer-")).collect();
    assert!(
        matches!(&passed[..], [(name, value)] if name.eq_ignore_ascii_case("trailer-x-sum") && value == "5"),
        "{passed:?}"
    );
    assert_eq!(seen.text(), "hello");
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.field("host"), Some(ground.gate.address.to_string().as_str()));
    assert!(seen.field("cookie").is_none() && seen.field("authorization").is_none());
    // Over HTTP/1.1 those that `Trailer` names pass, in any letter case, on any number of lines.
    for lines in [&[CHUNKED][..], &[CHUNKED, "Trailer: X-Other"], &[CHUNKED, "Trailer: X-Sum-2, Y-Sum"]] {
        let (seen, _) = ground.passes(post(&ground, lines, "5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n"));
        assert!(seen.fields.iter().all(|(name, _)| !name.starts_with("trailer-")), "{lines:?}: {seen:?}");
    }
    let lines = [CHUNKED, "Trailer: x-other", "trailer: Y-Sum ,x-SUM"];
    let (seen, _) = ground.passes(post(&ground, &lines, "5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n"));
    assert_eq!(seen.field("trailer-x-sum"), Some("5"), "{seen:?}");
}

/// docs/conformance.md, row G13
#[test]
fn a_head_holds_no_byte_that_ends_it_early() {
    let ground = Ground::new();
    for line in [
        "A: b\rX-Evil: 1",
        "A: b\r X-Evil: 1",
        "A: b\0c",
        "A: b\u{1}c",
        "A: b\u{7f}c",
        ": b",
        "nocolon",
        "A\0: b",
        "A B: c",
        "A(: c",
        "A\"B: c",
        "A\u{e4}: c",
        "A: b\r\n folded",
        "A: b\r\n\tfolded",
        "\rA: b",
    ] {
        ground.refuses(get(&ground, &[line]));
    }
    ground.refuses(format!("GET /page HTTP/1.1\r\n Host: a\r\n{}\r\n\r\n", ground.host()));
    ground.refuses(format!("GET /page HTTP/1.1\r\n\t\r\n{}\r\n\r\n", ground.host()));
    ground.refuses(format!("GET /page HTTP/1.1\r{}\r\r", ground.host()));
    // A line feed alone ends a line, and the application gets a proper head.
    let (seen, attempt) = ground.passes(format!("GET /page HTTP/1.1\n{}\nA: b\n\n", ground.host()));
    assert_eq!(seen.field("a"), Some("b"));
    assert!(!attempt.bytes.replace("\r\n", "").contains('\n'), "{attempt:?}");
    // Bytes above 0x7F in a value pass.
    let (seen, _) =
        ground.passes([get(&ground, &["A: x"]).replace("A: x", "A: ").trim_end(), "\u{e9}\r\n\r\n"].concat());
    assert_eq!(seen.field("a"), Some("\u{e9}"));
}

/// docs/conformance.md, row G14
#[test]
fn a_request_line_has_three_parts_with_one_space_between() {
    let ground = Ground::new();
    for line in [
        "GET  /page HTTP/1.1",
        "GET /page  HTTP/1.1",
        "GET\t/page HTTP/1.1",
        "GET /page\tHTTP/1.1",
        "GET /page HTTP/1.1 ",
        " GET /page HTTP/1.1",
        "GET /page HTTP/1.2",
        "GET /page HTTP/2.0",
        "GET /page HTTP/3",
        "GET /page HTTP/1.10",
        "GET /page HTTP/01.1",
        "GET /page HTTP/1",
        "GET /page http/1.1",
        "GET /page HTTPS/1.1",
        "GET /page ICAP/1.0",
        "GET /page",
        "GET",
        "G@T\u{e9} /page HTTP/1.1",
        "GE(T /page HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /page\0 HTTP/1.1",
        "GET /page\r HTTP/1.1",
        "GET /\u{e4} HTTP/1.1",
        "",
    ] {
        let line = if line.is_empty() { "\0" } else { line };
        ground.refuses(format!("{line}\r\n{}\r\n\r\n", ground.host()));
    }
    let (seen, _) = ground.passes(format!("\r\n\r\nGET /page HTTP/1.1\r\n{}\r\n\r\n", ground.host()));
    assert_eq!(seen.start, "GET /page HTTP/1.1");
    let (seen, attempt) = ground.passes(format!("GET /page HTTP/1.0\r\n{}\r\n\r\n", ground.host()));
    assert_eq!((seen.start.as_str(), attempt.open), ("GET /page HTTP/1.1", false));
}

/// docs/conformance.md, row G15
#[test]
fn bytes_after_a_request_are_a_separate_request() {
    let ground = Ground::new();
    let attempt = ground.attempt(post(&ground, &["Content-Length: 0"], &format!("X{}", get(&ground, &[]))));
    assert_eq!(attempt.statuses()[0], 200);
    let starts: Vec<_> = attempt.seen.iter().map(|request| request.start.as_str()).collect();
    assert!(
        matches!(starts[..], ["POST /echo HTTP/1.1"] | ["POST /echo HTTP/1.1", "XGET /page HTTP/1.1"]),
        "{starts:?}"
    );
    let attempt = ground.attempt(get(&ground, &["Content-Length: 5"]) + "hello" + &get(&ground, &[]));
    assert_eq!(attempt.statuses(), [200, 200, 200]);
    let (first, second) = (&attempt.seen[0], &attempt.seen[1]);
    assert!(first.text() == "hello" && second.content.is_empty() && second.start == first.start, "{attempt:?}");
    // Without length and coding there is no content, and the following bytes are a separate request.
    let attempt = ground.attempt(post(&ground, &[], &format!("GET /_qr/login HTTP/1.1\r\n{}\r\n\r\n", ground.host())));
    assert_eq!((attempt.statuses(), attempt.seen.len()), (vec![200, 404, 200], 1));
}

/// docs/conformance.md, row G16
#[test]
fn the_content_of_a_request_that_is_not_forwarded_is_never_parsed() {
    let ground = Ground::new();
    let inner = format!("GET /smuggled HTTP/1.1\r\n{}\r\n\r\n", ground.host());
    let content = inner.repeat(1 + 1_000_000 / inner.len());
    for (target, status) in [("/_qr/login", 404), ("/qr/nothing", 404), ("/qr\\x", 400)] {
        let head = format!("POST {target} HTTP/1.1\r\n{}\r\nContent-Length: {}\r\n\r\n", ground.host(), content.len());
        let attempt = ground.attempt(head + &content);
        assert_eq!(attempt.statuses().first(), Some(&status), "{target}");
        assert!(attempt.statuses().len() <= 2 && attempt.seen.is_empty(), "{target}: {attempt:?}");
    }
}

/// docs/conformance.md, row G17
#[test]
fn an_expectation_is_handled_by_qrgate_and_does_not_change_the_framing() {
    let ground = Ground::new();
    let (seen, attempt) = ground.passes(post(&ground, &["Content-Length: 5", "Expect: 100-continue"], "hello"));
    assert!(seen.text() == "hello" && seen.field("expect").is_none() && attempt.open, "{seen:?}");
    // A client that waits gets 100 Continue.
    let mut connection = ground.gate.connect();
    connection.write(post(&ground, &["Content-Length: 5", "Expect: 100-continue"], "").as_bytes());
    assert_eq!(connection.read_response(false).unwrap().status(), 100);
    connection.write(b"world");
    let response = connection.read_response(false).unwrap();
    assert_eq!((response.status(), response.text().as_str()), (200, "world"));
    // A refused request gets no 100 Continue, and its content is not taken for a request.
    let mut connection = ground.gate.connect();
    let head =
        format!("POST /_qr/login HTTP/1.1\r\n{}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", ground.host());
    connection.write(head.as_bytes());
    assert_eq!(connection.read_response(false).unwrap().status(), 404);
    let inner = format!("GET /smuggled HTTP/1.1\r\n{}\r\n\r\n", ground.host());
    for value in ["foo", "100-continue, foo", "100-continue;a=b", "", "200-ok"] {
        let expect = format!("Expect: {value}");
        let attempt = ground.refuses(post(&ground, &[&format!("Content-Length: {}", inner.len()), &expect], &inner));
        assert_eq!(attempt.statuses(), [417], "{value:?}");
    }
}

/// docs/conformance.md, row G18
#[test]
fn every_request_of_a_pipeline_is_checked_by_itself() {
    let ground = Ground::new();
    let host = ground.host();
    for (target, status) in [("/_qr/login", 404), ("/_QR/login", 404), ("/qr\\", 400)] {
        let hidden = format!("POST {target} HTTP/1.1\r\n{host}\r\nContent-Length: 0\r\n\r\n");
        let attempt = ground.attempt(get(&ground, &[]) + &hidden + &get(&ground, &[]));
        assert_eq!(attempt.statuses()[..2], [200, status]);
        assert!(attempt.seen.iter().all(|request| request.target() == "/page"), "{attempt:?}");
    }
}

/// docs/conformance.md, row G19
#[test]
fn content_of_any_method_arrives_with_its_own_length() {
    let ground = Ground::new();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND"] {
        for (line, content) in [("Content-Length: 5", "hello"), (CHUNKED, HELLO)] {
            let mut connection = ground.gate.connect();
            let head = format!("{method} /{method} HTTP/1.1\r\n{}\r\n{line}\r\n\r\n{content}", ground.host());
            connection.write(head.as_bytes());
            assert_eq!(connection.read_response(method == "HEAD").unwrap().status(), 200, "{method} {line}");
            let seen = ground.application.requests_to(&format!("/{method}")).pop().unwrap();
            assert!(seen.complete && seen.text() == "hello", "{method} {line}: {seen:?}");
            assert!(seen.field("content-length").is_none() || seen.field("transfer-encoding").is_none());
            connection.write(get(&ground, &[]).as_bytes());
            assert_eq!(connection.read_response(false).unwrap().status(), 200, "{method} {line}");
        }
    }
}

/// docs/conformance.md, row G22
#[test]
fn an_upload_whose_client_disconnects_stays_incomplete_at_the_application() {
    let ground = Ground::new();
    for (line, content) in [("Content-Length: 100", "hello"), (CHUNKED, "5\r\nhello\r\n")] {
        let (before, connections) = (ground.application.requests().len(), ground.application.connections());
        let mut connection = ground.gate.connect();
        connection.write(post(&ground, &[line], content).as_bytes());
        eventually("the upload has begun", || {
            (ground.application.bytes().ends_with(b"hello") || ground.application.bytes().ends_with(b"hello\r\n"))
                .then_some(())
        });
        drop(connection);
        let seen = eventually("the application sees the end of the request", || {
            ground.application.requests().get(before).cloned()
        });
        assert!(!seen.complete && seen.text() == "hello", "{seen:?}");
        assert_eq!(ground.gate.get("/after", &[]).status(), 200);
        assert_eq!(ground.application.connections(), connections + 2 - usize::from(connections > 0), "not used again");
    }
}

/// docs/conformance.md, rows E7, E8, E9
#[test]
fn connection_options_remove_connection_specific_fields_only() {
    let ground = Ground::new();
    let lines = [
        "Connection: Authorization, Host, Content-Length, X-Forwarded-Proto, x-request-id",
        "connection: Cookie,, Origin , Transfer-Encoding,X-Hop,Keep-Alive, x-real-ip",
        "Connection: close;q=0, \"x-quoted\", X-Forwarded-For",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic eDp5",
        "TE: gzip",
        "X-Quoted: stays",
        "Authorization: Basic eDp5",
        "Cookie: a=b",
        "Origin: http://a.example",
        "Content-Length: 5",
    ];
    let (seen, _) = ground.passes(post(&ground, &lines, "hello"));
    for (name, value) in [
        ("authorization", Some("Basic eDp5")),
        ("cookie", Some("a=b")),
        ("origin", Some("http://a.example")),
        ("content-length", Some("5")),
        ("host", Some(ground.gate.address.to_string().as_str())),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-real-ip", Some("127.0.0.1")),
        ("x-quoted", Some("stays")),
        ("x-hop", None),
        ("keep-alive", None),
        ("proxy-connection", None),
        ("proxy-authorization", None),
        ("te", None),
        ("connection", None),
        ("upgrade", None),
    ] {
        assert_eq!(seen.field(name), value, "{name}: {seen:?}");
    }
    assert!(seen.field("x-request-id").is_some() && seen.text() == "hello");
}

/// docs/conformance.md, rows E1, E2, E10
#[test]
fn every_relative_of_a_forwarded_field_is_set_or_removed() {
    let ground = Ground::new();
    let relatives = [
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-Uri: /evil",
        "X-Forwarded-Server: evil",
        "X-Forwarded-Ssl: on",
        "X-Forwarded-Scheme: https",
        "X-Forwarded-Protocol: https",
        "X-Forwarded-Proto: https",
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded: evil",
        "Forwarded: for=203.0.113.9;proto=https",
        "X-Real-IP: 203.0.113.9",
        "X-Original-URL: /evil",
        "X-Original-URI: /evil",
        "X-Rewrite-URL: /evil",
        "X-Url-Scheme: https",
        "X-Scheme: https",
        "Front-End-Https: on",
    ];
    for relatives in [&relatives[..], &[]] {
        let (seen, _) = ground.passes(get(&ground, relatives));
        let address = ground.gate.address;
        for (name, value) in [
            ("x-forwarded-proto", "http".to_owned()),
            ("x-forwarded-host", address.to_string()),
            ("x-forwarded-port", address.port().to_string()),
            ("x-forwarded-for", "127.0.0.1".to_owned()),
            ("x-real-ip", "127.0.0.1".to_owned()),
        ] {
            assert_eq!(seen.field(name), Some(value.as_str()), "{name}");
        }
        let ours = ["x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-for", "x-real-ip"];
        for relative in relatives {
            let name = relative.split(':').next().unwrap().to_lowercase();
            assert!(ours.contains(&name.as_str()) || seen.field(&name).is_none(), "{name} arrived");
        }
        assert!(!seen.fields.iter().any(|(_, value)| value.contains("evil") || value.contains("203.0")), "{seen:?}");
    }
}
