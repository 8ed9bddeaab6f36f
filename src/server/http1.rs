//! HTTP/1.1 on one connection: requests one after the other, parked in between, joined when one is upgraded.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::answer::{Answering, Running};
use super::metered::{Metered, Pace, Phase};
use super::{ConnectionEvent, Worker, parked, tunnels};
use crate::peer::Peer;
use crate::tunnel::{Tunnel, TunnelSlot};
use crate::wire::Wire;

/// How long an idle connection keeps HTTP's state before it is parked.
const PARK_AFTER: Duration = Duration::from_secs(1);
/// hyper's own bound for buffers, which does best for bodies; a larger `header_size` raises it.
const BUFFER: usize = 400 * 1024;

/// How one stretch of requests ended.
enum Stretch {
    /// Idle: to be parked. Bytes that came meanwhile are the start of the next request.
    Idle(Wire, Bytes),
    /// Upgraded: to be joined.
    Upgraded(Wire, Bytes, Tunnel),
    /// Over.
    Closed,
}

/// What ended hyper's part of a stretch.
enum End {
    /// hyper is done; `parked`: because it was asked to while idle.
    Done { result: hyper::Result<()>, parked: bool },
    /// The client took too long.
    TooSlow,
}

/// Serves requests until the client or we have had enough.
pub async fn serve<B>(worker: &Rc<Worker<B>>, wire: Wire, pace: &Rc<Pace>, peer: Peer)
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut wire, mut ahead) = (wire, Bytes::new());
    loop {
        // Boxed: a parked connection's task must not hold the room for hyper's state.
        match Box::pin(stretch(worker, wire, ahead, pace, peer)).await {
            Stretch::Closed => return,
            Stretch::Upgraded(wire, ahead, tunnel) => {
                return Box::pin(tunnels::join(worker, wire, ahead, tunnel)).await;
            }
            Stretch::Idle(idle, rest) => (wire, ahead) = (idle, rest),
        }
        let left = worker.settings().keep_alive.saturating_sub(PARK_AFTER);
        if ahead.is_empty() && !parked::wait(worker, &pace.deadline, &mut wire, left).await {
            return;
        }
    }
}

/// Serves with hyper until the connection is idle for a while, is upgraded, or ends.
async fn stretch<B>(worker: &Rc<Worker<B>>, wire: Wire, ahead: Bytes, pace: &Rc<Pace>, peer: Peer) -> Stretch
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let slot = TunnelSlot::default();
    let uploads = std::cell::Cell::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        uploads.set(!http_body::Body::is_end_stream(request.body()));
        let running = Some(Running::begin(pace, &request, None));
        Answering { answer: (worker.handler)(request, peer, slot.clone()), running, slot: slot.clone() }
    });
    pace.expect_head();
    let settings = worker.settings();
    let mut connection = http1::Builder::new()
        .max_buf_size(settings.header_size.max(BUFFER))
        .max_header_size(settings.header_size)
        .max_headers(settings.header_count)
        .half_close(false)
        .serve_connection(TokioIo::new(Metered { wire, ahead, pace: pace.clone() }), service);
    let end = drive(worker, &mut connection, pace).await;
    let parts = connection.into_parts();
    let metered = parts.io.into_inner();
    let (result, parked) = match end {
        End::Done { result, parked } => (result, parked),
        End::TooSlow => {
            (worker.report)(ConnectionEvent::TooSlow, peer.address);
            return Stretch::Closed;
        }
    };
    let failed = result.is_err();
    if result.is_err_and(|error| error.is_parse()) {
        (worker.report)(ConnectionEvent::Malformed, peer.address);
    }
    if let (false, Some(tunnel)) = (failed, slot.take()) {
        return Stretch::Upgraded(metered.wire, join_bytes(parts.read_buf, metered.ahead), tunnel);
    }
    if parked && !failed && !pace.has_finished() && !worker.draining.get() {
        return Stretch::Idle(metered.wire, join_bytes(parts.read_buf, metered.ahead));
    }
    close(metered.wire, pace, failed || uploads.get()).await;
    Stretch::Closed
}

/// Drives hyper beside the connection's clock.
async fn drive<B, S>(
    worker: &Rc<Worker<B>>,
    connection: &mut http1::Connection<TokioIo<Metered>, S>,
    pace: &Pace,
) -> End
where
    S: hyper::service::HttpService<Incoming> + Unpin,
    S::Future: Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResBody: http_body::Body + Unpin + 'static,
    <S::ResBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let idle = worker.settings().keep_alive.min(PARK_AFTER);
    let mut leaving = false;
    let mut over = None;
    poll_fn(|cx| {
        if worker.draining.get() && !std::mem::replace(&mut leaving, true) {
            Pin::new(&mut *connection).graceful_shutdown();
        }
        if over.is_none()
            && let Poll::Ready(result) = connection.poll_without_shutdown(cx)
        {
            over = Some(result);
        }
        if over.is_some() && (!pace.is_blocked() || Pin::new(&mut *connection).poll(cx).is_ready()) {
            // Done is not sent: hyper lets go of what it has not written yet, but in its own shutdown.
            return Poll::Ready(End::Done { result: over.take().unwrap_or(Ok(())), parked: false });
        }
        pace.wind(idle);
        if pace.deadline.poll_expired(cx).is_pending() {
            return Poll::Pending;
        }
        if pace.phase() != Phase::Idle || std::mem::replace(&mut leaving, true) {
            return Poll::Ready(End::TooSlow);
        }
        Pin::new(&mut *connection).graceful_shutdown();
        if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
            return Poll::Ready(End::Done { result, parked: true });
        }
        // Not idle for hyper: it still reads a content that nobody waits for. It ends with that.
        pace.deadline.set(worker.settings().idle_timeout);
        pace.deadline.poll_expired(cx).map(|()| End::TooSlow)
    })
    .await
}

/// Says goodbye properly: TLS has a last word, and unread bytes must not turn our answer into a reset. A client that has
/// said all it had to say needs neither.
async fn close(mut wire: Wire, pace: &Pace, more_to_come: bool) {
    const LINGER: Duration = Duration::from_millis(500);
    let plain = !matches!(wire, Wire::Tls(_));
    if plain && (pace.has_finished() || !more_to_come && !pace.may_hold_more()) {
        return;
    }
    let lingering = async {
        if wire.shutdown().await.is_ok() {
            let mut sink = [0; 4096];
            let mut left = 64;
            while left > 0 && matches!(wire.read(&mut sink).await, Ok(count) if count > 0) {
                left -= 1;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, Box::pin(lingering)).await;
}

/// Empty bytes are made anew: hyper's still hold the room they were read into.
fn join_bytes(first: Bytes, second: Bytes) -> Bytes {
    match (first.is_empty(), second.is_empty()) {
        (true, true) => Bytes::new(),
        (false, true) => first,
        (true, false) => second,
        (false, false) => [first, second].concat().into(),
    }
}
