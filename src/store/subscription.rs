//! The one subscription of this process: every change of every ticket, from every process that shares the store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::Handle;

use super::row;
use super::servers::Servers;
use super::task::Task;
use super::watch::Hub;

/// Between two attempts to connect, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Between two attempts, at most. Watches poll meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that is silent this long is asked whether it is still there, and given as long again.
const SILENCE: Duration = Duration::from_secs(10);

/// Listens until the store ends.
pub(super) fn start(runtime: &Handle, servers: Arc<Servers>, channel: String, hub: Arc<Hub>) -> Task {
    Task::start(runtime, async move {
        let mut pause = FIRST_PAUSE;
        loop {
            if listen(&servers, &channel, &hub).await.is_ok_and(|heard| heard) {
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    })
}

/// Passes events on until the connection is lost; says whether it stood at all.
async fn listen(servers: &Servers, channel: &str, hub: &Hub) -> redis::RedisResult<bool> {
    let connect = async {
        let mut events = servers.listener().await?.get_async_pubsub().await?;
        events.subscribe(channel).await?;
        redis::RedisResult::Ok(events)
    };
    let Ok(events) = tokio::time::timeout(SILENCE, connect).await else { return Ok(false) };
    let (mut sink, mut stream) = events?.split();
    loop {
        match tokio::time::timeout(SILENCE, stream.next()).await {
            Ok(Some(event)) => {
                if let Some(id) = row::named(event.get_payload_bytes()) {
                    hub.changed(&id);
                }
            }
            Ok(None) => return Ok(true),
            Err(_) => match tokio::time::timeout(SILENCE, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return Ok(true),
            },
        }
    }
}
