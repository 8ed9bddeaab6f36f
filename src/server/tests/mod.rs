//! The server at a loopback port, with a trivial handler, spoken to byte by byte. Time is moved by hand.

mod around;
mod http1;
mod http2;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::listener::BindError;
use super::*;
use crate::body::Body;
use crate::clock::Clock;
use crate::config::{Address, Socket};
use crate::deadline::Deadlines;
use crate::forwarded::TrustedProxies;
use crate::peer::Peer;
use crate::tls::{CertificateFiles, Certificates};
use crate::tunnel::{Tunnel, TunnelSlot};
use crate::wire::Wire;

/// Larger than the buffers of sockets and hyper together.
const LARGE: usize = 24 << 20;

/// A running server.
struct Gate {
    address: SocketAddr,
    worker: Rc<Worker<Greeter>>,
    permits: Permits,
    events: Rc<RefCell<Vec<ConnectionEvent>>>,
    /// The bytes that each ended tunnel passed to the application and to the client.
    ended: Rc<RefCell<Vec<(u64, u64)>>>,
}

fn settings() -> ServerSettings {
    ServerSettings {
        header_size: 16 * 1024,
        header_count: 100,
        header_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(75),
        idle_timeout: Duration::from_secs(300),
        proxy_protocol: None,
        certificates: None,
    }
}

impl Gate {
    fn start(settings: ServerSettings, permits: Permits) -> Gate {
        let tls = settings.certificates.is_some();
        let ended = Rc::default();
        let events: Rc<RefCell<Vec<ConnectionEvent>>> = Rc::default();
        let report = {
            let events = events.clone();
            Rc::new(move |event, _| events.borrow_mut().push(event))
        };
        let worker = Worker::new(settings, Greeter(Rc::clone(&ended)), Clock::System, Deadlines::start(), report);
        let socket = Socket::Tcp("127.0.0.1:0".parse().unwrap());
        let ready = bind(&Address { socket, tls }).unwrap();
        let address = ready.name().parse().unwrap();
        let dispatcher = Dispatcher::new(vec![mpsc::unbounded_channel().0]);
        tokio::task::spawn_local(dispatcher.accept(ready.join().unwrap(), permits.clone(), worker.clone()));
        Gate { address, worker, permits, events, ended }
    }

    fn plain() -> Gate {
        Gate::start(settings(), Permits::new(100, None, None))
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }
}

fn bind(address: &Address) -> Result<Ready, BindError> {
    Ok(Ready::bind_all(std::slice::from_ref(address))?.remove(0))
}

/// A raw client.
struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until what came ends with `end`.
    async fn read_to(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        while !all.ends_with(end.as_bytes()) {
            let byte = self.0.read_u8().await.unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&all)));
            all.push(byte);
        }
        String::from_utf8(all).unwrap()
    }

    /// Reads until the end; a reset is an end too.
    async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let _ = self.0.read_to_end(&mut all).await;
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Asks for the greeting and takes it.
    async fn is_greeted(&mut self) {
        self.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(self.read_to("hello").await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

fn response(status: StatusCode, content: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(content));
    *response.status_mut() = status;
    response
}

/// Greets every client, and has some other pages.
struct Greeter(Rc<RefCell<Vec<(u64, u64)>>>);

impl Handler for Greeter {
    type Content = Body;

    fn respond(
        &self,
        request: Request<Body>,
        peer: Peer,
        slot: TunnelSlot,
    ) -> impl Future<Output = Response<Body>> + 'static {
        let ended = self.0.clone();
        async move {
            let tunnel = async |slot: TunnelSlot| {
                let ended = Box::new(move |up, down| ended.borrow_mut().push((up, down)));
                slot.fill(Tunnel {
                    application: echo().await,
                    ahead: Bytes::new(),
                    idle_timeout: Duration::from_secs(60),
                    ended,
                });
            };
            match (request.method(), request.uri().path()) {
                (&Method::CONNECT, _) => {
                    tunnel(slot).await;
                    response(StatusCode::OK, "")
                }
                (_, "/peer") => response(StatusCode::OK, format!("{};", peer.address)),
                (_, "/slow") => {
                    tokio::time::sleep(Duration::from_secs(200)).await;
                    response(StatusCode::OK, "hello")
                }
                (_, "/drip") => Response::new(drip()),
                (_, "/endless") => Response::new(endless()),
                (_, "/large") => response(StatusCode::OK, vec![b'x'; LARGE]),
                (_, "/echo") => match request.into_body().collect().await {
                    Ok(content) => response(StatusCode::OK, content.to_bytes()),
                    Err(_) => response(StatusCode::BAD_REQUEST, ""),
                },
                (_, "/refused") => {
                    tunnel(slot).await;
                    response(StatusCode::OK, "no tunnel")
                }
                (_, "/upgrade") => {
                    tunnel(slot).await;
                    let mut response = response(StatusCode::SWITCHING_PROTOCOLS, "");
                    response.headers_mut().insert("connection", "upgrade".parse().unwrap());
                    response.headers_mut().insert("upgrade", "echo".parse().unwrap());
                    response
                }
                _ => response(StatusCode::OK, "hello"),
            }
        }
    }
}

/// A response that takes 200 seconds, a byte every ten.
fn drip() -> Body {
    let pieces = futures_util::stream::unfold(0, |count| async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        (count < 20).then(|| (Bytes::from_static(b"."), count + 1))
    });
    Body::stream(pieces)
}

/// A response that never ends, as fast as it is taken.
fn endless() -> Body {
    let piece = Bytes::from(vec![b'x'; 1 << 16]);
    Body::stream(futures_util::stream::repeat(piece))
}

/// An application that accepts an upgrade and echoes.
async fn echo() -> Wire {
    let (ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
    tokio::task::spawn_local(async move {
        let (mut reader, mut writer) = theirs.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.shutdown().await;
    });
    Wire::Unix(ours)
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// A self-signed certificate in `folder`, and a client's configuration that trusts it.
fn certificates(folder: &Path) -> (CertificateFiles, rustls::ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = CertificateFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    (files, client.with_root_certificates(roots).with_no_client_auth())
}
