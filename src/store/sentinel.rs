//! The master of a Sentinel service. The Sentinels are asked for its address at every new connection, and every second
//! whether it has changed: a master partitioned from the Sentinels does not know that it has been demoted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::{ErrorKind, RedisError, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::address::{Access, Address};
use super::agreement::agreed;
use super::call::Call;
use super::connection::{Connection, ConnectionSlot, Server};
use super::reason::reason;
use super::task::Task;

/// How often the Sentinels are asked for a change of the master.
const LOOK: Duration = Duration::from_secs(1);

/// The master of a service.
pub(super) struct Sentinel {
    service: Arc<Service>,
    _looking: Task,
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
        hosts: &[Address],
        access: Access,
        timeout: Duration,
        runtime: &Handle,
    ) -> RedisResult<Sentinel> {
        let sentinels =
            hosts.iter().map(|host| SentinelClient::new(host, &access, timeout)).collect::<RedisResult<_>>()?;
        let service = Arc::new(Service { name, sentinels, access, timeout, master: ConnectionSlot::default() });
        let looked_after = service.clone();
        let looking = Task::start(runtime, async move {
            loop {
                tokio::time::sleep(LOOK).await;
                looked_after.look().await;
            }
        });
        Ok(Sentinel { service, _looking: looking })
    }

    pub(super) async fn run(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        let service = &self.service;
        service.master.run(call, until, || service.connect()).await
    }

    /// The current master, for the subscription.
    pub(super) async fn listener(&self) -> RedisResult<(Address, &Access)> {
        let address = self.service.named().await.ok_or_else(|| self.service.unknown())?;
        Ok((address, &self.service.access))
    }
}

impl Service {
    /// Connects to the master and checks its role.
    async fn connect(&self) -> RedisResult<Connection> {
        let address = self.named().await.ok_or_else(|| self.unknown())?;
        let connection = Server::new(address, &self.access, self.timeout)?.open().await?;
        let role = connection.run(&Call::role(), Instant::now() + self.timeout).await?;
        let is_master = matches!(&role, Value::Array(parts) if parts.first().is_some_and(is_the_word_master));
        match is_master {
            true => Ok(connection),
            false => {
                let detail = format!("{} is no master (yet)", connection.address);
                Err(RedisError::from((ErrorKind::Client, "a failover is under way", detail)))
            }
        }
    }

    /// The master's address according to most Sentinels.
    async fn named(&self) -> Option<Address> {
        let until = Instant::now() + self.timeout / 2;
        agreed(self.sentinels.iter().map(|sentinel| sentinel.ask(&self.name, until)), until).await
    }

    async fn look(&self) {
        let Some(connection) = self.master.get() else { return };
        if self.named().await.is_some_and(|address| address != connection.address) {
            connection.give_up();
        }
    }

    fn unknown(&self) -> RedisError {
        let refusals = self.sentinels.iter().filter_map(|sentinel| sentinel.refused.load_full());
        let detail = match refusals.last() {
            Some(why) => format!("no sentinel names a master of {} ({why})", self.name),
            None => format!("no sentinel names a master of {}", self.name),
        };
        RedisError::from((ErrorKind::Io, "the master is not known", detail))
    }
}

impl SentinelClient {
    fn new(address: &Address, access: &Access, timeout: Duration) -> RedisResult<SentinelClient> {
        Ok(SentinelClient {
            open: Server::new(address.clone(), &access.without_credentials(), timeout)?,
            guarded: Server::new(address.clone(), &access.without_database(), timeout)?,
            asks_for_a_password: AtomicBool::new(false),
            refused: ArcSwapOption::empty(),
            has_password: access.has_password(),
        })
    }

    async fn ask(&self, service: &str, until: Instant) -> Option<Address> {
        let call = Call::master_of(service);
        let guarded = self.asks_for_a_password.load(Ordering::Relaxed);
        let asked = if guarded { &self.guarded } else { &self.open };
        let answer = match asked.run(&call, until).await {
            Err(error) if !guarded && self.has_password && error.code() == Some("NOAUTH") => {
                self.asks_for_a_password.store(true, Ordering::Relaxed);
                self.guarded.run(&call, until).await
            }
            answer => answer,
        };
        self.refused.store(answer.as_ref().err().map(|error| Arc::new(reason(error))));
        let (host, port) = redis::from_redis_value::<Option<(String, u16)>>(answer.ok()?).ok()??;
        Some(Address { host, port })
    }
}

fn is_the_word_master(value: &Value) -> bool {
    matches!(value, Value::BulkString(word) if word == b"master")
        || matches!(value, Value::SimpleString(word) if word == "master")
}
