//! The master of a Sentinel service. The Sentinels are asked for its address at every new connection, and every second
//! whether it has changed: a master partitioned from the Sentinels does not know that it has been demoted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::{ErrorKind, RedisError, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::address::Access;
use super::agreement::agreed;
use super::call::Call;
use super::connection::{Connection, ConnectionSlot, Server};
use super::error::reason;
use crate::endpoint::HostPort;

/// How often the Sentinels are asked for a change of the master.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Sentinel {
    service: Arc<Service>,
    /// Aborts its task when dropped.
    _looking: JoinSet<()>,
}

struct Service {
    name: String,
    sentinels: Vec<SentinelClient>,
    access: Access,
    timeout: Duration,
    master: ConnectionSlot,
}

/// One Sentinel. It is sent the store's password only if it requires one.
struct SentinelClient {
    open: Server,
    guarded: Server,
    asks_for_a_password: AtomicBool,
    /// Why the last query failed, if it did.
    refused: ArcSwapOption<String>,
    has_password: bool,
}

impl Sentinel {
    pub(super) fn new(
        name: String,
        hosts: &[HostPort],
        access: Access,
        timeout: Duration,
        runtime: &Handle,
    ) -> RedisResult<Sentinel> {
        let sentinels =
            hosts.iter().map(|host| SentinelClient::new(host, &access, timeout)).collect::<RedisResult<_>>()?;
        let service = Arc::new(Service { name, sentinels, access, timeout, master: ConnectionSlot::default() });
        let looked_after = service.clone();
        let mut looking = JoinSet::new();
        let look = async move {
            loop {
                tokio::time::sleep(LOOK).await;
                looked_after.look().await;
            }
        };
        looking.spawn_on(look, runtime);
        Ok(Sentinel { service, _looking: looking })
    }

    pub(super) async fn run(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        let service = &self.service;
        service.master.run(call, until, &|| Box::pin(service.connect())).await
    }

    /// The current master, for the subscription.
    pub(super) async fn listener(&self) -> RedisResult<(HostPort, &Access)> {
        Ok((self.service.named().await?, &self.service.access))
    }
}

impl Service {
    /// Connects to the master and checks its role.
    async fn connect(&self) -> RedisResult<Connection> {
        let connection = Server::new(self.named().await?, &self.access, self.timeout)?.open().await?;
        let role = connection.run(&Call::anywhere(&["ROLE"]), Instant::now() + self.timeout).await?;
        let is_master = |word| redis::from_redis_value::<String>(word).is_ok_and(|word| word == "master");
        let role: Vec<Value> = redis::from_redis_value(role).unwrap_or_default();
        if role.into_iter().next().is_some_and(is_master) {
            return Ok(connection);
        }
        let detail = format!("{} is no master (yet)", connection.address);
        Err(RedisError::from((ErrorKind::Client, "a failover is under way", detail)))
    }

    /// The master's address according to most Sentinels.
    async fn named(&self) -> RedisResult<HostPort> {
        let until = Instant::now() + self.timeout / 2;
        let named = agreed(self.sentinels.iter().map(|sentinel| sentinel.ask(&self.name, until)), until).await;
        named.ok_or_else(|| {
            let refusals = self.sentinels.iter().filter_map(|sentinel| sentinel.refused.load_full());
            let why = refusals.last().map(|why| format!(" ({why})")).unwrap_or_default();
            let detail = format!("no sentinel names a master of {}{why}", self.name);
            RedisError::from((ErrorKind::Io, "the master is not known", detail))
        })
    }

    async fn look(&self) {
        let Some(connection) = self.master.get() else { return };
        if self.named().await.is_ok_and(|address| address != connection.address) {
            connection.give_up();
        }
    }
}

impl SentinelClient {
    fn new(address: &HostPort, access: &Access, timeout: Duration) -> RedisResult<SentinelClient> {
        Ok(SentinelClient {
            open: Server::new(address.clone(), &access.without_credentials(), timeout)?,
            guarded: Server::new(address.clone(), &access.without_database(), timeout)?,
            asks_for_a_password: AtomicBool::new(false),
            refused: ArcSwapOption::empty(),
            has_password: access.has_password(),
        })
    }

    async fn ask(&self, service: &str, until: Instant) -> Option<HostPort> {
        let call = Call::anywhere(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", service]);
        let guarded = self.asks_for_a_password.load(Ordering::Relaxed);
        let asked = if guarded { &self.guarded } else { &self.open };
        let response = match asked.run(&call, until).await {
            Err(error) if !guarded && self.has_password && error.code() == Some("NOAUTH") => {
                self.asks_for_a_password.store(true, Ordering::Relaxed);
                self.guarded.run(&call, until).await
            }
            response => response,
        };
        self.refused.store(response.as_ref().err().map(|error| Arc::new(reason(error))));
        let (host, port) = redis::from_redis_value::<Option<(String, u16)>>(response.ok()?).ok()??;
        Some(HostPort { host, port })
    }
}
