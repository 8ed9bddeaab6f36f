//! Tickets that requests of this process wait for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::queue::QueueNews;
use crate::token::TicketId;

/// How long a watch waits for an event while disconnected from other processes' changes.
const DISCONNECTED_POLL: Duration = Duration::from_millis(800);

/// All watches. Events come from this process's writes and, with Redis, from those of others.
#[derive(Debug, Default)]
pub(super) struct Hub {
    waiting: Mutex<HashMap<TicketId, watch::Sender<()>>>,
    disconnected: AtomicBool,
    /// The longest wait for an event, if events can get lost.
    poll: Option<Duration>,
    pub(super) queue: QueueNews,
}

impl Hub {
    /// A hub whose events can get lost: no watch waits for longer than `poll`.
    pub(super) fn polling(poll: Duration) -> Hub {
        Hub { poll: Some(poll), ..Hub::default() }
    }

    /// Wakes the watches of this ticket.
    pub(super) fn changed(&self, id: &TicketId) {
        if let Some(sender) = self.waiting.lock().get(id) {
            sender.send_replace(());
        }
    }

    /// Sets whether other processes' changes are not received. A change of that wakes all watches, since events may
    /// have been missed.
    pub(super) fn set_disconnected(&self, disconnected: bool) {
        if self.disconnected.swap(disconnected, Ordering::AcqRel) != disconnected {
            for sender in self.waiting.lock().values() {
                sender.send_replace(());
            }
        }
    }

    pub(super) fn watch(self: &Arc<Hub>, id: &TicketId) -> Watch {
        let receiver = self.waiting.lock().entry(*id).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { id: *id, receiver, hub: self.clone() }
    }

    pub(super) fn watched(&self) -> usize {
        self.waiting.lock().len()
    }
}

/// Reports changes of one ticket.
#[derive(Debug)]
pub struct Watch {
    id: TicketId,
    receiver: watch::Receiver<()>,
    hub: Arc<Hub>,
}

impl Watch {
    /// Returns when the ticket may have changed since the watch began or since the last return. The caller reads it
    /// again.
    ///
    /// With Redis it also returns after 30 s without an event, and within a second while disconnected. Expiry is not
    /// a change; callers that show it set a timer. Cancel safe.
    pub async fn changed(&mut self) {
        let change = self.receiver.changed();
        let is_disconnected = self.hub.disconnected.load(Ordering::Acquire);
        match self.hub.poll.map(|poll| if is_disconnected { poll.min(DISCONNECTED_POLL) } else { poll }) {
            // The sender lives as long as this watch. An error would only mean "read again".
            None => drop(change.await),
            Some(poll) => drop(tokio::time::timeout(poll, change).await),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut all = self.hub.waiting.lock();
        if all.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1) {
            all.remove(&self.id);
        }
    }
}
