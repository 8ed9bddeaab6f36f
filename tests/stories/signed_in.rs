//! NTLM and Negotiate authenticate a connection, not a request (RFC 4559, section 6), so it serves one client only.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::application::response;
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::{Connection, Message, TIMEOUT};
use crate::harness::http2::{END_HEADERS, END_STREAM, HEADERS, Http2, block};
use crate::harness::tls::Authority;

/// An application whose connections any token except `type1` authenticates; `/public` needs no authentication.
struct Intranet {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
}

impl Intranet {
    fn start(status: u16, challenge: &'static str) -> Intranet {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, closed): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
        let (opened, ended) = (connections.clone(), closed.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                opened.fetch_add(1, Ordering::SeqCst);
                let ended = ended.clone();
                std::thread::spawn(move || {
                    serve(&mut Connection::over(stream), status, challenge);
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Intranet { address, connections, closed }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(connection: &mut Connection, status: u16, challenge: &str) {
    let mut user = None;
    while let Some(request) = connection.read_request() {
        let credentials = request.field("authorization").or(request.field("proxy-authorization"));
        let token = credentials.and_then(|value| value.split_once(' ')).map(|(_, token)| token.to_owned());
        user = token.filter(|token| token != "type1").or(user);
        let padding = " ".repeat(if request.target() == "/large" { 300_000 } else { 0 });
        connection.write(&match &user {
            Some(user) => response(200, &[], format!("{user}{padding}").as_bytes()),
            None if request.target() == "/public" => response(200, &[], b"public"),
            None => response(status, &[challenge], format!("nobody{padding}").as_bytes()),
        });
    }
}

fn before(application: &Intranet, settings: &str) -> TestGate {
    TestGate::start(&configuration(application.address, &format!("[listen]\nworkers = 1\n{settings}")))
}

fn ask(connection: &mut Connection, path: &str, credentials: &str) -> Message {
    let field = if credentials.is_empty() { String::new() } else { format!("Authorization: {credentials}\r\n") };
    connection.write(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{field}\r\n").as_bytes());
    connection.read_response(false).unwrap()
}

fn says(connection: &mut Connection, path: &str, credentials: &str) -> String {
    ask(connection, path, credentials).text().trim_end().to_owned()
}

#[test]
fn an_authenticated_connection_serves_one_client_and_ends_with_it() {
    for (status, challenge, scheme) in [
        (401, "WWW-Authenticate: NTLM", "NTLM"),
        (401, "www-authenticate: Basic realm=\"a, b\", negotiate", "Negotiate"),
        (407, "Proxy-Authenticate: Negotiate", "nTLM"),
    ] {
        let application = Intranet::start(status, challenge);
        let gate = before(&application, "");
        let (mut ana, mut other) = (gate.connect(), gate.connect());
        assert_eq!(says(&mut other, "/public", ""), "public");
        for path in ["/", "/large"] {
            assert_eq!(ask(&mut ana, path, "").status(), status);
            assert_eq!(ask(&mut ana, path, &format!("{scheme} type1")).status(), status);
        }
        let mine = application.connections();
        assert_eq!(says(&mut ana, "/", &format!("{scheme} ana")), "ana");
        for path in ["/", "/large", "/public"] {
            assert_eq!(says(&mut other, path, "").replace("public", "nobody"), "nobody", "{challenge}");
            assert_eq!(says(&mut ana, path, ""), "ana", "the connection is still this client's");
        }
        let all = application.connections();
        assert!(mine <= 2 && all <= 3, "{mine}, then {all} connections");
        // One of them was parked.
        let _ = ana.stream().set_read_timeout(Some(Duration::from_millis(1500)));
        assert!(std::io::Read::read(&mut ana.stream(), &mut [0]).is_err(), "nothing comes by itself");
        let _ = ana.stream().set_read_timeout(Some(TIMEOUT));
        assert_eq!(says(&mut ana, "/", ""), "ana");
        let closed = application.closed.load(Ordering::SeqCst);
        drop(ana);
        eventually("it ends with its client", || (application.closed.load(Ordering::SeqCst) > closed).then_some(()));
        for _ in 0..3 {
            assert_eq!(says(&mut gate.connect(), "/", ""), "nobody");
        }
    }
}

/// The credentials may come without a challenge, on a connection that others have used.
#[test]
fn credentials_that_authenticate_a_connection_make_it_private() {
    for credentials in ["NTLM ana", "negotiate ana", "Nego2 ana"] {
        let application = Intranet::start(401, "WWW-Authenticate: NTLM");
        let gate = before(&application, "");
        let mut other = gate.connect();
        assert_eq!(says(&mut other, "/public", ""), "public");
        let mut ana = gate.connect();
        assert_eq!(says(&mut ana, "/large", credentials), "ana");
        assert_eq!(application.connections(), 1, "it was the pool's");
        assert_eq!(says(&mut other, "/public", ""), "public", "{credentials}");
        assert_eq!(says(&mut ana, "/public", ""), "ana");
    }
    // A scheme that authenticates a request costs nothing.
    let application = Intranet::start(401, "WWW-Authenticate: Basic realm=\"NTLM\"");
    let gate = before(&application, "");
    for _ in 0..3 {
        assert_eq!(ask(&mut gate.connect(), "/", "").status(), 401);
    }
    assert_eq!(application.connections(), 1);
}

/// Many requests share a client's HTTP/2 connection: none gets an authenticated connection that another one used.
#[test]
fn over_http_2_an_authenticated_connection_ends_with_its_request() {
    let (application, authority) = (Intranet::start(401, "WWW-Authenticate: NTLM"), Authority::new());
    let gate = before(&application, &authority.issue("gate", &["localhost"]).settings());
    let mut connection = Http2::open(&gate, &authority);
    let mut ask = |stream, credentials: Option<&str>| {
        let mut head = connection.pseudo("GET", "/");
        head.extend(credentials.map(|value| ("authorization".to_owned(), value.to_owned())));
        connection.frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&head));
        String::from_utf8(connection.response(stream).content).unwrap().trim_end().to_owned()
    };
    assert_eq!(ask(1, Some("NTLM ana")), "ana");
    assert_eq!(ask(3, None), "nobody");
    assert_eq!(ask(5, Some("Negotiate eve")), "eve");
    assert_eq!(ask(7, None), "nobody");
    assert_eq!(application.connections(), 4, "none is used again");
}
