//! Rate limits per client in this process: the generic cell rate algorithm, with one number per client.
//!
//! An IPv6 client is identified by its /64, which is what a household or machine gets. Memory is bounded: stale keys
//! are dropped a few at a time, and at the cap a new key replaces one that has used little of its share.
//! `codes_per_user` is counted in the store.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Rate;
use crate::device::Network;
use crate::forwarded::Client;
use crate::peer::CLIENTS_OF_UNKNOWN_PEER;

/// Number of locks, so that workers rarely contend.
const SHARDS: usize = 16;

/// Maximum clients per lock.
const MOST_CLIENTS: usize = 4096;

/// Entries that each call checks for staleness. More than one, so that the queue shrinks.
const LOOKED_AT: usize = 3;

/// A rate per client, shared by all workers.
#[derive(Debug)]
pub struct Limiter {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    start: Instant,
    interval: Duration,
    per: Duration,
}

/// The time until which each client has used its share, since the limiter's start.
#[derive(Debug, Default)]
struct Shard {
    used_until: HashMap<ClientKey, Duration>,
    queue: VecDeque<ClientKey>,
}

/// Clients that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ClientKey {
    Client(Network),
    /// A peer whose clients are unknown. All peers on unix sockets are one.
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
            start: Instant::now(),
            interval: rate.per / rate.count.max(1),
            per: rate.per,
        }
    }

    /// Counts one request of `client`.
    ///
    /// # Errors
    ///
    /// How long to wait until the next request is admitted. The refused request is not counted.
    pub fn admit(&self, client: Client) -> Result<(), Duration> {
        self.count(ClientKey::of(client), self.interval_of(client))
    }

    fn count(&self, key: ClientKey, interval: Duration) -> Result<(), Duration> {
        let now = Instant::now().saturating_duration_since(self.start);
        let mut shard = self.shard_of(key);
        shard.forget_stale(now);
        let used_until = shard.used_until.get(&key).copied().unwrap_or_default().max(now) + interval;
        match (used_until - now).checked_sub(self.per) {
            Some(over) if over > Duration::ZERO => Err(over),
            _ => {
                shard.remember(key, used_until);
                Ok(())
            }
        }
    }

    /// Uncounts an admitted request of `client`.
    pub fn forgive(&self, client: Client) {
        let (key, interval) = (ClientKey::of(client), self.interval_of(client));
        let mut shard = self.shard_of(key);
        if let Some(used_until) = shard.used_until.get_mut(&key) {
            *used_until = used_until.saturating_sub(interval);
        }
    }

    /// Marks `client` for one share of the rate from now on, whatever it has used.
    pub fn mark(&self, client: Client) {
        let (key, now) = (ClientKey::of(client), Instant::now().saturating_duration_since(self.start));
        self.shard_of(key).remember(key, now + self.interval_of(client));
    }

    /// Whether `client` has a mark or a used share that has not expired.
    pub fn is_marked(&self, client: Client) -> bool {
        let (key, now) = (ClientKey::of(client), Instant::now().saturating_duration_since(self.start));
        self.shard_of(key).used_until.get(&key).is_some_and(|used_until| *used_until > now)
    }

    fn shard_of(&self, key: ClientKey) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[self.hasher.hash_one(key) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interval_of(&self, client: Client) -> Duration {
        if client.address.is_none() && client.many { self.interval / CLIENTS_OF_UNKNOWN_PEER } else { self.interval }
    }

    #[cfg(test)]
    fn clients(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().used_until.len()).sum()
    }
}

impl Shard {
    fn forget_stale(&mut self, now: Duration) {
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

    fn remember(&mut self, key: ClientKey, used_until: Duration) {
        if self.used_until.insert(key, used_until).is_some() {
            return;
        }
        self.queue.push_back(key);
        if self.used_until.len() > MOST_CLIENTS {
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
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::peer::PeerAddress;

    fn limiter(count: u32, seconds: u64) -> Limiter {
        Limiter::new(Rate { count, per: Duration::from_secs(seconds) })
    }

    fn address(text: &str) -> Client {
        of(text.parse().unwrap())
    }

    fn of(address: IpAddr) -> Client {
        Client { peer: PeerAddress::Unix, address: Some(address), many: false }
    }

    fn unknown(peer: PeerAddress, many: bool) -> Client {
        Client { peer, address: None, many }
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgiven_request_costs_nothing_and_gives_nothing() {
        let limiter = limiter(3, 60);
        let client = address("203.0.113.7");
        for _ in 0..100 {
            assert_eq!(limiter.admit(client), Ok(()));
            limiter.forgive(client);
        }
        for _ in 0..3 {
            assert_eq!(limiter.admit(client), Ok(()));
        }
        assert!(limiter.admit(client).is_err(), "forgiven requests leave no allowance behind");
        limiter.forgive(address("203.0.113.8"));
        assert!(limiter.admit(client).is_err(), "nor do those of others");
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_lasts_one_share_from_the_last_time_on() {
        let limiter = limiter(1, 600);
        let client = address("203.0.113.7");
        assert!(!limiter.is_marked(client));
        for _ in 0..3 {
            limiter.mark(client);
            tokio::time::advance(Duration::from_secs(599)).await;
            assert!(limiter.is_marked(client) && !limiter.is_marked(address("203.0.113.8")));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!limiter.is_marked(client));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_gets_its_count_at_once_and_then_waits() {
        let limiter = limiter(3, 60);
        let client = address("203.0.113.7");
        for _ in 0..3 {
            assert_eq!(limiter.admit(client), Ok(()));
        }
        assert_eq!(limiter.admit(client), Err(Duration::from_secs(20)));
        tokio::time::advance(Duration::from_secs(19)).await;
        assert_eq!(limiter.admit(client), Err(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(limiter.admit(client), Ok(()));
        assert!(limiter.admit(client).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn clients_do_not_block_each_other() {
        let limiter = limiter(1, 60);
        assert!(limiter.admit(address("203.0.113.7")).is_ok());
        assert!(limiter.admit(address("203.0.113.8")).is_ok());
        assert!(limiter.admit(address("::ffff:203.0.113.7")).is_err(), "a mapped address is the same client");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_stands_for_many_clients_has_the_share_of_twenty() {
        let limiter = limiter(2, 60);
        let at = |address: &str| PeerAddress::ip(address.parse().unwrap());
        for peer in [at("10.0.0.5:443"), at("[fd00::5]:443"), PeerAddress::Unix] {
            let admitted = (0..100).filter(|_| limiter.admit(unknown(peer, true)).is_ok()).count();
            assert_eq!(admitted, 40, "{peer}");
        }
        assert!(limiter.admit(unknown(at("[fd00::6]:443"), true)).is_err(), "the same /64");
        assert!(limiter.admit(address("10.0.0.5")).is_ok(), "a client of that address has a share of its own");
        let one = Limiter::new(Rate { count: 2, per: Duration::from_secs(60) });
        assert_eq!((0..100).filter(|_| one.admit(unknown(PeerAddress::Unix, false)).is_ok()).count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_client_is_its_64() {
        let limiter = limiter(1, 60);
        assert!(limiter.admit(address("2001:db8:0:1::1")).is_ok());
        assert!(limiter.admit(address("2001:db8:0:1:ffff::2")).is_err());
        assert!(limiter.admit(address("2001:db8:0:2::1")).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_stays_bounded_under_a_flood_of_addresses() {
        let limiter = limiter(5, 60);
        for n in 0..200_000u32 {
            let _ = limiter.admit(of(IpAddr::V4(n.into())));
        }
        assert!(limiter.clients() <= SHARDS * MOST_CLIENTS);
    }

    #[tokio::test(start_paused = true)]
    async fn stale_clients_are_forgotten_bit_by_bit() {
        let limiter = limiter(5, 60);
        for n in 0..10_000u32 {
            let _ = limiter.admit(of(IpAddr::V4(n.into())));
        }
        tokio::time::advance(Duration::from_secs(61)).await;
        for n in 0..10_000u32 {
            let _ = limiter.admit(of(IpAddr::V4((n % 512).into())));
        }
        assert!(limiter.clients() <= 512, "{} left", limiter.clients());
    }
}
