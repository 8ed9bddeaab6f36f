//! A Redis Cluster: each call goes to the owner of its shard's slot.
//!
//! Any node knows the owners. They are refreshed whenever one turns out to be wrong or unreachable. A redirection is
//! followed at once, because the redirecting node has executed nothing. An unreachable node affects its own tickets
//! only.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::Instant;

use super::address::Access;
use super::agreement::agreed;
use super::call::Call;
use super::connection::{Server, is_broken};
use super::slots::{self, Slots};
use crate::endpoint::HostPort;

/// Maximum redirections of a call. In a stable cluster one is enough.
const MAX_HOPS: usize = 8;
/// Delay before retrying a call in a slot that is being migrated.
const SPLIT: Duration = Duration::from_millis(10);
/// Minimum interval between refreshes of the owners.
const LOOK: Duration = Duration::from_millis(100);

pub(super) struct Cluster(Arc<Map>);

struct Map {
    seeds: Vec<HostPort>,
    access: Access,
    timeout: Duration,
    servers: Mutex<HashMap<HostPort, Arc<Server>>>,
    slots: ArcSwap<Slots>,
    /// The time of the last refresh. Locked during a refresh.
    looked: tokio::sync::Mutex<Option<Instant>>,
    turn: AtomicUsize,
}

/// Where an error redirects a call to.
enum Hop {
    Moved(HostPort),
    Ask(HostPort),
    Split,
    None,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<HostPort>, access: Access, timeout: Duration) -> Cluster {
        let (servers, slots) = (Mutex::default(), ArcSwap::default());
        let (looked, turn) = (tokio::sync::Mutex::default(), AtomicUsize::new(0));
        Cluster(Arc::new(Map { seeds, access, timeout, servers, slots, looked, turn }))
    }

    pub(super) async fn run(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        match call.shard {
            Some(shard) => self.run_at(slots::of_shard(shard), call, until).await,
            None => self.0.any(call, until, |_| true).await,
        }
    }

    /// Whether a node reports `cluster_state:ok`.
    pub(super) async fn ping(&self, until: Instant) -> RedisResult<()> {
        let is_ok = |response: &Value| match response {
            Value::BulkString(text) => text.windows(16).any(|part| part == b"cluster_state:ok"),
            Value::VerbatimString { text, .. } => text.contains("cluster_state:ok"),
            _ => false,
        };
        self.0.any(&Call::anywhere(&["CLUSTER", "INFO"]), until, is_ok).await.map(drop)
    }

    /// A node for the subscription, another one each time, those of `store.url` first. All nodes receive all messages.
    pub(super) async fn listener(&self) -> (HostPort, &Access) {
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        if turn > 0 {
            self.0.look(Instant::now() + self.0.timeout).await;
        }
        let mut nodes = self.0.nodes();
        (nodes.swap_remove(turn % nodes.len()), &self.0.access)
    }

    async fn run_at(&self, slot: u16, call: &Call, until: Instant) -> RedisResult<Value> {
        let map = &self.0;
        if map.slots.load().owner(slot).is_none() {
            map.look(until).await;
        }
        let mut address = map.owner(slot)?;
        let mut asking = false;
        let mut hops = 0;
        loop {
            let server = map.server(&address)?;
            let connection = match server.connect(until).await {
                Ok(connection) => connection,
                Err(error) => {
                    // Nothing was sent. The slot may have a new owner by now.
                    map.look(until).await;
                    let owner = map.owner(slot)?;
                    hops += 1;
                    if owner == address || hops > MAX_HOPS {
                        return Err(error);
                    }
                    (address, asking) = (owner, false);
                    continue;
                }
            };
            let response = match asking {
                true => connection.run_asking(call, until).await,
                false => server.run_on(connection, call, until).await,
            };
            let error = match response {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            hops += 1;
            match hop(&error, &address) {
                _ if hops > MAX_HOPS || Instant::now() >= until => return Err(error),
                Hop::Moved(owner) => {
                    map.slots.rcu(|slots| slots.with(slot, &owner));
                    self.look_again();
                    (address, asking) = (owner, false);
                }
                Hop::Ask(next) => (address, asking) = (next, true),
                // A migration is short: retry until the time is up.
                Hop::Split => {
                    hops = 0;
                    tokio::time::sleep(SPLIT).await;
                    (address, asking) = (map.owner(slot)?, false);
                }
                Hop::None => {
                    if is_broken(&error) || is_unwell(&error) {
                        self.look_again();
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Refreshes the owners in the background.
    fn look_again(&self) {
        let map = self.0.clone();
        tokio::spawn(async move {
            let until = Instant::now() + map.timeout;
            map.look(until).await;
        });
    }
}

impl Map {
    fn owner(&self, slot: u16) -> RedisResult<HostPort> {
        self.slots.load().owner(slot).cloned().ok_or_else(|| {
            let detail = format!("no known node owns slot {slot}");
            RedisError::from((ErrorKind::Io, "the cluster's owners are not known", detail))
        })
    }

    fn server(&self, address: &HostPort) -> RedisResult<Arc<Server>> {
        let mut servers = self.servers.lock();
        if let Some(server) = servers.get(address) {
            return Ok(server.clone());
        }
        let server = Arc::new(Server::new(address.clone(), &self.access, self.timeout)?);
        servers.insert(address.clone(), server.clone());
        Ok(server)
    }

    /// All owners, and the nodes of `store.url`.
    fn nodes(&self) -> Vec<HostPort> {
        let slots = self.slots.load();
        let mut nodes: Vec<HostPort> = Vec::new();
        for node in slots.owners().chain(&self.seeds) {
            if !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        nodes
    }

    /// Refreshes the owners. Concurrent callers wait for the running refresh.
    async fn look(&self, until: Instant) {
        let Ok(mut looked) = self.looked.try_lock() else {
            let _ = tokio::time::timeout_at(until, self.looked.lock()).await;
            return;
        };
        if looked.is_some_and(|last| last.elapsed() < LOOK) {
            return;
        }
        let nodes = self.nodes();
        let soon = until.min(Instant::now() + self.timeout / 2);
        let call = Call::anywhere(&["CLUSTER", "SLOTS"]);
        let asked = nodes.iter().map(async |node| {
            let response = self.server(node).ok()?.run(&call, soon).await.ok()?;
            Slots::read(response, node)
        });
        if let Some(slots) = agreed(asked, soon).await {
            self.slots.store(Arc::new(slots));
            let nodes = self.nodes();
            self.servers.lock().retain(|address, _| nodes.contains(address));
        }
        *looked = Some(Instant::now());
    }

    /// Asks all nodes and returns the first good response.
    async fn any(&self, call: &Call, until: Instant, is_good: impl Fn(&Value) -> bool) -> RedisResult<Value> {
        let nodes = self.nodes();
        let asked = nodes.iter().map(async |node| self.server(node)?.run(call, until).await);
        let mut responses: FuturesUnordered<_> = asked.collect();
        let mut last = None;
        while let Some(response) = responses.next().await {
            match response {
                Ok(value) if is_good(&value) => return Ok(value),
                Ok(_) => {}
                Err(error) => last = Some(error),
            }
        }
        let down = || RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), "the cluster is down"));
        Err(last.unwrap_or_else(down))
    }
}

fn hop(error: &RedisError, asked: &HostPort) -> Hop {
    let next = || {
        let (node, _) = error.redirect_node()?;
        let (host, port) = node.rsplit_once(':')?;
        Some(slots::at(host, port.parse().ok()?, asked))
    };
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved) => next().map_or(Hop::None, Hop::Moved),
        ErrorKind::Server(ServerErrorKind::Ask) => next().map_or(Hop::None, Hop::Ask),
        ErrorKind::Server(ServerErrorKind::TryAgain) => Hop::Split,
        _ => Hop::None,
    }
}

/// Whether a node is temporarily unable to serve.
fn is_unwell(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading
        )
    )
}
