//! The content of a message that we send, either way: nothing, some bytes, what arrives from the other side, or a stream.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::wire::Pipe;

/// Content on its way. It stays on the thread that made it.
#[derive(Default)]
pub enum Body {
    /// There is none.
    #[default]
    Empty,
    /// All of it, at hand.
    Full(Bytes),
    /// What arrives on another connection, passed on as it comes.
    Incoming(Incoming),
    /// Pieces that are made one by one; the length is unknown.
    Stream(Pin<Box<dyn Stream<Item = Bytes>>>),
    /// What arrives on another connection, under somebody's eyes: see [`Watched`].
    Watched(Box<Watched>),
    /// Content of another kind.
    Other(Pin<Box<dyn Relayed<Error = BodyError>>>),
}

/// Content that may also pass in the kernel, from socket to socket, without coming by here.
pub trait Relayed: http_body::Body<Data = Bytes> {
    /// Whether nothing follows what came: no more content, and no trailers that might be malformed.
    fn has_ended(&self) -> bool {
        self.is_end_stream()
    }

    /// Moves what has come into an empty pipe; how much that was, never zero. None: it has to be asked for by
    /// `poll_frame`, now or from now on.
    fn poll_into(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Pipe) -> Option<Poll<Result<usize, Self::Error>>> {
        None
    }
}

/// Content that is looked at while it passes.
pub struct Watched {
    /// The content.
    pub inner: Body,
    /// Is shown every step: a frame, the end, an error, or that nothing is there yet. May break the content off.
    pub watch: Box<dyn Watch>,
}

/// Looks at content while it passes.
pub trait Watch {
    /// Called with each frame, which it may change (trailers that must not pass).
    ///
    /// # Errors
    ///
    /// When the frame is malformed: the content breaks off.
    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError>;
    /// Called when so many bytes have passed in the kernel.
    fn moved(&mut self, count: usize);
    /// Called when nothing is there yet; an error breaks the content off.
    ///
    /// # Errors
    ///
    /// When it has been silent for too long.
    fn silence(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError>;
    /// Called once, when the content has come to its proper end.
    fn end(&mut self);
}

/// Counts the bytes of a request's content as they pass.
pub type BytesIn = Rc<Cell<u64>>;

impl Body {
    /// No content.
    pub fn empty() -> Body {
        Body::Empty
    }

    /// These bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Body {
        Body::Full(bytes.into())
    }

    /// What arrives.
    pub fn incoming(incoming: Incoming) -> Body {
        Body::Incoming(incoming)
    }

    /// What a stream makes.
    pub fn stream(stream: impl Stream<Item = Bytes> + 'static) -> Body {
        Body::Stream(Box::pin(stream))
    }

    /// Whether it is known to hold nothing.
    pub fn is_empty(&self) -> bool {
        http_body::Body::is_end_stream(self)
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
            Body::Incoming(incoming) => Pin::new(incoming).poll_frame(cx).map_err(BodyError::from),
            Body::Stream(stream) => {
                stream.as_mut().poll_next(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
            }
            Body::Watched(watched) => watched.poll_frame(cx),
            Body::Other(content) => content.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Full(bytes) => bytes.is_empty(),
            Body::Incoming(incoming) => incoming.is_end_stream(),
            Body::Stream(_) => false,
            // Its end must be seen: only then is the connection behind it free.
            Body::Watched(_) => false,
            Body::Other(content) => content.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Incoming(incoming) => incoming.size_hint(),
            Body::Stream(_) => SizeHint::default(),
            Body::Watched(watched) => watched.inner.size_hint(),
            Body::Other(content) => content.size_hint(),
        }
    }
}

impl Relayed for Body {
    fn has_ended(&self) -> bool {
        match self {
            Body::Watched(watched) => watched.inner.has_ended(),
            other => http_body::Body::is_end_stream(other),
        }
    }

    fn poll_into(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Option<Poll<Result<usize, BodyError>>> {
        match self.get_mut() {
            Body::Watched(watched) => watched.poll_into(cx, pipe),
            Body::Other(content) => content.as_mut().poll_into(cx, pipe),
            Body::Empty | Body::Full(_) | Body::Incoming(_) | Body::Stream(_) => None,
        }
    }
}

impl Watched {
    fn poll_into(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Option<Poll<Result<usize, BodyError>>> {
        let polled = Pin::new(&mut self.inner).poll_into(cx, pipe)?;
        Some(match polled {
            Poll::Ready(Ok(count)) => {
                self.watch.moved(count);
                if http_body::Body::is_end_stream(&self.inner) {
                    self.watch.end();
                }
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match self.watch.silence(cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        })
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match http_body::Body::poll_frame(Pin::new(&mut self.inner), cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let frame = match self.watch.frame(frame) {
                    Ok(frame) => frame,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                };
                if http_body::Body::is_end_stream(&self.inner) {
                    self.watch.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => {
                self.watch.end();
                Poll::Ready(None)
            }
            Poll::Pending => match self.watch.silence(cx) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Some(Err(error))),
            },
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Body::Empty => "Empty",
            Body::Full(_) => "Full",
            Body::Incoming(_) => "Incoming",
            Body::Stream(_) => "Stream",
            Body::Watched(_) => "Watched",
            Body::Other(_) => "Other",
        };
        f.write_str(kind)
    }
}

/// What a connection or a peer did, in its own words.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Content that did not come to its end.
#[derive(Debug)]
pub enum BodyError {
    /// The connection it came on broke off, or broke the rules.
    Broken(Cause),
    /// It is longer or shorter than its sender said.
    WrongLength,
    /// Nothing came for too long.
    TooSlow,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BodyError::Broken(_) => "the content broke off",
            BodyError::WrongLength => "the content is not as long as was said",
            BodyError::TooSlow => "nothing came for too long",
        })
    }
}

impl From<hyper::Error> for BodyError {
    fn from(error: hyper::Error) -> BodyError {
        BodyError::Broken(error.into())
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Broken(error) => Some(&**error),
            BodyError::WrongLength | BodyError::TooSlow => None,
        }
    }
}

/// Content that could not be read whole.
#[derive(Debug)]
pub enum ReadError {
    /// It holds more than was allowed.
    TooLarge,
    /// It broke off.
    Broken(BodyError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReadError::TooLarge => "the content is too large",
            ReadError::Broken(_) => "the content broke off",
        })
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::TooLarge => None,
            ReadError::Broken(error) => Some(error),
        }
    }
}

/// Reads content whole, up to `limit` bytes.
///
/// # Errors
///
/// [`ReadError::TooLarge`] as soon as that is known, [`ReadError::Broken`].
pub async fn read_limited<B>(content: B, limit: usize) -> Result<Bytes, ReadError>
where
    B: http_body::Body<Data = Bytes>,
    BodyError: From<B::Error>,
{
    let mut content = std::pin::pin!(content);
    if content.size_hint().lower() > limit as u64 {
        return Err(ReadError::TooLarge);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = content.frame().await {
        let frame = frame.map_err(|error| ReadError::Broken(BodyError::from(error)))?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > limit {
                return Err(ReadError::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}
