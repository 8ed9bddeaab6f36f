//! The content of messages, on its way to either side.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use thiserror::Error;

use crate::deadline::{Deadline, IdleTimeout};
use crate::wire::Pipe;

/// Streaming content. It stays on the thread that made it.
#[derive(Default)]
pub enum Body {
    #[default]
    Empty,
    /// Content in memory.
    Full(Bytes),
    /// Content that arrives on an HTTP/2 stream.
    Incoming(Incoming),
    /// Any other content: a request's or a response's over HTTP/1.1, a [`Relay`], or a stream of unknown length.
    Other(Pin<Box<dyn Splice>>),
}

/// The number of bytes that were moved into a pipe, never zero. `None` if the content has to be read by `poll_frame`, for
/// now or for good.
pub type Moved = Option<Poll<Result<usize, BodyError>>>;

/// Content that can also be moved inside the kernel, from socket to socket, without being read here.
pub trait Splice: http_body::Body<Data = Bytes, Error = BodyError> {
    /// Whether all content has arrived, and no trailers can follow, which might be malformed.
    fn has_ended(&self) -> bool {
        self.is_end_stream()
    }

    /// Moves what has arrived into an empty pipe.
    fn poll_into(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Pipe) -> Moved {
        None
    }
}

/// Relayed content, with an idle timeout, a count of its bytes, and filtered trailers.
pub struct Relay<F> {
    pub inner: Body,
    /// Limits how long the sender may be silent.
    pub idle: IdleTimeout,
    pub deadline: Deadline,
    pub counted: Option<BytesIn>,
    /// Edits the trailers; an error ends the content as malformed.
    pub trailers: F,
    /// Dropped when the content has ended properly.
    pub held: Option<Rc<dyn Any>>,
}

/// Bytes of a request's content that have passed.
pub type BytesIn = Rc<Cell<u64>>;

impl Body {
    pub fn full(bytes: impl Into<Bytes>) -> Body {
        Body::Full(bytes.into())
    }

    pub fn stream(stream: impl Stream<Item = Bytes> + 'static) -> Body {
        Body::Other(Box::pin(StreamBody::new(stream.map(|piece| Ok(Frame::data(piece))))))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Body::Empty => Poll::Ready(None),
            Body::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Body::Incoming(incoming) => {
                Pin::new(incoming).poll_frame(cx).map_err(|error| BodyError::Broken(error.into()))
            }
            Body::Other(content) => content.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Full(bytes) => bytes.is_empty(),
            Body::Incoming(incoming) => incoming.is_end_stream(),
            Body::Other(content) => content.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Incoming(incoming) => incoming.size_hint(),
            Body::Other(content) => content.size_hint(),
        }
    }
}

impl Splice for Body {
    fn has_ended(&self) -> bool {
        match self {
            Body::Other(content) => content.has_ended(),
            other => http_body::Body::is_end_stream(other),
        }
    }

    fn poll_into(self: Pin<&mut Self>, cx: &mut Context<'_>, pipe: &mut Pipe) -> Moved {
        match self.get_mut() {
            Body::Other(content) => content.as_mut().poll_into(cx, pipe),
            Body::Empty | Body::Full(_) | Body::Incoming(_) => None,
        }
    }
}

impl<S: Stream<Item = Result<Frame<Bytes>, BodyError>>> Splice for StreamBody<S> {}

impl<F> Relay<F> {
    fn passed(&mut self, count: usize) {
        self.idle.end();
        if let Some(counted) = &self.counted {
            counted.set(counted.get() + count as u64);
        }
        if http_body::Body::is_end_stream(&self.inner) {
            self.held = None;
        }
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        self.idle.poll_too_long(&self.deadline, cx).map(|()| BodyError::TooSlow)
    }
}

impl<F: Fn(&mut HeaderMap) -> Result<(), BodyError> + Unpin> http_body::Body for Relay<F> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let mut frame = match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Pending => return this.poll_idle(cx).map(|error| Some(Err(error))),
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(end) => {
                if end.is_none() {
                    this.held = None;
                }
                return Poll::Ready(end);
            }
        };
        this.passed(frame.data_ref().map_or(0, Bytes::len));
        let edited = frame.trailers_mut().map_or(Ok(()), &this.trailers);
        Poll::Ready(Some(edited.map(|()| frame)))
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<F: Fn(&mut HeaderMap) -> Result<(), BodyError> + Unpin> Splice for Relay<F> {
    fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }

    fn poll_into(self: Pin<&mut Self>, cx: &mut Context<'_>, pipe: &mut Pipe) -> Moved {
        let this = self.get_mut();
        let moved = Pin::new(&mut this.inner).poll_into(cx, pipe)?;
        Some(match moved {
            Poll::Pending => this.poll_idle(cx).map(Err),
            Poll::Ready(moved) => Poll::Ready(moved.inspect(|count| this.passed(*count))),
        })
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

/// The cause of a failure, from the connection or the parser.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why content is incomplete.
#[derive(Debug, Error)]
pub enum BodyError {
    /// Its connection was closed, or broke the protocol.
    #[error("the content is incomplete")]
    Broken(#[source] Cause),
    #[error("the content is longer or shorter than its Content-Length")]
    WrongLength,
    #[error("no content arrived within the idle timeout")]
    TooSlow,
}

/// Why content could not be read completely.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("the content is too large")]
    TooLarge,
    #[error("the content is incomplete")]
    Broken(#[source] BodyError),
}

/// Reads all content, up to `limit` bytes.
///
/// # Errors
///
/// [`ReadError::TooLarge`] as soon as that is known, else [`ReadError::Broken`].
pub async fn read_limited(mut content: Body, limit: usize) -> Result<Bytes, ReadError> {
    if http_body::Body::size_hint(&content).lower() > limit as u64 {
        return Err(ReadError::TooLarge);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = content.frame().await {
        let frame = frame.map_err(ReadError::Broken)?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > limit {
                return Err(ReadError::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}
