//! Requests of attackers, byte for byte. None reaches the application.

use crate::harness::application::TestApplication;
use crate::harness::browser::{computer, phone};
use crate::harness::gate::TestGate;

#[test]
fn the_hooks_are_hidden_in_every_spelling() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for path in ["/_qr/login", "/_qr/whoami"] {
        let name = &path[5..];
        let spellings = [
            path.to_owned(),
            format!("/{path}"),
            format!("/_qr/./{name}"),
            format!("/a/..{path}"),
            format!("/%5fqr/{name}"),
            format!("/_qr%2f{name}"),
            format!("/%255fqr/{name}"),
            format!("/x/%2e%2e{path}"),
            format!("/_qr;x=1/{name}"),
            format!("/_qr\\{name}"),
            format!("/_QR/{name}"),
            format!("{path}/"),
            format!("{path}."),
            format!("{path}%20"),
            format!("{path}.json"),
            format!("{path}?"),
            format!("{path}#x"),
            format!("/_qr/{name}/extra"),
            format!("http://{}{path}", gate.address),
            format!("/%ef%bc%bfqr/{name}"),
            format!("/index.php{path}"),
        ];
        for spelling in spellings {
            for method in ["GET", "POST"] {
                let request =
                    format!("{method} {spelling} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", gate.address);
                let status = gate.send(request).map(|response| response.status());
                assert!(matches!(status, Some(400 | 404)), "{method} {spelling}: {status:?}");
            }
        }
    }
    assert!(application.requests().is_empty(), "{:?}", application.requests());
}

#[test]
fn requests_under_the_ticket_path_are_never_forwarded() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for target in [
        "/qr/x.css",
        "/qr/invalid_code",
        "/QR/",
        "/%71r/",
        "//qr/",
        "/a/../qr/",
        "/qr//",
        "/qr/./",
        "/qr/approve/",
        "/qr%2f",
        "/qr/status/",
        "/qr;x/",
    ] {
        let status = gate.get(target, &[]).status();
        assert!(matches!(status, 400 | 404), "{target}: {status}");
    }
    let bare = gate.get("/qr", &[]);
    assert_eq!((bare.status(), bare.field("location")), (308, Some("/qr/")));
    let token = gate.get(&format!("/qr/{}", "A".repeat(44)), &[]);
    assert_eq!(token.status(), 308);
    assert!(application.requests().is_empty(), "{:?}", application.requests());
}

#[test]
fn other_methods_get_405_with_allow() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut visitor = computer(&gate);
    let (token, view) = (format!("/qr/{}/", "A".repeat(44)), format!("/qr/status/{}", "A".repeat(43)));
    for (path, allow) in [
        ("/qr/", "GET, HEAD, POST"),
        ("/qr/approve", "GET, HEAD, POST"),
        (&token, "GET, HEAD, POST"),
        (&view, "GET, HEAD"),
        ("/qr/invalid_code/", "GET, HEAD"),
    ] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO", "get"] {
            let response = visitor.request(method, path, &[], None);
            if allow.split(", ").any(|allowed| allowed == method) {
                assert_ne!(response.status(), 405, "{method} {path}");
                continue;
            }
            assert_eq!((response.status(), response.field("allow")), (405, Some(allow)), "{method} {path}");
            assert_eq!(response.field("cross-origin-opener-policy"), Some("same-origin"), "{method} {path}");
        }
    }
    for request in
        ["TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT 127.0.0.1:6379 HTTP/1.1\r\nHost: 127.0.0.1:6379\r\n\r\n"]
    {
        assert_eq!(gate.send(request).unwrap().status(), 405, "{request}");
    }
    assert!(application.requests().is_empty());
}

#[test]
fn malformed_requests_get_400_or_no_response_and_are_not_forwarded() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let host = format!("Host: {}", gate.address);
    let heads = [
        "GET / HTTP/1.1".to_owned(),
        format!("GET / HTTP/1.1\r\n{host}\r\nHost: other"),
        "GET / HTTP/1.1\r\nHost: a, b".to_owned(),
        "GET / HTTP/1.1\r\nHost: a b".to_owned(),
        "GET / HTTP/1.1\r\nHost: user@a".to_owned(),
        "GET / HTTP/1.1\r\nHost: a:99999".to_owned(),
        format!("GET http://other.example/ HTTP/1.1\r\n{host}"),
        format!("GET * HTTP/1.1\r\n{host}"),
        format!("GET foo HTTP/1.1\r\n{host}"),
        format!("POST / HTTP/1.1\r\n{host}\r\nTransfer-Encoding: xchunked"),
        format!("POST / HTTP/1.1\r\n{host}\r\nTransfer-Encoding: gzip, chunked"),
        format!("POST / HTTP/1.1\r\n{host}\r\nTransfer-Encoding: identity"),
        format!("POST / HTTP/1.1\r\n{host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        format!("POST / HTTP/1.1\r\n{host}\r\nTransfer-Encoding : chunked"),
        format!("POST / HTTP/1.0\r\n{host}\r\nTransfer-Encoding: chunked"),
        format!("POST / HTTP/1.1\r\n{host}\r\nContent-Length: 5\r\nContent-Length: 6"),
        format!("POST / HTTP/1.1\r\n{host}\r\nContent-Length: +5"),
        format!("POST / HTTP/1.1\r\n{host}\r\nContent-Length: 0x5"),
        format!("POST / HTTP/1.1\r\n{host}\r\nContent-Length: -1"),
        format!("POST / HTTP/1.1\r\n{host}\r\nContent-Length: "),
        format!("GET / HTTP/1.1\r\n{host}\r\nA: b\0c"),
        format!("GET / HTTP/1.1\r\n{host}\r\n: b"),
        format!("GET / HTTP/1.1\r\n{host}\r\nnocolon"),
        format!("GET /\u{e4} HTTP/1.1\r\n{host}"),
        format!("GET  / HTTP/1.1\r\n{host}"),
        format!("GET / http/1.1\r\n{host}"),
    ];
    for head in heads {
        let mut connection = gate.connect();
        connection.write(format!("{head}\r\n\r\nhello").as_bytes());
        connection.finish_writing();
        let status = connection.read_response(false).map(|response| response.status());
        assert!(matches!(status, None | Some(400 | 405 | 501 | 505)), "{head:?}: {status:?}");
    }
    assert!(application.requests().is_empty(), "{:?}", application.requests());
    let odd = format!("GET / HTTP/1.1\r\n{host}\r\nExpect: foo\r\n\r\n");
    assert_eq!(gate.send(odd).unwrap().status(), 417);
    assert_eq!(gate.get("/", &[]).status(), 200, "a good request still works");
}

#[test]
fn too_large_a_head_is_refused() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let many: String = (0..101).map(|i| format!("X-{i}: 1\r\n")).collect();
    let huge = format!("X: {}\r\n", "a".repeat(64 * 1024));
    for fields in [many, huge] {
        let response = gate.send(format!("GET / HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", gate.address));
        assert_eq!(response.unwrap().status(), 431);
    }
    let target = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(70 * 1024), gate.address);
    assert!(matches!(gate.send(target).unwrap().status(), 414 | 431));
    assert!(application.requests().is_empty());
}

#[test]
fn a_head_that_arrives_too_slowly_is_closed_without_a_response() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[limits]\nheader_timeout = \"1s\"");
    for begun in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut connection = gate.connect();
        connection.write(begun.as_bytes());
        assert!(connection.is_closed(), "{begun:?}");
    }
}

#[test]
fn each_pipelined_request_is_checked() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut connection = gate.connect();
    let host = gate.address;
    connection.write(
        format!("GET /one HTTP/1.1\r\nHost: {host}\r\n\r\nGET /_qr/login HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(),
    );
    assert_eq!(connection.read_response(false).unwrap().status(), 200);
    assert_eq!(connection.read_response(false).unwrap().status(), 404);
    assert_eq!(application.requests().len(), 1);
    let mut connection = gate.connect();
    connection.write(format!("GET /two HTTP/1.1\r\nHost: {host}\r\nContent-Length: 44\r\n\r\nGET /_qr/login HTTP/1.1\r\nHost: {host:21}\r\n\r\n").as_bytes());
    connection.finish_writing();
    while connection.read_response(false).is_some() {}
    assert_eq!(application.logins(), 0);
}

#[test]
fn guessing_is_slowed_down_by_address() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[limits]\nopens_per_client = \"5/1m\"");
    let statuses: Vec<u16> = (0..8).map(|i| phone(&gate).get(&format!("/qr/{:A<43}{}/", "", i)).status()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 3, "{statuses:?}");
    assert_eq!(gate.get("/", &[]).status(), 200, "the site is unharmed");
}

#[test]
fn unknown_hosts_get_no_code_and_a_page_that_names_the_setting() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let request = "GET /qr/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let response = gate.send(request).unwrap();
    assert_eq!(response.status(), 421);
    assert!(response.text().contains("evil.example") && response.text().contains("public.url"), "{}", response.text());
    assert_eq!(gate.send(request.replace("/qr/", "/")).unwrap().status(), 200);
}

#[test]
fn a_loopback_host_shows_no_code_but_the_address_that_a_phone_can_open() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[public]\nurl = \"http://notes.example.com:8080\"");
    let session = application.sign_in("ana");
    for method in ["GET", "POST"] {
        let fields = format!("Host: localhost\r\nCookie: {session}\r\nContent-Length: 0\r\nConnection: close");
        let response = gate.send(format!("{method} /qr/ HTTP/1.1\r\n{fields}\r\n\r\n")).unwrap();
        assert_eq!(response.status(), 421, "{method}");
        let text = response.text();
        assert!(text.contains("href=\"http://notes.example.com:8080/\"") && !text.contains("<svg role"), "{text}");
    }
}

#[test]
fn no_secret_reaches_a_log_line() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[log]\nlevel = \"trace\"");
    let session = application.sign_in("ana");
    let mut ana = computer(&gate).with_cookie(&session);
    let mut phone = phone(&gate);
    let (code, proof) = crate::harness::people::approved(&mut ana, &mut phone);
    crate::harness::people::press(&mut phone, &code, "finish", &proof);
    ana.get("/qr/?next=%2Fsecret-place");
    gate.wait_for_log(&["ticket.spent"]);
    gate.wait_for_log(&["/qr/:token/"]);
    let metrics = gate.admin("/metrics").text();
    let everything = gate.log().join("\n") + &metrics;
    let relayed = phone.session().unwrap();
    let browser = phone.cookie("qrgate").unwrap();
    for secret in
        [code.token(), &code.desk, &code.view, &proof, &session, &relayed, browser, "secret-place", "MDEyMzQ1"]
    {
        assert!(!everything.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn a_token_is_not_logged_when_its_request_is_refused_early() {
    let application = TestApplication::start();
    let gate = TestGate::with(
        &application,
        "[listen]\nredirect_to_https = true\n[public]\nurl = \"https://app.example\"\n[log]\nlevel = \"trace\"",
    );
    let token = "Q".repeat(44);
    let requests = [
        (308, format!("GET /qr/{token}/?x={token} HTTP/1.1\r\nHost: app.example\r\n\r\n")),
        (405, format!("TRACE /qr/{token}/ HTTP/1.1\r\nHost: app.example\r\n\r\n")),
        (400, format!("GET /qr/{token}/ HTTP/1.1\r\nHost: a b\r\n\r\n")),
        (400, format!("GET /qr/{token}/ HTTP/1.1\r\n\r\n")),
        (400, format!("GET /qr\\{token}/ HTTP/1.1\r\nHost: app.example\r\n\r\n")),
    ];
    for (status, request) in &requests {
        let response = gate.send(request).unwrap();
        assert_eq!(response.status(), *status, "{request}");
        assert_eq!(response.field("cache-control"), Some("no-store"), "{request}");
        assert_eq!(response.field("referrer-policy"), Some("strict-origin"), "{request}");
        gate.wait_for_log(&[&format!("\"status\":{status}")]);
    }
    assert_eq!(gate.wait_for_logs(requests.len(), &["duration_ms"]).len(), requests.len());
    assert!(!gate.log().join("\n").contains(&token[..20]), "{:#?}", gate.log());
    assert!(application.requests().is_empty());
}

/// docs/conformance.md, row K8; docs/security.md, row A6
#[test]
fn a_flood_of_mints_is_refused_before_it_costs_anything() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[limits]\nopens_per_client = \"60/1h\"\ncodes_per_user = \"5/15m\"");
    let session = application.sign_in("ana");
    let mint = |origin: &str| {
        let mut ana = computer(&gate).with_cookie(&session);
        ana.request("POST", "/qr/", &[origin], Some("")).status()
    };
    for _ in 0..30 {
        assert_eq!(mint("Origin: https://evil.example"), 403);
    }
    assert!(application.requests_to("/_qr/whoami").is_empty(), "nobody is asked about a request that may not mint");
    let own = format!("Origin: {}", gate.origin());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let each: Vec<_> = (0..100).map(|_| scope.spawn(|| mint(&own))).collect();
        each.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(200), count(429)), (5, 95), "{statuses:?}");
    assert!(application.requests_to("/_qr/whoami").len() <= 60, "{}", application.requests_to("/_qr/whoami").len());
}
