//! The ticket store: in this process, or in Redis for any number of processes. Both guarantee the same (`contract.rs`
//! runs the same tests on both):
//!
//! - All times are the store's.
//! - A step is written atomically, and only if the row still has the version that the rule was given.
//! - A ticket is never dropped before its time. A full store refuses to mint instead.
//! - A watch reports every change, usually at once. While the process is disconnected from the others' changes it
//!   does so within a second, and when the connection breaks within a second plus the store's timeout.
//!
//! The rules for steps are in `ticket/`.

mod address;
mod agreement;
mod announcement;
mod call;
mod cluster;
mod connection;
mod error;
mod memory;
mod queue;
mod redis;
mod remembered;
pub(crate) mod row;
mod sentinel;
mod servers;
mod slots;
mod subscription;
mod tls;
mod watch;
mod words;

#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod count_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod redis_tests;
#[cfg(test)]
mod sentinel_tests;
#[cfg(test)]
mod subscription_tests;
#[cfg(test)]
pub(crate) mod test_redis;
#[cfg(test)]
mod test_steps;
#[cfg(test)]
mod ticket_tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock::{Clock, Timestamp};
use crate::config::Rate;
use crate::ticket::{Phase, Refusal, Step, Ticket};
use crate::token::{AnchorKey, CodeHash, TicketId, UserHash, ViewIndex};

pub use error::{StoreError, readable};
pub use queue::{Queued, QueuedEvent};
pub use redis::RedisSettings;
pub use watch::Watch;
pub use words::{About, Counted, Row, Stepped, Swapped};

use memory::Memory;
use redis::Redis;
use watch::Hub;
use words::{Anchor, Write};

/// Attempts at a swap before [`StoreError::Contended`]. Each lost swap means that another one was written.
const MAX_ROUNDS: usize = 100;

pub enum Store {
    Memory(Memory),
    /// Redis or Valkey.
    Redis(Redis),
}

impl Store {
    /// A store in this process that holds up to `capacity` tickets and as many users' counters.
    pub fn memory(clock: Clock, capacity: usize) -> Store {
        Store::Memory(Memory::new(clock, capacity))
    }

    /// A store in Redis, which replaces `before`. It connects at the first call; see [`Redis::new`].
    pub fn redis(settings: RedisSettings<'_>, before: Option<&Store>) -> Result<Store, ::redis::RedisError> {
        let before = match before {
            Some(Store::Redis(before)) => Some(before),
            _ => None,
        };
        Redis::new(settings, before).map(Store::Redis)
    }

    /// The same store for the thread of this runtime, with its own connections.
    pub fn on(self: &Arc<Store>, runtime: &Handle) -> Result<Arc<Store>, ::redis::RedisError> {
        match &**self {
            Store::Memory(_) => Ok(self.clone()),
            Store::Redis(redis) => redis.on(runtime).map(|redis| Arc::new(Store::Redis(redis))),
        }
    }

    pub async fn read(&self, id: &TicketId) -> Result<Option<Row>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.read(id)),
            Store::Redis(redis) => redis.read(id).await,
        }
    }

    /// The same, but where only a remainder is kept the result may be `None`. An unknown ticket takes the same commands
    /// as a known one.
    pub async fn read_whole(&self, id: &TicketId) -> Result<Option<Row>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.read(id)),
            Store::Redis(redis) => redis.read_whole(id).await,
        }
    }

    /// The ticket of the page with this view.
    pub async fn find(&self, view: &ViewIndex) -> Result<Option<TicketId>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.find(view)),
            Store::Redis(redis) => redis.find(view).await,
        }
    }

    /// Writes a new ticket and ends the older one of its anchor, atomically. Returns the older one with its final
    /// state: replaced, or expired and not yet counted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] from the in-memory store only.
    pub async fn mint(&self, id: &TicketId, ticket: &Ticket) -> Result<Option<(TicketId, Phase)>, StoreError> {
        // Most people have no other code, so the first attempt assumes that.
        let mut named = None;
        for _ in 0..MAX_ROUNDS {
            let old = match &named {
                Some(old) => readable(self.read(old).await)?.map(|row| (*old, row)),
                None => None,
            };
            let older = old.as_ref().and_then(|(old, row)| ended_by_a_mint(row).map(|step| (*old, row, step)));
            let write = Write {
                id: *id,
                version: 0,
                ticket,
                before: Some(ticket.exp),
                anchor: Anchor::Take(named),
                older: older.as_ref().map(|(old, row, step)| (*old, row.version, &step.ticket)),
                event: None,
            };
            if self.write("mint", &write).await? == Swapped::Written {
                let older = older.map(|(old, row, step)| (old, step.ticket.phase(row.now)));
                return Ok(older);
            }
            named = self.anchored(&ticket.anchor).await?;
        }
        Err(StoreError::Contended { op: "mint" })
    }

    /// Writes a step onto the row of this version, if its conditions still hold, and queues the sealed `event`.
    pub async fn swap<T>(
        &self,
        id: &TicketId,
        version: u64,
        step: &Step<T>,
        event: Option<Vec<u8>>,
    ) -> Result<Swapped, StoreError> {
        let event = event.map(|sealed| QueuedEvent::new(id, &sealed));
        let anchor = if step.anchored { Anchor::Ours } else { Anchor::Any };
        let write = Write { id: *id, version, ticket: &step.ticket, before: step.before, anchor, older: None, event };
        self.write("swap", &write).await
    }

    /// Takes a step: reads the row, asks `rule`, swaps, and starts over after a lost swap. `known` is a row that was
    /// just read, which saves the first read.
    ///
    /// # Errors
    ///
    /// After a [`StoreError`] it is unknown whether the step was taken.
    pub async fn step<T>(
        &self,
        id: &TicketId,
        known: Option<Row>,
        rule: impl Fn(Ticket, Timestamp) -> Result<Step<T>, Refusal>,
    ) -> Result<Stepped<T>, StoreError> {
        self.step_with_event(id, known, rule, |_, _| None).await
    }

    /// Like `step`. What `event` returns for the new ticket and the store's time, a sealed message, is queued by the
    /// same write. A queue that is full drops it; see [`Store::take_refused_events`].
    ///
    /// # Errors
    ///
    /// After a [`StoreError`] it is unknown whether the step was taken and the event queued.
    pub async fn step_with_event<T>(
        &self,
        id: &TicketId,
        mut known: Option<Row>,
        rule: impl Fn(Ticket, Timestamp) -> Result<Step<T>, Refusal>,
        event: impl Fn(&Ticket, Timestamp) -> Option<Vec<u8>>,
    ) -> Result<Stepped<T>, StoreError> {
        let mut superseded = false;
        for _ in 0..MAX_ROUNDS {
            let row = match known.take() {
                Some(row) => Some(row),
                None => self.read(id).await?,
            };
            let Some(row) = row else { return Ok(Stepped::Gone) };
            let step = match rule(row.ticket.clone(), row.now) {
                Ok(step) => step,
                Err(refusal) => return Ok(Stepped::Refused(row, refusal)),
            };
            let event = event(&step.ticket, row.now);
            if self.swap(id, row.version, &step, event).await? == Swapped::Written {
                return Ok(Stepped::Done(
                    Row { version: row.version + 1, ticket: step.ticket, now: row.now },
                    step.with,
                ));
            }
            // A swap that is lost although the row is unchanged: the anchor points to a newer ticket, or is gone.
            let unmoved = step.anchored && self.anchored(&row.ticket.anchor).await? != Some(*id);
            if unmoved && superseded {
                return Ok(Stepped::Refused(row, Refusal::Over(Phase::Replaced)));
            }
            superseded = unmoved;
        }
        Err(StoreError::Contended { op: "step" })
    }

    /// Counts a code of a user. The result has the store's time.
    pub async fn count_code(&self, user: &UserHash, rate: Rate) -> Result<Counted, StoreError> {
        match self {
            Store::Memory(memory) => memory.count_code(user, rate),
            Store::Redis(redis) => redis.count_code(user, rate).await,
        }
    }

    /// Counts a try to type a code, for all clients together.
    pub async fn count_try(&self, rate: Rate) -> Result<Counted, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.count_try(rate)),
            Store::Redis(redis) => redis.count_try(rate).await,
        }
    }

    /// Keeps the sealed token of a code to type for the duration `lasts`. Returns `false` and writes nothing if the
    /// code is taken.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] from the in-memory store only.
    pub async fn keep_code(&self, code: &CodeHash, sealed: &[u8], lasts: Duration) -> Result<bool, StoreError> {
        match self {
            Store::Memory(memory) => memory.keep_code(code, sealed, lasts),
            Store::Redis(redis) => redis.keep_code(code, sealed, lasts).await,
        }
    }

    /// The sealed token of a code to type.
    pub async fn code(&self, code: &CodeHash) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.code(code)),
            Store::Redis(redis) => redis.code(code).await,
        }
    }

    /// Takes or renews, for this long, the lease of the one process that delivers events. Returns whether `process`,
    /// a unique name, holds it now.
    pub async fn lead(&self, process: &str, lasts: Duration) -> Result<bool, StoreError> {
        match self {
            Store::Memory(_) => Ok(true),
            Store::Redis(redis) => redis.lead(process, lasts).await,
        }
    }

    /// The oldest events of a shard that no [`Store::remove_event`] has removed.
    pub async fn queued(&self, shard: u8) -> Result<Queued, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.queued(shard)),
            Store::Redis(redis) => redis.queued(shard).await,
        }
    }

    pub async fn remove_event(&self, shard: u8, event: &QueuedEvent) -> Result<(), StoreError> {
        match self {
            Store::Memory(memory) => {
                memory.remove_event(shard, event);
                Ok(())
            }
            Store::Redis(redis) => redis.remove_event(shard, event).await,
        }
    }

    /// Waits until shards may have new events, and returns them. One caller at a time gets each. With Redis some may
    /// be missing after the connection was lost. Cancel safe.
    pub async fn shards_with_new_events(&self) -> BTreeSet<u8> {
        self.hub().queue.wait().await
    }

    /// How many events this process dropped since the last call because their queue was full.
    pub fn take_refused_events(&self) -> u64 {
        self.hub().queue.take_refused()
    }

    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Store::Memory(_) => Ok(()),
            Store::Redis(redis) => redis.ping().await,
        }
    }

    /// Facts about the Redis server. `None` for the store in this process.
    ///
    /// # Errors
    ///
    /// Also if its access rules forbid `INFO`.
    pub async fn about(&self) -> Result<Option<About>, StoreError> {
        match self {
            Store::Memory(_) => Ok(None),
            Store::Redis(redis) => redis.about().await.map(Some),
        }
    }

    /// Watches a ticket for changes from now on. Read the ticket after this call, not before.
    pub fn watch(&self, id: &TicketId) -> Watch {
        self.hub().watch(id)
    }

    /// How many tickets requests of this process watch.
    pub fn watched(&self) -> usize {
        self.hub().watched()
    }

    fn hub(&self) -> &Arc<Hub> {
        match self {
            Store::Memory(memory) => memory.hub(),
            Store::Redis(redis) => redis.hub(),
        }
    }

    async fn anchored(&self, anchor: &AnchorKey) -> Result<Option<TicketId>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.anchored(anchor)),
            Store::Redis(redis) => redis.anchored(anchor).await,
        }
    }

    async fn write(&self, op: &'static str, write: &Write<'_>) -> Result<Swapped, StoreError> {
        match self {
            Store::Memory(memory) => memory.write(op, write),
            Store::Redis(redis) => redis.write(op, write).await,
        }
    }
}

/// How a mint ends the older ticket of its anchor: it is replaced, or marked as counted if it has expired.
fn ended_by_a_mint(row: &Row) -> Option<Step> {
    row.ticket.clone().replace(row.now).or_else(|_| row.ticket.clone().note_expiry(row.now)).ok()
}
