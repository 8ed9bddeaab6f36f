//! The in-memory store, with one lock per shard.
//!
//! Unlike a cache it drops only what is due, and at its capacity it refuses to mint. Each access to a shard drops a
//! few due entries, so that no request waits for many.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::clock::{Clock, Timestamp};
use crate::config::Rate;
use crate::store::error::StoreError;
use crate::store::queue::{self, Queued, QueuedEvent};
use crate::store::watch::Hub;
use crate::store::words::{Anchor, Counted, Row, Swapped, Write, shares};
use crate::ticket::Ticket;
use crate::token::{AnchorKey, CodeHash, TicketId, UserHash, ViewIndex};

/// One lock per shard of the tokens. The tables stay so small that none takes long to grow, even with a million
/// tickets.
const SHARDS: usize = 256;
/// Maximum due entries that one access drops.
const SWEEP: usize = 8;

#[derive(Default)]
pub struct Memory {
    clock: Clock,
    capacity: usize,
    tickets: AtomicUsize,
    users: AtomicUsize,
    codes: AtomicUsize,
    /// When the allowance of tries to type a code is full again, in microseconds.
    tries: Mutex<u64>,
    shards: Vec<Mutex<Shard>>,
    hub: Arc<Hub>,
}

#[derive(Default)]
struct Shard {
    rows: HashMap<TicketId, (u64, Ticket)>,
    anchors: HashMap<AnchorKey, TicketId>,
    views: HashMap<ViewIndex, TicketId>,
    due: BTreeSet<(Timestamp, TicketId)>,
    /// Due when the user's allowance is full again, in microseconds.
    users: Expiring<UserHash, u64, ()>,
    /// Sealed tokens of codes to type.
    codes: Expiring<CodeHash, Timestamp, Vec<u8>>,
    events: VecDeque<QueuedEvent>,
}

/// Values, each with the time when it is due to be dropped.
struct Expiring<K, T, V> {
    values: HashMap<K, (T, V)>,
    due: BTreeSet<(T, K)>,
}

impl<K, T, V> Default for Expiring<K, T, V> {
    fn default() -> Expiring<K, T, V> {
        Expiring { values: HashMap::new(), due: BTreeSet::new() }
    }
}

impl<K: Copy + Ord + Hash, T: Copy + Ord, V> Expiring<K, T, V> {
    /// When the value of this key is due.
    fn due(&self, key: &K) -> Option<T> {
        self.values.get(key).map(|(due, _)| *due)
    }

    fn insert(&mut self, key: K, due: T, value: V) {
        if let Some((before, _)) = self.values.insert(key, (due, value)) {
            self.due.remove(&(before, key));
        }
        self.due.insert((due, key));
    }

    /// Drops a few due values. Returns how many.
    fn forget(&mut self, now: T) -> usize {
        let mut gone = 0;
        while gone < SWEEP && self.due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, key)) = self.due.pop_first() else { break };
            self.values.remove(&key);
            gone += 1;
        }
        gone
    }
}

impl Memory {
    /// Holds up to `capacity` tickets, and as many users' counters and codes to type.
    pub fn new(clock: Clock, capacity: usize) -> Memory {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Memory { clock, capacity, shards, ..Memory::default() }
    }

    /// Tickets held, finished ones included.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.tickets.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn read(&self, id: &TicketId) -> Option<Row> {
        let (shard, now) = self.enter(id.shard);
        let (version, ticket) = shard.rows.get(id)?;
        Some(Row { version: *version, ticket: ticket.clone().kept_at(now)?, now })
    }

    pub fn find(&self, view: &ViewIndex) -> Option<TicketId> {
        let (shard, _) = self.enter(view.shard);
        shard.views.get(view).copied()
    }

    pub fn anchored(&self, anchor: &AnchorKey) -> Option<TicketId> {
        let (shard, _) = self.enter(anchor.shard());
        shard.anchors.get(anchor).copied()
    }

    pub(in crate::store) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(in crate::store) fn write(&self, op: &'static str, write: &Write<'_>) -> Result<Swapped, StoreError> {
        let is_new = write.version == 0;
        if is_new {
            self.take_capacity(op)?;
        }
        let (mut shard, now) = self.enter(write.id.shard);
        if !shard.holds(write, now) {
            self.tickets.fetch_sub(usize::from(is_new), Ordering::Relaxed);
            return Ok(Swapped::Lost);
        }
        if is_new {
            shard.views.insert(write.ticket.view, write.id);
        }
        if let Anchor::Take(_) = write.anchor {
            shard.anchors.insert(write.ticket.anchor, write.id);
        }
        shard.put(write.id, write.version + 1, write.ticket.clone());
        if let Some((old, version, ticket)) = write.older {
            shard.put(old, version + 1, ticket.clone());
        }
        if let Some(event) = &write.event {
            match shard.events.len() < queue::MAX_EVENTS {
                true => shard.events.push_back(event.clone()),
                false => self.hub.queue.refused(),
            }
            self.hub.queue.added(write.id.shard);
        }
        drop(shard);
        self.hub.changed(&write.id);
        if let Some((old, ..)) = write.older {
            self.hub.changed(&old);
        }
        Ok(Swapped::Written)
    }

    pub fn count_code(&self, user: &UserHash, rate: Rate) -> Result<Counted, StoreError> {
        let (mut shard, now) = self.enter(user.0[0]);
        let before = shard.users.due(user);
        let whole_at = match count(before, now, rate) {
            Ok(whole_at) => whole_at,
            Err(retry_after) => return Ok(Counted::TooMany { retry_after, now }),
        };
        if before.is_none() {
            self.take_one(&self.users, "count_code")?;
        }
        shard.users.insert(*user, whole_at, ());
        Ok(Counted::Within { now })
    }

    pub fn count_try(&self, rate: Rate) -> Counted {
        let mut tries = self.tries.lock();
        let now = self.clock.now();
        match count(Some(*tries), now, rate) {
            Ok(whole_at) => {
                *tries = whole_at;
                Counted::Within { now }
            }
            Err(retry_after) => Counted::TooMany { retry_after, now },
        }
    }

    pub fn keep_code(&self, code: &CodeHash, sealed: &[u8], lasts: Duration) -> Result<bool, StoreError> {
        let (mut shard, now) = self.enter(code.shard());
        match shard.codes.due(code) {
            Some(until) if now < until => return Ok(false),
            Some(_) => {}
            None => self.take_one(&self.codes, "keep_code")?,
        }
        shard.codes.insert(*code, now + lasts, sealed.to_vec());
        Ok(true)
    }

    pub fn code(&self, code: &CodeHash) -> Option<Vec<u8>> {
        let (shard, now) = self.enter(code.shard());
        shard.codes.values.get(code).filter(|(until, _)| now < *until).map(|(_, sealed)| sealed.clone())
    }

    pub fn queued(&self, shard: u8) -> Queued {
        let (shard, _) = self.enter(shard);
        Queued { count: shard.events.len(), oldest: shard.events.iter().take(queue::WINDOW).cloned().collect() }
    }

    pub fn remove_event(&self, shard: u8, event: &QueuedEvent) {
        let (mut shard, _) = self.enter(shard);
        shard.events.retain(|queued| queued != event);
    }

    /// Locks a shard and drops a few due entries.
    fn enter(&self, shard: u8) -> (MutexGuard<'_, Shard>, Timestamp) {
        let mut shard = self.shards[usize::from(shard)].lock();
        // Read under the lock, so that time never runs backwards between two holders of it.
        let now = self.clock.now();
        self.tickets.fetch_sub(shard.forget_tickets(now), Ordering::Relaxed);
        self.users.fetch_sub(shard.users.forget(now.0.saturating_mul(1000)), Ordering::Relaxed);
        self.codes.fetch_sub(shard.codes.forget(now), Ordering::Relaxed);
        (shard, now)
    }

    /// Counts one more, unless there are as many as tickets may be.
    fn take_one(&self, held: &AtomicUsize, op: &'static str) -> Result<(), StoreError> {
        let one_more = |held: usize| (held < self.capacity).then_some(held + 1);
        let taken = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.map(drop).map_err(|_| StoreError::Full { op })
    }

    /// Reserves capacity for a ticket. If there is none, drops due entries of every shard.
    fn take_capacity(&self, op: &'static str) -> Result<(), StoreError> {
        for shard in 0..=u8::MAX {
            if self.take_one(&self.tickets, op).is_ok() {
                return Ok(());
            }
            drop(self.enter(shard));
        }
        self.take_one(&self.tickets, op)
    }
}

impl Shard {
    /// Whether the conditions of a write hold.
    fn holds(&self, write: &Write<'_>, now: Timestamp) -> bool {
        let version = |id: &TicketId| self.rows.get(id).map_or(0, |(version, _)| *version);
        let anchored = self.anchors.get(&write.ticket.anchor).copied();
        write.before.is_none_or(|before| now < before)
            && version(&write.id) == write.version
            && write.older.is_none_or(|(old, expected, _)| version(&old) == expected)
            && match write.anchor {
                Anchor::Any => true,
                Anchor::Ours => anchored == Some(write.id),
                Anchor::Take(named) => anchored == named,
            }
    }

    fn put(&mut self, id: TicketId, version: u64, ticket: Ticket) {
        let due = ticket.forget_at();
        if let Some((_, old)) = self.rows.insert(id, (version, ticket)) {
            self.due.remove(&(old.forget_at(), id));
        }
        self.due.insert((due, id));
    }

    fn forget_tickets(&mut self, now: Timestamp) -> usize {
        let mut gone = 0;
        for _ in 0..SWEEP {
            let Some((due, id)) = self.due.first().copied().filter(|(due, _)| *due <= now) else { break };
            self.due.remove(&(due, id));
            let Some((version, ticket)) = self.rows.remove(&id) else { continue };
            if let Some(remainder) = ticket.remainder() {
                self.put(id, version, remainder);
                continue;
            }
            self.views.remove(&ticket.view);
            if self.anchors.get(&ticket.anchor) == Some(&id) {
                self.anchors.remove(&ticket.anchor);
            }
            gone += 1;
        }
        gone
    }
}

/// Counts one more. Returns when the allowance is full again, or how long to wait for the next count.
fn count(before: Option<u64>, now: Timestamp, rate: Rate) -> Result<u64, Duration> {
    let (micros, share, allowance) = shares(now, rate);
    // Further ahead than a whole allowance: the clock was set back since. Counting would be refused for as long.
    let counted = before.filter(|counted| *counted <= micros + allowance);
    let whole_at = counted.unwrap_or(0).max(micros) + share;
    match whole_at - micros > allowance {
        true => Err(Duration::from_micros(whole_at - micros - allowance)),
        false => Ok(whole_at),
    }
}

#[cfg(test)]
mod tests;
