//! An HTTP client for one origin server, with idle connections to reuse.
//!
//! A client belongs to one worker; nothing is shared between threads. A request is sent again only in three cases:
//! nothing of it was sent; the server reported that it did not process it (RFC 9113, section 8.7); or, once, if it is a
//! GET, HEAD or OPTIONS without content and its *reused* connection ended before the first byte of a response.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};

use super::connect::Connector;
use super::content::Content;
use super::error::ClientError;
use super::http1::{self, Http1, RequestWriter};
use super::http2;
use super::pool::Pool;
use super::private::{self, Home};
use super::streams::{Slot, Streams};
use crate::body::Body;
use crate::config::Application;
use crate::deadline::{Deadlines, Timeouts};
use crate::endpoint::ApplicationUrl;
use crate::fields::Edit;
use crate::tls::{ClientTls, TlsFileError};
use crate::tunnel::TunnelSlot;
use crate::wire::Wire;

/// Number of connections tried for a request that was not processed.
const MAX_TRIES: usize = 3;

#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Time limit for opening a connection, including the TLS handshake.
    pub connect_timeout: Duration,
    /// From the end of the request to the head of the response. `None`: no limit.
    pub response_timeout: Option<Duration>,
    /// How long an idle connection is kept open.
    pub keep_alive: Duration,
    /// How long content may make no progress, in either direction.
    pub idle_timeout: Duration,
    /// For `https://`.
    pub tls: ClientTls,
}

impl From<&Application> for ClientSettings {
    fn from(application: &Application) -> ClientSettings {
        ClientSettings {
            connect_timeout: application.connect_timeout,
            response_timeout: application.response_timeout,
            keep_alive: application.keep_alive,
            idle_timeout: application.idle_timeout,
            tls: application.tls.clone(),
        }
    }
}

/// A worker's client for one origin server.
pub struct Client {
    connector: Rc<Connector>,
    settings: ClientSettings,
    pool: Rc<Pool>,
    streams: Rc<Streams>,
    deadlines: Deadlines,
}

/// A response, its content still streaming.
pub struct ServerResponse {
    pub response: Response<Body>,
    /// After a 101: the socket, and the bytes already read from it after the head.
    pub switched: Option<(Wire, Bytes)>,
}

/// The connection that a request is sent over.
enum Connection {
    Http1(Http1),
    Http2(Slot),
}

impl Client {
    /// Creates a client that is not connected yet. Must be called on a local runtime.
    ///
    /// # Errors
    ///
    /// [`TlsFileError`] if a file of `settings.tls` cannot be used.
    pub fn new(url: &ApplicationUrl, settings: ClientSettings, deadlines: Deadlines) -> Result<Client, TlsFileError> {
        let connector = Rc::new(Connector::new(url, &settings.tls)?);
        let pool = Pool::start(settings.keep_alive, deadlines.clone());
        let streams = Streams::new(settings.keep_alive);
        Ok(Client { connector, settings, pool, streams, deadlines })
    }

    /// A client for hooks, which have their own timeouts instead of `response_timeout`. It shares the idle HTTP/1.1
    /// connections, but not those of HTTP/2: a hook never waits for a stream or a window that page traffic has used up.
    pub fn for_hooks(&self) -> Client {
        Client {
            connector: self.connector.clone(),
            settings: ClientSettings { response_timeout: None, ..self.settings.clone() },
            pool: self.pool.clone(),
            streams: Streams::new(self.settings.keep_alive),
            deadlines: self.deadlines.clone(),
        }
    }

    /// A client for another server, with the same settings.
    ///
    /// # Errors
    ///
    /// As [`Client::new`].
    pub fn for_server(&self, url: &ApplicationUrl) -> Result<Client, TlsFileError> {
        Client::new(url, self.settings.clone(), self.deadlines.clone())
    }

    /// Whether [`Client::new`] would succeed, for places without a local runtime.
    ///
    /// # Errors
    ///
    /// [`TlsFileError`] when a file of `tls` cannot be used.
    pub fn check(url: &ApplicationUrl, tls: &ClientTls) -> Result<(), TlsFileError> {
        Connector::new(url, tls).map(drop)
    }

    /// Sends a request and returns the response when its head has arrived. The target must be in origin-form and `Host`
    /// set. Dropping the future, or the response before its end, closes the connection. `response_timeout` starts when
    /// the last of the content was sent; an upload may take any time while it makes progress.
    ///
    /// # Errors
    ///
    /// [`ClientError`], which says whether anything can have been sent.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, ClientError> {
        self.send_telling(request, || ()).await
    }

    /// Like [`Client::send`], for callers that have their own time limit. Calls `begins` before anything of the request
    /// is sent.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn send_telling(
        &self,
        request: Request<Body>,
        begins: impl FnOnce(),
    ) -> Result<Response<Body>, ClientError> {
        let (mut head, content) = request.into_parts();
        self.exchange_telling(&mut head, content, Edit::nothing(), None, begins).await.map(|sent| sent.response)
    }

    /// Like [`Client::send`], but applies `edit` to the header fields, and returns the upgraded stream after a 101. An
    /// upgrade is always sent over HTTP/1.1. A connection that the client has authenticated is kept in `slot` for the
    /// client's next request. The head is consumed.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub fn exchange(
        &self,
        head: &mut Parts,
        content: Body,
        edit: Edit,
        slot: &TunnelSlot,
    ) -> impl Future<Output = Result<ServerResponse, ClientError>> {
        self.exchange_telling(head, content, edit, Some(slot), || ())
    }

    async fn exchange_telling(
        &self,
        head: &mut Parts,
        content: Body,
        edit: Edit,
        slot: Option<&TunnelSlot>,
        begins: impl FnOnce(),
    ) -> Result<ServerResponse, ClientError> {
        let upgrade = edit.has(&head.headers, &header::UPGRADE);
        let upload = !matches!(content, Body::Empty | Body::Full(_));
        let private = slot.and_then(|slot| private::take(slot, &self.connector));
        // Boxed, here and below, to keep the future of a common request small.
        let connection = match private.or_else(|| self.pool.take()) {
            Some(connection) => Connection::Http1(connection),
            None if upgrade => Connection::Http1(Box::pin(self.connect_http1()).await?),
            None => match self.streams.take(upload) {
                Some(slot) => Connection::Http2(slot),
                None => Box::pin(self.connect(upload)).await?,
            },
        };
        begins();
        match connection {
            Connection::Http1(connection) => {
                let repeatable = is_repeatable(&head.method, &content);
                let outgoing = RequestWriter::new(head, content, &edit);
                self.over_http1(connection, outgoing, repeatable, slot).await
            }
            Connection::Http2(slot) => Box::pin(self.over_http2(slot, head, content, edit)).await,
        }
    }

    async fn over_http1(
        &self,
        mut connection: Http1,
        mut outgoing: RequestWriter,
        mut repeatable: bool,
        slot: Option<&TunnelSlot>,
    ) -> Result<ServerResponse, ClientError> {
        for _ in 0..MAX_TRIES {
            match connection.exchange(&mut outgoing, self.timeouts()).await {
                Ok(head) => {
                    if head.response.status() == StatusCode::SWITCHING_PROTOCOLS && !outgoing.message.is_over() {
                        // The new protocol begins after the whole request (RFC 9110, section 7.8).
                        Box::pin(connection.send_all(&mut outgoing, self.timeouts())).await?;
                    }
                    // The only call: from a second place it would not be inlined, and would copy the connection and the
                    // request.
                    return Ok(self.build_response(head, connection, outgoing, slot));
                }
                Err(ClientError::NotSent(_)) if connection.reused => {}
                Err(ClientError::Ended(_)) if connection.reused && std::mem::take(&mut repeatable) => {}
                Err(error) => return Err(error),
            }
            outgoing.message.rewind();
            // A new connection: other idle ones may have ended together with this one.
            connection = Box::pin(self.connect_http1()).await?;
        }
        Err(ClientError::Connect(io::Error::other("every connection was closed before the request was sent")))
    }

    async fn over_http2(
        &self,
        mut slot: Slot,
        head: &mut Parts,
        content: Body,
        edit: Edit,
    ) -> Result<ServerResponse, ClientError> {
        let mut repeatable = is_repeatable(&head.method, &content);
        let upload = slot.upload;
        edit.apply(&mut head.headers);
        let head = std::mem::replace(head, Request::new(()).into_parts().0);
        let scheme = self.connector.scheme();
        let outgoing = http2::Http2Request::new(head, content, scheme, &self.deadlines, self.timeouts());
        let mut tries = 1;
        loop {
            let (reused, sent) = (slot.reused, Rc::new(slot));
            let error = match http2::exchange(&sent, &outgoing, &self.deadlines).await {
                Ok(response) => return Ok(ServerResponse { response, switched: None }),
                Err(error) => error,
            };
            if error.content().is_none() {
                self.streams.retire(&sent);
            }
            let again = match &error {
                ClientError::NotSent(_) | ClientError::Refused(_) => outgoing.can_be_sent_again(),
                ClientError::Ended(_) => reused && std::mem::take(&mut repeatable),
                _ => false,
            };
            if !again || tries == MAX_TRIES {
                return Err(error);
            }
            tries += 1;
            drop(sent);
            slot = match Box::pin(self.connect(upload)).await? {
                Connection::Http2(slot) => slot,
                Connection::Http1(_) => return Err(error),
            };
        }
    }

    fn timeouts(&self) -> Timeouts {
        Timeouts { idle: self.settings.idle_timeout, response: self.settings.response_timeout }
    }

    /// Opens a connection. If HTTP/2 is likely, one at a time, since it may serve all waiting requests.
    async fn connect(&self, upload: bool) -> Result<Connection, ClientError> {
        self.in_time(async {
            while self.connector.expects_http2() {
                if let Some(slot) = self.streams.take(upload) {
                    return Ok(Connection::Http2(slot));
                }
                match self.streams.opening()? {
                    Some(_opening) => return self.dial(upload).await,
                    None => self.streams.opened().await,
                }
            }
            self.dial(upload).await
        })
        .await
    }

    async fn dial(&self, upload: bool) -> Result<Connection, ClientError> {
        let (wire, http2) = self.connector.connect(true).await.map_err(ClientError::Connect)?;
        Ok(match http2 {
            true => Connection::Http2(self.streams.begin(wire, upload, &self.deadlines).await?),
            false => Connection::Http1(Http1::new(wire, self.deadlines.register())),
        })
    }

    async fn connect_http1(&self) -> Result<Http1, ClientError> {
        self.in_time(async {
            let (wire, _) = self.connector.connect(false).await.map_err(ClientError::Connect)?;
            Ok(Http1::new(wire, self.deadlines.register()))
        })
        .await
    }

    async fn in_time<T>(&self, connecting: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        let connected = tokio::time::timeout(self.settings.connect_timeout, Box::pin(connecting)).await;
        connected.unwrap_or(Err(ClientError::ConnectTimeout))
    }

    /// The connection is free again when the content of the response has ended.
    fn build_response(
        &self,
        head: http1::ResponseHead,
        mut connection: Http1,
        outgoing: RequestWriter,
        slot: Option<&TunnelSlot>,
    ) -> ServerResponse {
        let http1::ResponseHead { response, framing, mut keeps, signs_in } = head;
        connection.deadline.clear();
        connection.private |= signs_in || outgoing.signs_in;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let switched = connection.into_wire().filter(|_| outgoing.message.is_over());
            return ServerResponse { response: response.map(|()| Body::Empty), switched };
        }
        if !outgoing.message.is_over() {
            // An early response: the rest of the request is sent concurrently.
            keeps = false;
            connection.send_rest(outgoing.message, self.deadlines.register(), self.settings.idle_timeout);
        }
        let home = match (keeps, connection.private, slot) {
            (true, false, _) => Home::Pool(self.pool.clone()),
            (true, true, Some(slot)) => Home::Client(slot.clone(), self.connector.clone()),
            _ => Home::Closed,
        };
        let content = match connection.take_whole(&framing) {
            Some(whole) => {
                home.take_back(connection);
                if whole.is_empty() { Body::Empty } else { Body::Full(whole) }
            }
            None => Body::Other(Box::pin(Content::new(connection, framing, home, self.settings.idle_timeout))),
        };
        ServerResponse { response: response.map(|()| content), switched: None }
    }
}

/// Whether a request may be sent again after its connection ended without a response (RFC 9110, section 9.2.2). PUT and
/// DELETE are excluded, since not all applications implement them as idempotent.
fn is_repeatable(method: &Method, content: &Body) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) && http_body::Body::is_end_stream(content)
}

#[cfg(test)]
mod tests;
