//! HTTP/1.1 on one connection: requests one after the other, parked in between, joined when one is upgraded.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::connection::Wire;
use super::metered::{Metered, Pace, Phase};
use super::{ConnectionEvent, Worker, parked, tunnels};
use crate::peer::Peer;
use crate::tunnel::{Tunnel, TunnelSlot};

/// How long an idle connection keeps HTTP's state before it is parked.
const PARK_AFTER: Duration = Duration::from_secs(1);

/// How one stretch of requests ended.
enum Stretch {
    /// Idle: to be parked. Bytes that came meanwhile are the start of the next request.
    Idle(Wire, Bytes),
    /// Upgraded: to be joined.
    Upgraded(Wire, Bytes, Tunnel),
    /// Over.
    Closed,
}

/// Serves requests until the client or we have had enough.
pub async fn serve<B>(worker: &Rc<Worker<B>>, wire: Wire, peer: Peer)
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut wire, mut ahead) = (wire, Bytes::new());
    loop {
        match stretch(worker, wire, ahead, peer).await {
            Stretch::Closed => return,
            Stretch::Upgraded(wire, ahead, tunnel) => return tunnels::join(worker, wire, ahead, tunnel).await,
            Stretch::Idle(idle, rest) if !rest.is_empty() => (wire, ahead) = (idle, rest),
            Stretch::Idle(idle, rest) => {
                let left = worker.settings.keep_alive.saturating_sub(PARK_AFTER);
                let Some(back) = parked::wait(worker, idle, left).await else { return };
                (wire, ahead) = (back, rest);
            }
        }
    }
}

/// Serves with hyper until the connection is idle for a while, is upgraded, or ends.
async fn stretch<B>(worker: &Rc<Worker<B>>, wire: Wire, ahead: Bytes, peer: Peer) -> Stretch
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let settings = &worker.settings;
    let pace = Pace::new(worker.deadlines.register(), settings.header_timeout, settings.idle_timeout);
    let slot = TunnelSlot::default();
    let idle = settings.keep_alive.min(PARK_AFTER);
    let service = service_fn(|request: Request<Incoming>| {
        pace.begin();
        let answer = (worker.handler)(request, peer, slot.clone());
        let pace = pace.clone();
        // Boxed by the handler already, and again here for `Unpin`: hyper gives the wire back only then.
        Box::pin(async move {
            let answer = answer.await;
            Ok::<_, std::convert::Infallible>(answer.map(|content| Timed { content, pace, idle }))
        }) as Pin<Box<dyn Future<Output = Result<Response<Timed<B>>, std::convert::Infallible>>>>
    });
    let io = TokioIo::new(Metered { wire, ahead, pace: pace.clone() });
    let mut connection = http1::Builder::new()
        .max_buf_size(settings.header_size.max(8192))
        .max_headers(settings.header_count)
        .half_close(false)
        .serve_connection(io, service);
    let mut leaving = false;
    let result = poll_fn(|cx| {
        if worker.draining.get() && !std::mem::replace(&mut leaving, true) {
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(done) = connection.poll_without_shutdown(cx) {
            return Poll::Ready(Some(done));
        }
        if pace.deadline.poll_expired(cx).is_pending() {
            return Poll::Pending;
        }
        if pace.phase() == Phase::Idle && !std::mem::replace(&mut leaving, true) {
            pace.deadline.clear();
            Pin::new(&mut connection).graceful_shutdown();
            return connection.poll_without_shutdown(cx).map(Some);
        }
        Poll::Ready(None)
    })
    .await;
    match result {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            if error.is_parse() {
                (worker.report)(ConnectionEvent::Malformed, peer.address);
            }
            // hyper has written its bare status; it must leave before the connection does.
            flush_and_close(connection.into_parts().io.into_inner()).await;
            return Stretch::Closed;
        }
        None => {
            if pace.phase() == Phase::Head {
                (worker.report)(ConnectionEvent::TooSlow, peer.address);
            }
            return Stretch::Closed;
        }
    }
    let parts = connection.into_parts();
    let metered = parts.io.into_inner();
    let rest = join_bytes(parts.read_buf, metered.ahead);
    if let Some(tunnel) = slot.take() {
        return Stretch::Upgraded(metered.wire, rest, tunnel);
    }
    let parks = leaving && pace.has_answered() && !worker.draining.get() && pace.phase() != Phase::Busy;
    match parks {
        true => Stretch::Idle(metered.wire, rest),
        false => {
            close(metered.wire).await;
            Stretch::Closed
        }
    }
}

async fn flush_and_close(metered: Metered) {
    close(metered.wire).await;
}

/// Says goodbye properly: TLS has a last word, and unread bytes must not turn our answer into a reset.
async fn close(mut wire: Wire) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const LINGER: Duration = Duration::from_millis(500);
    let lingering = async {
        if wire.shutdown().await.is_ok() {
            let mut sink = [0; 4096];
            let mut left = 64;
            while left > 0 && matches!(wire.read(&mut sink).await, Ok(count) if count > 0) {
                left -= 1;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, lingering).await;
}

fn join_bytes(first: Bytes, second: Bytes) -> Bytes {
    match (first.is_empty(), second.is_empty()) {
        (_, true) => first,
        (true, false) => second,
        (false, false) => [first, second].concat().into(),
    }
}

/// An answer's content that tells the connection's clock when it has ended.
struct Timed<B> {
    content: B,
    pace: Rc<Pace>,
    idle: Duration,
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Timed<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.get_mut().content).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

impl<B> Drop for Timed<B> {
    fn drop(&mut self) {
        self.pace.end(self.idle);
    }
}
