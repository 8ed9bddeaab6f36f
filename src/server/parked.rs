//! An idle connection: the socket alone, without HTTP state and buffers, until a byte arrives.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::worker::{ConnectionEvent, Worker};
use crate::deadline::Deadline;
use crate::http1::Reader;
use crate::wire::Wire;

/// How long a connection is kept open at the start of a drain: a request may be on its way to us.
const GRACE: Duration = Duration::from_millis(250);

/// Waits for `step`, at most `limit`, and at most [`GRACE`] while draining.
///
/// # Errors
///
/// The event to report: [`ConnectionEvent::TooSlow`] after `limit`, none if the worker is draining.
pub async fn within<H, T>(
    worker: &Rc<Worker<H>>,
    deadline: &Deadline,
    limit: Duration,
    step: impl Future<Output = T>,
) -> Result<T, Option<ConnectionEvent>> {
    deadline.set(limit);
    let mut step = pin!(step);
    let mut event = Some(ConnectionEvent::TooSlow);
    poll_fn(|cx| {
        if let Poll::Ready(done) = step.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        if worker.draining.get() && event.take().is_some() {
            deadline.set(limit.min(GRACE));
        }
        deadline.poll_expired(cx).map(|()| Err(event))
    })
    .await
}

/// Waits for the first bytes of a connection, at most `limit`, and reads them. False if the connection must be closed:
/// the time limit is exceeded, the client has disconnected, or the worker is draining.
pub async fn read<H>(
    worker: &Rc<Worker<H>>,
    deadline: &Deadline,
    wire: &mut Wire,
    reader: &mut Reader,
    limit: Duration,
) -> bool {
    let read = poll_fn(|cx| reader.poll_head(cx, wire));
    matches!(within(worker, deadline, limit, read).await, Ok(Ok(1..)))
}

/// Waits until there is something to read, at most `limit`. False if the connection must be closed: the time limit is
/// exceeded, or the worker is draining.
pub async fn wait<H>(worker: &Rc<Worker<H>>, deadline: &Deadline, wire: &mut Wire, limit: Duration) -> bool {
    within(worker, deadline, limit, wire.readable()).await.is_ok()
}
