//! Connects to an origin server by TCP or a unix socket, with or without TLS, for HTTP/1.1 or HTTP/2.

use std::cell::Cell;
use std::io;

use http::uri::Scheme;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::endpoint::{ApplicationUrl, Endpoint, HostPort};
use crate::tls::{self, ClientTls, TlsFileError};
use crate::wire::Wire;

/// Where to connect, and how.
pub struct Connector {
    endpoint: Endpoint,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    prior_knowledge: bool,
    expects_http2: Cell<bool>,
}

impl Connector {
    /// Reads the TLS files where the URL needs them.
    ///
    /// # Errors
    ///
    /// [`TlsFileError`], which names the file.
    pub fn new(url: &ApplicationUrl, settings: &ClientTls) -> Result<Connector, TlsFileError> {
        let endpoint = url.endpoint();
        let tls = match &endpoint {
            Endpoint::Tcp(at) if url.speaks_tls() => Some(tls::connector(&at.host, settings)?),
            _ => None,
        };
        let prior_knowledge = matches!(url, ApplicationUrl::H2c(_));
        let expects_http2 = Cell::new(prior_knowledge || tls.is_some());
        Ok(Connector { endpoint, tls, prior_knowledge, expects_http2 })
    }

    /// The scheme of targets in HTTP/2.
    pub fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// Whether HTTP/2 is likely, judging by the URL and the last connection.
    pub fn expects_http2(&self) -> bool {
        self.expects_http2.get()
    }

    /// Connects with the HTTP version that the server selects, or for HTTP/1.1 unless `http2` is set. Returns whether the
    /// connection speaks HTTP/2.
    ///
    /// # Errors
    ///
    /// The network, or TLS.
    pub async fn connect(&self, http2: bool) -> io::Result<(Wire, bool)> {
        let (wire, speaks_http2) = self.dial(http2).await?;
        if http2 {
            self.expects_http2.set(speaks_http2);
        }
        Ok((wire, speaks_http2))
    }

    async fn dial(&self, http2: bool) -> io::Result<(Wire, bool)> {
        match &self.endpoint {
            Endpoint::Tcp(HostPort { host, port }) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                let wire = Wire::Tcp(stream.into());
                let Some((connector, name)) = &self.tls else { return Ok((wire, http2 && self.prior_knowledge)) };
                let stream = match http2 {
                    true => connector.connect(name.clone(), wire).await?,
                    false => connector.with_alpn(vec![b"http/1.1".to_vec()]).connect(name.clone(), wire).await?,
                };
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Ok((Wire::Tls(Box::new(stream.into())), http2))
            }
            Endpoint::Unix(path) => Ok((Wire::Unix(UnixStream::connect(path).await?), false)),
        }
    }
}
