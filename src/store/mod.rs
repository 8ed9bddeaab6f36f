//! Where tickets are kept: in this process, or in Redis for any number of processes. Two stores, one set of promises
//! (`contract.rs` runs the same cases on both):
//!
//! - Every time is the store's.
//! - A step is written whole or not at all, and only onto the version it was judged on.
//! - A ticket that is not over is never forgotten before its time; a full store refuses to mint instead.
//! - Whoever watches a ticket hears of every change, mostly at once: within a second while this process knows that it
//!   hears nothing of others, and within one and the store's timeout when that begins.
//!
//! What a step may do is judged in `ticket/`; the store knows nothing of it.

mod address;
mod agreement;
mod announcement;
mod call;
mod cluster;
mod connection;
mod error;
mod memory;
mod reason;
mod redis;
mod remembered;
pub(crate) mod row;
mod sentinel;
mod servers;
mod slots;
mod subscription;
mod task;
mod tls;
mod watch;
mod words;

#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod sentinel_tests;
#[cfg(test)]
mod subscription_tests;
#[cfg(test)]
pub(crate) mod test_redis;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock::{Clock, Timestamp};
use crate::config::Rate;
use crate::ticket::{Phase, Refusal, Step, Ticket};
use crate::token::{AnchorKey, CodeHash, TicketId, UserHash, ViewIndex};

pub use error::{StoreError, readable};
pub use redis::RedisSettings;
pub use watch::Watch;
pub use words::{About, Counted, Minted, Row, Stepped, Swapped};

use memory::Memory;
use redis::Redis;
use words::{Anchor, Write};

/// How often a lost swap is judged again before the store counts as contended. Each loss is somebody else's gain.
const MOST_ROUNDS: usize = 100;

/// Where tickets are kept. Shared by all workers.
#[derive(Debug)]
pub enum Store {
    /// In this process.
    Memory(Memory),
    /// In Redis or Valkey.
    Redis(Redis),
}

impl Store {
    /// A store in this process that holds up to `capacity` tickets, and counts up to as many users.
    pub fn memory(clock: Clock, capacity: usize) -> Store {
        Store::Memory(Memory::new(clock, capacity))
    }

    /// A store in Redis. Nothing is connected until the first call; see [`Redis::new`]. `before` is the store whose place
    /// it takes.
    pub fn redis(settings: RedisSettings<'_>, before: Option<&Store>) -> Result<Store, ::redis::RedisError> {
        let before = match before {
            Some(Store::Redis(before)) => Some(before),
            Some(Store::Memory(_)) | None => None,
        };
        Redis::new(settings, before).map(Store::Redis)
    }

    /// The same store for the thread whose runtime this is: it needs no other one to reach it.
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

    /// The ticket of the page with this view.
    pub async fn find(&self, view: &ViewIndex) -> Result<Option<TicketId>, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.find(view)),
            Store::Redis(redis) => redis.find(view).await,
        }
    }

    /// Writes a new ticket, and ends the older one of its anchor in the same go.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; [`StoreError::Full`] from the in-memory store only.
    pub async fn mint(&self, id: &TicketId, ticket: &Ticket) -> Result<Minted, StoreError> {
        // Most people have no other code: the first attempt supposes so, and a lost one asks.
        let mut named = None;
        for _ in 0..MOST_ROUNDS {
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
            };
            if self.write("mint", &write).await? == Swapped::Written {
                let older = older.map(|(old, row, step)| (old, step.ticket.phase(row.now)));
                return Ok(Minted { older });
            }
            named = self.anchored(&ticket.anchor).await?;
        }
        Err(StoreError::Contended { op: "mint" })
    }

    /// Writes what a rule decided on the row of this version, if all it asks for still holds.
    pub async fn swap<T>(&self, id: &TicketId, version: u64, step: &Step<T>) -> Result<Swapped, StoreError> {
        let anchor = if step.anchored { Anchor::Ours } else { Anchor::Any };
        let write = Write { id: *id, version, ticket: &step.ticket, before: step.before, anchor, older: None };
        self.write("swap", &write).await
    }

    /// Takes a step: reads, lets `rule` judge, swaps; judges again after a lost swap.
    ///
    /// `known` is a row that was read a moment ago; without one, the first reading is made here.
    ///
    /// # Errors
    ///
    /// [`StoreError`]. After one of these it is not known whether the step was taken.
    pub async fn step<T>(
        &self,
        id: &TicketId,
        known: Option<Row>,
        rule: impl Fn(Ticket, Timestamp) -> Result<Step<T>, Refusal>,
    ) -> Result<Stepped<T>, StoreError> {
        let mut known = known;
        let mut superseded = false;
        for _ in 0..MOST_ROUNDS {
            let row = match known.take() {
                Some(row) => row,
                None => match self.read(id).await? {
                    Some(row) => row,
                    None => return Ok(Stepped::Gone),
                },
            };
            let step = match rule(row.ticket.clone(), row.now) {
                Ok(step) => step,
                Err(refusal) => return Ok(Stepped::Refused(row, refusal)),
            };
            if self.swap(id, row.version, &step).await? == Swapped::Written {
                return Ok(Stepped::Done(
                    Row { version: row.version + 1, ticket: step.ticket, now: row.now },
                    step.with,
                ));
            }
            // A swap that is lost although nobody wrote: the anchor names a newer ticket, or none.
            let unmoved = step.anchored && self.anchored(&row.ticket.anchor).await? != Some(*id);
            if unmoved && superseded {
                return Ok(Stepped::Refused(row, Refusal::Over(Phase::Replaced)));
            }
            superseded = unmoved;
        }
        Err(StoreError::Contended { op: "step" })
    }

    /// Counts one code more of a user, and tells the store's time.
    pub async fn count_code(&self, user: &UserHash, rate: Rate) -> Result<Counted, StoreError> {
        match self {
            Store::Memory(memory) => memory.count_code(user, rate),
            Store::Redis(redis) => redis.count_code(user, rate).await,
        }
    }

    /// Counts one try to type a code, of all clients together.
    pub async fn count_try(&self, rate: Rate) -> Result<Counted, StoreError> {
        match self {
            Store::Memory(memory) => Ok(memory.count_try(rate)),
            Store::Redis(redis) => redis.count_try(rate).await,
        }
    }

    /// Keeps the sealed token of a code to type for that long. `false`: the code is taken, and nothing is written.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; [`StoreError::Full`] from the in-memory store only.
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

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Store::Memory(_) => Ok(()),
            Store::Redis(redis) => redis.ping().await,
        }
    }

    /// What a Redis says of itself; none for the store in this process.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; also where its access rules forbid `INFO`.
    pub async fn about(&self) -> Result<Option<About>, StoreError> {
        match self {
            Store::Memory(_) => Ok(None),
            Store::Redis(redis) => redis.about().await.map(Some),
        }
    }

    /// Hears of changes of a ticket from now on: watch first, then read.
    pub fn watch(&self, id: &TicketId) -> Watch {
        match self {
            Store::Memory(memory) => memory.watch(id),
            Store::Redis(redis) => redis.watch(id),
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

/// The older ticket of an anchor is replaced; one that had run out of time is marked as counted.
fn ended_by_a_mint(row: &Row) -> Option<Step> {
    row.ticket.clone().replace(row.now).or_else(|_| row.ticket.clone().note_expiry(row.now)).ok()
}
