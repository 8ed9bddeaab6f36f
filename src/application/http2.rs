//! HTTP/2 to an origin server: hyper's client, with our patience. Requests share the connection.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header;
use http::uri::{self, Scheme, Uri};
use http::{Request, Response, StatusCode, Version};
use http_body::Frame;
use hyper::client::conn::http2::SendRequest;

use super::error::ClientError;
use super::http1::Patience;
use crate::body::{Body, BodyError, Watch, Watched};
use crate::deadline::{Deadline, Deadlines, Silence};
use crate::fields::{BadAnswer, answer_length, has_tokens_for_names, prepare_trailers};

/// What requests are sent by.
pub type Sender = SendRequest<Body>;

/// A request without an answer.
pub enum Unanswered {
    /// Nothing of it was sent; here it is again.
    NotSent(Box<Request<Body>>, hyper::Error),
    /// The server took too long.
    Timeout,
    /// The connection simply ended.
    Ended(hyper::Error),
    /// The connection, or the answer, broke the rules.
    Broken(hyper::Error),
    /// An answer that two readers could read in two ways.
    BadAnswer(BadAnswer),
}

impl From<Unanswered> for ClientError {
    fn from(error: Unanswered) -> ClientError {
        match error {
            Unanswered::NotSent(_, error) => ClientError::NotSent(error.into()),
            Unanswered::Timeout => ClientError::Timeout,
            Unanswered::BadAnswer(error) => ClientError::BadAnswer(error),
            Unanswered::Ended(error) | Unanswered::Broken(error) if error.is_user() => {
                ClientError::Content(BodyError::from(error))
            }
            Unanswered::Ended(error) | Unanswered::Broken(error) => ClientError::Broken(error.into()),
        }
    }
}

/// Sends a request and waits for the head of its answer, whose content is passed on under the idle timeout.
///
/// # Errors
///
/// [`Unanswered`], which tells whether anything can have been sent.
pub async fn exchange(
    sender: &mut Sender,
    scheme: Scheme,
    request: Request<Body>,
    deadlines: &Deadlines,
    patience: Patience,
) -> Result<Response<Body>, Unanswered> {
    // One for each direction: after an early answer both are under way.
    let (deadline, answer_deadline) = (Rc::new(deadlines.register()), deadlines.register());
    let request = match request.body() {
        Body::Incoming(_) | Body::Watched(_) => {
            deadline.set(patience.idle);
            request.map(|content| sending(content, deadline.clone(), patience))
        }
        Body::Empty | Body::Full(_) | Body::Stream(_) | Body::Other(_) => {
            once_sent(&deadline, patience);
            request
        }
    };
    let mut sending = pin!(sender.try_send_request(in_http2(request, scheme)));
    let mut answer = poll_fn(|cx| match sending.as_mut().poll(cx) {
        Poll::Ready(Ok(answer)) => Poll::Ready(Ok(answer)),
        Poll::Ready(Err(mut error)) => Poll::Ready(Err(match error.take_message() {
            Some(request) => Unanswered::NotSent(Box::new(request), error.into_error()),
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
    let watch = AnswerWatch { deadline: answer_deadline, silence: Silence::new(patience.idle) };
    Ok(answer
        .map(|content| Body::Watched(Box::new(Watched { inner: Body::Incoming(content), watch: Box::new(watch) }))))
}

/// The same head again, for a request without content.
pub fn head_of(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Tells a connection that simply ended from one that spoke nonsense.
fn broken(error: hyper::Error) -> Unanswered {
    let source = std::error::Error::source(&error);
    let io = source.is_some_and(|source| source.is::<io::Error>());
    let http2 = source.and_then(|source| source.downcast_ref::<h2::Error>());
    let left = http2.is_some_and(|error| error.is_go_away() || error.is_io());
    match error.is_incomplete_message() || error.is_closed() || error.is_canceled() || io || left {
        true => Unanswered::Ended(error),
        false => Unanswered::Broken(error),
    }
}

/// HTTP/2 wants scheme and authority in the target, and no `Host` (RFC 9113, section 8.3.1).
fn in_http2(mut request: Request<Body>, scheme: Scheme) -> Request<Body> {
    let authority = request.headers_mut().remove(header::HOST);
    request.headers_mut().remove(header::CONNECTION);
    *request.version_mut() = Version::HTTP_2;
    let mut parts = uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = authority.and_then(|host| uri::Authority::try_from(host.as_bytes()).ok());
    parts.path_and_query = request.uri().path_and_query().cloned();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

fn once_sent(deadline: &Deadline, patience: Patience) {
    match patience.response {
        Some(timeout) => deadline.set(timeout),
        None => deadline.clear(),
    }
}

/// The same content, keeping the deadline of its request.
fn sending(content: Body, deadline: Rc<Deadline>, patience: Patience) -> Body {
    let (inner, watch) = match content {
        Body::Incoming(_) => (content, None),
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
    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        self.deadline.set(self.patience.idle);
        match &mut self.watch {
            Some(watch) => watch.frame(frame),
            None => Ok(frame),
        }
    }

    fn moved(&mut self, count: usize) {
        self.deadline.set(self.patience.idle);
        if let Some(watch) = &mut self.watch {
            watch.moved(count);
        }
    }

    fn silence(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        let Some(watch) = &mut self.watch else { return Ok(()) };
        // It is the client that is waited for, and the client's own watch that counts.
        self.deadline.clear();
        watch.silence(cx)
    }

    fn end(&mut self) {
        once_sent(&self.deadline, self.patience);
        if let Some(watch) = &mut self.watch {
            watch.end();
        }
    }
}

/// Watches an answer's content.
struct AnswerWatch {
    deadline: Deadline,
    silence: Silence,
}

impl Watch for AnswerWatch {
    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        self.silence.end();
        let mut trailers = match frame.into_trailers() {
            Ok(trailers) => trailers,
            Err(data) => return Ok(data),
        };
        if !has_tokens_for_names(&trailers) {
            return Err(BodyError::Broken(BadAnswer::FieldName.into()));
        }
        prepare_trailers(&mut trailers);
        Ok(Frame::trailers(trailers))
    }

    fn moved(&mut self, _: usize) {
        self.silence.end();
    }

    fn silence(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        match self.silence.poll_too_long(&self.deadline, cx) {
            Poll::Ready(()) => Err(BodyError::TooSlow),
            Poll::Pending => Ok(()),
        }
    }

    fn end(&mut self) {}
}
