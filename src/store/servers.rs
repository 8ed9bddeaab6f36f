//! The servers of `store.url`: one, a Sentinel service or a cluster.

use std::time::Duration;

use redis::{Client, ProtocolVersion, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::address::{Access, Endpoints};
use super::call::Call;
use super::cluster::Cluster;
use super::connection::Server;
use super::sentinel::Sentinel;
use crate::config::StoreKind;

pub(super) enum Servers {
    One(Box<One>),
    Sentinel(Sentinel),
    Cluster(Cluster),
}

pub(super) struct One {
    server: Server,
    access: Access,
}

impl Servers {
    /// Does not connect yet.
    pub(super) fn new(endpoints: &Endpoints, timeout: Duration, runtime: &Handle) -> RedisResult<Servers> {
        let Endpoints { kind, hosts, access } = endpoints.clone();
        // Reports bad TLS material at once, whatever the kind.
        access.client(&hosts[0], ProtocolVersion::RESP3)?;
        match kind {
            StoreKind::One => {
                let server = Server::new(hosts[0].clone(), &access, timeout)?;
                Ok(Servers::One(Box::new(One { server, access })))
            }
            StoreKind::Sentinel(service) => {
                Sentinel::new(service, &hosts, access, timeout, runtime).map(Servers::Sentinel)
            }
            StoreKind::Cluster => Ok(Servers::Cluster(Cluster::new(hosts, access, timeout))),
        }
    }

    /// Runs a call. After a broken connection or a timeout it is unknown whether it was executed.
    pub(super) async fn run(&self, call: &Call, until: Instant) -> RedisResult<Value> {
        match self {
            Servers::One(one) => one.server.run(call, until).await,
            Servers::Sentinel(sentinel) => sentinel.run(call, until).await,
            Servers::Cluster(cluster) => cluster.run(call, until).await,
        }
    }

    pub(super) async fn ping(&self, until: Instant) -> RedisResult<()> {
        match self {
            Servers::One(_) | Servers::Sentinel(_) => self.run(&Call::anywhere(&["PING"]), until).await.map(drop),
            Servers::Cluster(cluster) => cluster.ping(until).await,
        }
    }

    /// A client for the subscription to changes.
    pub(super) async fn listener(&self) -> RedisResult<Client> {
        let (address, access) = match self {
            Servers::One(one) => (one.server.address.clone(), &one.access),
            Servers::Sentinel(sentinel) => sentinel.listener().await?,
            Servers::Cluster(cluster) => cluster.listener().await,
        };
        access.client(&address, ProtocolVersion::RESP2)
    }
}
