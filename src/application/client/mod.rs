//! Requests to one origin server: over a connection that is kept, or a new one.
//!
//! One worker's own; nothing here is shared between threads. A request is sent again only where nothing can have been
//! sent, where the server said that it did not process it (RFC 9113, section 8.7), and once where it reads, has no content,
//! and its *reused* connection ended before the first byte of an answer.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};

use super::connect::{self, Connector};
use super::content::Content;
pub use super::error::ClientError;
use super::http1::{self, Http1, RequestWriter};
use super::http2;
use super::pool::Pool;
use super::private::{self, Home};
use super::response::ServerResponse;
use super::streams::{Full, Slot, Streams};
use crate::body::Body;
use crate::config::Application;
use crate::deadline::{Deadlines, Timeouts};
use crate::endpoint::ApplicationUrl;
use crate::fields::Edit;
use crate::tls::{ClientTls, TlsFileError};
use crate::tunnel::TunnelSlot;

/// So often a request that nothing was sent of goes to another connection.
const MOST_TRIES: usize = 3;

/// How an origin server is spoken to.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Until a connection stands, TLS included.
    pub connect_timeout: Duration,
    /// From the end of the request to the head of the answer; none: for ever.
    pub response_timeout: Option<Duration>,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long content may stand still, either way.
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

/// A worker's way to one origin server.
pub struct Client {
    connector: Rc<Connector>,
    settings: ClientSettings,
    pool: Rc<Pool>,
    streams: Rc<Streams>,
    deadlines: Deadlines,
}

/// A connection for a request.
enum Connection {
    Http1(Http1),
    Http2(Slot),
}

impl Client {
    /// Gets ready; connects to nobody yet. Must be called on a local runtime.
    ///
    /// # Errors
    ///
    /// [`TlsFileError`] when a file of `settings.tls` cannot be used.
    pub fn new(url: &ApplicationUrl, settings: ClientSettings, deadlines: Deadlines) -> Result<Client, TlsFileError> {
        let connector = Rc::new(Connector::new(url, &settings.tls)?);
        let pool = Pool::start(settings.keep_alive, deadlines.clone());
        let streams = Streams::new(settings.keep_alive);
        Ok(Client { connector, settings, pool, streams, deadlines })
    }

    /// For calls of hooks, which have timeouts of their own instead of `response_timeout`. Idle HTTP/1.1 connections are
    /// shared. HTTP/2 connections are not: a hook never waits for a stream or a window that page traffic has used up.
    pub fn for_hooks(&self) -> Client {
        Client {
            connector: self.connector.clone(),
            settings: ClientSettings { response_timeout: None, ..self.settings.clone() },
            pool: self.pool.clone(),
            streams: Streams::new(self.settings.keep_alive),
            deadlines: self.deadlines.clone(),
        }
    }

    /// Whether [`Client::new`] would succeed, for places without a local runtime.
    ///
    /// # Errors
    ///
    /// [`TlsFileError`] when a file of `tls` cannot be used.
    pub fn check(url: &ApplicationUrl, tls: &ClientTls) -> Result<(), TlsFileError> {
        Connector::new(url, tls).map(drop)
    }

    /// Sends a request and returns the answer as soon as its head is there. The target is in origin-form and `Host` is
    /// set. Dropping the future, or the answer before its end, closes the connection. `response_timeout` begins when the
    /// last of the content is handed over: an upload takes as long as it takes, as long as it moves.
    ///
    /// # Errors
    ///
    /// [`ClientError`], which tells whether anything can have been sent.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, ClientError> {
        self.send_telling(request, || ()).await
    }

    /// As [`Client::send`], for whoever gives up before it does: a connection stands once `begins` was called, and nothing
    /// of the request was sent before.
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
        self.exchange_telling(&mut head, content, Edit::nothing(), None, begins).await.map(|answer| answer.response)
    }

    /// As [`Client::send`], with the fields that `edit` makes of the request's, and what the server switched to another
    /// protocol is handed over. An upgrade always goes over HTTP/1.1. A connection that a client signs in waits in `slot` for
    /// the client's next request. The head is used up.
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
        // Boxed, here and below: the common request must not carry the room that these need.
        if edit.has(&head.headers, &header::UPGRADE) {
            return Box::pin(self.upgrade(head, content, edit, slot)).await;
        }
        let upload = http2::Http2Request::is_upload(&content);
        let private = slot.and_then(|slot| private::take(slot, &self.connector));
        let connection = match private.or_else(|| self.pool.take()) {
            Some(connection) => Connection::Http1(connection),
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

    /// Sends an upgrade request, over HTTP/1.1 whatever else the server speaks.
    async fn upgrade(
        &self,
        head: &mut Parts,
        content: Body,
        edit: Edit,
        slot: Option<&TunnelSlot>,
    ) -> Result<ServerResponse, ClientError> {
        let private = slot.and_then(|slot| private::take(slot, &self.connector));
        let connection = match private.or_else(|| self.pool.take()) {
            Some(connection) => connection,
            None => self.connect_http1().await?,
        };
        let repeatable = is_repeatable(&head.method, &content);
        let outgoing = RequestWriter::new(head, content, &edit);
        self.over_http1(connection, outgoing, repeatable, slot).await
    }

    async fn over_http1(
        &self,
        mut connection: Http1,
        mut outgoing: RequestWriter,
        mut repeatable: bool,
        slot: Option<&TunnelSlot>,
    ) -> Result<ServerResponse, ClientError> {
        for _ in 0..MOST_TRIES {
            match connection.exchange(&mut outgoing, self.timeouts()).await {
                Ok(answer) => {
                    if is_early_switch(&answer, &outgoing) {
                        // The new protocol begins behind the whole request (RFC 9110, section 7.8).
                        Box::pin(connection.send_all(&mut outgoing, self.timeouts())).await?;
                    }
                    // Called once, here: as a call of its own it would copy the connection and the request.
                    return Ok(self.answered(answer, connection, outgoing, slot));
                }
                Err(ClientError::NotSent(_)) if connection.reused => {}
                Err(ClientError::Ended(_)) if connection.reused && std::mem::take(&mut repeatable) => {}
                Err(error) => return Err(error),
            }
            outgoing.message.rewind();
            // A new one: others that are kept may have ended together with this one.
            connection = self.connect_http1().await?;
        }
        Err(ClientError::Connect(io::Error::other("every connection was closed at once")))
    }

    async fn over_http2(
        &self,
        mut slot: Slot,
        head: &mut Parts,
        content: Body,
        edit: Edit,
    ) -> Result<ServerResponse, ClientError> {
        let mut repeatable = is_repeatable(&head.method, &content);
        let upload = slot.is_upload();
        edit.apply(&mut head.headers);
        let head = std::mem::replace(head, Request::new(()).into_parts().0);
        let scheme = self.connector.scheme();
        let outgoing = http2::Http2Request::new(head, content, scheme, &self.deadlines, self.timeouts());
        let mut tries = 1;
        loop {
            let (reused, sent) = (slot.reused, Rc::new(slot));
            let unanswered = match http2::exchange(&sent, &outgoing, &self.deadlines).await {
                Ok(response) => return Ok(ServerResponse { response, switched: None }),
                Err(unanswered) => unanswered,
            };
            if unanswered.content().is_none() {
                self.streams.retire(&sent);
            }
            let again = match &unanswered {
                ClientError::NotSent(_) | ClientError::Refused(_) => outgoing.can_be_sent_again(),
                ClientError::Ended(_) => reused && std::mem::take(&mut repeatable),
                _ => false,
            };
            if !again || tries == MOST_TRIES {
                return Err(unanswered);
            }
            tries += 1;
            drop(sent);
            slot = match Box::pin(self.connect(upload)).await? {
                Connection::Http2(slot) => slot,
                Connection::Http1(_) => return Err(unanswered),
            };
        }
    }

    fn timeouts(&self) -> Timeouts {
        Timeouts { idle: self.settings.idle_timeout, response: self.settings.response_timeout }
    }

    /// Opens a connection. Where HTTP/2 is likely, one at a time: it may have room for all that wait.
    async fn connect(&self, upload: bool) -> Result<Connection, ClientError> {
        self.in_time(async {
            loop {
                if !self.connector.expects_http2() {
                    return self.dial(upload).await;
                }
                if let Some(slot) = self.streams.take(upload) {
                    return Ok(Connection::Http2(slot));
                }
                match self.streams.opening() {
                    Ok(Some(_opening)) => return self.dial(upload).await,
                    Ok(None) => self.streams.opened().await,
                    Err(Full { connections }) => return Err(ClientError::Full(connections)),
                }
            }
        })
        .await
    }

    async fn dial(&self, upload: bool) -> Result<Connection, ClientError> {
        match self.connector.connect(&self.deadlines).await? {
            connect::Connection::Http1(connection) => Ok(Connection::Http1(connection)),
            connect::Connection::Http2(wire) => {
                Ok(Connection::Http2(self.streams.begin(wire, upload, &self.deadlines).await?))
            }
        }
    }

    async fn connect_http1(&self) -> Result<Http1, ClientError> {
        self.in_time(async { Ok(self.connector.connect_http1(&self.deadlines).await?) }).await
    }

    async fn in_time<T>(&self, connecting: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        let connected = tokio::time::timeout(self.settings.connect_timeout, Box::pin(connecting)).await;
        connected.unwrap_or(Err(ClientError::ConnectTimeout))
    }

    /// Passes the answer's content on; the connection is free again at its end.
    fn answered(
        &self,
        answer: http1::ResponseHead,
        mut connection: Http1,
        outgoing: RequestWriter,
        slot: Option<&TunnelSlot>,
    ) -> ServerResponse {
        let http1::ResponseHead { response, framing, mut keeps, signs_in } = answer;
        connection.deadline.clear();
        connection.private |= signs_in || outgoing.signs_in;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let switched = connection.into_wire().filter(|_| outgoing.message.is_over());
            return ServerResponse { response: response.map(|()| Body::Empty), switched };
        }
        if !outgoing.message.is_over() {
            // An early answer: what is still to come of the request goes on beside it.
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

/// Whether a server switched protocols before it had the whole request.
fn is_early_switch(answer: &http1::ResponseHead, outgoing: &RequestWriter) -> bool {
    answer.response.status() == StatusCode::SWITCHING_PROTOCOLS && !outgoing.message.is_over()
}

/// Whether a request may be sent once more after a connection ended without an answer (RFC 9110, section 9.2.2; with
/// PUT and DELETE left out, since applications do not always keep to it).
fn is_repeatable(method: &Method, content: &Body) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) && content.is_empty()
}

#[cfg(test)]
mod tests;
