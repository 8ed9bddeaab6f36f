//! A response over HTTP/2 under the connection's timer: from the complete head of the request to the last byte that
//! hyper takes.

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

/// A request in progress. If dropped before its response is complete, the client has reset it.
pub struct RunningRequest {
    timer: Rc<ConnectionTimer>,
    /// Whether the request's content, and a piece of the response's, waits for the client.
    sends: bool,
    takes: bool,
    /// Whether the response is complete.
    whole: bool,
    head_only: bool,
}

impl RunningRequest {
    /// Begins when the head of the request is complete.
    pub fn begin(timer: &Rc<ConnectionTimer>, request: &Request<Incoming>) -> RunningRequest {
        timer.begin();
        let head_only = request.method() == Method::HEAD;
        let mut running = RunningRequest { timer: timer.clone(), sends: false, takes: false, whole: false, head_only };
        let has_content = !request.body().is_end_stream() && request.method() != Method::CONNECT;
        timer.set_waits(&mut running.sends, has_content);
        running
    }

    /// Called when the handler has returned the response. From now on we do not wait for the request's content.
    pub fn responded<B: Body>(&mut self, content: &B) {
        self.timer.set_waits(&mut self.sends, false);
        self.whole = self.head_only || content.is_end_stream();
        // hyper does not poll the content before the client opens its window.
        self.timer.set_waits(&mut self.takes, !self.whole);
    }

    /// Called when the response is complete.
    pub fn is_whole(&mut self) {
        self.whole = true;
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.timer.set_waits(&mut self.takes, false);
        self.timer.set_waits(&mut self.sends, false);
        self.timer.end();
        if !self.whole {
            self.timer.note_reset();
        }
    }
}

/// The response of a handler, as a future.
pub struct ResponseFuture<B> {
    pub handler: Pin<Box<dyn Future<Output = Response<B>>>>,
    /// `None` after the response.
    pub running: Option<RunningRequest>,
    /// Where the handler puts a tunnel. A tunnel counts only with a 101.
    pub slot: TunnelSlot,
}

impl<B: Body> Future for ResponseFuture<B> {
    type Output = Result<Response<Content<B>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.handler.as_mut().poll(cx));
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // Without a 101 the client does not expect a tunnel (docs/conformance.md, J1).
            drop(self.slot.take());
        }
        let mut running = self.running.take();
        if let Some(running) = &mut running {
            running.responded(response.body());
        }
        Poll::Ready(Ok(response.map(|content| Content { content, running })))
    }
}

/// A response's content, which records whether it waits for the client to open the flow-control window.
pub struct Content<B> {
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
            // hyper polls again only when the flow-control window has capacity.
            running.timer.set_waits(&mut running.takes, matches!(polled, Poll::Ready(Some(Ok(_)))));
            // An incomplete response is not a reset by the client.
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
