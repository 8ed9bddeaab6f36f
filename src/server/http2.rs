//! HTTP/2 on one connection: concurrent requests, with limits for each.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::boxed::boxed;
use super::metered::{ConnectionTimer, Metered, Phase};
use super::response::{Content, ResponseFuture, RunningRequest};
use super::trailers::Marked;
use super::tunnels;
use super::worker::{ConnectionEvent, Handler, Worker};
use crate::body::Body;
use crate::deadline::Deadline;
use crate::peer::Peer;
use crate::tunnel::TunnelSlot;
use crate::wire::Wire;

/// Concurrent requests on one connection.
const MAX_STREAMS: u32 = 128;
/// Buffered bytes of one response at which we stop reading until the client takes some; the last read may exceed it. A
/// client that takes nothing of 128 responses uses 9 MiB; with 64 KiB it used 25 MiB, and h2load was no faster.
const SEND_BUFFER: usize = 16 * 1024;
/// Bytes of one request's content that may be buffered for the application: enough for 80 Mbit/s at 50 ms.
const STREAM_WINDOW: u32 = 512 * 1024;
/// Bytes of all contents on one connection that may be buffered. Adaptive windows grow to 16 MiB, which any client
/// could make us hold. Stalled uploads can use it up, and then block other uploads of the same connection, but no other
/// client.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How long a client may be silent after a GOAWAY: it must confirm it, and may still be taking the end of a response.
const GOODBYE: Duration = Duration::from_secs(5);

/// Runs hyper's tasks on the worker's own thread.
#[derive(Clone, Copy)]
pub struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}

/// Serves requests until either side closes the connection.
pub async fn serve<H: Handler>(worker: &Rc<Worker<H>>, wire: Wire, deadline: Deadline, peer: Peer) {
    let timer = &ConnectionTimer::new(deadline, worker.settings().idle_timeout);
    let service = service_fn(|request: Request<Incoming>| {
        let running = RunningRequest::begin(timer, &request);
        if request.method() == Method::CONNECT {
            return Either::Left(Box::pin(connect(worker.clone(), request, peer, running)));
        }
        let slot = TunnelSlot::default();
        let handler = boxed(|| worker.handler.respond(request.map(Body::Incoming), peer, slot.clone()));
        Either::Right(ResponseFuture { handler, running: Some(running), slot })
    });
    let mut connection = http2::Builder::new(LocalExecutor)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(worker.settings().header_size).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(Some(50))
        .max_send_buf_size(SEND_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(Metered { frames: Marked::over(wire), timer: timer.clone() }), service);
    let mut leaving = false;
    poll_fn(|cx| {
        if Pin::new(&mut connection).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let moved = timer.arm(if leaving { GOODBYE } else { worker.settings().keep_alive });
        if leaving && moved && timer.phase() == Phase::Idle {
            timer.deadline.set(GOODBYE);
        }
        let expired = timer.deadline.poll_expired(cx).is_ready();
        if expired && timer.phase() == Phase::Content {
            (worker.report)(ConnectionEvent::TooSlow, peer.address);
            return Poll::Ready(());
        }
        let too_many = timer.too_many_resets.get();
        if leaving {
            // hyper ends after the last request. We close the connection if the client does not respond, or has reset
            // too many requests.
            return if expired || too_many { Poll::Ready(()) } else { Poll::Pending };
        }
        if worker.draining.get() || expired || too_many {
            leaving = true;
            Pin::new(&mut connection).graceful_shutdown();
            if timer.running.get() == 0 {
                timer.deadline.set(GOODBYE);
            }
            // The next poll sends GOAWAY.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

/// Responds to an extended CONNECT (RFC 8441). After a 200 with a tunnel in the slot, the stream is joined with that of
/// the application.
async fn connect<H: Handler>(
    worker: Rc<Worker<H>>,
    mut request: Request<Incoming>,
    peer: Peer,
    mut running: RunningRequest,
) -> Result<Response<Content<H::Content>>, Infallible> {
    let slot = TunnelSlot::default();
    let upgrade = hyper::upgrade::on(&mut request);
    let response = worker.handler.respond(request.map(Body::Incoming), peer, slot.clone()).await;
    running.responded(response.body());
    let (StatusCode::OK, Some(tunnel)) = (response.status(), slot.take()) else {
        return Ok(response.map(|content| Content { content, running: Some(running) }));
    };
    running.is_whole();
    tokio::task::spawn_local(async move {
        if let Ok(upgraded) = upgrade.await {
            tunnels::join(&worker, TokioIo::new(upgraded), Bytes::new(), tunnel).await;
        }
        drop(running);
    });
    Ok(response.map(|content| Content { content, running: None }))
}
