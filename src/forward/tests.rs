//! Forwarding between two bare sockets: hyper in front as the server has it, an application written by hand behind.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::Poll;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use http::Request;

use super::*;
use crate::application::ClientSettings;
use crate::config::HostMode;
use crate::endpoint::ApplicationUrl;
use crate::forwarded::{TrustedProxies, resolve};
use crate::peer::{Peer, PeerAddress, Source};
use crate::server::LocalExecutor;
use crate::tls::ClientTls;

const KEY: HeaderValue = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");

/// Runs on one thread, as a worker does, with time moved on whenever nothing else moves.
fn run(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let bounded = async { tokio::time::timeout(Duration::from_secs(60), story).await.unwrap() };
    tokio::task::LocalSet::new().block_on(&runtime, bounded);
}

/// A door to the forwarder, and the application that it leads to.
struct Gate {
    application: TcpListener,
    forwarder: Rc<Forwarder>,
    tunnel: TunnelSlot,
    bytes_in: BytesIn,
}

impl Gate {
    async fn start() -> Gate {
        let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = application.local_addr().unwrap();
        let settings = Application {
            url: ApplicationUrl::Http(address.to_string().parse().unwrap()),
            host: HostMode::Preserve,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Some(Duration::from_secs(5)),
            keep_alive: Duration::from_secs(4),
            idle_timeout: Duration::from_millis(300),
            forwarded: false,
            underscores_in_headers: false,
            tls: ClientTls::default(),
        };
        let deadlines = Deadlines::start();
        let client = Client::new(&settings.url, ClientSettings::from(&settings), deadlines.clone()).unwrap();
        let forwarder = Rc::new(Forwarder::new(&settings, FieldRules::default(), Rc::new(client), deadlines));
        Gate { application, forwarder, tunnel: TunnelSlot::default(), bytes_in: BytesIn::default() }
    }

    /// Answers one connection; a fault is its bare status.
    fn serve(&self, connection: TcpStream, http2: bool) {
        let (forwarder, tunnel, bytes_in) = (self.forwarder.clone(), self.tunnel.clone(), self.bytes_in.clone());
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (forwarder, tunnel, bytes_in) = (forwarder.clone(), tunnel.clone(), bytes_in.clone());
            async move { Ok::<_, Infallible>(forward(&forwarder, request.map(Body::Incoming), &tunnel, &bytes_in).await) }
        });
        tokio::task::spawn_local(async move {
            let io = TokioIo::new(connection);
            if http2 {
                let mut builder = hyper::server::conn::http2::Builder::new(LocalExecutor);
                let _ = builder.enable_connect_protocol().serve_connection(io, service).await;
            } else {
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            }
        });
    }

    async fn dial(&self, http2: bool) -> TcpStream {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(door.local_addr().unwrap()).await.unwrap();
        let (served, _) = door.accept().await.unwrap();
        // The kernel must not wait for more: its clock does not stand still.
        client.set_nodelay(true).and_then(|()| served.set_nodelay(true)).unwrap();
        self.serve(served, http2);
        client
    }

    /// Takes one request of the application and answers it.
    async fn apply(&self, answer: &str) -> (String, TcpStream) {
        let (mut stream, _) = self.application.accept().await.unwrap();
        let head = read_to(&mut stream, "\r\n\r\n").await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        (head, stream)
    }

    /// Sends a request that the application answers; gives back what either side saw.
    async fn exchange(&self, request: &str, answer: &str) -> (String, String) {
        let mut client = self.dial(false).await;
        client.write_all(request.as_bytes()).await.unwrap();
        let ((seen, _stream), answered) = tokio::join!(self.apply(answer), read_to(&mut client, "\r\n\r\n"));
        (seen, answered)
    }
}

async fn forward(
    forwarder: &Forwarder,
    request: Request<Body>,
    tunnel: &TunnelSlot,
    bytes_in: &BytesIn,
) -> Response<Body> {
    let peer = Peer { address: PeerAddress::ip("203.0.113.7:9".parse().unwrap()), tls: false, source: Source::Socket };
    let (mut head, content) = request.into_parts();
    let downstream = resolve(&head, &peer, &TrustedProxies::default()).unwrap();
    let id = HeaderValue::from_static("id");
    match forwarder.forward(&mut head, content, &downstream, &id, bytes_in, tunnel).await {
        Ok(forwarded) => forwarded.response,
        Err(fault) => {
            let side = HeaderValue::from_str(&format!("{:?}", fault.side())).unwrap();
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = fault.status();
            response.headers_mut().insert("side", side);
            response
        }
    }
}

async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(read).unwrap()
}

/// The extended CONNECT of a WebSocket, and its answer.
async fn connect_by_http2(client: TcpStream) -> Response<Incoming> {
    let handshake = hyper::client::conn::http2::Builder::new(LocalExecutor).handshake(TokioIo::new(client));
    let (mut sender, mut driver) = handshake.await.unwrap();
    // The server's settings, which allow it, must have come.
    std::future::poll_fn(|cx| {
        assert!(std::pin::Pin::new(&mut driver).poll(cx).is_pending());
        if driver.is_extended_connect_protocol_enabled() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    tokio::task::spawn_local(driver);
    sender.ready().await.unwrap();
    let mut request = Request::builder().method(Method::CONNECT).uri("http://app.example/socket?a=b");
    request.extensions_mut().unwrap().insert(hyper::ext::Protocol::from_static("websocket"));
    sender.send_request(request.body(Body::Empty).unwrap()).await.unwrap()
}

#[test]
fn target_and_values_arrive_as_they_were_sent() {
    run(async {
        let gate = Gate::start().await;
        let request = "GET /a%2Fb//c?x=%41&y=;? HTTP/1.1\r\nhost: app.example\r\nx-a: b  c\r\nx-a: d\r\n\r\n";
        let (seen, answered) = gate.exchange(request, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        assert!(seen.starts_with("GET /a%2Fb//c?x=%41&y=;? HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("x-a: b  c\r\nx-a: d\r\n") && seen.contains("host: app.example\r\n"), "{seen}");
        assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
    });
}

#[test]
fn an_absolute_target_goes_on_in_origin_form() {
    run(async {
        let gate = Gate::start().await;
        let request = "GET http://app.example?q HTTP/1.1\r\nhost: app.example\r\n\r\n";
        let (seen, _) = gate.exchange(request, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        assert!(seen.starts_with("GET /?q HTTP/1.1\r\n"), "{seen}");
    });
}

#[test]
fn an_unasked_or_other_protocol_is_a_bad_answer() {
    let plain = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let asking = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let unnamed = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\r\n";
    let other = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n";
    let both = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket, other\r\n\r\n";
    for (request, answer) in [(plain, other), (asking, unnamed), (asking, other), (asking, both)] {
        run(async move {
            let gate = Gate::start().await;
            let (_, answered) = gate.exchange(request, answer).await;
            assert!(answered.starts_with("HTTP/1.1 502 "), "{answered}");
            assert!(gate.tunnel.take().is_none());
        });
    }
}

#[test]
fn an_accepted_upgrade_is_left_for_the_connection() {
    run(async {
        let gate = Gate::start().await;
        let request = "GET / HTTP/1.1\r\nhost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade, x-b\r\nupgrade: websocket\r\nx-b: 1\r\n\r\n";
        let (seen, answered) = gate.exchange(request, answer).await;
        assert!(seen.contains("connection: Upgrade\r\nupgrade: WebSocket\r\n"), "{seen}");
        assert!(answered.starts_with("HTTP/1.1 101 ") && !answered.contains("x-b"), "{answered}");
        assert!(gate.tunnel.take().is_some());
    });
}

#[test]
fn an_incomplete_upgrade_is_a_plain_request() {
    let h2c = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n";
    for fields in [h2c, "upgrade: websocket\r\n", "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 1\r\n"]
    {
        run(async move {
            let gate = Gate::start().await;
            let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\nx");
            let (seen, answered) = gate.exchange(&request, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            assert!(!seen.contains("upgrade:") && !seen.contains("http2-settings"), "{seen}");
            assert!(answered.starts_with("HTTP/1.1 200 "), "{answered}");
        });
    }
}

#[test]
fn a_websocket_by_http2_becomes_an_upgrade() {
    run(async {
        let gate = Gate::start().await;
        let client = gate.dial(true).await;
        let apply = async {
            let (mut stream, _) = gate.application.accept().await.unwrap();
            let head = read_to(&mut stream, "\r\n\r\n").await;
            assert!(head.starts_with("GET /socket?a=b HTTP/1.1\r\n"), "{head}");
            let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap().to_owned();
            let accept = crate::websocket::accept_of(&HeaderValue::from_str(&key).unwrap());
            let switched = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
            let line = format!("{switched}sec-websocket-accept: {}\r\n\r\n", accept.to_str().unwrap());
            stream.write_all(line.as_bytes()).await.unwrap();
        };
        let ((), answer) = tokio::join!(apply, connect_by_http2(client));
        assert_eq!(answer.status(), 200);
        assert!(!answer.headers().contains_key("sec-websocket-accept"));
        assert!(gate.tunnel.take().is_some());
    });
}

#[test]
fn success_that_is_no_upgrade_opens_no_tunnel_by_http2() {
    let accept = crate::websocket::accept_of(&KEY).to_str().unwrap().to_owned();
    let other_key = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 502),
        (other_key.as_str(), 502),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", 403),
    ] {
        run(async {
            let gate = Gate::start().await;
            let client = gate.dial(true).await;
            let (_seen, answered) = tokio::join!(gate.apply(answer), connect_by_http2(client));
            assert_eq!(answered.status(), expected);
            assert!(gate.tunnel.take().is_none());
        });
    }
}

#[test]
fn broken_and_stalled_content_is_the_clients_fault() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for (content, status) in [("1\r\nx\r\nnonsense\r\n", "400"), ("1\r\nx\r\n", "408")] {
        run(async move {
            let gate = Gate::start().await;
            let mut client = gate.dial(false).await;
            client.write_all(format!("{head}{content}").as_bytes()).await.unwrap();
            let apply = async {
                let (mut stream, _) = gate.application.accept().await.unwrap();
                let seen = read_to(&mut stream, "0\r\n\r\n").await;
                assert!(!seen.ends_with("0\r\n\r\n"), "{seen}");
            };
            let ((), answered) = tokio::join!(apply, read_to(&mut client, "\r\n\r\n"));
            assert!(answered.starts_with(&format!("HTTP/1.1 {status} ")), "{answered}");
            assert!(answered.contains("side: Downstream\r\n"), "{answered}");
            assert_eq!(gate.bytes_in.get(), 1);
        });
    }
}

#[test]
fn crumbs_are_one_line_to_the_application() {
    run(async {
        let gate = Gate::start().await;
        let client = gate.dial(true).await;
        let ask = async {
            let handshake = hyper::client::conn::http2::Builder::new(LocalExecutor).handshake(TokioIo::new(client));
            let (mut sender, driver) = handshake.await.unwrap();
            tokio::task::spawn_local(driver);
            let request = Request::builder().uri("http://a/").header("cookie", "a=1").header("cookie", "b=2");
            let answer = sender.send_request(request.body(Body::Empty).unwrap()).await.unwrap();
            answer.into_body().collect().await.unwrap().to_bytes()
        };
        let ((seen, _stream), content) =
            tokio::join!(gate.apply("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), ask);
        assert!(seen.contains("cookie: a=1; b=2\r\n") && seen.contains("host: a\r\n"), "{seen}");
        assert_eq!(content, "ok");
    });
}
