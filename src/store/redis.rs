//! Tickets in Redis or Valkey, shared by any number of processes: one server, a master that sentinels choose, or a
//! cluster.
//!
//! One connection to each server carries all calls. It lives on the runtime it was given, whichever worker asks; a call
//! that is not answered within `store.timeout` fails, and the first one after Redis is back succeeds, because nothing is
//! retried or waited for in between. Nothing that may have been done is sent twice: whether a lost write happened is not
//! known.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{FromRedisValue, RedisResult};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::address::Place;
use super::call::{self, Call};
use super::remembered::Remembered;
use super::row::{self, Keys};
use super::servers::Servers;
use super::subscription;
use super::task::Task;
use super::watch::{Hub, Watch};
use super::{About, Anchor, Counted, Row, StoreError, Swapped, Write, shares};
use crate::clock::Timestamp;
use crate::config::{ClientTls, Rate};
use crate::telemetry::metrics::Metrics;
use crate::token::{AnchorKey, TicketId, UserHash, ViewIndex};

/// The longest silence of a watch: an event that got lost is made up for by a reading.
const POLL: Duration = Duration::from_secs(2);

/// How much longer than `store.timeout` a caller waits for the runtime that runs the command.
const GRACE: Duration = Duration::from_millis(100);

/// What a Redis store is made from.
#[derive(Clone, Copy)]
pub struct RedisSettings<'a> {
    /// `redis://`, `redis+sentinel://` or `redis+cluster://`, or the same with `rediss`.
    pub url: &'a str,
    /// In front of every key.
    pub prefix: &'a str,
    /// For each call, a connection that has to be made included.
    pub timeout: Duration,
    /// For `rediss`.
    pub tls: &'a ClientTls,
    /// The runtime on which the connections live; it must outlast the store.
    pub runtime: &'a Handle,
    /// Counts the commands that fail.
    pub metrics: &'a Metrics,
}

/// The store in Redis.
pub struct Redis {
    servers: Arc<Servers>,
    runtime: Handle,
    timeout: Duration,
    keys: Keys,
    hub: Arc<Hub>,
    metrics: Metrics,
    remembered: Remembered,
    _subscription: Task,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Redis {
    /// Makes the store. It connects with the first command; the subscription to changes connects at once, and again
    /// whenever it is lost.
    ///
    /// # Errors
    ///
    /// When the URL or the TLS material is not usable.
    pub fn new(settings: RedisSettings<'_>) -> RedisResult<Redis> {
        let place = Place::parse(settings.url, settings.tls)?;
        let servers = Arc::new(Servers::new(place, settings.timeout, settings.runtime)?);
        let keys = Keys::new(settings.prefix);
        let hub = Arc::<Hub>::default();
        let subscription = subscription::start(settings.runtime, servers.clone(), keys.channel(), hub.clone());
        Ok(Redis {
            servers,
            runtime: settings.runtime.clone(),
            timeout: settings.timeout,
            keys,
            hub,
            metrics: settings.metrics.clone(),
            remembered: Remembered::default(),
            _subscription: subscription,
        })
    }

    pub(super) async fn read(&self, id: &TicketId) -> Result<Option<Row>, StoreError> {
        let call = call::READ.call(id.shard, vec![self.keys.ticket(id)], Vec::new());
        let (now, row): (u64, Option<Vec<u8>>) = self.command("read", call).await?;
        let now = Timestamp(now);
        let Some(row) = row else { return Ok(None) };
        let (version, mut ticket) = row::decode(row).map_err(|source| StoreError::Unreadable { op: "read", source })?;
        // A key made immortal by hand is forgotten all the same.
        if ticket.forget_at() <= now {
            return Ok(None);
        }
        self.remembered.check(id, &mut ticket, now);
        Ok(Some(Row { version, ticket, now }))
    }

    pub(super) async fn find(&self, view: &ViewIndex) -> Result<Option<TicketId>, StoreError> {
        self.name_at("find", view.shard, &self.keys.view(view)).await
    }

    pub(super) async fn anchored(&self, anchor: &AnchorKey) -> Result<Option<TicketId>, StoreError> {
        self.name_at("anchor", anchor.shard(), &self.keys.anchor(anchor)).await
    }

    pub(super) fn watch(&self, id: &TicketId) -> Watch {
        self.hub.watch(id, Some(POLL))
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let (servers, timeout) = (self.servers.clone(), self.timeout);
        self.finished("ping", self.runtime.spawn(async move { servers.ping(Instant::now() + timeout).await })).await
    }

    pub(super) async fn about(&self) -> Result<About, StoreError> {
        let info: String = self.command("info", Call::info()).await?;
        let value = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().trim().to_owned()
        };
        Ok(About { version: value("redis_version"), eviction: value("maxmemory_policy") })
    }

    pub(super) async fn write(&self, op: &'static str, write: &Write<'_>) -> Result<Swapped, StoreError> {
        let call = self.swap(write).map_err(|source| StoreError::Unreadable { op, source: Some(source) })?;
        if !self.command::<bool>(op, call).await? {
            return Ok(Swapped::Lost);
        }
        // The written state is seen by this process: it counts even if a failover loses it.
        let mut written = write.ticket.clone();
        self.remembered.check(&write.id, &mut written, write.ticket.issued);
        // Our own waiters need not wait for the event to come back.
        self.hub.changed(&write.id);
        if let Some((old, ..)) = write.older {
            self.hub.changed(&old);
        }
        Ok(Swapped::Written)
    }

    pub(super) async fn count_code(&self, user: &UserHash, rate: Rate) -> Result<Counted, StoreError> {
        let (_, share, allowance) = shares(Timestamp(0), rate);
        let arguments = [share, allowance].map(|micros| micros.to_string().into_bytes());
        let call = call::COUNT.call(user.0[0], vec![self.keys.user(user)], arguments.to_vec());
        let (now, over): (u64, u64) = self.command("count_code", call).await?;
        let now = Timestamp(now);
        match over {
            0 => Ok(Counted::Within { now }),
            over => Ok(Counted::TooMany { retry_after: Duration::from_micros(over), now }),
        }
    }

    async fn name_at(&self, op: &'static str, shard: u8, key: &str) -> Result<Option<TicketId>, StoreError> {
        match self.command::<Option<Vec<u8>>>(op, Call::get(shard, key)).await? {
            None => Ok(None),
            Some(text) => row::named(&text).map(Some).ok_or(StoreError::Unreadable { op, source: None }),
        }
    }

    fn swap(&self, write: &Write<'_>) -> Result<Call, serde_json::Error> {
        let ticket = write.ticket;
        let forget_at = ticket.forget_at().0.to_string().into_bytes();
        let (must_name, take) = match write.anchor {
            Anchor::Any => ("*".to_owned(), "0"),
            Anchor::Ours => (row::name(&write.id), "0"),
            Anchor::Take(named) => (named.as_ref().map(row::name).unwrap_or_default(), "1"),
        };
        let mut keys =
            vec![self.keys.ticket(&write.id), self.keys.anchor(&ticket.anchor), self.keys.view(&ticket.view)];
        let mut arguments = vec![
            row::version_text(write.version).into_bytes(),
            write.before.map(|before| before.0.to_string()).unwrap_or_default().into_bytes(),
            must_name.into_bytes(),
            take.into(),
            row::encode(write.version + 1, ticket)?,
            forget_at,
            row::name(&write.id).into_bytes(),
            self.keys.channel().into_bytes(),
        ];
        if let Some((old, version, ticket)) = &write.older {
            keys.push(self.keys.ticket(old));
            arguments.push(row::version_text(*version).into_bytes());
            arguments.push(row::encode(*version + 1, ticket)?);
            arguments.push(ticket.forget_at().0.to_string().into_bytes());
            arguments.push(row::name(old).into_bytes());
        }
        Ok(call::SWAP.call(write.id.shard, keys, arguments))
    }

    /// Runs a call where the connections live, and waits no longer than `store.timeout`. A caller that goes away does
    /// not cut it in half.
    async fn command<T: FromRedisValue>(&self, op: &'static str, call: Call) -> Result<T, StoreError> {
        let (servers, timeout) = (self.servers.clone(), self.timeout);
        let running = self.runtime.spawn(async move { servers.run(&call, Instant::now() + timeout).await });
        let value = self.finished(op, running).await?;
        redis::from_redis_value(value).map_err(|source| StoreError::Redis { op, source: source.into() })
    }

    async fn finished<T>(&self, op: &'static str, running: JoinHandle<RedisResult<T>>) -> Result<T, StoreError> {
        match tokio::time::timeout(self.timeout + GRACE, running).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(source))) if !source.is_timeout() => {
                self.metrics.store_error(op);
                Err(StoreError::Redis { op, source })
            }
            // No answer came; or the runtime is going down or busy, which is none either.
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => {
                self.metrics.store_error(op);
                Err(StoreError::Timeout { op })
            }
        }
    }
}
