//! The one subscription of this process: every change of every ticket, from every process that shares the store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::row;
use super::servers::Servers;
use super::task::Task;
use super::watch::Hub;

/// Between two attempts to connect, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Between two attempts, at most. Watches poll meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often a silent connection is looked after.
const LOOK: Duration = Duration::from_secs(1);
/// A connection that is silent this long is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(5);
/// How long it has for that, and for being made.
const PATIENCE: Duration = Duration::from_secs(2);

/// Listens until the store ends.
pub(super) fn start(runtime: &Handle, servers: Arc<Servers>, channel: String, hub: Arc<Hub>) -> Task {
    hub.set_deaf(true);
    Task::start(runtime, async move {
        let mut pause = FIRST_PAUSE;
        loop {
            if listen(&servers, &channel, &hub).await.is_ok_and(|heard| heard) {
                pause = FIRST_PAUSE;
            }
            hub.set_deaf(true);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    })
}

/// Passes events on until the connection is lost; says whether it stood at all.
async fn listen(servers: &Servers, channel: &str, hub: &Hub) -> redis::RedisResult<bool> {
    let connect = async {
        let (address, client) = servers.listener().await?;
        let mut events = client.get_async_pubsub().await?;
        events.subscribe(channel).await?;
        redis::RedisResult::Ok((address, events))
    };
    let Ok(connected) = tokio::time::timeout(PATIENCE, connect).await else { return Ok(false) };
    let (address, events) = connected?;
    let (mut sink, mut stream) = events.split();
    hub.set_deaf(false);
    let mut heard = Instant::now();
    loop {
        match tokio::time::timeout(LOOK, stream.next()).await {
            Ok(Some(event)) => {
                heard = Instant::now();
                if let Some(id) = row::named(event.get_payload_bytes()) {
                    hub.changed(&id);
                }
            }
            Ok(None) => return Ok(true),
            // Calls go elsewhere by now: so do events.
            Err(_) if servers.have_left(&address).await => return Ok(true),
            Err(_) if heard.elapsed() < SILENCE => {}
            Err(_) => match tokio::time::timeout(PATIENCE, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => heard = Instant::now(),
                Ok(Err(_)) | Err(_) => return Ok(true),
            },
        }
    }
}
