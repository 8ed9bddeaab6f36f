//! Requests to one origin server: over a connection that is kept, or a new one.
//!
//! One worker's own; nothing here is shared between threads. A request is sent again only where nothing can have been
//! sent, and once where it reads, has no content, and its *reused* connection ended before the first byte of an answer.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version, uri};
use http_body::Frame;
use hyper::body::Incoming;

use super::connect::Connector;
pub use super::error::ClientError;
use super::pool::{Connection, Pool, Sender};
use super::tls::TlsError;
use crate::body::{Body, BodyError, Watch, Watched};
use crate::config::{Application, ApplicationUrl, ClientTls};
use crate::deadline::{Deadline, Deadlines};
use crate::fields::prepare_trailers;

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
    connector: Connector,
    settings: ClientSettings,
    pool: Rc<Pool>,
    deadlines: Deadlines,
}

impl Client {
    /// Gets ready; connects to nobody yet. Must be called inside a `LocalSet`.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when a file of `settings.tls` cannot be used.
    pub fn new(url: &ApplicationUrl, settings: ClientSettings, deadlines: Deadlines) -> Result<Client, TlsError> {
        let connector = Connector::new(url, &settings.tls)?;
        let pool = Pool::start(settings.keep_alive);
        Ok(Client { connector, settings, pool, deadlines })
    }

    /// Whether [`Client::new`] would succeed, for places without a `LocalSet`.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when a file of `tls` cannot be used.
    pub fn check(url: &ApplicationUrl, tls: &ClientTls) -> Result<(), TlsError> {
        Connector::new(url, tls).map(drop)
    }

    /// Sends a request and returns the answer as soon as its head is there. The target is in origin-form and `Host` is
    /// set. Dropping the future, or the answer before its end, closes the connection. `response_timeout` begins when the
    /// last of the content is handed over: an upload takes as long as it takes, as long as it moves.
    ///
    /// # Errors
    ///
    /// [`ClientError`], which tells whether anything can have been sent.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, ClientError> {
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        let mut repeatable = reads && request.body().is_empty();
        let upgrade = request.headers().contains_key(header::UPGRADE);
        let mut fresh = false;
        for _ in 0..MOST_TRIES {
            let mut connection = match self.kept(upgrade, fresh) {
                Some(connection) => connection,
                None => self.connect(upgrade).await?,
            };
            let copy = (connection.reused && repeatable).then(|| head_of(&request));
            connection.heard.reset();
            let unanswered = match self.exchange(&mut connection, request).await {
                Ok(answer) => return Ok(self.answered(answer, connection)),
                Err(unanswered) => unanswered,
            };
            if let Sender::Http2(_) = connection.sender {
                self.pool.forget_shared();
            }
            match (unanswered, copy) {
                (Unanswered::NotSent(back, _), _) if connection.reused => (request, fresh) = (*back, true),
                (Unanswered::NotSent(_, error), _) => return Err(ClientError::NotSent(error)),
                (Unanswered::Timeout, _) => return Err(ClientError::Timeout),
                (Unanswered::Broken(error), Some(copy)) if !connection.heard.anything() && ended(&error) => {
                    (request, fresh, repeatable) = (copy, true, false);
                }
                (Unanswered::Broken(error), _) if error.is_user() => return Err(ClientError::Content(error)),
                (Unanswered::Broken(error), _) => return Err(ClientError::Broken(error)),
            }
        }
        Err(ClientError::Connect(io::Error::other("every connection was closed at once")))
    }

    /// Opens a connection and leaves it at that: whether the server is there.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn probe(&self) -> Result<(), ClientError> {
        self.connect(false).await.map(|connection| self.pool.put(connection))
    }

    /// A connection that stands already. `fresh`: none of those that may have ended together with the last one.
    fn kept(&self, upgrade: bool, fresh: bool) -> Option<Connection> {
        let idle = if fresh { None } else { self.pool.take() };
        idle.or_else(|| if upgrade { None } else { self.pool.shared(&self.deadlines) })
    }

    async fn connect(&self, upgrade: bool) -> Result<Connection, ClientError> {
        let connecting = self.connector.connect(upgrade, &self.pool, &self.deadlines);
        match tokio::time::timeout(self.settings.connect_timeout, connecting).await {
            Ok(connected) => connected.map_err(ClientError::from),
            Err(_) => Err(ClientError::ConnectTimeout),
        }
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let patience = Patience { idle: self.settings.idle_timeout, response: self.settings.response_timeout };
        let request = match request.body() {
            Body::Incoming(_) | Body::Watched(_) => {
                patience.while_sending(&connection.deadline);
                request.map(|content| sending(content, connection.deadline.clone(), patience))
            }
            Body::Empty | Body::Full(_) | Body::Stream(_) => {
                patience.once_sent(&connection.deadline);
                request
            }
        };
        let deadline = &connection.deadline;
        let authority = &self.connector;
        match &mut connection.sender {
            Sender::Http1(sender) => {
                let mut sending = pin!(sender.try_send_request(with_framing(request)));
                until(deadline, move |cx| sending.as_mut().poll(cx)).await
            }
            Sender::Http2(sender) => {
                let mut sending = pin!(sender.try_send_request(for_http2(request, authority)));
                until(deadline, move |cx| sending.as_mut().poll(cx)).await
            }
        }
    }

    /// Passes the answer's content on under the idle timeout; the connection is free again at its end.
    fn answered(&self, mut answer: Response<Incoming>, mut connection: Connection) -> Response<Body> {
        connection.deadline.clear();
        if Rc::strong_count(&connection.deadline) > 1 {
            // An early answer: content is still on its way and keeps the old deadline, which nobody heeds any more.
            connection.deadline = Rc::new(self.deadlines.register());
        }
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return answer.map(Body::Incoming);
        }
        if matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            // No content follows, whatever the length says (RFC 9112, section 6.3; threat table, G20).
            answer.headers_mut().remove(header::CONTENT_LENGTH);
        }
        if http_body::Body::is_end_stream(answer.body()) {
            self.pool.put(connection);
            return answer.map(Body::Incoming);
        }
        let (pool, idle) = (self.pool.clone(), self.settings.idle_timeout);
        let watch = AnswerWatch { connection: Some(connection), pool, idle, waiting: false };
        answer.map(|inner| Body::Watched(Box::new(Watched { inner, watch: Box::new(watch) })))
    }
}

/// Polls until ready or until the deadline.
async fn until<T>(
    deadline: &Deadline,
    mut poll: impl FnMut(&mut std::task::Context<'_>) -> Poll<Result<T, hyper::client::conn::TrySendError<Request<Body>>>>,
) -> Result<T, Unanswered> {
    poll_fn(|cx| match poll(cx) {
        Poll::Ready(Ok(answer)) => Poll::Ready(Ok(answer)),
        Poll::Ready(Err(mut error)) => Poll::Ready(Err(match error.take_message() {
            Some(request) => Unanswered::NotSent(Box::new(request), error.into_error()),
            None => Unanswered::Broken(error.into_error()),
        })),
        Poll::Pending => deadline.poll_expired(cx).map(|()| Err(Unanswered::Timeout)),
    })
    .await
}

enum Unanswered {
    NotSent(Box<Request<Body>>, hyper::Error),
    Timeout,
    Broken(hyper::Error),
}

/// The same head again, for a request without content.
fn head_of(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Whether a connection simply ended, rather than spoke nonsense.
fn ended(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    let io = source.is_some_and(|source| source.is::<io::Error>());
    let http2 = source.and_then(|source| source.downcast_ref::<h2::Error>());
    let left = http2.is_some_and(|error| error.is_go_away() || error.is_io());
    error.is_incomplete_message() || error.is_closed() || error.is_canceled() || io || left
}

/// hyper takes a GET or HEAD of unknown length for one without content, unless its coding is named.
fn with_framing(mut request: Request<Body>) -> Request<Body> {
    let framed = request.body().is_empty() || http_body::Body::size_hint(request.body()).exact().is_some();
    if !framed && !request.headers().contains_key(header::CONTENT_LENGTH) {
        request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    request
}

/// HTTP/2 wants scheme and authority in the target, and no `Host` (RFC 9113, section 8.3.1).
fn for_http2(mut request: Request<Body>, connector: &Connector) -> Request<Body> {
    let authority = request.headers_mut().remove(header::HOST);
    request.headers_mut().remove(header::CONNECTION);
    *request.version_mut() = Version::HTTP_2;
    let mut parts = uri::Parts::default();
    parts.scheme = Some(connector.scheme());
    parts.authority = authority.and_then(|host| uri::Authority::try_from(host.as_bytes()).ok());
    parts.path_and_query = request.uri().path_and_query().cloned();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// How long to wait for what.
#[derive(Clone, Copy)]
struct Patience {
    idle: Duration,
    response: Option<Duration>,
}

impl Patience {
    fn while_sending(self, deadline: &Deadline) {
        deadline.set(self.idle);
    }

    fn once_sent(self, deadline: &Deadline) {
        match self.response {
            Some(timeout) => deadline.set(timeout),
            None => deadline.clear(),
        }
    }
}

/// The same content, keeping the deadline of its connection.
fn sending(content: Body, deadline: Rc<Deadline>, patience: Patience) -> Body {
    let (inner, watch) = match content {
        Body::Incoming(inner) => (inner, None),
        Body::Watched(watched) => (watched.inner, Some(watched.watch)),
        other => return other,
    };
    Body::Watched(Box::new(Watched { inner, watch: Box::new(RequestWatch { watch, deadline, patience }) }))
}

/// Watches a request's content: whether the application takes it.
struct RequestWatch {
    watch: Option<Box<dyn Watch>>,
    deadline: Rc<Deadline>,
    patience: Patience,
}

impl Watch for RequestWatch {
    fn frame(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        self.patience.while_sending(&self.deadline);
        match &mut self.watch {
            Some(watch) => watch.frame(frame),
            None => frame,
        }
    }

    fn silence(&mut self, cx: &mut std::task::Context<'_>) -> Result<(), BodyError> {
        let Some(watch) = &mut self.watch else { return Ok(()) };
        // It is the client that is waited for, and the client's own watch that counts.
        self.deadline.clear();
        watch.silence(cx)
    }

    fn end(&mut self) {
        self.patience.once_sent(&self.deadline);
        if let Some(watch) = &mut self.watch {
            watch.end();
        }
    }
}

/// Watches an answer's content.
struct AnswerWatch {
    connection: Option<Connection>,
    pool: Rc<Pool>,
    idle: Duration,
    waiting: bool,
}

impl Watch for AnswerWatch {
    fn frame(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        self.waiting = false;
        without_forbidden_trailers(frame)
    }

    fn silence(&mut self, cx: &mut std::task::Context<'_>) -> Result<(), BodyError> {
        let Some(connection) = &self.connection else { return Ok(()) };
        // Only time in which we waited counts: a slow client is not the application's silence.
        if !std::mem::replace(&mut self.waiting, true) {
            connection.deadline.set(self.idle);
        }
        match connection.deadline.poll_expired(cx) {
            Poll::Ready(()) => Err(BodyError::TooSlow),
            Poll::Pending => Ok(()),
        }
    }

    fn end(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.put(connection);
        }
    }
}

/// A frame, without the trailers that must not pass.
pub fn without_forbidden_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            prepare_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}

#[cfg(test)]
mod tests;
