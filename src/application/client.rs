//! Requests to one origin server: over a connection that is kept, or a new one.
//!
//! One worker's own; nothing here is shared between threads. A request is sent again only where nothing can have been
//! sent, and once where it reads, has no content, and its *reused* connection ended before the first byte of an answer.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};

use super::answer::Answer;
use super::connect::{Connection, Connector, Purpose};
use super::content::Content;
pub use super::error::ClientError;
use super::http1::{self, Http1, Outgoing, Patience, Unanswered};
use super::http2;
use super::pool::Pool;
use super::tls::TlsError;
use crate::body::Body;
use crate::config::{Application, ApplicationUrl, ClientTls};
use crate::deadline::Deadlines;
use crate::fields::Edit;

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
    deadlines: Deadlines,
}

impl Client {
    /// Gets ready; connects to nobody yet. Must be called on a local runtime.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when a file of `settings.tls` cannot be used.
    pub fn new(url: &ApplicationUrl, settings: ClientSettings, deadlines: Deadlines) -> Result<Client, TlsError> {
        let connector = Rc::new(Connector::new(url, &settings.tls)?);
        let pool = Pool::start(settings.keep_alive, deadlines.clone());
        Ok(Client { connector, settings, pool, deadlines })
    }

    /// The same, with the same connections, for calls that have a time of their own: `response_timeout` is none of theirs.
    pub fn without_response_timeout(&self) -> Client {
        Client {
            connector: self.connector.clone(),
            settings: ClientSettings { response_timeout: None, ..self.settings.clone() },
            pool: self.pool.clone(),
            deadlines: self.deadlines.clone(),
        }
    }

    /// Whether [`Client::new`] would succeed, for places without a local runtime.
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
        self.exchange_telling(&mut head, content, Edit::nothing(), begins).await.map(|answer| answer.response)
    }

    /// As [`Client::send`], with the fields that `edit` makes of the request's, and what the server switched to another
    /// protocol is handed over. An upgrade always goes over HTTP/1.1. The head is used up.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub fn exchange(
        &self,
        head: &mut Parts,
        content: Body,
        edit: Edit,
    ) -> impl Future<Output = Result<Answer, ClientError>> {
        self.exchange_telling(head, content, edit, || ())
    }

    async fn exchange_telling(
        &self,
        head: &mut Parts,
        content: Body,
        edit: Edit,
        begins: impl FnOnce(),
    ) -> Result<Answer, ClientError> {
        // Boxed, here and below: the common request must not carry the room that these need.
        if edit.has(&head.headers, &header::UPGRADE) {
            return Box::pin(self.upgrade(head, content, edit)).await;
        }
        let (connection, reused) = match self.kept() {
            Some(connection) => (connection, true),
            None => (self.connect(Purpose::Requests).await?, false),
        };
        begins();
        match connection {
            Connection::Http1(connection) => {
                let repeatable = is_repeatable(&head.method, &content);
                let outgoing = Outgoing::new(head, content, &edit);
                self.over_http1(connection, outgoing, repeatable, Purpose::Requests).await
            }
            Connection::Http2(sender) => {
                let request = whole(head, content, edit);
                Box::pin(self.over_http2(sender, reused, request)).await
            }
        }
    }

    /// Sends an upgrade request, over HTTP/1.1 whatever else the server speaks.
    async fn upgrade(&self, head: &mut Parts, content: Body, edit: Edit) -> Result<Answer, ClientError> {
        let connection = match self.pool.take() {
            Some(connection) => connection,
            None => self.connect_http1(Purpose::Upgrade).await?,
        };
        let repeatable = is_repeatable(&head.method, &content);
        let outgoing = Outgoing::new(head, content, &edit);
        self.over_http1(connection, outgoing, repeatable, Purpose::Upgrade).await
    }

    async fn over_http1(
        &self,
        mut connection: Http1,
        mut outgoing: Outgoing,
        mut repeatable: bool,
        purpose: Purpose,
    ) -> Result<Answer, ClientError> {
        for _ in 0..MOST_TRIES {
            let error = match connection.exchange(&mut outgoing, self.patience()).await {
                Ok(answer) => return Ok(self.answered(answer, connection, outgoing)),
                Err(Unanswered::NotSent(_)) if connection.reused => None,
                Err(Unanswered::Ended(_)) if connection.reused && std::mem::take(&mut repeatable) => None,
                Err(error) => Some(error),
            };
            if let Some(error) = error {
                return Err(error.into());
            }
            outgoing.rewind();
            // A new one: others that are kept may have ended together with this one.
            connection = self.connect_http1(purpose).await?;
        }
        Err(ClientError::Connect(io::Error::other("every connection was closed at once")))
    }

    async fn over_http2(
        &self,
        mut sender: http2::Sender,
        mut reused: bool,
        mut request: Request<Body>,
    ) -> Result<Answer, ClientError> {
        let mut repeatable = is_repeatable(request.method(), request.body());
        for _ in 0..MOST_TRIES {
            let copy = (reused && repeatable).then(|| http2::head_of(&request));
            let scheme = self.connector.scheme();
            match http2::exchange(&mut sender, scheme, request, &self.deadlines, self.patience()).await {
                Ok(response) => return Ok(Answer { response, switched: None }),
                Err(unanswered) => {
                    self.pool.forget_shared();
                    match (unanswered, copy) {
                        (http2::Unanswered::NotSent(back, _), _) if reused => request = *back,
                        (http2::Unanswered::Ended(_), Some(copy)) => (request, repeatable) = (copy, false),
                        (error, _) => return Err(error.into()),
                    }
                }
            }
            let Connection::Http2(another) = self.connect(Purpose::Requests).await? else {
                return Err(changed_version());
            };
            (sender, reused) = (another, false);
        }
        Err(ClientError::Connect(io::Error::other("every connection was closed at once")))
    }

    fn patience(&self) -> Patience {
        Patience { idle: self.settings.idle_timeout, response: self.settings.response_timeout }
    }

    /// Opens a connection and leaves it at that: whether the server is there.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn probe(&self) -> Result<(), ClientError> {
        self.connect(Purpose::Requests).await.map(|connection| match connection {
            Connection::Http1(connection) => self.pool.put(connection),
            Connection::Http2(_) => {}
        })
    }

    /// A connection that stands already.
    fn kept(&self) -> Option<Connection> {
        self.pool.take().map(Connection::Http1).or_else(|| self.pool.shared().map(Connection::Http2))
    }

    async fn connect(&self, purpose: Purpose) -> Result<Connection, ClientError> {
        let connecting = Box::pin(self.connector.connect(purpose, &self.pool, &self.deadlines));
        match tokio::time::timeout(self.settings.connect_timeout, connecting).await {
            Ok(connected) => connected.map_err(ClientError::from),
            Err(_) => Err(ClientError::ConnectTimeout),
        }
    }

    async fn connect_http1(&self, purpose: Purpose) -> Result<Http1, ClientError> {
        match self.connect(purpose).await? {
            Connection::Http1(connection) => Ok(connection),
            Connection::Http2(_) => Err(changed_version()),
        }
    }

    /// Passes the answer's content on; the connection is free again at its end.
    fn answered(&self, answer: http1::Answer, mut connection: Http1, outgoing: Outgoing) -> Answer {
        let http1::Answer { response, framing, mut keeps } = answer;
        connection.deadline.clear();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let switched = connection.into_wire();
            return Answer { response: response.map(|()| Body::Empty), switched };
        }
        if !outgoing.is_over() {
            // An early answer: what is still to come of the request goes on beside it.
            keeps = false;
            connection.send_rest(outgoing, self.deadlines.register(), self.settings.idle_timeout);
        }
        let content = match connection.take_whole(&framing) {
            Some(whole) => {
                if keeps {
                    self.pool.put(connection);
                }
                if whole.is_empty() { Body::Empty } else { Body::Full(whole) }
            }
            None => {
                let (pool, idle) = (self.pool.clone(), self.settings.idle_timeout);
                Body::Other(Box::pin(Content::new(connection, framing, keeps, pool, idle)))
            }
        };
        Answer { response: response.map(|()| content), switched: None }
    }
}

fn changed_version() -> ClientError {
    ClientError::Connect(io::Error::other("the server speaks another version of HTTP now"))
}

/// The request as HTTP/2 takes it. The head is used up.
fn whole(head: &mut Parts, content: Body, edit: Edit) -> Request<Body> {
    edit.apply(&mut head.headers);
    let head = std::mem::replace(head, Request::new(()).into_parts().0);
    Request::from_parts(head, content)
}

/// Whether a request may be sent once more after a connection ended without an answer (RFC 9110, section 9.2.2; with
/// PUT and DELETE left out, since applications do not always keep to it).
fn is_repeatable(method: &Method, content: &Body) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) && content.is_empty()
}

impl From<Unanswered> for ClientError {
    fn from(error: Unanswered) -> ClientError {
        match error {
            Unanswered::NotSent(error) => ClientError::NotSent(error.into()),
            Unanswered::Timeout => ClientError::Timeout,
            Unanswered::Ended(cause) | Unanswered::Broken(cause) => ClientError::Broken(cause),
            Unanswered::BadAnswer(error) => ClientError::BadAnswer(error),
            Unanswered::Content(error) => ClientError::Content(error),
        }
    }
}

#[cfg(test)]
mod tests;
