//! The one subscription of this process: every change of every ticket, from every process that shares the store.
//!
//! Each second the process tells itself something, by the way that its writes go, and has to hear it: a connection that
//! fell silent, a master that was replaced and a node that passes nothing on are noticed alike, and nobody needs to
//! look after each ticket.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use redis::{Msg, RedisResult};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::announcement;
use super::call::Call;
use super::remembered::Remembered;
use super::row::Keys;
use super::servers::Servers;
use super::task::Task;
use super::watch::Hub;
use crate::secret::fill_random;

/// Between two attempts to connect, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Between two attempts, at most. Watches poll meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two heartbeats. From one that is not heard within the store's timeout on, watches poll.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// From one heartbeat's shard to the next: all owners of a cluster have their turn.
const STRIDE: u8 = 101;

/// Who is told of what other processes announce.
pub(super) struct News {
    /// Whoever waits for a ticket.
    pub(super) hub: Arc<Hub>,
    /// What is known to be over.
    pub(super) remembered: Arc<Remembered>,
}

struct Subscriber {
    servers: Arc<Servers>,
    /// Of all processes.
    changes: String,
    /// Of this process alone.
    heartbeats: String,
    /// How long a heartbeat may take.
    patience: Duration,
    news: News,
}

/// Listens until the store ends.
pub(super) fn start(runtime: &Handle, servers: Arc<Servers>, keys: &Keys, patience: Duration, news: News) -> Task {
    news.hub.set_disconnected(true);
    let mut name = [0; 12];
    // Without randomness two processes may hear each other's heartbeats, which is better than none.
    let _ = fill_random(&mut name);
    let subscriber =
        Subscriber { servers, changes: keys.changes(), heartbeats: keys.heartbeats(&name), patience, news };
    Task::start(runtime, async move {
        let mut pause = FIRST_PAUSE;
        loop {
            if subscriber.listen().await.is_ok_and(|heard| heard) {
                pause = FIRST_PAUSE;
            }
            subscriber.news.hub.set_disconnected(true);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    })
}

impl Subscriber {
    /// Passes events on until the connection is lost or a heartbeat is not heard; says whether any was.
    async fn listen(&self) -> RedisResult<bool> {
        let connect = async {
            let mut events = self.servers.listener().await?.get_async_pubsub().await?;
            events.subscribe(&[&self.changes, &self.heartbeats]).await?;
            RedisResult::Ok(events)
        };
        let Ok(connected) = tokio::time::timeout(PATIENCE, connect).await else { return Ok(false) };
        let mut events = connected?;
        let (last, heard) = watch::channel(0);
        tokio::select! {
            () = self.pass_on(events.on_message(), &last) => {}
            () = self.heartbeat(heard) => {}
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
                    self.news.remembered.note(&id, &end.state, end.lasts());
                }
                self.news.hub.changed(&id);
            }
        }
    }

    /// Returns when a heartbeat that was sent is not heard. One that cannot be sent says nothing: its server is away, and so
    /// are that server's tickets.
    async fn heartbeat(&self, mut heard: watch::Receiver<u64>) {
        let mut shard = 0_u8;
        for heartbeat in 1.. {
            let until = Instant::now() + self.patience;
            shard = shard.wrapping_add(STRIDE);
            if self.servers.run(&Call::publish(shard, &self.heartbeats, heartbeat), until).await.is_ok() {
                match tokio::time::timeout_at(until, heard.wait_for(|last| *last == heartbeat)).await {
                    Ok(Ok(_)) => self.news.hub.set_disconnected(false),
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            tokio::time::sleep(HEARTBEAT).await;
        }
    }
}
