//! Targets and hosts: a target that any reading could take for a reserved path is not forwarded, every other arrives
//! byte for byte. Rows: docs/conformance.md, sections E and F.

use std::io::{Read, Write};

use crate::harness::application::TestApplication;
use crate::harness::attempt::Ground;
use crate::harness::browser::{computer, phone};
use crate::harness::gate::TestGate;
use crate::harness::http::Connection;
use crate::harness::people::{claim, show_code};
use crate::harness::tls::{Authority, connect};

/// The status of a GET of exactly this target.
fn status(ground: &Ground, target: &str) -> u16 {
    let request = format!("GET {target} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n", ground.host());
    ground.gate.send(request).map_or(400, |response| response.status())
}

/// docs/conformance.md, rows F1 to F8, F10, F11, for every reserved path
#[test]
fn no_reading_of_a_reserved_path_reaches_the_application() {
    let ground = Ground::new();
    for (first, second) in [("_qr", "login"), ("_qr", "whoami"), ("qr", "x"), ("qr", "approve")] {
        let letter = first.chars().last().unwrap();
        let code = letter as u32;
        let cut = &first[..first.len() - 1];
        for spelling in [
            format!("//{first}/{second}"),
            format!("/{first}//{second}"),
            format!("///{first}///{second}"),
            format!("/./{first}/{second}"),
            format!("/{first}/./{second}"),
            format!("/a/../{first}/{second}"),
            format!("/a/..;/{first}/{second}"),
            format!("/{first}/a/../{second}"),
            format!("/../{first}/{second}"),
            format!("/{cut}%{code:02x}/{second}"),
            format!("/{cut}%{code:02X}/{second}"),
            format!("/{cut}%25{code:02x}/{second}"),
            format!("/{cut}%2525{code:02x}/{second}"),
            format!("/{first}%2f{second}"),
            format!("/{first}%2F{second}"),
            format!("/{first}%252f{second}"),
            format!("/x/%2e%2e/{first}/{second}"),
            format!("/x/%2e./{first}/{second}"),
            format!("/x%2f..%2f{first}%2f{second}"),
            format!("/{first}%5c{second}"),
            format!("/{first}%u002f{second}"),
            format!("/{cut}%u{code:04x}/{second}"),
            format!("/{cut}%25u{code:04X}/{second}"),
            format!("/{first};x=1/{second}"),
            format!("/{first};/{second};y"),
            format!("/{first}%3bx/{second}"),
            format!("/{}/{second}", first.to_uppercase()),
            format!("/{first}/{second}/"),
            format!("/{first}/{second}."),
            format!("/{first}/{second}%20"),
            format!("/{first}/{second}%09"),
            format!("/{first}/{second}%00"),
            format!("/{first}/{second}.json"),
            format!("/{first}/{second}/extra"),
            format!("/{first}%20/{second}"),
            format!("/{first}/{second}#x"),
            format!("/{first}/{second};?"),
            format!("/{first}%c0%af{second}"),
            format!("/{first}%e0%80%af{second}"),
            format!("/{first}%ef%bc%8f{second}"),
            format!("/{first}\\{second}"),
            format!("\\{first}\\{second}"),
            format!("/{first}/{second}\u{e9}"),
        ] {
            let status = status(&ground, &spelling);
            // `/qr/approve#x` is `/qr/approve`, which qrgate serves.
            let answered = first == "qr" && spelling.ends_with("#x") && status == 303;
            assert!(answered || matches!(status, 400 | 404), "{spelling}: {status}");
        }
    }
    for spelling in [
        "/%5fqr/login",
        "/%255Fqr/login",
        "/%ef%bc%bfqr/login",
        "/%ef%bd%91r/",
        "/q%ef%bd%92/x",
        "/%71%72/",
        "/%2571r/",
    ] {
        let status = status(&ground, spelling);
        assert!(matches!(status, 400 | 404), "{spelling}: {status}");
    }
    let reached: Vec<_> = ground.application.requests().iter().map(|request| request.start.clone()).collect();
    assert!(reached.is_empty(), "{reached:?}");
}

/// docs/conformance.md, K9
#[test]
fn a_target_that_costs_too_much_to_decide_is_refused_and_a_long_ordinary_one_is_forwarded() {
    let ground = Ground::new();
    for target in [
        format!("/_qr/login-x{}/qr", "/..;//./%252e%252e%255c".repeat(40)),
        format!("/{}qr", "%uFDFA".repeat(500)),
        format!("/{}/qr/x", "a%20%EF%B7%BA;b%2520/.//%5c".repeat(60)),
    ] {
        assert_eq!(status(&ground, &target), 400, "{target:.60}");
    }
    for target in [
        format!("/wiki/{}/qr/x?page=2", "%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82_".repeat(150)),
        format!("/a//b;x=1/./{}../qr//x", "seg;v=%E4%BD%A0/".repeat(100)),
    ] {
        let (request, _) = ground.passes(format!("GET {target} HTTP/1.1\r\n{}\r\n\r\n", ground.host()));
        assert_eq!(request.target(), target);
    }
}

/// RFC 9112, section 3.2: `Host` came with HTTP/1.1. HAProxy's `option httpchk` sends `OPTIONS / HTTP/1.0` without it.
#[test]
fn a_request_of_http_1_0_without_host_is_forwarded_with_the_public_host() {
    let application = TestApplication::start();
    for (settings, host) in [
        ("", application.address.to_string()),
        ("[public]\nhosts = [\"intranet:8080\", \"b.example\"]", "intranet:8080".to_owned()),
        ("[public]\nurl = \"http://app.example/shop\"", "app.example".to_owned()),
        ("[public]\nurl = \"https://app.example:8443\"", "app.example:8443".to_owned()),
    ] {
        let gate = TestGate::with(&application, settings);
        for method in ["OPTIONS", "GET", "POST", "DELETE", "PROPFIND"] {
            let path = format!("/{method}");
            let response = gate.send(format!("{method} {path} HTTP/1.0\r\n\r\n")).unwrap();
            assert_eq!(response.status(), 200, "{method} {settings}");
            let seen = application.requests_to(&path).pop().unwrap();
            assert_eq!(seen.field("host"), Some(host.as_str()), "{method} {settings}");
            assert_eq!(seen.field("x-forwarded-host"), Some(host.as_str()), "{method} {settings}");
        }
        assert_eq!(gate.send("HEAD /head HTTP/1.0\r\n\r\n").unwrap().status(), 200);
        assert_eq!(gate.send("GET http://other.example/page HTTP/1.0\r\n\r\n").unwrap().status(), 200);
        assert_eq!(application.requests_to("/page").pop().unwrap().field("host"), Some("other.example"));
        for refused in ["GET /qr/ HTTP/1.0", "POST /qr/ HTTP/1.0", "OPTIONS /qr/x HTTP/1.0", "GET /page HTTP/1.1"] {
            assert_eq!(gate.send(format!("{refused}\r\n\r\n")).unwrap().status(), 400, "{refused}");
        }
        assert_eq!(gate.send("GET /page HTTP/1.0\r\nHost: a b\r\n\r\n").unwrap().status(), 400);
        let hidden = gate.send("POST /_qr/login HTTP/1.0\r\n\r\n").unwrap().status();
        assert!(matches!(hidden, 400 | 404), "{hidden}");
    }
    assert_eq!(application.logins(), 0);
}

#[test]
fn characters_that_clients_leave_raw_are_encoded_and_hide_nothing() {
    let ground = Ground::new();
    for (sent, seen) in [
        ("/search?q=\"a b\"".replace(' ', "+"), "/search?q=%22a+b%22"),
        ("/search?q=<b>&r=1>0".to_owned(), "/search?q=%3Cb%3E&r=1%3E0"),
        ("/`ls`/<a>".to_owned(), "/%60ls%60/%3Ca%3E"),
        ("/a?b=`c`".to_owned(), "/a?b=`c`"),
        ("/a\"b".to_owned(), "/a\"b"),
        ("/{a}|b^c[d]~'()*!$".to_owned(), "/{a}|b^c[d]~'()*!$"),
        ("/a?{b}|^[c]\\'".to_owned(), "/a?{b}|^[c]\\'"),
    ] {
        let (request, _) = ground.passes(format!("GET {sent} HTTP/1.1\r\n{}\r\n\r\n", ground.host()));
        assert_eq!(request.target(), seen);
    }
    for target in [
        "/_qr/login?q=\"",
        "/_qr/login?<script>",
        "/`/../_qr/login",
        "/<a>/..;/%5fqr/login",
        "/_qr/login`",
        "/_qr/login<",
        "/qr/>",
        "/qr/`id`?\"",
        "/_qr\\login?\"",
        "/\u{e4}?\"",
    ] {
        let status = status(&ground, target);
        assert!(matches!(status, 400 | 404), "{target}: {status}");
    }
    ground.refuses(format!("GET http://a\"b/ HTTP/1.1\r\n{}\r\n\r\n", ground.host()));
    ground.refuses(format!("GET <a> HTTP/1.1\r\n{}\r\n\r\n", ground.host()));
}

/// docs/conformance.md, rows F9, F10
#[test]
fn queries_and_fragments_have_no_effect_and_fragments_are_not_forwarded() {
    let ground = Ground::new();
    for (sent, seen) in [
        ("/?x=/qr/", "/?x=/qr/"),
        ("/pub?/../_qr/login", "/pub?/../_qr/login"),
        ("/pub?next=//_qr/login%00", "/pub?next=//_qr/login%00"),
        ("/pub#/../_qr/login", "/pub"),
        ("/pub?a#b", "/pub?a"),
        ("/pub#", "/pub"),
    ] {
        let (request, attempt) = ground.passes(format!("GET {sent} HTTP/1.1\r\n{}\r\n\r\n", ground.host()));
        assert_eq!(request.target(), seen);
        assert!(!attempt.bytes.contains('#'), "{attempt:?}");
    }
    for target in ["/_qr/login?", "/_qr/login?x=1", "/_qr/login#x", "/_qr/login?#", "/qr/x?a", "/QR/#"] {
        assert!(matches!(status(&ground, target), 400 | 404), "{target}");
    }
}

/// docs/conformance.md, rows F6, F11, F13
#[test]
fn a_malformed_target_is_refused() {
    let ground = Ground::new();
    for target in [
        "*",
        "?x",
        "foo",
        "foo/bar",
        "a.example:80",
        ":80",
        "/a\\b",
        "/a\u{e9}",
        "/a\u{2028}b",
        "http:",
        "http://",
        "http:///page",
        "mailto:a@b",
        "ftp://a.example/page",
        "ws://a.example/page",
        "foo:",
        "//",
    ] {
        let attempt = ground.attempt(format!("GET {target} HTTP/1.1\r\n{}\r\n\r\n", ground.host()));
        let statuses = attempt.statuses();
        let slashes = target == "//" && statuses.first() == Some(&200);
        assert!(slashes || matches!(statuses.first(), None | Some(400 | 404 | 405)), "{target}: {statuses:?}");
        assert!(slashes || attempt.seen.is_empty(), "{target}: {attempt:?}");
    }
    ground.refuses(format!("GET HTTP/1.1\r\n{}\r\n\r\n", ground.host()));
    ground
        .refuses(["GET /a".as_bytes(), b"\xff", format!(" HTTP/1.1\r\n{}\r\n\r\n", ground.host()).as_bytes()].concat());
}

/// docs/conformance.md, rows F12, E14
#[test]
fn an_absolute_target_must_name_the_host_of_the_request() {
    let ground = Ground::new();
    let own = ground.gate.address;
    let host = ground.host();
    for scheme in ["http", "HTTP", "https"] {
        let (seen, _) = ground.passes(format!("GET {scheme}://{own}/page?a=b HTTP/1.1\r\n{host}\r\n\r\n"));
        assert_eq!((seen.target(), seen.field("host")), ("/page?a=b", Some(own.to_string().as_str())));
        assert_eq!(seen.field("x-forwarded-proto"), Some("http"), "the connection decides");
    }
    let (seen, _) = ground.passes(format!("GET http://{own} HTTP/1.1\r\n{host}\r\n\r\n"));
    assert_eq!(seen.target(), "/");
    for target in [
        "http://evil.example/page".to_owned(),
        format!("http://user@{own}/page"),
        format!("http://user:pass@{own}/page"),
        format!("http://{own}@evil.example/page"),
        format!("http://{own}\\@evil.example/page"),
        format!("http://{own}%00/page"),
        "http://evil.example:80/page".to_owned(),
    ] {
        ground.refuses(format!("GET {target} HTTP/1.1\r\n{host}\r\n\r\n"));
    }
    ground.refuses(format!("GET http://{own}/page HTTP/1.1\r\n\r\n"));
    assert_eq!(status(&ground, &format!("http://{own}/_qr/login")), 404);
}

/// docs/conformance.md, row F14
#[test]
fn a_request_has_exactly_one_valid_host() {
    let ground = Ground::new();
    for host in [
        "", "a, b", "a b", "a/..", "a/b", "a?b", "a#b", "user@a", "a:99999", "a:-1", "a:80:80", "a:x", "[::1", "::1",
        "[::1]x", "a\\b", "a%00", "a\tb", "\u{e9}", "a\"b", "a<b", "a;b", "a..b",
    ] {
        let attempt = ground.attempt(format!("GET /page HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        // Two dots in a row are not a valid name, but do not separate anything.
        let harmless = host == "a..b" && attempt.statuses().first() == Some(&200);
        assert!(harmless || attempt.statuses().first() == Some(&400), "{host:?}: {:?}", attempt.statuses());
        assert!(harmless || attempt.seen.is_empty(), "{host:?}");
    }
    ground.refuses("GET /page HTTP/1.1\r\n\r\n");
    ground.refuses("GET /page HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
    ground.refuses("GET /page HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    ground.refuses("GET /page HTTP/1.1\r\nHost\t: a\r\n\r\n");
    for host in ["a", "a.example:1", "[::1]:80", "127.0.0.1", "xn--bcher-kva.example"] {
        let (seen, _) = ground.passes(format!("GET /page HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!((seen.field("host"), seen.field("x-forwarded-host")), (Some(host), Some(host)));
    }
}

/// docs/conformance.md, rows F15, E14
#[test]
fn the_public_host_has_several_spellings_and_a_look_alike_is_another_host() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[public]\nurl = \"http://app.example\"\nhosts = [\"other.example\"]");
    let ask = |host: &str| {
        let cookie = application.sign_in("ana");
        let request = format!("GET /qr/ HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        gate.send(request).unwrap()
    };
    for host in ["app.example", "APP.Example", "app.example.", "app.example:80", "other.example"] {
        assert_eq!(ask(host).status(), 200, "{host}");
    }
    for host in ["app.example:81", "xn--pp-ypd.example", "evil.example", "app.example.evil.example", "127.0.0.1"] {
        assert_eq!(ask(host).status(), 421, "{host}");
    }
    // Forged fields do not change the address of a link.
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana")).at_origin("http://app.example");
    ana.fields.extend(["X-Forwarded-Host: evil.example".to_owned(), "X-Forwarded-Proto: https".to_owned()]);
    let page = ana.post("/qr/", "");
    assert_eq!(page.status(), 200);
    assert!(crate::harness::code::scan(&page.text()).starts_with("http://app.example/qr/"), "{}", page.text());
    assert!(!page.text().contains("evil"));
}

/// docs/conformance.md, row F16
#[test]
fn the_name_in_the_handshake_need_not_be_the_host() {
    let (application, authority) = (TestApplication::start(), Authority::new());
    let tls = authority.issue("gate", &["localhost"]).settings();
    let gate = TestGate::with(
        &application,
        &format!("[public]\nurl = \"https://app.example\"\nhosts = [\"localhost\"]\n{tls}"),
    );
    for (host, wanted) in [("app.example", "401"), ("localhost", "401"), ("evil.example", "421")] {
        let mut stream = connect(gate.address, authority.client(&["http/1.1"], None)).unwrap();
        write!(stream, "GET /qr/?from=login HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        assert_eq!(String::from_utf8_lossy(&response).split(' ').nth(1), Some(wanted), "{host}");
    }
}

/// Pieces for targets that resemble reserved paths, and others.
const PIECES: [&str; 40] = [
    "/",
    "//",
    "qr",
    "_qr",
    "login",
    "whoami",
    "QR",
    "_Qr",
    "%71r",
    "%5f",
    "_",
    "%2f",
    "%2F",
    "%252f",
    "%5c",
    ".",
    "..",
    "%2e",
    "%2e%2e",
    "%252e",
    ";",
    ";x=1",
    "%3b",
    "a",
    "b.c",
    "index.php",
    "%20",
    "%00",
    "%09",
    "approve",
    "status",
    "x",
    "-",
    "~",
    "%c0%af",
    "%ef%bc%8f",
    "?",
    "?a=/qr/",
    "=",
    "&",
];

/// Whether a lenient application could take the target for a reserved path, as simply as possible: decode up to three
/// times, fold case, take any slash for a slash, drop dots and parameters, and look for the reserved names at the
/// start.
fn looks_reserved(target: &str) -> bool {
    let mut path = target.split('?').next().unwrap().to_owned();
    (0..4).any(|_| {
        let folded = path.to_lowercase().replace('\\', "/");
        let mut segments: Vec<&str> = Vec::new();
        for segment in folded.split('/').map(|segment| segment.split(';').next().unwrap().trim()) {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                other => segments.push(other),
            }
        }
        let ours = match segments[..] {
            ["qr", ..] => true,
            ["_qr", hook, ..] => ["login", "whoami"].contains(&hook),
            _ => false,
        };
        path = decoded(&path);
        ours
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        let (byte, used) = if let (b'%', Some(code)) = (first, code) { (code, 3) } else { (*first, 1) };
        bytes.push(byte);
        rest = &rest[used..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// docs/conformance.md, row F18, from outside; src/target/tests.rs generates more
#[test]
fn generated_targets_arrive_byte_for_byte_or_not_at_all() {
    let ground = Ground::new();
    let mut connection = ground.gate.connect();
    let (mut seed, mut forwarded, mut kept) = (7u64, 0, 0);
    for _ in 0..1500 {
        let mut target = ["/", "/qr", "/_qr", "/_qr/login", "//"][seed as usize % 5].to_owned();
        for _ in 0..=seed % 7 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            target += PIECES[(seed >> 33) as usize % PIECES.len()];
        }
        connection.write(format!("GET {target} HTTP/1.1\r\n{}\r\n\r\n", ground.host()).as_bytes());
        let Some(response) = connection.read_response(false) else { panic!("no response to {target}") };
        let seen = ground.application.request(forwarded).map(|request| request.target().to_owned());
        match seen {
            Some(seen) => {
                assert_eq!((seen.as_str(), response.status()), (target.as_str(), 200));
                assert!(!looks_reserved(&target), "{target} reached the application");
                forwarded += 1;
            }
            None => {
                assert!(
                    matches!(response.status(), 308 | 303 | 401 | 400 | 404 | 405 | 410),
                    "{target}: {}",
                    response.status()
                );
                kept += 1;
            }
        }
        if response.field("connection") == Some("close") {
            connection = ground.gate.connect();
        }
    }
    assert!(forwarded > 300 && kept > 300, "{forwarded} forwarded, {kept} kept");
}

/// docs/conformance.md, row E12
#[test]
fn a_peer_on_a_unix_socket_is_trusted_only_if_configured() {
    let application = TestApplication::start();
    let folder = tempfile::tempdir().unwrap();
    for (name, trusted, proto) in [("a", "", "http"), ("b", "\"unix\"", "https"), ("c", "\"127.0.0.1\"", "http")] {
        let socket = folder.path().join(name);
        let settings = format!(
            "[listen]\naddress = [\"127.0.0.1:0\", \"unix:{}\"]\n[public]\ntrusted_proxies = [{trusted}]",
            socket.display()
        );
        let _gate = TestGate::with(&application, &settings);
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        let path = format!("/{name}");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.7\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        let seen = application.requests_to(&path).pop().unwrap();
        assert_eq!(seen.field("x-forwarded-proto"), Some(proto), "{trusted:?}");
        assert_eq!(seen.field("x-forwarded-for") == Some("203.0.113.7"), proto == "https");
    }
}

/// docs/conformance.md, row E12
#[test]
fn an_address_mapped_into_ipv6_is_that_address() {
    let application = TestApplication::start();
    let gate =
        TestGate::with(&application, "[listen]\naddress = \"[::]:0\"\n[public]\ntrusted_proxies = [\"127.0.0.1\"]");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], gate.address.port()));
    let mut connection = Connection::open(address);
    connection.write(
        b"GET /page HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: ::ffff:203.0.113.7\r\n\r\n",
    );
    assert_eq!(connection.read_response(false).unwrap().status(), 200);
    let seen = &application.requests_to("/page")[0];
    assert_eq!((seen.field("x-forwarded-proto"), seen.field("x-forwarded-for")), (Some("https"), Some("203.0.113.7")));
}

/// docs/conformance.md, row E11
#[test]
fn trusting_every_peer_is_refused_at_start() {
    let application = TestApplication::start();
    for network in ["0.0.0.0/0", "::/0"] {
        let toml = crate::harness::gate::configuration(
            application.address,
            &format!("[public]\ntrusted_proxies = [\"{network}\"]"),
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("proxy.toml");
        std::fs::write(&file, toml).unwrap();
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_qrgate")).arg("--config").arg(&file).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{network}: {run:?}");
        assert!(String::from_utf8_lossy(&run.stderr).contains("trusted_proxies"), "{run:?}");
    }
}

/// docs/conformance.md, row E15; docs/security.md, row A7
#[test]
fn a_forged_address_gives_no_further_tries() {
    let application = TestApplication::start();
    let settings = "[public]\nurl = \"http://app.example\"\ntrusted_proxies = [\"127.0.0.1\"]\n[limits]\nopens_per_client = \"5/1m\"";
    let gate = TestGate::with(&application, settings);
    let path = format!("/qr/{}/", "A".repeat(44));
    let open = |chain: &str| {
        let mut visitor = phone(&gate).at_origin("http://app.example");
        visitor.fields.push(format!("X-Forwarded-For: {chain}"));
        visitor.get(&path).status()
    };
    let statuses: Vec<u16> = (0..20).map(|number| open(&format!("198.51.100.{number}, 203.0.113.7"))).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 410).count(), 5, "{statuses:?}");
    assert_eq!(open("203.0.113.7, 203.0.113.8"), 410, "the right-most address counts as the client");
}

/// docs/conformance.md, row E16
#[test]
fn no_field_turns_a_get_into_a_post() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let origin = format!("Origin: {}", gate.origin());
    for name in ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "_method"] {
        let field = format!("{name}: POST");
        assert!(!ana.request("GET", "/qr/", &[&field, &origin], None).text().contains("crispEdges"), "{name}");
    }
    ana.request("GET", "/qr/?_method=POST", &[&origin], None);
    assert!(gate.admin("/metrics").text().lines().all(|line| !line.contains("outcome=\"issued\"} 1")));
}

/// docs/conformance.md, row E17; docs/security.md, row A8
#[test]
fn behind_an_undeclared_proxy_clients_are_unknown_and_none_is_blocked() {
    let application = TestApplication::start();
    let settings = "[tickets]\nsame_network = \"require\"\n[limits]\nopens_per_client = \"3/1m\"";
    let gate = TestGate::with(&application, settings);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    ana.fields.push("X-Forwarded-For: 203.0.113.7".to_owned());
    let code = show_code(&mut ana);
    let mut first = phone(&gate);
    first.fields.push("X-Forwarded-For: 203.0.113.7".to_owned());
    let page = first.get(&code.path);
    assert_eq!(page.status(), 200);
    claim_refused(&mut first, &code.path, &page.text());
    assert_eq!(code.status(&mut ana)["state"], "issued", "the ticket is untouched");
    let mut other = phone(&gate);
    other.fields.push("X-Forwarded-For: 198.51.100.9".to_owned());
    for _ in 0..10 {
        assert_ne!(first.get(&format!("/qr/{}/", "A".repeat(44))).status(), 429, "tries of one phone");
        assert_ne!(other.get(&code.path).status(), 429, "tries of one phone block no other");
    }
    gate.wait_for_log(&["X-Forwarded-For from 127.0.0.1 ignored: not in public.trusted_proxies"]);
    assert!(!gate.admin("/readyz").json()["proxies"].is_null());
    // A client that sends no such field is known by the peer's address, so it is on the same network.
    let mut plain = computer(&gate).with_cookie(&application.sign_in("bob"));
    let code = show_code(&mut plain);
    claim(&mut phone(&gate), &code);
    assert_eq!(code.status(&mut plain)["device"]["same_network"], true);
}

fn claim_refused(phone: &mut crate::harness::browser::Browser, path: &str, page: &str) {
    let proof = crate::harness::browser::hidden(page, "proof");
    assert_eq!(phone.post(path, &format!("action=continue&proof={proof}")).status(), 403);
}
