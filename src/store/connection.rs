//! The one connection for commands: made when it is needed, given up when it is lost.
//!
//! A connection that ended while nobody used it is known to be dead (RESP3 tells), so the first command after Redis is
//! back makes a new one and succeeds. Nothing is retried and nothing waits in a queue of attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::Mutex;

/// Hands out the connection.
pub(super) struct Connector {
    client: Client,
    timeout: Duration,
    live: Mutex<Option<Connection>>,
}

/// A connection that was alive a moment ago.
#[derive(Clone)]
pub(super) struct Connection {
    /// For commands.
    pub(super) commands: MultiplexedConnection,
    dead: Arc<AtomicBool>,
}

impl Connector {
    pub(super) fn new(client: Client, timeout: Duration) -> Connector {
        Connector { client, timeout, live: Mutex::new(None) }
    }

    /// The connection, made anew if need be. Those who come while it is being made wait for it.
    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        let mut live = self.live.lock().await;
        if let Some(connection) = live.as_ref()
            && !connection.dead.load(Ordering::Acquire)
        {
            return Ok(connection.clone());
        }
        *live = None;
        let dead = Arc::<AtomicBool>::default();
        let tell = dead.clone();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    tell.store(true, Ordering::Release);
                }
                Ok::<(), redis::aio::SendError>(())
            });
        let commands = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let connection = Connection { commands, dead };
        *live = Some(connection.clone());
        Ok(connection)
    }
}

impl Connection {
    /// No answer came in time: the other end may be gone without a word. The next command connects anew.
    pub(super) fn give_up(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// Judges an error: whether the connection is of no use any more, because it broke, or because it leads to a
    /// replica since a failover.
    pub(super) fn judge(&self, error: &RedisError) {
        let demoted = error.kind() == redis::ErrorKind::Server(ServerErrorKind::ReadOnly);
        if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() || demoted {
            self.give_up();
        }
    }
}
