//! Opening a connection to an origin server: TCP or a unix socket, TLS or none, HTTP/1.1 or HTTP/2.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::uri::{Authority, Scheme};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::pool::{Connection, Heard, Pool, Sender};
use super::tls::{self, TlsError};
use crate::config::{ApplicationUrl, ClientTls};
use crate::deadline::Deadlines;

/// So many fields an answer may have.
const MOST_FIELDS: usize = 256;

/// Where to connect, and how.
pub struct Connector {
    place: Place,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    prior_knowledge: bool,
}

enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// Why a connection does not stand.
pub enum ConnectError {
    /// The network, or TLS.
    Io(io::Error),
    /// HTTP itself could not begin.
    Protocol(hyper::Error),
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> ConnectError {
        ConnectError::Io(error)
    }
}

impl Connector {
    /// Reads the TLS files where the URL needs them.
    ///
    /// # Errors
    ///
    /// [`TlsError`], which names the file.
    pub fn new(url: &ApplicationUrl, settings: &ClientTls) -> Result<Connector, TlsError> {
        let tcp = |authority: &Authority, port| {
            let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
            Place::Tcp { host, port: authority.port_u16().unwrap_or(port) }
        };
        Ok(match url {
            ApplicationUrl::Http(authority) => {
                Connector { place: tcp(authority, 80), tls: None, prior_knowledge: false }
            }
            ApplicationUrl::H2c(authority) => Connector { place: tcp(authority, 80), tls: None, prior_knowledge: true },
            ApplicationUrl::Unix(path) => {
                Connector { place: Place::Unix(path.clone()), tls: None, prior_knowledge: false }
            }
            ApplicationUrl::Https(authority) => {
                let tls = tls::connector(authority.host(), settings)?;
                Connector { place: tcp(authority, 443), tls: Some(tls), prior_knowledge: false }
            }
        })
    }

    /// The scheme of targets in HTTP/2.
    pub fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// Connects and shakes hands. An upgrade is a matter of HTTP/1.1: for one, HTTP/2 is not offered, and a server that
    /// is spoken to in HTTP/2 by prior knowledge is asked in HTTP/1.1.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: nothing of any request was sent.
    pub async fn connect(&self, upgrade: bool, pool: &Pool, deadlines: &Deadlines) -> Result<Connection, ConnectError> {
        match &self.place {
            Place::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                match &self.tls {
                    None => self.shake_hands(stream, self.prior_knowledge && !upgrade, pool, deadlines).await,
                    Some((connector, name)) => {
                        let stream = match upgrade {
                            false => connector.connect(name.clone(), stream).await?,
                            true => {
                                connector.with_alpn(vec![b"http/1.1".to_vec()]).connect(name.clone(), stream).await?
                            }
                        };
                        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        self.shake_hands(stream, http2, pool, deadlines).await
                    }
                }
            }
            Place::Unix(path) => self.shake_hands(UnixStream::connect(path).await?, false, pool, deadlines).await,
        }
    }

    async fn shake_hands<S>(
        &self,
        stream: S,
        http2: bool,
        pool: &Pool,
        deadlines: &Deadlines,
    ) -> Result<Connection, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heard = Heard::default();
        let io = TokioIo::new(Listening { stream, heard: heard.clone() });
        let sender = if http2 {
            let handshake = http2::Builder::new(LocalExecutor).adaptive_window(true).handshake(io).await;
            let (sender, driver) = handshake.map_err(ConnectError::Protocol)?;
            tokio::task::spawn_local(driver);
            pool.share(sender.clone());
            Sender::Http2(sender)
        } else {
            let handshake = http1::Builder::new().max_headers(MOST_FIELDS).handshake(io).await;
            let (sender, driver) = handshake.map_err(ConnectError::Protocol)?;
            tokio::task::spawn_local(driver.with_upgrades());
            Sender::Http1(sender)
        };
        Ok(Connection { sender, deadline: Rc::new(deadlines.register()), heard, reused: false })
    }
}

/// Runs hyper's tasks on the worker's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}

/// A stream that notes when something was read.
struct Listening<S> {
    stream: S,
    heard: Heard,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.heard.note();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
