//! HTTP/2 to an origin server: hyper's client with our time limits. Requests share connections, see `streams`.

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
use crate::fields::{BadResponse, has_tokens_for_names, prepare_trailers, response_length};

/// A request, which can be sent again while its content is kept.
pub struct Http2Request {
    head: Parts,
    content: Content,
    /// For sending the request, then for the head of the response.
    deadline: Rc<Deadline>,
    timeouts: Timeouts,
}

enum Content {
    AtHand(Bytes),
    Coming(Rc<Lender>),
}

impl Http2Request {
    /// A request in origin-form with its `Host`.
    pub fn new(head: Parts, content: Body, scheme: Scheme, deadlines: &Deadlines, timeouts: Timeouts) -> Http2Request {
        let deadline = Rc::new(deadlines.register());
        let content = match content {
            Body::Empty => Content::AtHand(Bytes::new()),
            Body::Full(bytes) => Content::AtHand(bytes),
            content => Content::Coming(Lender::new(content, deadline.clone(), timeouts)),
        };
        Http2Request { head: in_http2(head, scheme), content, deadline, timeouts }
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
                self.timeouts.request_sent(&self.deadline);
                if bytes.is_empty() { Body::Empty } else { Body::Full(bytes.clone()) }
            }
            Content::Coming(lender) => {
                self.deadline.set(self.timeouts.idle);
                lender.lend(slot.clone())
            }
        };
        Request::from_parts(self.head.clone(), content)
    }
}

/// Sends a request and waits for the head of its response, whose content is relayed under the idle timeout.
///
/// # Errors
///
/// [`ClientError`], which says whether the server can have processed any of it.
pub async fn exchange(
    slot: &Rc<Slot>,
    outgoing: &Http2Request,
    deadlines: &Deadlines,
) -> Result<Response<Body>, ClientError> {
    // One for each direction: after an early response both transfer content.
    let response_deadline = deadlines.register();
    let (deadline, timeouts) = (&outgoing.deadline, outgoing.timeouts);
    let mut sending = pin!(slot.send(outgoing.request(slot)));
    let mut response = poll_fn(|cx| match sending.as_mut().poll(cx) {
        Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
        Poll::Ready(Err(mut error)) => Poll::Ready(Err(match error.take_message() {
            Some(_) => ClientError::NotSent(error.into_error().into()),
            None => broken(error.into_error()),
        })),
        Poll::Pending => deadline.poll_expired(cx).map(|()| Err(ClientError::Timeout)),
    })
    .await?;
    response_length(Version::HTTP_2, response.headers_mut()).map_err(ClientError::BadResponse)?;
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if http_body::Body::is_end_stream(response.body()) {
        return Ok(response.map(Body::Incoming));
    }
    Ok(response.map(|content| {
        Body::Other(Box::pin(Relay {
            inner: Body::Incoming(content),
            idle: IdleTimeout::new(timeouts.idle),
            deadline: response_deadline,
            counted: None,
            trailers: pass_trailers,
            held: Some(slot.clone()),
        }))
    }))
}

/// Distinguishes a connection that ended from one that broke the protocol.
fn broken(error: hyper::Error) -> ClientError {
    if error.is_user() {
        return ClientError::Content(BodyError::Broken(error.into()));
    }
    let source = std::error::Error::source(&error);
    let io = source.is_some_and(|source| source.is::<io::Error>());
    let http2 = source.and_then(|source| source.downcast_ref::<h2::Error>());
    // Only streams above the last one of a GOAWAY fail with it.
    if http2.is_some_and(|error| {
        error.is_remote() && (error.is_go_away() || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
    }) {
        return ClientError::Refused(error.into());
    }
    let left = http2.is_some_and(|error| error.is_go_away() || error.is_io());
    match error.is_incomplete_message() || error.is_closed() || error.is_canceled() || io || left {
        true => ClientError::Ended(error.into()),
        false => ClientError::Broken(error.into()),
    }
}

/// Moves `Host` into the target, with the scheme (RFC 9113, section 8.3.1).
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

/// Filters the trailers of a response.
fn pass_trailers(trailers: &mut HeaderMap) -> Result<(), BodyError> {
    if !has_tokens_for_names(trailers) {
        return Err(BodyError::Broken(BadResponse::FieldName.into()));
    }
    prepare_trailers(trailers);
    Ok(())
}
