//! Who waits for which ticket, in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::token::TicketId;

/// The longest silence while nothing is heard of other processes.
const DISCONNECTED_POLL: Duration = Duration::from_millis(800);

/// All who wait. Events come from our own writes and, with Redis, from everybody's.
#[derive(Debug, Default)]
pub(super) struct Hub {
    waiting: Mutex<HashMap<TicketId, watch::Sender<()>>>,
    disconnected: AtomicBool,
}

impl Hub {
    /// Wakes whoever waits for this ticket.
    pub(super) fn changed(&self, id: &TicketId) {
        if let Some(sender) = self.lock().get(id) {
            sender.send_replace(());
        }
    }

    /// Says whether nothing is heard of other processes. When that changes something may have happened unheard, and
    /// everybody is woken.
    pub(super) fn set_disconnected(&self, disconnected: bool) {
        if self.disconnected.swap(disconnected, Ordering::AcqRel) != disconnected {
            for sender in self.lock().values() {
                sender.send_replace(());
            }
        }
    }

    /// Waits for a ticket; `poll` is the longest silence, where events can get lost.
    pub(super) fn watch(self: &Arc<Hub>, id: &TicketId, poll: Option<Duration>) -> Watch {
        let receiver = self.lock().entry(*id).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { id: *id, receiver, poll, hub: self.clone() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TicketId, watch::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn watched(&self) -> usize {
        self.lock().len()
    }
}

/// Hears of changes of one ticket.
#[derive(Debug)]
pub struct Watch {
    id: TicketId,
    receiver: watch::Receiver<()>,
    poll: Option<Duration>,
    hub: Arc<Hub>,
}

impl Watch {
    /// Returns when the ticket may have changed since the watch began or this last returned: read it again.
    ///
    /// With Redis it also returns after half a minute of silence, and within a second while nothing is heard of other
    /// processes. The running out of time is no change: whoever shows it sets a timer. Dropping the future loses no
    /// change.
    pub async fn changed(&mut self) {
        let heard = self.receiver.changed();
        let is_disconnected = self.hub.disconnected.load(Ordering::Acquire);
        match self.poll.map(|poll| if is_disconnected { poll.min(DISCONNECTED_POLL) } else { poll }) {
            // The sender lives as long as this watch: an error cannot happen, and would only mean "read again".
            None => drop(heard.await),
            Some(poll) => drop(tokio::time::timeout(poll, heard).await),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut all = self.hub.lock();
        if all.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1) {
            all.remove(&self.id);
        }
    }
}
