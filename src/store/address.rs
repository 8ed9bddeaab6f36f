//! What `store.url` says: where the servers are, what they are to each other, and how one gets in.

use std::fmt;

use redis::{
    Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisError,
    RedisResult, TlsCertificates,
};

use redis::io::tcp::TcpSettings;

use super::tls;
use crate::config::ClientTls;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// What the servers of the address are to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is one.
    One,
    /// They are sentinels, who know the master of this service.
    Sentinel(String),
    /// They are some of a cluster.
    Cluster,
}

/// A store's address.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) hosts: Vec<Address>,
    pub(super) access: Access,
}

/// How one gets into a server, wherever it is.
#[derive(Clone)]
pub(super) struct Access {
    redis: RedisConnectionInfo,
    tcp: TcpSettings,
    tls: Option<TlsCertificates>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Place {
    /// # Errors
    ///
    /// When the text is no such address, or a file of `[store.tls]` cannot be read.
    pub(super) fn parse(url: &str, settings: &ClientTls) -> RedisResult<Place> {
        let (scheme, rest) = url.split_once("://").ok_or_else(not_an_address)?;
        let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let (kind, path, usual_port) = match kind {
            "sentinel" => {
                let (service, path) = path.split_once('/').unwrap_or((path, ""));
                (Kind::Sentinel(service.to_owned()), path, 26379)
            }
            "cluster" => (Kind::Cluster, path, 6379),
            _ => (Kind::One, path, 6379),
        };
        let mut place = None;
        for host in hosts.split(',') {
            let has_port = host.rfind(':') > host.rfind(']');
            let host = if has_port { host.to_owned() } else { format!("{host}:{usual_port}") };
            let info = format!("{base}://{user}{host}/{path}").into_connection_info()?;
            let (address, secure) = match info.addr() {
                ConnectionAddr::Tcp(host, port) => (Address { host: host.clone(), port: *port }, false),
                ConnectionAddr::TcpTls { host, port, .. } => (Address { host: host.clone(), port: *port }, true),
                _ => return Err(not_an_address()),
            };
            match &mut place {
                Some(Place { hosts, .. }) => hosts.push(address),
                None => {
                    let tls = secure.then(|| tls::certificates(settings)).transpose()?;
                    // The library's name is not told: that would be one right more for our user.
                    let redis = info.redis_settings().clone().set_skip_set_lib_name();
                    let tcp = info.tcp_settings().clone().set_nodelay(true);
                    let access = Access { redis, tcp, tls };
                    place = Some(Place { kind: kind.clone(), hosts: vec![address], access });
                }
            }
        }
        place.ok_or_else(not_an_address)
    }
}

impl Access {
    /// # Errors
    ///
    /// When the TLS material is not usable.
    pub(super) fn client(&self, address: &Address, protocol: ProtocolVersion) -> RedisResult<Client> {
        let Address { host, port } = address.clone();
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

    /// Whether there is a password.
    pub(super) fn has_password(&self) -> bool {
        self.redis.password().is_some()
    }

    /// The same without user and database, as sentinels have none.
    pub(super) fn of_a_stranger(&self) -> Access {
        Access { redis: RedisConnectionInfo::default().set_skip_set_lib_name(), ..self.clone() }
    }

    /// The same without a database, for sentinels with a password.
    pub(super) fn without_database(&self) -> Access {
        Access { redis: self.redis.clone().set_db(0), ..self.clone() }
    }
}

fn not_an_address() -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "this is not the address of a store"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (Kind, String, RedisConnectionInfo) {
        let place = Place::parse(url, &ClientTls::default()).unwrap();
        let hosts: Vec<String> = place.hosts.iter().map(Address::to_string).collect();
        (place.kind, hosts.join(" "), place.access.redis)
    }

    #[test]
    fn an_address_says_where_who_and_what() {
        let (kind, hosts, redis) = parsed("redis://u:p%2Fw@h:1/3");
        assert_eq!((kind, hosts.as_str()), (Kind::One, "h:1"));
        assert_eq!((redis.username(), redis.password(), redis.db()), (Some("u"), Some("p/w"), 3));
        let (kind, hosts, redis) = parsed("redis+sentinel://:pw@a,[::1]:5,b:7/main/2");
        assert_eq!((kind, hosts.as_str()), (Kind::Sentinel("main".to_owned()), "a:26379 [::1]:5 b:7"));
        assert_eq!((redis.username(), redis.password(), redis.db()), (None, Some("pw"), 2));
        let (kind, hosts, _) = parsed("rediss+cluster://a,[::1]");
        assert_eq!((kind, hosts.as_str()), (Kind::Cluster, "a:6379 [::1]:6379"));
        assert!(Place::parse("rediss://h", &ClientTls::default()).unwrap().access.tls.is_some());
        assert!(Place::parse("redis://h", &ClientTls::default()).unwrap().access.tls.is_none());
        assert!(Place::parse("unix:/run/redis", &ClientTls::default()).is_err());
    }
}
