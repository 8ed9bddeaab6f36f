//! A connection for commands: made when it is needed, given up when it is lost.
//!
//! A connection that ended while nobody used it is known to be dead (RESP3 tells), so the first command after Redis is
//! back makes a new one and succeeds. A firewall or NAT gateway may also drop an idle connection without a word. TCP
//! keepalive finds that in the background; a call that comes first finds it so:
//!
//! - A call that may be sent twice, and is not answered in half of its time, is sent on a new connection too. The first
//!   response counts.
//! - Before any other call, a connection that was silent for [`SILENCE`] has to answer a PING, which is such a call.
//!   The call itself is sent once.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, ProtocolVersion, PushInfo, PushKind, RedisError, RedisResult,
    ServerErrorKind, Value,
};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::address::{Access, Address};
use super::call::Call;

/// A server at an address of its own.
pub(super) struct Server {
    address: Address,
    client: Client,
    timeout: Duration,
    slot: ConnectionSlot,
}

impl Server {
    pub(super) fn new(address: Address, access: &Access, timeout: Duration) -> RedisResult<Server> {
        let client = access.client(&address, ProtocolVersion::RESP3)?;
        Ok(Server { address, client, timeout, slot: ConnectionSlot::default() })
    }

    pub(super) async fn connect(&self, until: Instant) -> RedisResult<Connection> {
        self.slot.get_or(until, || self.open()).await
    }

    /// A connection that nobody shares yet.
    pub(super) async fn open(&self) -> RedisResult<Connection> {
        Connection::open(&self.client, self.address.clone(), self.timeout).await
    }

    pub(super) async fn run(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        self.slot.run(call, until, || self.open()).await
    }

    /// The same where the connection is there already.
    pub(super) async fn run_on(&self, connection: Connection, call: &Call, until: Instant) -> RedisResult<Value> {
        self.slot.run_on(connection, call, until, || self.open()).await
    }
}

/// A connection that was silent for so long may have been dropped on the way without a word.
const SILENCE: Duration = Duration::from_secs(1);

/// The connection in use.
#[derive(Default)]
pub(super) struct ConnectionSlot {
    live: Mutex<Option<Connection>>,
    /// Held by the one who makes a second connection beside the live one: there is one attempt at a time, and nobody
    /// who has no need of it waits for it.
    renewal: Mutex<()>,
}

impl ConnectionSlot {
    /// The connection, made anew if need be. Those who come while it is being made wait for it.
    pub(super) async fn get_or<F>(&self, until: Instant, make: impl FnOnce() -> F) -> RedisResult<Connection>
    where
        F: Future<Output = RedisResult<Connection>>,
    {
        in_time(until, async {
            let mut live = self.live.lock().await;
            if let Some(connection) = live.as_ref().filter(|connection| connection.is_alive()) {
                return Ok(connection.clone());
            }
            *live = None;
            // Boxed: a call that finds one must not carry the room that making one needs.
            let connection = Box::pin(make()).await?;
            *live = Some(connection.clone());
            Ok(connection)
        })
        .await
    }

    /// Runs a call on the connection; `make` makes one where there is none, or where it turns out to be of no use.
    pub(super) async fn run<F>(&self, call: &Call, until: Instant, make: impl Fn() -> F) -> RedisResult<Value>
    where
        F: Future<Output = RedisResult<Connection>>,
    {
        let connection = self.get_or(until, &make).await?;
        self.run_on(connection, call, until, make).await
    }

    /// The same where the connection is there already.
    async fn run_on<F>(
        &self,
        connection: Connection,
        call: &Call,
        until: Instant,
        make: impl Fn() -> F,
    ) -> RedisResult<Value>
    where
        F: Future<Output = RedisResult<Connection>>,
    {
        if call.may_be_repeated {
            return self.run_twice(connection, call, until, make).await.map(|(value, _)| value);
        }
        if !connection.was_silent() {
            return connection.run(call, until).await;
        }
        match self.run_twice(connection.clone(), &Call::ping(), until, make).await {
            Ok((_, proven)) => proven.run(call, until).await,
            Err(error) if is_broken(&error) => Err(error),
            // Whatever it said, it is there.
            Err(_) => connection.run(call, until).await,
        }
    }

    /// Runs a call that may be sent twice. It is, where the connection breaks or says nothing in half of the time; a slow
    /// server may still be the first to answer on the old one. Returns the connection that answered, too.
    async fn run_twice<F>(
        &self,
        connection: Connection,
        call: &Call,
        until: Instant,
        make: impl Fn() -> F,
    ) -> RedisResult<(Value, Connection)>
    where
        F: Future<Output = RedisResult<Connection>>,
    {
        let now = Instant::now();
        let half = now + until.saturating_duration_since(now) / 2;
        let mut first = Box::pin(connection.run(call, until));
        let again = async {
            let fresh = self.renew(&connection, until, &make).await?;
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

    /// Another connection in place of `old`, which may be of no use: those who wait for its response keep it.
    async fn renew<F>(&self, old: &Connection, until: Instant, make: impl Fn() -> F) -> RedisResult<Connection>
    where
        F: Future<Output = RedisResult<Connection>>,
    {
        in_time(until, async {
            let _one_at_a_time = self.renewal.lock().await;
            if let Some(live) = self.live.lock().await.as_ref().filter(|live| live.is_alive() && !live.is_same(old)) {
                return Ok(live.clone());
            }
            let fresh = Box::pin(make()).await?;
            *self.live.lock().await = Some(fresh.clone());
            Ok(fresh)
        })
        .await
    }

    /// The connection, if there is one just now.
    pub(super) fn get(&self) -> Option<Connection> {
        self.live.try_lock().ok()?.clone().filter(Connection::is_alive)
    }
}

/// A connection that was alive a moment ago.
#[derive(Clone)]
pub(super) struct Connection {
    /// Where it leads.
    pub(super) address: Address,
    commands: MultiplexedConnection,
    dead: Arc<AtomicBool>,
    made: Instant,
    /// When it last answered, in milliseconds since it was made.
    heard: Arc<AtomicU64>,
}

impl Connection {
    async fn open(client: &Client, address: Address, timeout: Duration) -> RedisResult<Connection> {
        let dead = Arc::<AtomicBool>::default();
        let tell = dead.clone();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            // Each call has a time of its own.
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    tell.store(true, Ordering::Release);
                }
                Ok::<(), redis::aio::SendError>(())
            });
        let commands = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Connection { address, commands, dead, made: Instant::now(), heard: Arc::default() })
    }

    /// Runs a call. A connection that does not answer in time, that broke, or that leads to a replica since a failover,
    /// is of no use any more: the next command connects anew.
    pub(super) async fn run(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        self.note(in_time(until, call.run(&mut self.commands.clone(), false)).await)
    }

    /// The same of a server that is about to become the owner of the call's slot.
    pub(super) async fn run_asking(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        self.note(in_time(until, call.run(&mut self.commands.clone(), true)).await)
    }

    /// Nobody gets this connection any more.
    pub(super) fn give_up(&self) {
        self.dead.store(true, Ordering::Release);
    }

    fn is_alive(&self) -> bool {
        !self.dead.load(Ordering::Acquire)
    }

    fn is_same(&self, other: &Connection) -> bool {
        Arc::ptr_eq(&self.dead, &other.dead)
    }

    fn was_silent(&self) -> bool {
        self.made.elapsed() >= Duration::from_millis(self.heard.load(Ordering::Relaxed)) + SILENCE
    }

    fn note(&self, response: RedisResult<Value>) -> RedisResult<Value> {
        match &response {
            Err(error) if is_broken(error) => self.give_up(),
            answered => {
                let now = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.heard.store(now, Ordering::Relaxed);
                if answered.as_ref().is_err_and(is_of_a_replica) {
                    self.give_up();
                }
            }
        }
        response
    }
}

/// Whether the connection broke or was silent too long. What it was asked may have been done.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_timeout()
}

/// Whether a replica refused to write. Redis before 7.0 tells it in the words of an error of the script.
fn is_of_a_replica(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
        || error.detail().is_some_and(|detail| detail.contains("-READONLY "))
}

/// Ends with an error at that time.
pub(super) async fn in_time<T>(until: Instant, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = || Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut)));
    timeout_at(until, work).await.unwrap_or_else(|_| late())
}
