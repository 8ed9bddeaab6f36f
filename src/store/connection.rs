//! A connection for commands, opened on demand and discarded when it breaks.
//!
//! The library reports a connection that closes while idle, so the first command after Redis is back opens a new one
//! and succeeds. A firewall or NAT gateway may also drop an idle connection silently. TCP keepalive detects that in
//! the background, and before that a call does:
//!
//! - A call that may be repeated is sent on a new connection as well if there is no response in half of its time. The
//!   first response counts.
//! - Before any other call, a connection that was idle for [`IDLE`] must respond to a PING, which may be repeated.
//!   The call itself is sent once.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, ProtocolVersion, PushInfo, PushKind, RedisError, RedisResult,
    ServerErrorKind, Value,
};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::address::Access;
use super::call::Call;
use crate::clock::whole_millis;
use crate::endpoint::HostPort;

pub(super) struct Server {
    pub(super) address: HostPort,
    client: Client,
    timeout: Duration,
    slot: ConnectionSlot,
}

impl Server {
    pub(super) fn new(address: HostPort, access: &Access, timeout: Duration) -> RedisResult<Server> {
        let client = access.client(&address, ProtocolVersion::RESP3)?;
        Ok(Server { address, client, timeout, slot: ConnectionSlot::default() })
    }

    pub(super) async fn connect(&self, until: Instant) -> RedisResult<Connection> {
        self.slot.get_or(until, &|| Box::pin(self.open())).await
    }

    /// A new connection that is not shared.
    pub(super) async fn open(&self) -> RedisResult<Connection> {
        Connection::open(&self.client, self.address.clone(), self.timeout).await
    }

    pub(super) async fn run(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        self.slot.run(call, until, &|| Box::pin(self.open())).await
    }

    /// Like `run`, on a connection that was obtained before.
    pub(super) async fn run_on(&self, connection: Connection, call: &Call, until: Instant) -> RedisResult<Value> {
        self.slot.run_on(connection, call, until, &|| Box::pin(self.open())).await
    }
}

/// A connection that was idle for this long may have been dropped silently on the way.
const IDLE: Duration = Duration::from_secs(1);

/// Opens a connection. The future is boxed, so that those of calls that find a connection are small.
type Open<'a> = &'a (dyn Fn() -> BoxFuture<'a, RedisResult<Connection>> + Sync + 'a);

/// The current connection to a server.
#[derive(Default)]
pub(super) struct ConnectionSlot {
    live: Mutex<Option<Connection>>,
    /// Locked while a replacement for the live connection is opened: one attempt at a time, which other calls do not
    /// wait for.
    renewal: Mutex<()>,
}

impl ConnectionSlot {
    /// The connection, opened if necessary. Concurrent callers wait for it.
    pub(super) async fn get_or(&self, until: Instant, open: Open<'_>) -> RedisResult<Connection> {
        in_time(until, async {
            let mut live = self.live.lock().await;
            if let Some(connection) = live.as_ref().filter(|connection| connection.is_alive()) {
                return Ok(connection.clone());
            }
            *live = None;
            let connection = open().await?;
            *live = Some(connection.clone());
            Ok(connection)
        })
        .await
    }

    /// Runs a call on the connection. `open` opens one if there is none or the present one does not respond.
    pub(super) async fn run(&self, call: &Call, until: Instant, open: Open<'_>) -> RedisResult<Value> {
        let connection = self.get_or(until, open).await?;
        self.run_on(connection, call, until, open).await
    }

    /// Like `run`, on a connection that was obtained before.
    async fn run_on(&self, connection: Connection, call: &Call, until: Instant, open: Open<'_>) -> RedisResult<Value> {
        if call.may_be_repeated {
            return self.run_twice(connection, call, until, open).await.map(|(value, _)| value);
        }
        if !connection.was_idle() {
            return connection.run(call, until).await;
        }
        match self.run_twice(connection.clone(), &Call::anywhere(&["PING"]), until, open).await {
            Ok((_, proven)) => proven.run(call, until).await,
            Err(error) if is_broken(&error) => Err(error),
            // It responded, even if with an error.
            Err(_) => connection.run(call, until).await,
        }
    }

    /// Runs a call that may be repeated. It is sent again on a new connection if the present one breaks or gives no
    /// response in half of the time; the first response counts. Also returns the connection that responded.
    async fn run_twice(
        &self,
        connection: Connection,
        call: &Call,
        until: Instant,
        open: Open<'_>,
    ) -> RedisResult<(Value, Connection)> {
        let now = Instant::now();
        let half = now + until.saturating_duration_since(now) / 2;
        let mut first = Box::pin(connection.run(call, until));
        let again = async {
            let fresh = self.renew(&connection, until, open).await?;
            fresh.run(call, until).await.map(|value| (value, fresh.clone()))
        };
        match timeout_at(half, &mut first).await {
            Ok(Err(error)) if is_broken(&error) => Box::pin(again).await,
            Ok(response) => response.map(|value| (value, connection.clone())),
            Err(_) => match select(first, Box::pin(again)).await {
                Either::Left((Ok(value), _)) => Ok((value, connection.clone())),
                Either::Right((Ok(answered), _)) => Ok(answered),
                Either::Left((Err(_), again)) => again.await,
                Either::Right((Err(_), first)) => first.await.map(|value| (value, connection.clone())),
            },
        }
    }

    /// A connection that replaces `old` for later calls. Calls that wait on `old` keep it.
    async fn renew(&self, old: &Connection, until: Instant, open: Open<'_>) -> RedisResult<Connection> {
        in_time(until, async {
            let _one_at_a_time = self.renewal.lock().await;
            if let Some(live) = self.live.lock().await.as_ref().filter(|live| live.is_alive() && !live.is_same(old)) {
                return Ok(live.clone());
            }
            let fresh = open().await?;
            *self.live.lock().await = Some(fresh.clone());
            Ok(fresh)
        })
        .await
    }

    pub(super) fn get(&self) -> Option<Connection> {
        self.live.try_lock().ok()?.clone().filter(Connection::is_alive)
    }
}

#[derive(Clone)]
pub(super) struct Connection {
    pub(super) address: HostPort,
    commands: MultiplexedConnection,
    dead: Arc<AtomicBool>,
    made: Instant,
    /// When the last response arrived, in milliseconds since it was opened.
    last_response: Arc<AtomicU64>,
}

impl Connection {
    async fn open(client: &Client, address: HostPort, timeout: Duration) -> RedisResult<Connection> {
        let dead = Arc::<AtomicBool>::default();
        let disconnected = dead.clone();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            // Each call has its own timeout.
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    disconnected.store(true, Ordering::Release);
                }
                Ok::<(), redis::aio::SendError>(())
            });
        let commands = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Connection { address, commands, dead, made: Instant::now(), last_response: Arc::default() })
    }

    /// Runs a call. After a timeout, a broken connection, or a response of a demoted master, the next call opens a new
    /// connection.
    pub(super) async fn run(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        self.note(in_time(until, call.run(&mut self.commands.clone(), false)).await)
    }

    /// Like `run`, on a server that is importing the call's slot.
    pub(super) async fn run_asking(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        self.note(in_time(until, call.run(&mut self.commands.clone(), true)).await)
    }

    /// Marks the connection as unusable for later calls.
    pub(super) fn give_up(&self) {
        self.dead.store(true, Ordering::Release);
    }

    fn is_alive(&self) -> bool {
        !self.dead.load(Ordering::Acquire)
    }

    fn is_same(&self, other: &Connection) -> bool {
        Arc::ptr_eq(&self.dead, &other.dead)
    }

    fn was_idle(&self) -> bool {
        self.made.elapsed() >= Duration::from_millis(self.last_response.load(Ordering::Relaxed)) + IDLE
    }

    fn note(&self, response: RedisResult<Value>) -> RedisResult<Value> {
        match &response {
            Err(error) if is_broken(error) => self.give_up(),
            answered => {
                self.last_response.store(whole_millis(self.made.elapsed()), Ordering::Relaxed);
                if answered.as_ref().is_err_and(is_of_a_replica) {
                    self.give_up();
                }
            }
        }
        response
    }
}

/// Whether the connection broke or timed out. The call may have been executed.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_timeout()
}

/// Whether a replica refused to write. Redis before 7.0 reports it inside an error of the script.
fn is_of_a_replica(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
        || error.detail().is_some_and(|detail| detail.contains("-READONLY "))
}

/// Fails with `TimedOut` at that time.
pub(super) async fn in_time<T>(until: Instant, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = || Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut)));
    timeout_at(until, work).await.unwrap_or_else(|_| late())
}
