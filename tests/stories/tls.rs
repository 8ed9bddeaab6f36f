//! TLS on both sides, HTTP/2 to the application, and the PROXY preamble. Rows: E13 and K3 in docs/conformance.md, L4 in
//! docs/security.md.

use std::io::{Read, Write};

use crate::harness::application::TestApplication;
use crate::harness::browser::{computer, phone};
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::Connection;
use crate::harness::http2::Http2;
use crate::harness::modern::{ModernApplication, server, under_tls};
use crate::harness::people::signed_in;
use crate::harness::receiver::SECRET as EVENTS_SECRET;
use crate::harness::tls::{Authority, TlsStream, connect};

/// Requests `path` over TLS and HTTP/1.1. Returns the start line of the response.
fn ask(stream: &mut TlsStream, path: &str) -> String {
    let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length =
        head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    let mut content = vec![0; length.unwrap_or(0)];
    let _ = stream.read_exact(&mut content);
    head.lines().next().unwrap_or("").to_owned()
}

/// docs/security.md, row L4
#[test]
fn both_tls_versions_and_both_http_versions_are_supported() {
    let (application, authority) = (TestApplication::start(), Authority::new());
    let gate = TestGate::with(&application, &authority.issue("gate", &["localhost"]).settings());
    assert!(gate.banner.contains(&format!("codes at https://{}/qr/", gate.address)), "{}", gate.banner);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for protocols in [&["http/1.1"][..], &[]] {
            let mut stream = connect(gate.address, authority.client_of(&[version], protocols, None)).unwrap();
            assert_eq!(stream.conn.protocol_version(), Some(version.version));
            assert_eq!(ask(&mut stream, "/page"), "HTTP/1.1 200 Status");
        }
    }
    assert_eq!(Http2::open(&gate, &authority).get(1, "/page").status, Some(200));
    let seen = application.requests_to("/page");
    assert!(seen.iter().all(|request| request.field("x-forwarded-proto") == Some("https")), "{seen:?}");
    assert!(
        connect(gate.address, authority.client(&["spdy/3"], None)).is_err(),
        "the handshake fails without a common protocol"
    );
    let mut plain = gate.connect();
    plain.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(plain.read_response(false).is_none(), "no response without TLS");
    // A ClientHello of TLS 1.0.
    let mut old = gate.connect();
    let hello = [&[22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1][..], &[7; 32], &[0, 0, 2, 0, 47, 1, 0]].concat();
    old.write(&hello);
    let alert = old.read_bytes(5);
    assert_eq!(alert[0], 21, "an alert instead of a handshake");
    assert_eq!(gate.get_over(&authority, "/after"), "HTTP/1.1 200 Status");
}

impl TestGate {
    /// The start line of the response over TLS, on a new connection.
    fn get_over(&self, authority: &Authority, path: &str) -> String {
        connect(self.address, authority.client(&["http/1.1"], None))
            .map(|mut stream| ask(&mut stream, path))
            .unwrap_or_default()
    }
}

#[test]
fn a_renewed_certificate_is_used_for_the_next_handshake_and_connections_live_on() {
    let (application, old, new) = (TestApplication::start(), Authority::new(), Authority::new());
    let files = old.issue("gate", &["localhost"]);
    let gate = TestGate::with(&application, &files.settings());
    let mut kept = connect(gate.address, old.client(&["http/1.1"], None)).unwrap();
    assert_eq!(ask(&mut kept, "/one"), "HTTP/1.1 200 Status");
    let mut modern = Http2::open(&gate, &old);
    assert_eq!(modern.get(1, "/one").status, Some(200));
    // The first bytes of a handshake.
    let begun = std::net::TcpStream::connect(gate.address).unwrap();
    begun.set_read_timeout(Some(crate::harness::http::TIMEOUT)).unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let hello = rustls::ClientConnection::new(std::sync::Arc::new(old.client(&["http/1.1"], None)), name).unwrap();
    let mut begun = rustls::StreamOwned::new(hello, begun);
    let mut first = Vec::new();
    begun.conn.write_tls(&mut first).unwrap();
    begun.sock.write_all(&first[..20]).unwrap();

    let renewed = new.issue("gate", &["localhost"]);
    // One file alone does not match: the old certificate stays until both are replaced.
    std::fs::copy(&renewed.certificate, &files.certificate).unwrap();
    gate.wait_for_log(&["the old certificate stays in use"]);
    assert_eq!(gate.get_over(&old, "/two"), "HTTP/1.1 200 Status");
    std::fs::copy(&renewed.key, &files.key).unwrap();
    gate.wait_for_log(&["certificate reloaded"]);
    assert_eq!(gate.get_over(&new, "/three"), "HTTP/1.1 200 Status");
    assert!(
        connect(gate.address, old.client(&["http/1.1"], None)).is_err(),
        "the old authority vouches for it no more"
    );
    assert_eq!(ask(&mut kept, "/four"), "HTTP/1.1 200 Status");
    assert_eq!(modern.get(3, "/four").status, Some(200));
    begun.sock.write_all(&first[20..]).unwrap();
    let ended = begun.conn.complete_io(&mut begun.sock);
    assert!(
        ended.is_ok() || ended.unwrap_err().to_string().contains("invalid peer certificate"),
        "it ends with one of the two"
    );
    // SIGHUP reads them too.
    let again = old.issue("again", &["localhost"]);
    std::fs::copy(&again.certificate, &files.certificate).unwrap();
    std::fs::copy(&again.key, &files.key).unwrap();
    gate.signal("HUP");
    gate.wait_for_log(&["configuration reloaded"]);
    assert_eq!(gate.get_over(&old, "/five"), "HTTP/1.1 200 Status");
}

/// docs/conformance.md, row K3
#[test]
fn an_unfinished_handshake_times_out_and_connections_per_client_are_limited() {
    let (application, authority) = (TestApplication::start(), Authority::new());
    let tls = authority.issue("gate", &["localhost"]).settings();
    let limits = "[limits]\nheader_timeout = \"3s\"\nconnections_per_client = 50\n";
    let gate = TestGate::with(&application, &format!("{tls}{limits}"));
    let mut stalled: Vec<Connection> = (0..200).map(|_| gate.connect()).collect();
    stalled.iter_mut().for_each(|connection| connection.write(&[22, 3, 1, 2, 0, 1]));
    let refused = "no handshake beyond a client's share";
    assert_eq!(gate.get_over(&authority, "/page"), "", "{refused}");
    assert!(stalled.iter_mut().all(Connection::is_closed));
    eventually("there is room again", || (gate.get_over(&authority, "/page") == "HTTP/1.1 200 Status").then_some(()));
}

/// An application behind TLS that asks for a certificate, and the settings of a gate before it.
fn secured(authority: &Authority, clients: &Authority, settings: &str) -> (TestApplication, TestGate) {
    let application = TestApplication::start();
    let files = authority.issue("application", &["app.internal"]);
    let address = under_tls(application.address, server(&files, &["http/1.1"], Some(clients)));
    let settings = format!("[application]\nurl = \"https://{address}\"\n[application.tls]\n{settings}");
    let gate = TestGate::start(&configuration(address, &settings));
    (application, gate)
}

/// `[application.tls]`
#[test]
fn an_application_behind_tls_is_verified_and_gets_a_client_certificate() {
    let (authority, clients, stranger) = (Authority::new(), Authority::new(), Authority::new());
    let own = clients.issue("gate", &["gate.internal"]);
    let (ca, name) = (format!("ca = {:?}\n", authority.file()), "server_name = \"app.internal\"\n");
    let shown = format!("certificate = {:?}\nkey = {:?}\n", own.certificate, own.key);
    let (application, gate) = secured(&authority, &clients, &format!("{ca}{name}{shown}"));
    let got = gate.get("/page", &[]);
    assert_eq!((got.status(), got.text().as_str()), (200, "nobody is signed in"));
    assert_eq!(
        application.requests_to("/page")[0].field("x-forwarded-proto"),
        Some("http"),
        "the client's side counts"
    );
    assert_eq!(gate.admin("/readyz").json()["application"], "ok");
    let other = stranger.issue("gate", &["gate.internal"]);
    let wrong = format!("certificate = {:?}\nkey = {:?}\n", other.certificate, other.key);
    for settings in [
        format!("{ca}{shown}"),
        format!("{ca}server_name = \"other.internal\"\n{shown}"),
        format!("ca = {:?}\n{name}{shown}", stranger.file()),
        format!("{name}{shown}"),
        format!("{ca}{name}"),
        format!("{ca}{name}{wrong}"),
    ] {
        let (application, gate) = secured(&authority, &clients, &settings);
        let got = gate.get("/page", &[]);
        assert_eq!(got.status(), 502, "{settings}");
        assert!(application.requests().is_empty(), "{settings}");
    }
}

/// By ALPN and by prior knowledge, with trailers.
#[test]
fn an_application_with_http_2_gets_http_2() {
    let authority = Authority::new();
    let files = authority.issue("application", &["localhost"]);
    let secure = ModernApplication::start(Some(server(&files, &["h2"], None)));
    let plain = ModernApplication::start(None);
    let ca = format!("[application.tls]\nca = {:?}\n", authority.file());
    for (application, settings) in [
        (&secure, format!("[application]\nurl = \"https://localhost:{}\"\n{ca}", secure.address.port())),
        (&plain, format!("[application]\nurl = \"h2c://{}\"\n", plain.address)),
    ] {
        let gate = TestGate::start(&configuration(application.address, &settings));
        let mut connection = gate.connect();
        let head =
            "TE: trailers\r\nX-Forwarded-Proto: https\r\nConnection: X-Hop\r\nX-Hop: 1\r\nCookie: a=b; qrgate=x\r\n";
        for (line, content) in [
            ("Content-Length: 5", "hello"),
            ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX-Sum: 5\r\nHost: evil\r\n\r\n"),
        ] {
            connection.write(
                format!("POST /echo?a=%20b HTTP/1.1\r\nHost: {}\r\n{head}{line}\r\n\r\n{content}", gate.address)
                    .as_bytes(),
            );
            let got = connection.read_response(false).unwrap();
            assert_eq!((got.status(), got.text().as_str(), got.complete), (200, "hello", true), "{settings}");
            assert!(got.field("x-forwarded-proto").is_none() && got.field("trailer-x-forwarded-proto").is_none());
        }
        let seen = application.requests_to("/echo");
        assert_eq!(seen.len(), 2);
        for request in &seen {
            let fields = request.head.headers();
            let only = |name| fields.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
            assert_eq!(request.head.uri().path_and_query().unwrap(), "/echo?a=%20b");
            assert_eq!(request.head.uri().authority().unwrap().as_str(), gate.address.to_string());
            assert_eq!(
                (only("x-forwarded-proto"), only("te"), only("cookie")),
                (vec!["http"], vec!["trailers"], vec!["a=b"])
            );
            for gone in ["host", "connection", "x-hop", "transfer-encoding", "keep-alive"] {
                assert!(only(gone).is_empty(), "{gone}: {fields:?}");
            }
            assert!(request.complete && request.content == b"hello");
        }
        let trailers = seen[1].trailers.as_ref().expect("trailers");
        assert!(trailers.contains_key("x-sum") && !trailers.contains_key("host"), "{trailers:?}");
        assert_eq!(gate.get("/reset", &[]).status(), 502);
        assert_eq!(
            application.requests_to("/reset").len(),
            1,
            "the application has read the request, so it is not sent again"
        );
        // Any other upgrade needs HTTP/1.1, which these applications do not speak.
        assert_eq!(gate.get("/socket", &["Upgrade: other", "Connection: Upgrade"]).status(), 502);
        // The application ends its connection after this one; the next request finds another.
        assert_eq!(gate.get("/last", &[]).status(), 200);
        assert_eq!(gate.get("/echo", &[]).status(), 200);
    }
}

/// Over HTTP/2, as this receiver prefers.
#[test]
fn an_event_goes_to_a_receiver_with_a_certificate_that_events_tls_trusts() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = authority.issue("receiver", &["localhost"]);
    let receiver = ModernApplication::start(Some(server(&files, &["h2"], None)));
    let address = format!("localhost:{}", receiver.address.port());
    let events = format!("[events]\nurl = \"https://{address}/echo\"\nsecret = \"{EVENTS_SECRET}\"\n");
    for (authority, arrives) in [(&stranger, false), (&authority, true)] {
        let application = TestApplication::start();
        let ca = format!("[events.tls]\nca = {:?}\n", authority.file());
        let gate = TestGate::with(&application, &format!("{events}{ca}"));
        let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
        signed_in(&mut ana, &mut phone(&gate));
        match arrives {
            false => drop(gate.wait_for_log(&["an event was not delivered", &format!("https://{address}/echo")])),
            true => eventually("the event arrives", || (!receiver.requests_to("/echo").is_empty()).then_some(())),
        }
        assert_eq!(receiver.requests_to("/echo").is_empty(), !arrives);
    }
    let seen = &receiver.requests_to("/echo")[0];
    let event: serde_json::Value = serde_json::from_slice(&seen.content).unwrap();
    assert_eq!(event["type"], "ticket.spent");
    assert_eq!(seen.head.uri().authority().unwrap().as_str(), address);
    assert!(seen.head.headers().contains_key("webhook-signature"));
}

#[test]
fn a_websocket_passes_under_tls_on_both_sides() {
    let (authority, application) = (Authority::new(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let address = application.local_addr().unwrap();
    let config =
        std::sync::Arc::new(server(&authority.issue("application", &["localhost"]), &["h2", "http/1.1"], None));
    std::thread::spawn(move || {
        let mut head = Vec::new();
        let mut byte = [0];
        let (stream, _) = application.accept().unwrap();
        let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(config).unwrap(), stream);
        while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"GET /socket HTTP/1.1\r\n"), "an upgrade goes over HTTP/1.1");
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .unwrap();
        while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
    });
    let ca = format!("[application.tls]\nca = {:?}\n", authority.file());
    let tls = authority.issue("gate", &["localhost"]).settings();
    let settings = format!("[application]\nurl = \"https://localhost:{}\"\n{ca}{tls}", address.port());
    let gate = TestGate::start(&configuration(address, &settings));
    let mut stream = connect(gate.address, authority.client(&["http/1.1"], None)).unwrap();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    write!(stream, "GET /socket HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\nearly").unwrap();
    let mut response = Vec::new();
    let mut byte = [0];
    while !response.ends_with(b"\r\n\r\nearly") {
        stream.read_exact(&mut byte).unwrap();
        response.push(byte[0]);
    }
    assert!(response.starts_with(b"HTTP/1.1 101 "));
    for message in ["ping!", "again"] {
        stream.write_all(message.as_bytes()).unwrap();
        let mut back = [0; 5];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(back, message.as_bytes());
    }
}

fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family], &length, rest].concat()
}

/// docs/conformance.md, row E13
#[test]
fn a_preamble_from_a_trusted_peer_names_the_client() {
    let application = TestApplication::start();
    let trusted = "[listen]\nproxy_protocol = true\n[public]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[limits]\nheader_timeout = \"2s\"";
    let gate = TestGate::with(&application, trusted);
    let v4 = [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
    let v6 = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9][..], &[0; 16], &[0x12, 0x34, 0, 80]].concat();
    let with_more = [&v4[..], &[4, 0, 3, 1, 2, 3], &[1, 0, 2, b'h', b'2']].concat();
    let named = [
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n".to_vec(), "203.0.113.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n".to_vec(), "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), "127.0.0.1"),
        (version_2(0x21, 0x11, &v4), "203.0.113.9"),
        (version_2(0x21, 0x21, &v6), "2001:db8::9"),
        (version_2(0x21, 0x11, &with_more), "203.0.113.9"),
        (version_2(0x20, 0x00, &[]), "127.0.0.1"),
        (version_2(0x20, 0x11, &v4), "127.0.0.1"),
    ];
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address);
    for (number, (preamble, client)) in named.iter().enumerate() {
        let path = format!("/{number}");
        // The preamble arrives byte by byte, followed directly by the request.
        let mut connection = gate.connect();
        preamble.iter().for_each(|byte| connection.write(&[*byte]));
        connection.write(get(&path).as_bytes());
        assert_eq!(connection.read_response(false).unwrap().status(), 200, "{number}");
        assert_eq!(application.requests_to(&path)[0].field("x-forwarded-for"), Some(*client));
        // The preamble applies to the whole connection, and to no other.
        connection.write(get(&path).as_bytes());
        assert_eq!(connection.read_response(false).unwrap().status(), 200, "{number}");
        assert_eq!(application.requests_to(&path)[1].field("x-forwarded-for"), Some(*client));
    }
    let before = application.requests().len();
    let flood = version_2(0x21, 0x11, &[&v4[..], &[0xEE; 60_000]].concat());
    let malformed: [&[u8]; 14] = [
        b"",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 4711\r\n",
        b"PROXY TCP4 203.0.113.999 10.0.0.1 4711 80\r\n",
        b"PROXY TCP4 2001:db8::7 10.0.0.1 4711 80\r\n",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 99999\r\n",
        b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\n",
        b"PROXY  TCP4 203.0.113.7 10.0.0.1 4711 80\r\n",
        b"proxy TCP4 203.0.113.7 10.0.0.1 4711 80\r\n",
        b"PROXY UDP4 203.0.113.7 10.0.0.1 4711 80\r\n",
        &[b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat(),
        &version_2(0x31, 0x11, &v4),
        &version_2(0x21, 0x11, &v4[..8]),
        &version_2(0x21, 0x12, &v4),
        &flood,
    ];
    for preamble in malformed {
        let mut connection = gate.connect();
        connection.write(preamble);
        connection.write(get("/evil").as_bytes());
        assert!(connection.read_response(false).is_none(), "{:?}", String::from_utf8_lossy(preamble));
    }
    let mut stalled = gate.connect();
    stalled.write(b"PROXY TCP4 203.0.113.7");
    assert!(stalled.is_closed());
    assert_eq!(application.requests().len(), before);

    let stranger =
        TestGate::with(&application, "[listen]\nproxy_protocol = true\n[public]\ntrusted_proxies = [\"10.0.0.0/8\"]");
    let mut connection = stranger.connect();
    connection.write(&named[0].0);
    connection.write(get("/evil").as_bytes());
    assert!(connection.read_response(false).is_none(), "a preamble of an untrusted peer is refused");
    assert_eq!(application.requests().len(), before);
}

/// docs/conformance.md, row E13: the preamble precedes TLS
#[test]
fn a_preamble_before_tls_names_the_client_too() {
    let (application, authority) = (TestApplication::start(), Authority::new());
    let tls = authority.issue("gate", &["localhost"]).settings();
    let trusted = "[public]\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let gate = TestGate::with(&application, &format!("[listen]\nproxy_protocol = true\n{tls}{trusted}"));
    let mut stream = std::net::TcpStream::connect(gate.address).unwrap();
    stream.set_read_timeout(Some(crate::harness::http::TIMEOUT)).unwrap();
    stream.write_all(b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n").unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let hello =
        rustls::ClientConnection::new(std::sync::Arc::new(authority.client(&["http/1.1"], None)), name).unwrap();
    let mut stream = rustls::StreamOwned::new(hello, stream);
    assert_eq!(ask(&mut stream, "/page"), "HTTP/1.1 200 Status");
    let seen = &application.requests_to("/page")[0];
    assert_eq!((seen.field("x-forwarded-for"), seen.field("x-forwarded-proto")), (Some("203.0.113.7"), Some("https")));
}
