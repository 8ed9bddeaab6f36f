//! A connection with nothing to do: the socket alone, without HTTP's state and buffers, until a byte comes.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::Worker;
use super::connection::Wire;

/// Waits for a byte, at most `limit`. None: there is nobody to serve any more (too late, gone, or draining).
pub async fn wait<B>(worker: &Rc<Worker<B>>, mut wire: Wire, limit: Duration) -> Option<Wire> {
    let deadline = worker.deadlines.register();
    deadline.set(limit);
    let came = {
        let mut readable = pin!(wire.readable());
        poll_fn(|cx| {
            if worker.draining.get() {
                return Poll::Ready(false);
            }
            if let Poll::Ready(readable) = readable.as_mut().poll(cx) {
                return Poll::Ready(readable.is_ok());
            }
            deadline.poll_expired(cx).map(|()| false)
        })
        .await
    };
    came.then_some(wire)
}
