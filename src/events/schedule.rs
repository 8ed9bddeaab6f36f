//! Which event to send next. No I/O.
//!
//! Events of one ticket are sent one at a time and in order; a ticket whose event failed waits, and delays no other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::{Queued, QueuedEvent};
use crate::token::TicketId;

/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause, also where `Retry-After` asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// The pause before the next try of an event of this age: as long again as it has waited already, so that pauses
/// double without a counter in the store. `part` (0 to 1) spreads events that failed together over another quarter.
pub fn pause(age: Duration, retry_after: Option<Duration>, part: f64) -> Duration {
    let pause = age.max(retry_after.unwrap_or_default()).clamp(FIRST_PAUSE, LONGEST_PAUSE);
    pause.mul_f64(1.0 + part / 4.0)
}

/// The events that this process knows, as far as they are not delivered.
#[derive(Debug, Default)]
pub struct Schedule {
    shards: BTreeMap<u8, Shard>,
    /// Tickets with events: when the first one is due, or `None` while it is sent.
    tickets: HashMap<TicketId, Option<Instant>>,
    due: BTreeSet<(Instant, TicketId)>,
}

#[derive(Debug, Default)]
struct Shard {
    count: usize,
    /// The oldest ones, in order.
    events: Vec<(TicketId, QueuedEvent)>,
    /// Number of events settled. A list that was read before the last one is out of date.
    settled: u64,
}

impl Schedule {
    /// The number to pass to [`Schedule::list`] with what is read from now on.
    pub fn settled(&self, shard: u8) -> u64 {
        self.shards.get(&shard).map_or(0, |shard| shard.settled)
    }

    /// Takes over what the store has of a shard. Events that failed keep their pause. Returns those that are not
    /// qrgate's, or `None` if the list is out of date and must be read again.
    pub fn list(&mut self, number: u8, read_at: u64, queued: Queued, now: Instant) -> Option<Vec<QueuedEvent>> {
        let shard = self.shards.entry(number).or_default();
        if shard.settled != read_at {
            return None;
        }
        let (mut events, mut foreign) = (Vec::with_capacity(queued.oldest.len()), Vec::new());
        for event in queued.oldest {
            match event.parts().map(|(id, _)| id).filter(|id| id.shard == number) {
                Some(id) => events.push((id, event)),
                None => foreign.push(event),
            }
        }
        shard.count = queued.count;
        let known = std::mem::replace(&mut shard.events, events.clone());
        let ids: BTreeSet<TicketId> = known.iter().chain(&events).map(|(id, _)| *id).collect();
        for id in ids {
            let first = |events: &'_ [(TicketId, QueuedEvent)]| events.iter().position(|(of, _)| *of == id);
            let (old, new) = (first(&known).map(|at| &known[at]), first(&events).map(|at| &events[at]));
            match new {
                // It is being sent; `settle` or `wait_until` follows.
                _ if self.tickets.get(&id) == Some(&None) => {}
                Some(_) if old == new => {}
                Some(_) => self.wait_until(id, now),
                None => self.forget(&id),
            }
        }
        Some(foreign)
    }

    /// The next event that is due, which counts as being sent from now on.
    pub fn next(&mut self, now: Instant) -> Option<(TicketId, QueuedEvent)> {
        while let Some((due, id)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, id));
            let events = self.shards.get(&id.shard).map(|shard| shard.events.as_slice()).unwrap_or_default();
            match events.iter().find(|(of, _)| *of == id) {
                Some((_, event)) => {
                    self.tickets.insert(id, None);
                    return Some((id, event.clone()));
                }
                None => drop(self.tickets.remove(&id)),
            }
        }
        None
    }

    /// When the next event is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The event is out of the store's queue. Returns whether the shard has more than is known here.
    pub fn settle(&mut self, id: TicketId, event: &QueuedEvent, now: Instant) -> bool {
        let shard = self.shards.entry(id.shard).or_default();
        shard.settled += 1;
        if let Some(at) = shard.events.iter().position(|(_, known)| known == event) {
            shard.events.remove(at);
            shard.count = shard.count.saturating_sub(1);
        }
        let (more, is_last) =
            (shard.events.is_empty() && shard.count > 0, !shard.events.iter().any(|(of, _)| *of == id));
        match is_last {
            true => self.forget(&id),
            false => self.wait_until(id, now),
        }
        more
    }

    /// Forgets everything: another process delivers.
    pub fn clear(&mut self) {
        self.tickets.clear();
        self.due.clear();
        for shard in self.shards.values_mut() {
            *shard = Shard { settled: shard.settled + 1, ..Shard::default() };
        }
    }

    /// How many events wait or are being sent.
    pub fn count(&self) -> usize {
        self.shards.values().map(|shard| shard.count).sum()
    }

    /// The oldest event of each shard.
    pub fn oldest(&self) -> impl Iterator<Item = &QueuedEvent> {
        self.shards.values().filter_map(|shard| shard.events.first()).map(|(_, event)| event)
    }

    /// The ticket's next event is due then: its first try, or the next one after a failure.
    pub fn wait_until(&mut self, id: TicketId, due: Instant) {
        self.forget(&id);
        self.tickets.insert(id, Some(due));
        self.due.insert((due, id));
    }

    fn forget(&mut self, id: &TicketId) {
        if let Some(Some(due)) = self.tickets.remove(id) {
            self.due.remove(&(due, *id));
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
