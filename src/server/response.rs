//! An answer on its way, under the eyes of the connection's clock: from the complete head of the request to the last
//! byte that hyper takes.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::metered::ConnectionTimer;
use crate::tunnel::TunnelSlot;

/// A request that is being answered. Dropped before its answer is whole: the client took it back.
pub struct RunningRequest {
    timer: Rc<ConnectionTimer>,
    /// Told when the client took it back.
    on_reset: Option<Rc<dyn Fn()>>,
    /// Whether the client's own content counts, and whether a piece of ours waits for the client.
    sends: bool,
    takes: bool,
    whole: bool,
    head_only: bool,
}

impl RunningRequest {
    /// Begins with a complete head.
    pub fn begin(
        timer: &Rc<ConnectionTimer>,
        request: &Request<Incoming>,
        on_reset: Option<Rc<dyn Fn()>>,
    ) -> RunningRequest {
        let sends = !request.body().is_end_stream() && request.method() != Method::CONNECT;
        timer.begin(sends);
        let head_only = request.method() == Method::HEAD;
        RunningRequest { timer: timer.clone(), on_reset, sends, takes: false, whole: false, head_only }
    }

    /// The handler has answered: from here on it reads what it wants of the request's content.
    pub fn answered<B: Body>(&mut self, content: &B) {
        self.timer.stop_awaiting_client(std::mem::take(&mut self.sends));
        self.whole = self.head_only || content.is_end_stream();
        // Over HTTP/2 the content is not even looked at before the client makes room for it.
        self.takes(!self.whole);
    }

    /// There is nothing more to say.
    pub fn is_whole(&mut self) {
        self.whole = true;
    }

    fn takes(&mut self, piece: bool) {
        if std::mem::replace(&mut self.takes, piece) != piece {
            match piece {
                true => self.timer.await_client(true),
                false => self.timer.stop_awaiting_client(true),
            }
        }
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.takes(false);
        self.timer.stop_awaiting_client(self.sends);
        self.timer.end();
        if let (false, Some(on_reset)) = (self.whole, &self.on_reset) {
            on_reset();
        }
    }
}

/// The handler's answer, once it has one.
pub struct ResponseFuture<B> {
    /// The handler at work.
    pub answer: Pin<Box<dyn Future<Output = Response<B>>>>,
    /// None once it has answered.
    pub running: Option<RunningRequest>,
    /// Where a tunnel may lie; kept only with a 101.
    pub slot: TunnelSlot,
}

impl<B: Body> Future for ResponseFuture<B> {
    type Output = Result<Response<Content<B>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(self.answer.as_mut().poll(cx));
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            // Nothing is joined that the client was not told of (threat table, J1).
            drop(self.slot.take());
        }
        let mut running = self.running.take();
        if let Some(running) = &mut running {
            running.answered(answer.body());
        }
        Poll::Ready(Ok(answer.map(|content| Content { content, running })))
    }
}

/// An answer's content. Whether its last piece still waits for the client tells whose turn it is.
pub struct Content<B> {
    /// The content itself.
    pub content: B,
    /// Ends with it.
    pub running: Option<RunningRequest>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Content<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.content).poll_frame(cx);
        if let Some(running) = &mut this.running {
            // hyper asks again only when there is room for more.
            running.takes(matches!(polled, Poll::Ready(Some(Ok(_)))));
            // What breaks off by our own fault is no reset of the client's.
            if matches!(polled, Poll::Ready(None | Some(Err(_)))) || this.content.is_end_stream() {
                running.is_whole();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
