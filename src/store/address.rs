//! Redis clients for the address in the configuration.

use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisResult, TlsCertificates,
};

use socket2::TcpKeepalive;

use super::tls;
use crate::config::{StoreAddress, StoreKind};
use crate::endpoint::HostPort;
use crate::tls::ClientTls;

/// TCP keepalive starts after this idle time, before firewalls and NAT gateways drop the connection.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// The servers of a store, ready to connect.
#[derive(Clone)]
pub(super) struct Endpoints {
    pub(super) kind: StoreKind,
    pub(super) hosts: Vec<HostPort>,
    pub(super) access: Access,
}

/// Credentials and connection settings, for any of the servers.
#[derive(Clone)]
pub(super) struct Access {
    redis: RedisConnectionInfo,
    tcp: TcpSettings,
    tls: Option<TlsCertificates>,
}

impl Endpoints {
    pub(super) fn new(address: &StoreAddress, settings: &ClientTls) -> RedisResult<Endpoints> {
        let StoreAddress { kind, tls, servers, user, password, database } = address;
        // Without CLIENT SETINFO: the user would need one more permission.
        let mut redis = RedisConnectionInfo::default().set_db(*database).set_skip_set_lib_name();
        if let Some(user) = user {
            redis = redis.set_username(user);
        }
        if let Some(password) = password {
            redis = redis.set_password(String::from_utf8_lossy(password.expose()));
        }
        let keepalive =
            TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_RETRIES);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        let tls = tls.then(|| tls::certificates(settings)).transpose()?;
        Ok(Endpoints { kind: kind.clone(), hosts: servers.clone(), access: Access { redis, tcp, tls } })
    }
}

impl Access {
    pub(super) fn client(&self, address: &HostPort, protocol: ProtocolVersion) -> RedisResult<Client> {
        let HostPort { host, port } = address.clone();
        let addr = match self.tls {
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            None => ConnectionAddr::Tcp(host, port),
        };
        let redis = self.redis.clone().set_protocol(protocol);
        let info = addr.into_connection_info()?.set_redis_settings(redis).set_tcp_settings(self.tcp.clone());
        match &self.tls {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }

    pub(super) fn has_password(&self) -> bool {
        self.redis.password().is_some()
    }

    /// Without user, password and database, for Sentinels.
    pub(super) fn without_credentials(&self) -> Access {
        Access { redis: RedisConnectionInfo::default().set_skip_set_lib_name(), ..self.clone() }
    }

    /// Without a database, for Sentinels that require a password.
    pub(super) fn without_database(&self) -> Access {
        Access { redis: self.redis.clone().set_db(0), ..self.clone() }
    }
}
