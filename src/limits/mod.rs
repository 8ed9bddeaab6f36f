//! Rate limits per client in this process: the generic cell rate algorithm, with one number per client.
//!
//! An IPv6 client is identified by its /64, which is what a household or machine gets. Memory is bounded: stale keys
//! are dropped a few at a time, and at the cap a new key replaces one that has used little of its share.
//! `codes_per_user` is counted in the store.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::config::Rate;
use crate::device::Network;
use crate::forwarded::Client;
use crate::peer::CLIENTS_OF_UNKNOWN_PEER;

/// Number of locks, so that workers rarely contend.
const SHARDS: usize = 16;

/// Maximum clients per lock.
const MAX_CLIENTS: usize = 4096;

/// Entries that each call checks for staleness. More than one, so that the queue shrinks.
const LOOKED_AT: usize = 3;

/// A rate per client, shared by all workers.
#[derive(Debug)]
pub struct Limiter {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    interval: Duration,
    per: Duration,
}

/// The time until which each client has used its share.
#[derive(Debug, Default)]
struct Shard {
    used_until: HashMap<ClientKey, Instant>,
    queue: VecDeque<ClientKey>,
}

/// Clients that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ClientKey {
    Client(Network),
    /// A peer whose clients are unknown. All peers on unix sockets count as one.
    Peer(Option<Network>),
}

impl ClientKey {
    fn of(client: Client) -> ClientKey {
        match client.address {
            Some(address) => ClientKey::Client(Network::of(address)),
            None => ClientKey::Peer(client.peer.as_ip().map(Network::of)),
        }
    }
}

impl Limiter {
    /// Admits `rate.count` in any period of `rate.per`, also all at once.
    pub fn new(rate: Rate) -> Limiter {
        Limiter {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            interval: rate.per / rate.count.max(1),
            per: rate.per,
        }
    }

    /// Counts one request of `client`. A refused one is not counted; the error is how long to wait until the next is
    /// admitted.
    pub fn admit(&self, client: Client) -> Result<(), Duration> {
        let (key, now) = (ClientKey::of(client), Instant::now());
        let mut shard = self.shard_of(key);
        shard.forget_stale(now);
        let used_until = shard.used_until.get(&key).copied().unwrap_or(now).max(now) + self.interval_of(client);
        let over = (used_until - now).saturating_sub(self.per);
        if over > Duration::ZERO {
            return Err(over);
        }
        shard.remember(key, used_until);
        Ok(())
    }

    /// Uncounts an admitted request of `client`.
    pub fn forgive(&self, client: Client) {
        let (key, interval) = (ClientKey::of(client), self.interval_of(client));
        let mut shard = self.shard_of(key);
        if let Some(used_until) = shard.used_until.get_mut(&key) {
            *used_until = used_until.checked_sub(interval).unwrap_or(*used_until);
        }
    }

    /// Marks `client` for one share of the rate from now on, whatever it has used.
    pub fn mark(&self, client: Client) {
        let key = ClientKey::of(client);
        self.shard_of(key).remember(key, Instant::now() + self.interval_of(client));
    }

    /// Whether `client` has a mark or a used share that has not expired.
    pub fn is_marked(&self, client: Client) -> bool {
        let key = ClientKey::of(client);
        self.shard_of(key).used_until.get(&key).is_some_and(|used_until| *used_until > Instant::now())
    }

    fn shard_of(&self, key: ClientKey) -> MutexGuard<'_, Shard> {
        self.shards[self.hasher.hash_one(key) as usize % SHARDS].lock()
    }

    fn interval_of(&self, client: Client) -> Duration {
        if client.address.is_none() && client.many { self.interval / CLIENTS_OF_UNKNOWN_PEER } else { self.interval }
    }

    #[cfg(test)]
    fn clients(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().used_until.len()).sum()
    }
}

impl Shard {
    fn forget_stale(&mut self, now: Instant) {
        for _ in 0..LOOKED_AT {
            let Some(key) = self.queue.pop_front() else { return };
            match self.used_until.get(&key) {
                Some(used_until) if *used_until > now => self.queue.push_back(key),
                _ => {
                    self.used_until.remove(&key);
                }
            }
        }
    }

    fn remember(&mut self, key: ClientKey, used_until: Instant) {
        if self.used_until.insert(key, used_until).is_some() {
            return;
        }
        self.queue.push_back(key);
        if self.used_until.len() > MAX_CLIENTS {
            self.evict();
        }
    }

    /// Drops the least used of a few entries at the front, so that a flood of addresses does not evict a busy client.
    fn evict(&mut self) {
        let front = 0..self.queue.len().saturating_sub(1).min(8);
        let least = front.min_by_key(|at| self.queue.get(*at).and_then(|key| self.used_until.get(key)));
        if let Some(key) = least.and_then(|at| self.queue.remove(at)) {
            self.used_until.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
