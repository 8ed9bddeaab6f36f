//! This process's subscription to the changes of all tickets, by all processes that share the store.
//!
//! Once a second the process publishes a heartbeat along the path of its writes and expects to receive it. So a dead
//! connection, a replaced master or a silent node is noticed without polling each ticket.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use redis::{Cmd, Msg, RedisResult};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::announcement;
use super::call::Call;
use super::remembered::Remembered;
use super::row::Keys;
use super::servers::Servers;
use super::watch::Hub;
use crate::secret::random_name;

/// First delay before reconnecting. It doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest delay before reconnecting. Watches poll meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval of heartbeats. Watches poll once one is not received within the store's timeout.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Step from the shard of one heartbeat to the next, so that all owners of a cluster take turns.
const STRIDE: u8 = 101;

struct Subscriber {
    servers: Arc<Servers>,
    /// The channel of all processes.
    changes: String,
    /// The channel of this process alone.
    heartbeats: String,
    /// Timeout of a heartbeat.
    timeout: Duration,
    hub: Arc<Hub>,
    remembered: Arc<Remembered>,
}

/// Runs until the returned task is dropped.
pub(super) fn start(
    runtime: &Handle,
    servers: Arc<Servers>,
    keys: &Keys,
    timeout: Duration,
    hub: Arc<Hub>,
    remembered: Arc<Remembered>,
) -> JoinSet<()> {
    hub.set_disconnected(true);
    // Without randomness two processes may receive each other's heartbeats, which is better than none.
    let heartbeats = keys.heartbeats(&random_name().unwrap_or_default());
    let subscriber = Subscriber { servers, changes: keys.changes(), heartbeats, timeout, hub, remembered };
    let mut task = JoinSet::new();
    task.spawn_on(subscriber.run(), runtime);
    task
}

impl Subscriber {
    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.listen().await.is_ok_and(|received| received) {
                pause = FIRST_PAUSE;
            }
            self.hub.set_disconnected(true);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Passes messages on until the connection is lost or a heartbeat is not received. Returns whether any was
    /// received.
    async fn listen(&self) -> RedisResult<bool> {
        let connect = async {
            let mut events = self.servers.listener().await?.get_async_pubsub().await?;
            events.subscribe(&[&self.changes, &self.heartbeats]).await?;
            RedisResult::Ok(events)
        };
        let Ok(connected) = tokio::time::timeout(CONNECT_TIMEOUT, connect).await else { return Ok(false) };
        let mut events = connected?;
        let (last, received) = watch::channel(0);
        tokio::select! {
            () = self.pass_on(events.on_message(), &last) => {}
            () = self.heartbeat(received) => {}
        }
        Ok(*last.borrow() > 0)
    }

    /// Returns when the connection is lost.
    async fn pass_on(&self, mut events: impl Stream<Item = Msg> + Unpin, last: &watch::Sender<u64>) {
        while let Some(event) = events.next().await {
            if event.get_channel_name() == self.heartbeats {
                last.send_replace(event.get_payload().unwrap_or_default());
            } else if let Some((id, end)) = announcement::decode(event.get_payload_bytes()) {
                if let Some(end) = end {
                    self.remembered.note(&id, &end.state, Duration::from_secs(end.lasts));
                    // Every event reports an end, or a step after it.
                    self.hub.queue.added(id.shard);
                }
                self.hub.changed(&id);
            }
        }
    }

    /// Returns when a heartbeat that was sent is not received. One that cannot be sent proves nothing: its server is
    /// unreachable, and so are that server's tickets.
    async fn heartbeat(&self, mut received: watch::Receiver<u64>) {
        let mut shard = 0_u8;
        for heartbeat in 1.. {
            let until = Instant::now() + self.timeout;
            shard = shard.wrapping_add(STRIDE);
            let call = Call::repeatable(shard, Cmd::publish(&self.heartbeats, heartbeat));
            if self.servers.run(&call, until).await.is_ok() {
                match tokio::time::timeout_at(until, received.wait_for(|last| *last == heartbeat)).await {
                    Ok(Ok(_)) => self.hub.set_disconnected(false),
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
    }
}
