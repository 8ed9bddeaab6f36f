//! An application that speaks HTTP/2, plain or under TLS, and TLS for those that do not.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tokio::io::{AsyncRead, AsyncWrite};

use super::tls::{self, Authority, Files};

/// It echoes what it gets, and says `grpc-status: 0` after it. A connection ends after `/last`, and `/reset` is taken back.
pub struct ModernApplication {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

/// Requests at once on one connection.
pub const MOST_STREAMS: u32 = 4;

/// A request, its content and its trailers.
#[derive(Clone, Debug)]
pub struct Seen {
    pub head: Request<()>,
    pub content: Vec<u8>,
    pub trailers: Option<HeaderMap>,
    /// Whether its stream came to its proper end.
    pub complete: bool,
}

impl ModernApplication {
    /// With TLS or, without it, by prior knowledge.
    pub fn start(tls: Option<ServerConfig>) -> ModernApplication {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.set_nonblocking(true).expect("nonblocking");
        let address = listener.local_addr().expect("local_addr");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let acceptor = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
        let connections: Arc<AtomicUsize> = Arc::default();
        let (shared, count) = (seen.clone(), connections.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    count.fetch_add(1, Ordering::Relaxed);
                    let (acceptor, seen) = (acceptor.clone(), shared.clone());
                    tokio::spawn(async move {
                        match acceptor {
                            None => serve(stream, &seen).await,
                            Some(acceptor) => {
                                if let Ok(stream) = acceptor.accept(stream).await {
                                    serve(stream, &seen).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        ModernApplication { address, seen, connections }
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

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, seen: &Arc<Mutex<Vec<Seen>>>) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(MOST_STREAMS);
    let Ok(mut connection) = builder.handshake::<S, Bytes>(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        if request.uri().path() == "/last" {
            connection.graceful_shutdown();
        }
        let seen = seen.clone();
        tokio::spawn(async move { answer(request, respond, &seen).await });
    }
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    seen: &Arc<Mutex<Vec<Seen>>>,
) -> Option<()> {
    let (head, mut content) = request.into_parts();
    if head.uri.path() == "/reset" {
        seen.lock().expect("lock").push(Seen {
            head: Request::from_parts(head, ()),
            content: Vec::new(),
            trailers: None,
            complete: true,
        });
        respond.send_reset(h2::Reason::INTERNAL_ERROR);
        return None;
    }
    // The head of the answer first: whoever streams need not have ended.
    let mut answer = respond.send_response(Response::new(()), false).ok()?;
    let (mut all, mut complete) = (Vec::new(), true);
    while let Some(piece) = content.data().await {
        let Ok(piece) = piece else {
            complete = false;
            break;
        };
        let _ = content.flow_control().release_capacity(piece.len());
        all.extend_from_slice(&piece);
        answer.send_data(piece, false).ok()?;
    }
    let trailers = content.trailers().await.ok().flatten();
    seen.lock().expect("lock").push(Seen { head: Request::from_parts(head, ()), content: all, trailers, complete });
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().ok()?);
    trailers.insert("x-forwarded-proto", "https".parse().ok()?);
    answer.send_trailers(trailers).ok()
}

/// What a server speaks TLS with: this certificate; `clients` must show one of that authority.
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

/// Speaks TLS in front of a plain address, on a port of its own: every byte goes on as it is.
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

/// One request and one answer at a time, which is what HTTP/1.1 does.
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
