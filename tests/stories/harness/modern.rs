//! An application with HTTP/2, with or without TLS, and TLS in front of others.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tokio::io::{AsyncRead, AsyncWrite};

use super::tls::{self, Authority, Files};

/// An application that echoes content, with the trailer `grpc-status: 0`. `/last` ends its connection, `/reset` resets,
/// `/events` sends one byte and stays open, `/large/N` sends N bytes, `/deaf` reads nothing, `/refused/N/…` is
/// refused N times (`REFUSED_STREAM`), and ana is signed in.
pub struct ModernApplication {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    /// Bytes of large content that were sent.
    pub sent: Arc<AtomicUsize>,
}

/// Concurrent streams on one connection, by default.
const MOST_STREAMS: u32 = 4;

/// A request, its content and its trailers.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: Request<()>,
    /// The number of its connection, from 1.
    pub connection: usize,
    pub content: Vec<u8>,
    pub trailers: Option<HeaderMap>,
    /// Whether its stream ended with END_STREAM.
    pub complete: bool,
}

/// What an application records for a test.
type Told = (Arc<Mutex<Vec<Seen>>>, Arc<AtomicUsize>);

impl ModernApplication {
    /// With TLS, or without it by prior knowledge.
    pub fn start(tls: Option<ServerConfig>) -> ModernApplication {
        ModernApplication::with(tls, MOST_STREAMS)
    }

    /// Allows this many concurrent streams on a connection.
    pub fn with(tls: Option<ServerConfig>, streams: u32) -> ModernApplication {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.set_nonblocking(true).expect("nonblocking");
        let address = listener.local_addr().expect("local_addr");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let acceptor = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
        let connections: Arc<AtomicUsize> = Arc::default();
        let sent: Arc<AtomicUsize> = Arc::default();
        let (shared, count, large) = (seen.clone(), connections.clone(), sent.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                    let (acceptor, seen) = (acceptor.clone(), (shared.clone(), large.clone()));
                    tokio::spawn(async move {
                        match acceptor {
                            None => serve(stream, streams, number, &seen).await,
                            Some(acceptor) => {
                                if let Ok(stream) = acceptor.accept(stream).await {
                                    serve(stream, streams, number, &seen).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        ModernApplication { address, seen, connections, sent }
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Every request to that path so far.
    pub fn requests_to(&self, path: &str) -> Vec<Seen> {
        self.seen.lock().expect("lock").iter().filter(|seen| seen.head.uri().path() == path).cloned().collect()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    streams: u32,
    number: usize,
    shared: &Told,
) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(streams);
    let Ok(mut connection) = builder.handshake::<S, Bytes>(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        if request.uri().path() == "/last" {
            connection.graceful_shutdown();
        }
        let shared = shared.clone();
        tokio::spawn(async move { response(request, respond, number, &shared).await });
    }
}

async fn response(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    connection: usize,
    (seen, sent): &Told,
) -> Option<()> {
    let (head, mut content) = request.into_parts();
    let path = head.uri.path().to_owned();
    let (first, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let special = ["reset", "refused", "events", "large", "deaf", "_qr"].contains(&first);
    let before = seen.lock().expect("lock").iter().filter(|seen| seen.head.uri().path() == path).count();
    let is_refused = first == "refused"
        && rest.split('/').next().is_some_and(|most| most.parse().is_ok_and(|most: usize| before < most));
    if special && (first != "refused" || is_refused) {
        let head = Request::from_parts(head.clone(), ());
        let one = Seen { head, connection, content: Vec::new(), trailers: None, complete: true };
        seen.lock().expect("lock").push(one);
    }
    match first {
        "reset" => {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
            return None;
        }
        "refused" if is_refused => {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
            return None;
        }
        "deaf" => {
            let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            return None;
        }
        "events" => {
            let mut events = respond.send_response(Response::new(()), false).ok()?;
            events.send_data("x".into(), false).ok()?;
            let _ = std::future::poll_fn(|cx| events.poll_reset(cx)).await;
            return None;
        }
        "large" => return large(respond, rest.parse().ok()?, sent).await,
        "_qr" => {
            let mut response = respond.send_response(Response::new(()), false).ok()?;
            return response.send_data("{\"user_id\":\"ana\"}".into(), true).ok();
        }
        _ => {}
    }
    // The head of the response first: the request may still be streaming.
    let mut response = respond.send_response(Response::new(()), false).ok()?;
    let (mut all, mut complete) = (Vec::new(), true);
    while let Some(piece) = content.data().await {
        let Ok(piece) = piece else {
            complete = false;
            break;
        };
        let _ = content.flow_control().release_capacity(piece.len());
        all.extend_from_slice(&piece);
        response.send_data(piece, false).ok()?;
    }
    let trailers = content.trailers().await.ok().flatten();
    let head = Request::from_parts(head, ());
    seen.lock().expect("lock").push(Seen { head, connection, content: all, trailers, complete });
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().ok()?);
    trailers.insert("x-forwarded-proto", "https".parse().ok()?);
    response.send_trailers(trailers).ok()
}

/// Sends this many bytes as flow control allows.
async fn large(mut respond: h2::server::SendResponse<Bytes>, length: usize, sent: &AtomicUsize) -> Option<()> {
    let head = Response::builder().header("content-length", length).body(()).ok()?;
    let mut content = respond.send_response(head, false).ok()?;
    let mut left = length;
    while left > 0 {
        content.reserve_capacity(left.min(1 << 14));
        let room = std::future::poll_fn(|cx| content.poll_capacity(cx)).await?.ok()?;
        left -= room;
        sent.fetch_add(room, Ordering::Relaxed);
        content.send_data(vec![b'x'; room].into(), left == 0).ok()?;
    }
    Some(())
}

/// A server's TLS settings: this certificate; clients must present one of the authority `clients`.
pub fn server(files: &Files, protocols: &[&str], clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(tls::chain(&authority.file()).remove(0)).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let mut config = builder
        .with_single_cert(tls::chain(&files.certificate), tls::key(&files.key))
        .expect("a certificate and its key");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// Terminates TLS in front of a plain address, on a free port.
pub fn under_tls(address: SocketAddr, config: ServerConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let own = listener.local_addr().expect("local_addr");
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            std::thread::spawn(move || drop(relay(stream, config, address)));
        }
    });
    own
}

/// One request and one response at a time, as in HTTP/1.1.
fn relay(stream: TcpStream, config: Arc<ServerConfig>, address: SocketAddr) -> std::io::Result<()> {
    use std::io::{Read, Write};
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut outside = StreamOwned::new(connection, stream);
    let mut inside = TcpStream::connect(address)?;
    let mut buffer = [0; 1 << 16];
    loop {
        let count = outside.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        inside.write_all(&buffer[..count])?;
        let count = inside.read(&mut buffer)?;
        outside.write_all(&buffer[..count])?;
        outside.flush()?;
    }
}
