//! Every request outside qrgate's own paths is forwarded unchanged, with the correct scheme, host and client.

use std::io::{Read, Write};

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::gate::TestGate;
use crate::harness::http::Connection;
use crate::harness::ports::unused;

fn forwarded(application: &TestApplication, path: &str) -> crate::harness::http::Message {
    application.requests_to(path).pop().unwrap_or_else(|| panic!("{path} never arrived"))
}

#[test]
fn the_application_gets_scheme_host_and_client_exactly_once() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let spoofed = [
        "X-Forwarded-Proto: https",
        "X-Forwarded-Proto: https",
        "X_Forwarded_Proto: https",
        "X.Forwarded.Proto: https",
        "X-Forwarded~Proto: https",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-For: 203.0.113.66",
        "X-Real-IP: 203.0.113.66",
        "X-Forwarded-Ssl: on",
        "Front-End-Https: on",
        "X-Original-URL: /admin",
        "Forwarded: for=203.0.113.66;proto=https",
        "X-Qrgate-User: root",
    ];
    gate.get("/page", &spoofed);
    let seen = forwarded(&application, "/page");
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.field("x-forwarded-host"), Some(gate.address.to_string().as_str()));
    assert_eq!(seen.field("x-forwarded-port"), Some(gate.address.port().to_string().as_str()));
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(seen.field("host"), Some(gate.address.to_string().as_str()));
    assert!(seen.field("x-request-id").is_some());
    for gone in [
        "x_forwarded_proto",
        "x.forwarded.proto",
        "x-forwarded~proto",
        "x-forwarded-ssl",
        "front-end-https",
        "x-original-url",
        "forwarded",
        "x-qrgate-user",
    ] {
        assert!(seen.field(gone).is_none(), "{gone}");
    }
    gate.wait_for_log(&["X-Forwarded-", "from 127.0.0.1 ignored: not in public.trusted_proxies"]);
}

#[test]
fn scheme_host_and_client_of_a_trusted_proxy_are_used() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[public]\ntrusted_proxies = [\"127.0.0.0/8\"]");
    gate.get(
        "/page",
        &[
            "X-Forwarded-Proto: HTTPS",
            "X-Forwarded-Host: app.example",
            "X-Forwarded-For: 198.51.100.1, 203.0.113.7, 127.0.0.9",
        ],
    );
    let seen = forwarded(&application, "/page");
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.field("x-forwarded-host"), Some("app.example"));
    assert_eq!(seen.field("x-forwarded-for"), Some("203.0.113.7"));
    for doubtful in [
        ["X-Forwarded-Proto: https, http", "A: b"],
        ["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"],
        ["X-Forwarded-Proto: ", "A: b"],
    ] {
        gate.get("/doubtful", &doubtful);
        assert_eq!(forwarded(&application, "/doubtful").field("x-forwarded-proto"), Some("http"), "{doubtful:?}");
    }
}

#[test]
fn connection_options_cannot_remove_qrgates_fields() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let request = format!(
        "GET /page HTTP/1.1\r\nHost: {}\r\nConnection: close, X-Forwarded-Proto\r\nConnection: x-real-ip, Cookie, X-Hop\r\nX-Hop: 1\r\nCookie: a=b\r\n\r\n",
        gate.address
    );
    gate.send(request).unwrap();
    let seen = forwarded(&application, "/page");
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.field("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(seen.field("cookie"), Some("a=b"));
    assert!(seen.field("x-hop").is_none());
}

#[test]
fn targets_and_values_arrive_byte_for_byte() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for target in ["/a//b/../c", "/%41%2f%2e?x=/qr/&y=%20%zz", "/qrcode", "/a;b=c?;", "/?", "/x%5cy"] {
        gate.get(target, &["X-Odd: a  b\t\"c\""]);
        let seen = application.requests().pop().unwrap();
        assert_eq!(seen.target(), target);
        assert_eq!(seen.field("x-odd"), Some("a  b\t\"c\""));
    }
}

#[test]
fn qrgates_cookies_are_removed_in_both_directions() {
    let application = TestApplication::start();
    application.route("/set", |_| {
        Reply::Bytes(response(
            200,
            &["Set-Cookie: __Host-qrgate=x; Path=/", "Set-Cookie: qrgate=x", "Set-Cookie: a=1", "Set-Cookie: a=2"],
            b"",
        ))
    });
    let gate = TestGate::before(&application);
    let got = gate.get("/set", &["Cookie: a=1; __Host-qrgate=secret; b=2", "Cookie: qrgate=secret"]);
    assert_eq!(got.all("set-cookie"), ["a=1", "a=2"]);
    let seen = forwarded(&application, "/set");
    assert!(!seen.all("cookie").join(" ").contains("secret"), "{seen:?}");
    assert!(seen.all("cookie").join("; ").contains("a=1; b=2"), "{seen:?}");
}

#[test]
fn a_megabyte_is_uploaded_and_returned_unchanged() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let body: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
    let mut connection = gate.connect();
    let head = format!("POST /echo HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", gate.address, body.len());
    connection.write(head.as_bytes());
    connection.write(&body);
    let back = connection.read_response(false).unwrap();
    assert!(back.complete && back.content == body);
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n",
        gate.address
    );
    connection.write(chunked.as_bytes());
    assert_eq!(connection.read_response(false).unwrap().text(), "abcdefg");
}

#[test]
fn events_reach_the_browser_as_they_happen() {
    let application = TestApplication::start();
    let (send, events) = std::sync::mpsc::channel::<&str>();
    let events = std::sync::Mutex::new(Some(events));
    application.route("/events", move |_| {
        let events = events.lock().unwrap().take().unwrap();
        Reply::Take(Box::new(move |connection: Connection| {
            let mut stream = connection.stream();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").unwrap();
            for event in events {
                stream.write_all(format!("data: {event}\n\n").as_bytes()).unwrap();
            }
        }))
    });
    let gate = TestGate::before(&application);
    let mut connection = gate.connect();
    connection.write(format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    connection.read_head().unwrap();
    for event in ["one", "two"] {
        send.send(event).unwrap();
        let line = std::iter::from_fn(|| connection.read_line()).find(|line| line.starts_with("data: ")).unwrap();
        assert_eq!(line, format!("data: {event}"));
    }
}

#[test]
fn a_websocket_is_tunnelled_and_a_plain_response_is_not() {
    let application = TestApplication::start();
    application.route("/socket", |request| {
        assert_eq!(request.field("upgrade"), Some("websocket"));
        Reply::Take(Box::new(|connection: Connection| {
            let mut stream = connection.stream();
            stream
                .write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
                )
                .unwrap();
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
        }))
    });
    let gate = TestGate::before(&application);
    let upgrade = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            gate.address
        )
    };
    let mut connection = gate.connect();
    connection.write(upgrade("/socket").as_bytes());
    assert_eq!(connection.read_head().unwrap().status(), 101);
    assert_eq!(connection.read_bytes(5), b"hello");
    connection.write(b"ping");
    assert_eq!(connection.read_bytes(4), b"ping");
    assert!(connection.is_closed());

    application.route("/unasked", |_| {
        Reply::Bytes(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n".to_vec())
    });
    assert_eq!(gate.get("/unasked", &[]).status(), 502);
    assert_eq!(gate.send(upgrade("/unasked")).unwrap().status(), 502);
    assert_ne!(gate.send(upgrade("/qr/")).unwrap().status(), 101);
    assert_eq!(gate.send(upgrade("/_qr/login")).unwrap().status(), 404);
}

#[test]
fn an_application_that_is_unreachable_or_breaks_off_is_an_error_page() {
    let application = TestApplication::start();
    application.route("/closes", |_| Reply::Close);
    application.route("/half", |_| {
        Reply::Take(Box::new(|connection: Connection| {
            connection.stream().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
        }))
    });
    let gate = TestGate::before(&application);
    let closed = gate.get("/closes", &[]);
    assert_eq!(closed.status(), 502);
    let id = closed.field("x-request-id").map(str::to_owned);
    assert!(closed.text().contains(&id.unwrap_or_default()), "the page carries the request id");
    assert!(!closed.text().contains("127.0.0.1") && !closed.text().to_lowercase().contains("hyper"));
    assert!(!gate.get("/half", &[]).complete, "a broken response is never a complete one");

    let dead = unused();
    let alone = TestGate::start(&crate::harness::gate::configuration(dead, ""));
    assert_eq!(alone.get("/", &[]).status(), 502);
    assert_eq!(alone.admin("/readyz").json()["application"], "unreachable");
    assert_eq!(alone.admin("/readyz").status(), 200);
}

#[test]
fn a_slow_application_is_a_timeout() {
    let application = TestApplication::start();
    application.route("/slow", |_| Reply::Take(Box::new(|mut connection: Connection| drop(connection.read_line()))));
    let gate = TestGate::with(&application, "[application]\nresponse_timeout = \"300ms\"");
    assert_eq!(gate.get("/slow", &[]).status(), 504);
}

#[test]
fn a_request_on_a_dead_reused_connection_is_retried_only_if_safe() {
    let application = TestApplication::start();
    application.route("/dies", |request| match request.method() {
        "GET" => Reply::Close,
        _ => Reply::Close,
    });
    let gate = TestGate::with(&application, "[listen]\nworkers = 1");
    gate.get("/warm", &[]);
    assert_eq!(gate.get("/dies", &[]).status(), 502);
    assert_eq!(application.requests_to("/dies").len(), 2, "a GET on a reused connection is sent again, once");
    gate.get("/warm", &[]);
    let post = format!("POST /dies HTTP/1.1\r\nHost: {}\r\nContent-Length: 1\r\n\r\nx", gate.address);
    assert_eq!(gate.send(post).unwrap().status(), 502);
    assert_eq!(application.requests_to("/dies").iter().filter(|r| r.method() == "POST").count(), 1);
}

#[test]
fn connections_to_the_application_are_reused() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[listen]\nworkers = 1");
    for _ in 0..20 {
        assert_eq!(gate.get("/", &[]).status(), 200);
    }
    assert!(application.connections() <= 2, "{} connections for 20 requests", application.connections());
}

#[test]
fn the_host_follows_the_configuration() {
    let application = TestApplication::start();
    for (mode, host) in
        [("application", application.address.to_string()), ("fixed.example", "fixed.example".to_owned())]
    {
        let gate = TestGate::with(&application, &format!("[application]\nhost = \"{mode}\""));
        gate.get("/host", &[]);
        let seen = forwarded(&application, "/host");
        assert_eq!(seen.field("host"), Some(host.as_str()));
        assert_eq!(seen.field("x-forwarded-host"), Some(gate.address.to_string().as_str()));
    }
}

#[test]
fn lines_of_one_name_keep_their_order_both_ways() {
    let application = TestApplication::start();
    let fields = ["X-A: 1", "Link: </a>", "X-A: 2", "Link: </b>", "Set-Cookie: b=1", "X-A: ", "Set-Cookie: a=2"];
    application.route("/page", move |_| Reply::Bytes(response(200, &fields, b"")));
    let gate = TestGate::before(&application);
    let got = gate.get("/page", &["X-A: 1", "Accept: b", "X-A: 3", "Accept: a", "X-A: 2", "Via: 1.1 x"]);
    let seen = forwarded(&application, "/page");
    assert_eq!(
        (seen.all("x-a"), seen.all("accept"), seen.all("via")),
        (vec!["1", "3", "2"], vec!["b", "a"], vec!["1.1 x"])
    );
    assert_eq!((got.all("x-a"), got.all("link")), (vec!["1", "2", ""], vec!["</a>", "</b>"]));
    assert_eq!(got.all("set-cookie"), ["b=1", "a=2"]);
}

#[test]
fn forwarded_is_sent_only_if_configured() {
    let application = TestApplication::start();
    let settings = "[application]\nforwarded = true\n[public]\ntrusted_proxies = [\"127.0.0.1\"]";
    let gate = TestGate::with(&application, settings);
    gate.get("/one", &["Forwarded: for=\"[2001:db8::7]:99\";proto=https;host=app.example"]);
    let seen = forwarded(&application, "/one");
    assert_eq!(seen.field("forwarded"), Some("for=\"[2001:db8::7]\";proto=https;host=\"app.example\""));
    assert_eq!((seen.field("x-forwarded-for"), seen.field("x-forwarded-proto")), (Some("2001:db8::7"), Some("https")));
    gate.get("/two", &[]);
    let alone = forwarded(&application, "/two");
    assert_eq!(alone.field("forwarded"), Some(format!("for=127.0.0.1;proto=http;host=\"{}\"", gate.address).as_str()));
}

#[test]
fn an_ignored_field_is_reported_once_for_each_peer() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for _ in 0..5 {
        gate.get("/page", &["X-Forwarded-Proto: https"]);
    }
    gate.wait_for_log(&["X-Forwarded-Proto from 127.0.0.1 ignored: not in public.trusted_proxies"]);
    gate.wait_for_log(&["\"path\":\"/page\""]);
    assert_eq!(gate.log().iter().filter(|line| line.contains("ignored: not in")).count(), 1);
}

#[test]
fn a_well_formed_request_id_is_kept_and_any_other_replaced() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let (longest, longer) = ("a".repeat(128), "a".repeat(129));
    for id in ["abc.123", "A-Z_a~z+/=", &longest] {
        gate.get("/page", &[&format!("X-Request-ID: {id}")]);
        assert_eq!(forwarded(&application, "/page").field("x-request-id"), Some(id));
    }
    for id in ["", "a b", "a\"b", "a,b", "<a>", "\u{e9}", &longer] {
        gate.get("/page", &[&format!("X-Request-ID: {id}")]);
        let made = forwarded(&application, "/page").field("x-request-id").unwrap().to_owned();
        assert!(made != id && !made.is_empty() && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id:?}: {made}");
    }
    gate.get("/page", &["X-Request-ID: a", "X-Request-ID: b", "X_Request_ID: c"]);
    let seen = forwarded(&application, "/page");
    assert!(!["a", "b", "c"].contains(&seen.field("x-request-id").unwrap()) && seen.field("x_request_id").is_none());
}
