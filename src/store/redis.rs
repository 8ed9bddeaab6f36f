//! Tickets in Redis or Valkey, shared by any number of processes: one server, the master of a Sentinel service, or a
//! cluster.
//!
//! Each worker has one connection to each server, so no call leaves its thread. A call without a response within
//! `store.timeout` fails. Calls are not queued for retries, so the first one after Redis is back succeeds. A write
//! that may have been executed is never sent twice. Cancelling a caller never truncates a command, because commands
//! are queued whole.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, ExistenceCheck, FromRedisValue, RedisError, RedisResult, SetExpiry, SetOptions};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::address::Endpoints;
use super::announcement;
use super::call::{self, Call};
use super::error::StoreError;
use super::queue::{self, Queued, QueuedEvent};
use super::remembered::Remembered;
use super::row::{self, Keys, LEADER_SHARD, TRIES_SHARD};
use super::servers::Servers;
use super::subscription;
use super::watch::Hub;
use super::words::{About, Anchor, Counted, Row, Swapped, Write, shares};

use crate::clock::{Timestamp, whole_millis};
use crate::config::{Rate, StoreAddress};
use crate::telemetry::metrics::Metrics;
use crate::tls::ClientTls;
use crate::token::{AnchorKey, CodeHash, TicketId, UserHash, ViewIndex};

/// How long a watch waits for an event while heartbeats arrive, as a precaution against a lost event.
const POLL: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
pub struct RedisSettings<'a> {
    pub address: &'a StoreAddress,
    pub prefix: &'a str,
    /// For each call, including connecting.
    pub timeout: Duration,
    /// For `rediss`.
    pub tls: &'a ClientTls,
    /// The runtime of the subscription to changes. It must outlive the store.
    pub runtime: &'a Handle,
    /// Counts failed commands.
    pub metrics: &'a Metrics,
}

/// The store in Redis, for one thread.
pub struct Redis {
    servers: Arc<Servers>,
    shared: Arc<Shared>,
}

struct Shared {
    endpoints: Endpoints,
    timeout: Duration,
    keys: Keys,
    hub: Arc<Hub>,
    metrics: Metrics,
    remembered: Arc<Remembered>,
    /// Aborts its task when dropped.
    _subscription: JoinSet<()>,
}

impl Redis {
    /// Connects with the first command. The subscription to changes connects at once, and reconnects whenever it is
    /// lost.
    ///
    /// `before` is the store that it replaces. Tickets that the other one knows to have ended stay ended: ids are
    /// unique, whichever server keeps the row.
    pub fn new(settings: RedisSettings<'_>, before: Option<&Redis>) -> RedisResult<Redis> {
        let RedisSettings { address, prefix, timeout, tls, runtime, metrics } = settings;
        let endpoints = Endpoints::new(address, tls)?;
        let servers = Arc::new(Servers::new(&endpoints, timeout, runtime)?);
        let keys = Keys::new(prefix);
        let hub = Arc::new(Hub::polling(POLL));
        let remembered = before.map(|before| before.shared.remembered.clone()).unwrap_or_default();
        let _subscription =
            subscription::start(runtime, servers.clone(), &keys, timeout, hub.clone(), remembered.clone());
        let metrics = metrics.clone();
        let shared = Shared { endpoints, timeout, keys, hub, metrics, remembered, _subscription };
        Ok(Redis { servers, shared: Arc::new(shared) })
    }

    /// The same store for the thread of this runtime, with its own connections.
    pub(super) fn on(&self, runtime: &Handle) -> RedisResult<Redis> {
        let servers = Servers::new(&self.shared.endpoints, self.shared.timeout, runtime)?;
        Ok(Redis { servers: Arc::new(servers), shared: self.shared.clone() })
    }

    pub(super) async fn read(&self, id: &TicketId) -> Result<Option<Row>, StoreError> {
        // The remainder also where the row is over, which then is over too. One key a call: while a slot of a cluster moves, two keys can be read together only if both exist.
        match self.read_whole(id).await? {
            None => self.read_at(id, self.shared.keys.remainder(id)).await,
            row => Ok(row),
        }
    }

    pub(super) async fn read_whole(&self, id: &TicketId) -> Result<Option<Row>, StoreError> {
        self.read_at(id, self.shared.keys.ticket(id)).await
    }

    async fn read_at(&self, id: &TicketId, key: String) -> Result<Option<Row>, StoreError> {
        let (now, row): (u64, Option<Vec<u8>>) =
            self.command("read", call::READ.call(id.shard, vec![key], None::<&str>)).await?;
        let (now, Some(row)) = (Timestamp(now), row) else { return Ok(None) };
        let (version, ticket) = row::decode(row).map_err(|source| StoreError::Unreadable { op: "read", source })?;
        // Also for a key whose expiry was removed.
        let Some(mut ticket) = ticket.kept_at(now) else { return Ok(None) };
        self.shared.remembered.check(id, &mut ticket, now);
        Ok(Some(Row { version, ticket, now }))
    }

    pub(super) async fn find(&self, view: &ViewIndex) -> Result<Option<TicketId>, StoreError> {
        self.name_at("find", view.shard, &self.shared.keys.view(view)).await
    }

    pub(super) async fn anchored(&self, anchor: &AnchorKey) -> Result<Option<TicketId>, StoreError> {
        self.name_at("anchor", anchor.shard(), &self.shared.keys.anchor(anchor)).await
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.shared.hub
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let until = Instant::now() + self.shared.timeout;
        self.servers.ping(until).await.map_err(|source| self.failed("ping", source))
    }

    pub(super) async fn about(&self) -> Result<About, StoreError> {
        let info: String = self.command("info", Call::anywhere(&["INFO"])).await?;
        let value = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().trim().to_owned()
        };
        Ok(About { version: value("redis_version"), eviction: value("maxmemory_policy") })
    }

    pub(super) async fn write(&self, op: &'static str, write: &Write<'_>) -> Result<Swapped, StoreError> {
        let call = if write.ticket.is_in_undo() { self.swap_in_undo(write) } else { self.swap(write) };
        let call = call.map_err(|source| StoreError::Unreadable { op, source: Some(source) })?;
        match self.command::<u8>(op, call).await? {
            0 => return Ok(Swapped::Lost),
            1 => {}
            _ => self.shared.hub.queue.refused(),
        }
        self.keep_remainder(write).await;
        // This process has seen the written state, which counts even if a failover loses it.
        let mut written = write.ticket.clone();
        self.shared.remembered.check(&write.id, &mut written, write.ticket.issued);
        // Waiters of this process need not wait for the event.
        self.shared.hub.changed(&write.id);
        if let Some((old, _, ticket)) = write.older {
            let mut ended = ticket.clone();
            self.shared.remembered.check(&old, &mut ended, ticket.issued);
            self.shared.hub.changed(&old);
        }
        Ok(Swapped::Written)
    }

    pub(super) async fn count_code(&self, user: &UserHash, rate: Rate) -> Result<Counted, StoreError> {
        self.count("count_code", user.0[0], self.shared.keys.user(user), rate).await
    }

    pub(super) async fn count_try(&self, rate: Rate) -> Result<Counted, StoreError> {
        self.count("count_try", TRIES_SHARD, self.shared.keys.tries(), rate).await
    }

    async fn count(&self, op: &'static str, shard: u8, key: String, rate: Rate) -> Result<Counted, StoreError> {
        let (_, share, allowance) = shares(Timestamp(0), rate);
        let call = call::COUNT.call(shard, vec![key], (share, allowance));
        let (now, over): (u64, u64) = self.command(op, call).await?;
        let now = Timestamp(now);
        match over {
            0 => Ok(Counted::Within { now }),
            over => Ok(Counted::TooMany { retry_after: Duration::from_micros(over), now }),
        }
    }

    pub(super) async fn keep_code(&self, code: &CodeHash, sealed: &[u8], lasts: Duration) -> Result<bool, StoreError> {
        let expiry = SetExpiry::PX(whole_millis(lasts));
        let options = SetOptions::default().conditional_set(ExistenceCheck::NX).with_expiration(expiry);
        let call = Call::once(code.shard(), Cmd::set_options(self.shared.keys.code(code), sealed, options));
        Ok(self.command::<Option<String>>("keep_code", call).await?.is_some())
    }

    pub(super) async fn code(&self, code: &CodeHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.command("code", Call::repeatable(code.shard(), Cmd::get(self.shared.keys.code(code)))).await
    }

    pub(super) async fn lead(&self, process: &str, lasts: Duration) -> Result<bool, StoreError> {
        let keys = vec![self.shared.keys.leader()];
        self.command("lead", call::LEAD.call(LEADER_SHARD, keys, (process, whole_millis(lasts)))).await
    }

    pub(super) async fn queued(&self, shard: u8) -> Result<Queued, StoreError> {
        let call = call::QUEUE.call(shard, vec![self.shared.keys.queue(shard)], queue::WINDOW - 1);
        let (count, oldest): (usize, Vec<Vec<u8>>) = self.command("queued", call).await?;
        Ok(Queued { count, oldest: oldest.into_iter().map(QueuedEvent).collect() })
    }

    pub(super) async fn remove_event(&self, shard: u8, event: &QueuedEvent) -> Result<(), StoreError> {
        // May be repeated, because no value is in the list twice.
        let call = Call::repeatable(shard, Cmd::lrem(self.shared.keys.queue(shard), 1, &event.0));
        self.command::<u64>("remove_event", call).await.map(drop)
    }

    async fn name_at(&self, op: &'static str, shard: u8, key: &str) -> Result<Option<TicketId>, StoreError> {
        match self.command::<Option<Vec<u8>>>(op, Call::repeatable(shard, Cmd::get(key))).await? {
            None => Ok(None),
            Some(text) => row::named(&text).map(Some).ok_or(StoreError::Unreadable { op, source: None }),
        }
    }

    /// Keeps what the page with the code needs for an undo. Without it the undo ends with the row: the sign-in is
    /// written, so a failure is counted and nothing more.
    async fn keep_remainder(&self, write: &Write<'_>) {
        let Some(remainder) = write.ticket.remainder() else { return };
        let Ok(row) = row::encode(write.version + 1, &remainder) else { return };
        let options = SetOptions::default().with_expiration(SetExpiry::PXAT(remainder.forget_at().0));
        let command = Cmd::set_options(self.shared.keys.remainder(&write.id), row, options);
        let call = Call::repeatable(write.id.shard, command);
        drop(self.command::<()>("keep_remainder", call).await);
    }

    fn swap_in_undo(&self, write: &Write<'_>) -> Result<Call, serde_json::Error> {
        let (id, ticket, keys) = (&write.id, write.ticket, &self.shared.keys);
        let mut named = vec![keys.ticket(id), keys.remainder(id), keys.view(&ticket.view)];
        named.extend(write.event.as_ref().map(|_| keys.queue(id.shard)));
        let arguments = (
            row::version_text(write.version),
            row::encode(write.version + 1, ticket)?,
            ticket.forget_at().0,
            row::name(id),
            keys.changes(),
            announcement::encode(id, ticket)?,
            event_arguments(write),
        );
        Ok(call::UNDO.call(id.shard, named, arguments))
    }

    fn swap(&self, write: &Write<'_>) -> Result<Call, serde_json::Error> {
        let (id, ticket, keys) = (&write.id, write.ticket, &self.shared.keys);
        let (must_name, take) = match write.anchor {
            Anchor::Any => ("*".to_owned(), "0"),
            Anchor::Ours => (row::name(id), "0"),
            Anchor::Take(named) => (named.as_ref().map(row::name).unwrap_or_default(), "1"),
        };
        let mut named = vec![keys.ticket(id), keys.anchor(&ticket.anchor), keys.view(&ticket.view)];
        named.extend(write.event.as_ref().map(|_| keys.queue(id.shard)));
        named.extend(write.older.map(|(old, ..)| keys.ticket(&old)));
        let older = write.older.map(|(old, version, ticket)| {
            let (row, announcement) = (row::encode(version + 1, ticket)?, announcement::encode(&old, ticket)?);
            Ok((row::version_text(version), row, ticket.forget_at().0, announcement))
        });
        let arguments = (
            row::version_text(write.version),
            write.before.map(|before| before.0.to_string()).unwrap_or_default(),
            must_name,
            take,
            row::encode(write.version + 1, ticket)?,
            ticket.forget_at().0,
            row::name(id),
            keys.changes(),
            announcement::encode(id, ticket)?,
            ticket.remainder().as_ref().unwrap_or(ticket).forget_at().0,
            event_arguments(write),
            older.transpose()?,
        );
        Ok(call::SWAP.call(id.shard, named, arguments))
    }

    /// Runs a call within `store.timeout`.
    async fn command<T: FromRedisValue>(&self, op: &'static str, call: Call) -> Result<T, StoreError> {
        let until = Instant::now() + self.shared.timeout;
        // Boxed, so that futures of callers stay small, also with the in-memory store.
        let value = Box::pin(self.servers.run(&call, until)).await.map_err(|source| self.failed(op, source))?;
        redis::from_redis_value(value).map_err(|source| StoreError::Redis { op, source: source.into() })
    }

    fn failed(&self, op: &'static str, source: RedisError) -> StoreError {
        self.shared.metrics.store_error(op);
        match source.is_timeout() {
            true => StoreError::Timeout { op },
            false => StoreError::Redis { op, source },
        }
    }
}

/// The event, empty for none, and the bounds of its queue.
fn event_arguments<'a>(write: &'a Write<'_>) -> (&'a [u8], usize, u64) {
    let event = write.event.as_ref().map(|event| event.0.as_slice()).unwrap_or_default();
    (event, queue::MAX_EVENTS, whole_millis(queue::KEPT))
}
