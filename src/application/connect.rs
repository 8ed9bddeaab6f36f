//! Opening a connection to an origin server: TCP or a unix socket, TLS or none, HTTP/1.1 or HTTP/2.

use std::io;
use std::path::PathBuf;

use http::uri::{Authority, Scheme};
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::http1::Http1;
use super::pool::Pool;
use super::tls::{self, TlsError};
use crate::body::Body;
use crate::config::{ApplicationUrl, ClientTls};
use crate::deadline::Deadlines;
use crate::wire::Wire;

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

/// A connection that stands, by the version of HTTP that is spoken over it.
pub enum Connection {
    /// One request at a time.
    Http1(Http1),
    /// Many at once.
    Http2(http2::SendRequest<Body>),
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
                let wire = Wire::Tcp(stream);
                let Some((connector, name)) = &self.tls else {
                    return self.shake_hands(wire, self.prior_knowledge && !upgrade, pool, deadlines).await;
                };
                let stream = match upgrade {
                    false => connector.connect(name.clone(), wire).await?,
                    true => connector.with_alpn(vec![b"http/1.1".to_vec()]).connect(name.clone(), wire).await?,
                };
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.shake_hands(Wire::Tls(Box::new(stream.into())), http2, pool, deadlines).await
            }
            Place::Unix(path) => {
                let wire = Wire::Unix(UnixStream::connect(path).await?);
                self.shake_hands(wire, false, pool, deadlines).await
            }
        }
    }

    async fn shake_hands(
        &self,
        wire: Wire,
        http2: bool,
        pool: &Pool,
        deadlines: &Deadlines,
    ) -> Result<Connection, ConnectError> {
        if !http2 {
            return Ok(Connection::Http1(Http1::new(wire, deadlines.register())));
        }
        let handshake = http2::Builder::new(LocalExecutor).adaptive_window(true).handshake(TokioIo::new(wire)).await;
        let (sender, driver) = handshake.map_err(ConnectError::Protocol)?;
        tokio::task::spawn_local(driver);
        pool.share(sender.clone());
        Ok(Connection::Http2(sender))
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
