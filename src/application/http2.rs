//! HTTP/2 to an origin server: hyper's client, with our patience. Requests share connections, see `streams`.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use h2::Reason;
use http::header::{self, HeaderMap};
use http::request::Parts;
use http::uri::{self, Scheme, Uri};
use http::{Request, Response, StatusCode, Version};

use super::error::ClientError;
use super::lent::Lender;
use super::streams::Slot;
use crate::body::{Body, BodyError, Relay};
use crate::deadline::{Deadline, Deadlines, IdleTimeout, Timeouts};
use crate::fields::{BadAnswer, answer_length, has_tokens_for_names, prepare_trailers};

/// A request without an answer.
pub enum Unanswered {
    /// Nothing of it was sent.
    NotSent(hyper::Error),
    /// The server did not process it: it refused the stream, or is closing the connection and left the stream out (RFC
    /// 9113, section 8.7).
    Refused(hyper::Error),
    /// The server took too long.
    Timeout,
    /// The connection simply ended.
    Ended(hyper::Error),
    /// The connection, or the answer, broke the rules.
    Broken(hyper::Error),
    /// An answer that two readers could read in two ways.
    BadAnswer(BadAnswer),
}

impl Unanswered {
    /// Whether the request's own content broke off, in which the server has no part.
    pub fn is_ours(&self) -> bool {
        matches!(self, Unanswered::Ended(error) | Unanswered::Broken(error) if error.is_user())
    }
}

impl From<Unanswered> for ClientError {
    fn from(error: Unanswered) -> ClientError {
        match error {
            Unanswered::NotSent(error) => ClientError::NotSent(error.into()),
            Unanswered::Refused(error) => ClientError::Refused(error.into()),
            Unanswered::Timeout => ClientError::Timeout,
            Unanswered::BadAnswer(error) => ClientError::BadAnswer(error),
            Unanswered::Ended(error) | Unanswered::Broken(error) if error.is_user() => {
                ClientError::Content(BodyError::from(error))
            }
            Unanswered::Ended(error) | Unanswered::Broken(error) => ClientError::Broken(error.into()),
        }
    }
}

/// A request that can be sent again, as far as its content can.
pub struct Outgoing {
    head: Parts,
    content: Content,
    /// For the way to the server, and for the head of the answer.
    deadline: Rc<Deadline>,
    patience: Timeouts,
}

enum Content {
    AtHand(Bytes),
    Coming(Lender),
}

impl Outgoing {
    /// A request in origin-form with its `Host`.
    pub fn new(head: Parts, content: Body, scheme: Scheme, deadlines: &Deadlines, patience: Timeouts) -> Outgoing {
        let deadline = Rc::new(deadlines.register());
        let content = match content {
            Body::Empty => Content::AtHand(Bytes::new()),
            Body::Full(bytes) => Content::AtHand(bytes),
            content => Content::Coming(Lender::new(content, deadline.clone(), patience)),
        };
        Outgoing { head: in_http2(head, scheme), content, deadline, patience }
    }

    /// Whether it carries content that is not at hand.
    pub fn is_upload(content: &Body) -> bool {
        !matches!(content, Body::Empty | Body::Full(_))
    }

    /// Whether a request that the server did not process can be sent again.
    pub fn can_be_sent_again(&self) -> bool {
        match &self.content {
            Content::AtHand(_) => true,
            Content::Coming(lender) => lender.is_whole(),
        }
    }

    fn request(&self, slot: &Rc<Slot>) -> Request<Body> {
        let content = match &self.content {
            Content::AtHand(bytes) => {
                self.patience.request_sent(&self.deadline);
                if bytes.is_empty() { Body::Empty } else { Body::Full(bytes.clone()) }
            }
            Content::Coming(lender) => {
                self.deadline.set(self.patience.idle);
                lender.lend(slot.clone())
            }
        };
        Request::from_parts(self.head.clone(), content)
    }
}

/// Sends a request and waits for the head of its answer, whose content is passed on under the idle timeout.
///
/// # Errors
///
/// [`Unanswered`], which tells whether the server can have processed any of it.
pub async fn exchange(
    slot: &Rc<Slot>,
    outgoing: &Outgoing,
    deadlines: &Deadlines,
) -> Result<Response<Body>, Unanswered> {
    // One for each direction: after an early answer both are under way.
    let answer_deadline = deadlines.register();
    let (deadline, patience) = (&outgoing.deadline, outgoing.patience);
    let mut sending = pin!(slot.send(outgoing.request(slot)));
    let mut answer = poll_fn(|cx| match sending.as_mut().poll(cx) {
        Poll::Ready(Ok(answer)) => Poll::Ready(Ok(answer)),
        Poll::Ready(Err(mut error)) => Poll::Ready(Err(match error.take_message() {
            Some(_) => Unanswered::NotSent(error.into_error()),
            None => broken(error.into_error()),
        })),
        Poll::Pending => deadline.poll_expired(cx).map(|()| Err(Unanswered::Timeout)),
    })
    .await?;
    answer_length(Version::HTTP_2, answer.headers_mut()).map_err(Unanswered::BadAnswer)?;
    if matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        answer.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if http_body::Body::is_end_stream(answer.body()) {
        return Ok(answer.map(Body::Incoming));
    }
    Ok(answer.map(|content| {
        Body::Other(Box::pin(Relay {
            inner: Body::Incoming(content),
            idle: IdleTimeout::new(patience.idle),
            deadline: answer_deadline,
            counted: None,
            trailers: pass_trailers,
            held: Some(slot.clone()),
        }))
    }))
}

/// Tells a connection that simply ended from one that spoke nonsense.
fn broken(error: hyper::Error) -> Unanswered {
    let source = std::error::Error::source(&error);
    let io = source.is_some_and(|source| source.is::<io::Error>());
    let http2 = source.and_then(|source| source.downcast_ref::<h2::Error>());
    // A GOAWAY is the error of those streams alone that are above its last.
    if http2.is_some_and(|error| {
        error.is_remote() && (error.is_go_away() || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
    }) {
        return Unanswered::Refused(error);
    }
    let left = http2.is_some_and(|error| error.is_go_away() || error.is_io());
    match error.is_incomplete_message() || error.is_closed() || error.is_canceled() || io || left {
        true => Unanswered::Ended(error),
        false => Unanswered::Broken(error),
    }
}

/// HTTP/2 wants scheme and authority in the target, and no `Host` (RFC 9113, section 8.3.1).
fn in_http2(mut head: Parts, scheme: Scheme) -> Parts {
    let authority = head.headers.remove(header::HOST);
    head.headers.remove(header::CONNECTION);
    head.version = Version::HTTP_2;
    let mut parts = uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = authority.and_then(|host| uri::Authority::try_from(host.as_bytes()).ok());
    parts.path_and_query = head.uri.path_and_query().cloned();
    if let Ok(uri) = Uri::from_parts(parts) {
        head.uri = uri;
    }
    head
}

/// Trailers of a response as they may pass.
fn pass_trailers(trailers: &mut HeaderMap) -> Result<(), BodyError> {
    if !has_tokens_for_names(trailers) {
        return Err(BodyError::Broken(BadAnswer::FieldName.into()));
    }
    prepare_trailers(trailers);
    Ok(())
}
