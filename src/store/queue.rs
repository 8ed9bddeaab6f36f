//! The queue of events for the application: its bounds, its entries, and which shards have new ones.
//!
//! An event is queued by the write that it reports, so a process that dies after the write does not lose it. Each shard
//! has its own queue, because a script in a cluster can access one hash tag only; events of one ticket are in one
//! queue, in order.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::row;
use crate::token::TicketId;

/// Maximum events of a shard. Further ones are dropped and counted; the step that they report is taken all the same.
pub(super) const MAX_EVENTS: usize = 256;
/// Maximum events that one read returns.
pub(super) const WINDOW: usize = 64;
/// How long Redis keeps a queue after its last event. Events are dropped before.
pub(super) const KEPT: Duration = Duration::from_secs(25 * 60 * 60);

/// An event as it is queued: the name of its ticket, then the sealed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedEvent(pub(super) Vec<u8>);

impl QueuedEvent {
    const NAME: usize = 23;

    pub(crate) fn new(id: &TicketId, sealed: &[u8]) -> QueuedEvent {
        QueuedEvent([row::name(id).as_bytes(), sealed].concat())
    }

    /// The ticket and the sealed message. `None` for what qrgate has not written.
    pub fn parts(&self) -> Option<(TicketId, &[u8])> {
        let (name, sealed) = self.0.split_at_checked(QueuedEvent::NAME)?;
        Some((row::named(name)?, sealed))
    }
}

/// The oldest events of a shard, in order, and how many it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    pub count: usize,
    pub oldest: Vec<QueuedEvent>,
}

/// The shards with new events, and the events that found their queue full.
#[derive(Debug, Default)]
pub(super) struct QueueNews {
    shards: Mutex<BTreeSet<u8>>,
    added: Notify,
    refused: AtomicU64,
}

impl QueueNews {
    pub(super) fn added(&self, shard: u8) {
        self.shards.lock().insert(shard);
        self.added.notify_one();
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn take_refused(&self) -> u64 {
        self.refused.swap(0, Ordering::Relaxed)
    }

    /// Waits for shards with new events and returns them. For one caller at a time. Cancel safe.
    pub(super) async fn wait(&self) -> BTreeSet<u8> {
        loop {
            let added = self.added.notified();
            let shards = std::mem::take(&mut *self.shards.lock());
            if !shards.is_empty() {
                return shards;
            }
            added.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[tokio::test]
    async fn shards_with_new_events_are_reported_once_and_never_missed() {
        let news = QueueNews::default();
        news.added(7);
        news.added(9);
        news.added(7);
        assert_eq!(news.wait().await, BTreeSet::from([7, 9]));
        let (shards, ()) = tokio::join!(news.wait(), async { news.added(8) });
        assert_eq!(shards, BTreeSet::from([8]));
    }

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(shard: u8, id: [u8; 16], sealed: Vec<u8>) {
            let id = TicketId { shard, id };
            let event = QueuedEvent::new(&id, &sealed);
            prop_assert_eq!(event.parts(), Some((id, &sealed[..])));
        }

        #[test]
        fn whatever_is_in_a_queue_is_read_or_refused(bytes: Vec<u8>) {
            if let Some((id, sealed)) = QueuedEvent(bytes.clone()).parts() {
                prop_assert_eq!(QueuedEvent::new(&id, sealed).0, bytes);
            }
        }
    }
}
