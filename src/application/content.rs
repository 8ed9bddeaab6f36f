//! The content of a response over HTTP/1.1, after whose proper end the connection is reused.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::http1::Http1;
use super::private::Home;
use crate::body::{BodyError, Cause, Moved, Splice};
use crate::deadline::IdleTimeout;
use crate::fields::prepare_trailers;
use crate::http1::{BodyPart, BodyReader};
use crate::wire::Pipe;

/// Streaming content. Dropping it before its end closes the connection.
pub struct Content {
    /// `None` after the end.
    connection: Option<Http1>,
    framing: BodyReader,
    home: Home,
    idle: IdleTimeout,
    broken: bool,
}

impl Content {
    /// The content that `framing` describes. The connection is closed if it is silent for `idle`, and goes to `home` at
    /// the end.
    pub fn new(connection: Http1, framing: BodyReader, home: Home, idle: Duration) -> Content {
        Content { connection: Some(connection), framing, home, idle: IdleTimeout::new(idle), broken: false }
    }

    fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            std::mem::replace(&mut self.home, Home::Closed).take_back(connection);
        }
    }

    fn passed(&mut self) {
        self.idle.end();
        if self.framing.exact() == Some(0) {
            self.finish();
        }
    }

    /// Reports the error with the second poll: hyper sends what came before only when it has to wait.
    fn break_off(&mut self, cx: &mut Context<'_>, cause: Cause) -> Poll<BodyError> {
        if std::mem::replace(&mut self.broken, true) {
            return Poll::Ready(BodyError::Broken(cause));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let Some(connection) = &self.connection else { return Poll::Pending };
        self.idle.poll_too_long(&connection.deadline, cx).map(|()| BodyError::TooSlow)
    }
}

impl Splice for Content {
    /// Content of known length, when all that was read together with the head has been passed on.
    fn poll_into(self: Pin<&mut Self>, cx: &mut Context<'_>, pipe: &mut Pipe) -> Moved {
        let this = self.get_mut();
        let BodyReader::Length(left @ 1..) = this.framing else { return None };
        Some(match this.connection.as_ref()?.poll_into(cx, pipe, left)? {
            Poll::Ready(Ok(0)) => this.break_off(cx, "the connection was closed".into()).map(Err),
            Poll::Ready(Err(error)) => this.break_off(cx, error.into()).map(Err),
            Poll::Pending => this.wait(cx).map(Err),
            Poll::Ready(Ok(count)) => {
                this.framing.pass(count);
                this.passed();
                Poll::Ready(Ok(count))
            }
        })
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(connection) = &mut this.connection else { return Poll::Ready(None) };
        match connection.poll_content(cx, &mut this.framing) {
            Poll::Ready(Ok(BodyPart::Piece(piece))) => {
                this.passed();
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Poll::Ready(Ok(BodyPart::Trailers(mut trailers))) => {
                this.finish();
                prepare_trailers(&mut trailers);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Poll::Ready(Ok(BodyPart::End)) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Err(cause)) => this.break_off(cx, cause).map(|error| Some(Err(error))),
            Poll::Ready(Ok(BodyPart::More)) | Poll::Pending => this.wait(cx).map(|error| Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.framing.exact().map(SizeHint::with_exact).unwrap_or_default()
    }
}
