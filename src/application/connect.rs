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

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Requests and their answers, in whichever version.
    Requests,
    /// An upgrade: always HTTP/1.1, also towards a server that otherwise gets HTTP/2 by prior knowledge.
    Upgrade,
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
        let (place, tls) = match url {
            ApplicationUrl::Http(authority) | ApplicationUrl::H2c(authority) => (tcp(authority, 80), None),
            ApplicationUrl::Unix(path) => (Place::Unix(path.clone()), None),
            ApplicationUrl::Https(authority) => {
                (tcp(authority, 443), Some(tls::connector(authority.host(), settings)?))
            }
        };
        let prior_knowledge = matches!(url, ApplicationUrl::H2c(_));
        Ok(Connector { place, tls, prior_knowledge })
    }

    /// The scheme of targets in HTTP/2.
    pub fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// Connects and shakes hands. What carries requests is left in `pool`, where many can share it.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: nothing of any request was sent.
    pub async fn connect(
        &self,
        purpose: Purpose,
        pool: &Pool,
        deadlines: &Deadlines,
    ) -> Result<Connection, ConnectError> {
        let (wire, http2) = self.dial(purpose == Purpose::Requests).await?;
        if !http2 {
            return Ok(Connection::Http1(Http1::new(wire, deadlines.register())));
        }
        let sender = begin_http2(wire).await?;
        pool.share(sender.clone());
        Ok(Connection::Http2(sender))
    }

    /// Connects, under TLS where that is wanted. Whether HTTP/2 is spoken: never unless it may be.
    async fn dial(&self, http2: bool) -> Result<(Wire, bool), ConnectError> {
        match &self.place {
            Place::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let wire = Wire::Tcp(stream);
                let Some((connector, name)) = &self.tls else { return Ok((wire, http2 && self.prior_knowledge)) };
                let stream = match http2 {
                    true => connector.connect(name.clone(), wire).await?,
                    false => connector.with_alpn(vec![b"http/1.1".to_vec()]).connect(name.clone(), wire).await?,
                };
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Ok((Wire::Tls(Box::new(stream.into())), http2))
            }
            Place::Unix(path) => Ok((Wire::Unix(UnixStream::connect(path).await?), false)),
        }
    }
}

async fn begin_http2(wire: Wire) -> Result<http2::SendRequest<Body>, ConnectError> {
    let handshake = http2::Builder::new(LocalExecutor).adaptive_window(true).handshake(TokioIo::new(wire)).await;
    let (sender, driver) = handshake.map_err(ConnectError::Protocol)?;
    tokio::task::spawn_local(driver);
    Ok(sender)
}

/// Runs hyper's tasks on the worker's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}
