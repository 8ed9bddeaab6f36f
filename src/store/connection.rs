//! A connection for commands: made when it is needed, given up when it is lost.
//!
//! A connection that ended while nobody used it is known to be dead (RESP3 tells), so the first command after Redis is
//! back makes a new one and succeeds. Nothing is retried and nothing waits in a queue of attempts.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
    kept: Kept,
}

impl Server {
    pub(super) fn new(address: Address, access: &Access, timeout: Duration) -> RedisResult<Server> {
        let client = access.client(&address, ProtocolVersion::RESP3)?;
        Ok(Server { address, client, timeout, kept: Kept::default() })
    }

    pub(super) async fn connect(&self, until: Instant) -> RedisResult<Connection> {
        self.kept.get_or(until, || self.open()).await
    }

    /// A connection that nobody shares yet.
    pub(super) async fn open(&self) -> RedisResult<Connection> {
        Connection::open(&self.client, self.address.clone(), self.timeout).await
    }

    pub(super) async fn run(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        self.connect(until).await?.run(call, until).await
    }
}

/// The connection in use.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<Connection>>);

impl Kept {
    /// The connection, made anew if need be. Those who come while it is being made wait for it.
    pub(super) async fn get_or<F>(&self, until: Instant, make: impl FnOnce() -> F) -> RedisResult<Connection>
    where
        F: Future<Output = RedisResult<Connection>>,
    {
        in_time(until, async {
            let mut live = self.0.lock().await;
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

    /// The connection, if there is one just now.
    pub(super) fn get(&self) -> Option<Connection> {
        self.0.try_lock().ok()?.clone().filter(Connection::is_alive)
    }
}

/// A connection that was alive a moment ago.
#[derive(Clone)]
pub(super) struct Connection {
    /// Where it leads.
    pub(super) address: Address,
    commands: MultiplexedConnection,
    dead: Arc<AtomicBool>,
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
        Ok(Connection { address, commands, dead })
    }

    /// Runs a call. A connection that does not answer in time, that broke, or that leads to a replica since a failover,
    /// is of no use any more: the next command connects anew.
    pub(super) async fn run(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        in_time(until, call.run(&mut self.commands.clone(), false)).await.inspect_err(|error| self.judge(error))
    }

    /// The same of a server that is about to become the owner of the call's slot.
    pub(super) async fn run_asking(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        in_time(until, call.run(&mut self.commands.clone(), true)).await.inspect_err(|error| self.judge(error))
    }

    /// Nobody gets this connection any more.
    pub(super) fn give_up(&self) {
        self.dead.store(true, Ordering::Release);
    }

    fn is_alive(&self) -> bool {
        !self.dead.load(Ordering::Acquire)
    }

    fn judge(&self, error: &RedisError) {
        if is_broken(error) || is_of_a_replica(error) {
            self.give_up();
        }
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
