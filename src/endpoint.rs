//! The servers that qrgate connects to: where they are, and which protocol they speak.

use std::fmt;
use std::path::PathBuf;

use http::HeaderValue;
use http::uri::Authority;

use crate::origin::{Host, Origin, Scheme};

/// Host and port of a server. `Display` writes them as an authority (RFC 3986, section 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name or an address; an IPv6 address is without brackets.
    pub host: String,
    /// Never 0 in a configuration.
    pub port: u16,
}

impl HostPort {
    /// `host` may be an IPv6 address in brackets.
    pub fn new(host: &str, port: u16) -> HostPort {
        HostPort { host: host.trim_matches(['[', ']']).to_owned(), port }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What a socket connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// By TCP.
    Tcp(HostPort),
    /// A path in the file system.
    Unix(PathBuf),
}

/// The address of an origin server. `Display` writes it as in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationUrl {
    /// `http://host:port`
    Http(Authority),
    /// `https://host:port`
    Https(Authority),
    /// `h2c://host:port`: HTTP/2 without TLS, by prior knowledge (RFC 9113, section 3.3)
    H2c(Authority),
    /// `unix:/path`
    Unix(PathBuf),
}

impl ApplicationUrl {
    /// Where to connect. A URL without a port has the default port of its scheme.
    pub fn endpoint(&self) -> Endpoint {
        match self {
            ApplicationUrl::Unix(path) => Endpoint::Unix(path.clone()),
            ApplicationUrl::Http(authority) | ApplicationUrl::Https(authority) | ApplicationUrl::H2c(authority) => {
                let port = authority.port_u16().unwrap_or(self.scheme().default_port());
                Endpoint::Tcp(HostPort::new(authority.host(), port))
            }
        }
    }

    /// Whether connections use TLS.
    pub fn speaks_tls(&self) -> bool {
        matches!(self, ApplicationUrl::Https(_))
    }

    fn scheme(&self) -> Scheme {
        if self.speaks_tls() { Scheme::Https } else { Scheme::Http }
    }

    /// The `Host` of a request there; `localhost` for a unix socket, as other proxies send it.
    pub fn authority(&self) -> &str {
        match self {
            ApplicationUrl::Http(authority) | ApplicationUrl::Https(authority) | ApplicationUrl::H2c(authority) => {
                authority.as_str()
            }
            ApplicationUrl::Unix(_) => "localhost",
        }
    }

    /// [`ApplicationUrl::authority`] as a field value.
    pub fn host_field(&self) -> HeaderValue {
        HeaderValue::from_str(self.authority()).unwrap_or(HeaderValue::from_static("localhost"))
    }

    /// Whether a `Location` names this address, which browsers cannot reach.
    pub fn is_named_by(&self, location: &str) -> bool {
        if matches!(self, ApplicationUrl::Unix(_)) {
            return false;
        }
        let absolute = location.split_once("://").and_then(|(scheme, rest)| Some((Scheme::parse(scheme)?, rest)));
        let relative = location.strip_prefix("//").map(|rest| (self.scheme(), rest));
        let Some((scheme, rest)) = absolute.or(relative) else { return false };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let origin = |scheme: Scheme, text: &str| Host::parse(text).ok().map(|host| Origin::new(scheme, &host));
        let (theirs, own) = (origin(scheme, host), origin(self.scheme(), self.authority()));
        theirs.zip(own).is_some_and(|(theirs, own)| theirs.name() == own.name() && theirs.port() == own.port())
    }
}

impl fmt::Display for ApplicationUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApplicationUrl::Http(authority) => write!(f, "http://{authority}"),
            ApplicationUrl::Https(authority) => write!(f, "https://{authority}"),
            ApplicationUrl::H2c(authority) => write!(f, "h2c://{authority}"),
            ApplicationUrl::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_the_default_port_and_no_brackets() {
        let tcp = |host: &str, port| Endpoint::Tcp(HostPort { host: host.to_owned(), port });
        assert_eq!(ApplicationUrl::Http("a".parse().unwrap()).endpoint(), tcp("a", 80));
        assert_eq!(ApplicationUrl::Https("[::1]".parse().unwrap()).endpoint(), tcp("::1", 443));
        assert_eq!(ApplicationUrl::H2c("[::1]:8000".parse().unwrap()).endpoint(), tcp("::1", 8000));
        assert_eq!(HostPort::new("[::1]", 1).to_string(), "[::1]:1");
    }

    #[test]
    fn an_application_knows_its_own_address_in_a_location() {
        for (url, location, own) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/login", true),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000", true),
            ("http://127.0.0.1:8000", "//127.0.0.1:8000/x?y", true),
            ("http://App.internal", "HTTP://app.internal:80/", true),
            ("https://app.internal", "https://app.internal?x", true),
            ("http://[::1]:8000", "http://[::1]:8000/", true),
            ("http://127.0.0.1:8000", "http://127.0.0.1:80/", false),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000.evil.example/", false),
            ("http://127.0.0.1:8000", "/login?next=http://127.0.0.1:8000/", false),
            ("http://127.0.0.1:8000", "https://app.example/127.0.0.1:8000", false),
            ("http://127.0.0.1:8000", "login", false),
        ] {
            let (scheme, authority) = url.split_once("://").unwrap();
            let authority = authority.parse().unwrap();
            let url = match scheme {
                "https" => ApplicationUrl::Https(authority),
                _ => ApplicationUrl::Http(authority),
            };
            assert_eq!(url.is_named_by(location), own, "{url} {location}");
        }
    }
}
