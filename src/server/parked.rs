//! An idle connection: the socket alone, without HTTP state and buffers, until a byte arrives.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::worker::{ConnectionEvent, Worker};
use crate::deadline::Deadline;
use crate::http1::Reader;
use crate::wire::Wire;

/// Why a step was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// It exceeded its time limit.
    TooSlow,
    /// The worker is draining.
    Draining,
}

impl Interrupted {
    /// The event to report, if any.
    pub fn event(self) -> Option<ConnectionEvent> {
        match self {
            Interrupted::TooSlow => Some(ConnectionEvent::TooSlow),
            Interrupted::Draining => None,
        }
    }
}

/// How long a connection is kept at the start of a drain: a request may be under way to this side.
const GRACE: Duration = Duration::from_millis(250);

/// Waits for `step`, at most `limit`, and at most [`GRACE`] while draining.
///
/// # Errors
///
/// [`Interrupted`] by either.
pub async fn within<H, T>(
    worker: &Rc<Worker<H>>,
    deadline: &Deadline,
    limit: Duration,
    step: impl Future<Output = T>,
) -> Result<T, Interrupted> {
    deadline.set(limit);
    let mut step = pin!(step);
    let mut why = Interrupted::TooSlow;
    poll_fn(|cx| {
        if let Poll::Ready(done) = Pin::new(&mut step).poll(cx) {
            return Poll::Ready(Ok(done));
        }
        if worker.draining.get() && why == Interrupted::TooSlow {
            why = Interrupted::Draining;
            deadline.set(limit.min(GRACE));
        }
        deadline.poll_expired(cx).map(|()| Err(why))
    })
    .await
}

/// Waits for the first bytes of a connection, at most `limit`, and reads them. False if the connection is to be closed:
/// time limit exceeded, client disconnected, or draining.
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

/// Waits for a byte, at most `limit`. False if the connection is to be closed: time limit exceeded, or draining.
pub async fn wait<H>(worker: &Rc<Worker<H>>, deadline: &Deadline, wire: &mut Wire, limit: Duration) -> bool {
    within(worker, deadline, limit, wire.readable()).await.is_ok()
}
