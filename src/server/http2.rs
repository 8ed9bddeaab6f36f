//! HTTP/2 on one connection: many requests at once, each within bounds.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::connection::Wire;
use super::{Worker, tunnels};
use crate::peer::Peer;
use crate::tunnel::TunnelSlot;

/// Requests at once on one connection.
const MOST_STREAMS: u32 = 128;
/// Requests that a client may take back within [`RESET_WINDOW`] (threat table, H5).
const MOST_RESETS: usize = 200;
const RESET_WINDOW: Duration = Duration::from_secs(10);

/// Runs hyper's tasks on the worker's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}

/// What a connection's requests come to, for its own bounds.
#[derive(Default)]
struct Tally {
    running: Cell<usize>,
    resets: RefCell<VecDeque<Instant>>,
}

impl Tally {
    /// Counts a request that was taken back, and whether there were too many of them lately.
    fn note_reset(&self) {
        let mut resets = self.resets.borrow_mut();
        while resets.front().is_some_and(|at| at.elapsed() > RESET_WINDOW) {
            resets.pop_front();
        }
        resets.push_back(Instant::now());
    }

    fn has_too_many_resets(&self) -> bool {
        self.resets.borrow().len() > MOST_RESETS
    }
}

/// A request under way: if it is dropped before its answer, the client took it back.
struct Running {
    tally: Rc<Tally>,
    answered: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tally.running.set(self.tally.running.get() - 1);
        if !self.answered {
            self.tally.note_reset();
        }
    }
}

/// Serves requests until the client or we have had enough.
pub async fn serve<B>(worker: &Rc<Worker<B>>, wire: Wire, peer: Peer)
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let settings = &worker.settings;
    let tally = Rc::new(Tally::default());
    let service = {
        let (worker, tally) = (worker.clone(), tally.clone());
        service_fn(move |request| {
            tally.running.set(tally.running.get() + 1);
            answer(worker.clone(), request, peer, Running { tally: tally.clone(), answered: false })
        })
    };
    let header_size = u32::try_from(settings.header_size).unwrap_or(u32::MAX);
    let mut connection = http2::Builder::new(LocalExecutor)
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(header_size)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(Some(50))
        .adaptive_window(true)
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(wire), service);
    let deadline = worker.deadlines.register();
    deadline.set(settings.keep_alive);
    let (mut leaving, mut was_busy) = (false, false);
    poll_fn(|cx| {
        if Pin::new(&mut connection).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let busy = tally.running.get() > 0;
        if std::mem::replace(&mut was_busy, busy) != busy || busy {
            deadline.set(settings.keep_alive);
        }
        let idle_for_long = deadline.poll_expired(cx).is_ready();
        let enough = worker.draining.get() || idle_for_long || tally.has_too_many_resets();
        if enough && !std::mem::replace(&mut leaving, true) {
            Pin::new(&mut connection).graceful_shutdown();
            // GOAWAY is out with the next poll; whoever does not answer it is cut off when the deadline comes again.
            deadline.set(settings.header_timeout);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match leaving && (idle_for_long || tally.has_too_many_resets()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

async fn answer<B>(
    worker: Rc<Worker<B>>,
    mut request: Request<Incoming>,
    peer: Peer,
    mut running: Running,
) -> Result<http::Response<B>, std::convert::Infallible>
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let slot = TunnelSlot::default();
    let upgrade = (request.method() == http::Method::CONNECT).then(|| hyper::upgrade::on(&mut request));
    let response = (worker.handler)(request, peer, slot.clone()).await;
    running.answered = true;
    if let (Some(upgrade), Some(tunnel), StatusCode::OK) = (upgrade, slot.take(), response.status()) {
        let worker = worker.clone();
        tokio::task::spawn_local(async move {
            if let Ok(upgraded) = upgrade.await {
                tunnels::join_streams(&worker, TokioIo::new(upgraded), Bytes::new(), tunnel).await;
            }
        });
    }
    Ok(response)
}
