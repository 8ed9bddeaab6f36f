//! Scheme, host and port: the public origin, as a browser shows it in its address bar (RFC 9110, section 4.3.1).
//!
//! Parsing is strict and happens once; the results compare by value. `forwarded/` decides where the host of a request
//! comes from.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// The name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    /// Reads exactly `http` or `https`, in any letter case.
    pub fn parse(text: &str) -> Option<Scheme> {
        [Scheme::Http, Scheme::Https].into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme.as_str()))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A host with an optional port, in normal form: lower case, no trailing dot, IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

/// A text is not `host` or `host:port` (RFC 9110, section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a host name or address")]
pub struct BadHost;

impl Host {
    /// Reads `name`, `name:port`, an IPv4 address or an IPv6 address in brackets.
    ///
    /// A name consists of letters, digits, `-`, `_` and single dots; one final dot is dropped. International names must
    /// be in their ASCII form (`xn--…`), as browsers send them.
    ///
    /// # Errors
    ///
    /// [`BadHost`] for anything else: user information, lists, whitespace, empty labels, ports above 65535.
    pub fn parse(text: &str) -> Result<Host, BadHost> {
        let port = Host::check(text)?;
        let (name, _) = split_port(text)?;
        let name = match name.trim_matches(['[', ']']).parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
        };
        Ok(Host { name, port })
    }

    /// Whether `text` is valid, without building a value.
    pub fn is_valid(text: &str) -> bool {
        Host::check(text).is_ok()
    }

    /// The port in a valid text, if any. This check runs for every forwarded request.
    ///
    /// # Errors
    ///
    /// [`BadHost`] if it is invalid.
    pub fn check(text: &str) -> Result<Option<u16>, BadHost> {
        let (name, port) = split_port(text)?;
        let valid = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => is_name(name.strip_suffix('.').unwrap_or(name)),
        };
        if valid { Ok(port) } else { Err(BadHost) }
    }

    /// The name without its port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if there is one in the text.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Splits `:port` off. A port is one to five digits up to 65535, or empty (RFC 3986, section 3.2.3).
fn split_port(text: &str) -> Result<(&str, Option<u16>), BadHost> {
    let end_of_name = match text.starts_with('[') {
        true => text.find(']').ok_or(BadHost)? + 1,
        false => memchr::memchr(b':', text.as_bytes()).unwrap_or(text.len()),
    };
    let (name, rest) = text.split_at(end_of_name);
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((name, None)),
        None => Err(BadHost),
        Some("") => Ok((name, None)),
        Some(digits) if digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map(|port| (name, Some(port))).map_err(|_| BadHost)
        }
        Some(_) => Err(BadHost),
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let mut labels = name.as_bytes().split(|b| *b == b'.');
    name.len() <= 253 && labels.all(|label| !label.is_empty() && label.iter().all(is_letter))
}

/// Scheme, host and port. Two origins are equal if browsers treat them as the same origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    name: String,
    port: u16,
}

impl Origin {
    /// Joins scheme and host; a host without a port gets the scheme's default port.
    pub fn new(scheme: Scheme, host: &Host) -> Origin {
        Origin::at(scheme, host, scheme.default_port())
    }

    /// Parses `scheme://host[:port]` without anything after it, as in an `Origin` field (RFC 6454, section 7).
    pub fn parse(text: &str) -> Option<Origin> {
        let (scheme, rest) = text.split_once("://")?;
        Some(Origin::new(Scheme::parse(scheme)?, &Host::parse(rest).ok()?))
    }

    /// Joins scheme and host; a host without a port gets `port`.
    pub fn at(scheme: Scheme, host: &Host, port: u16) -> Origin {
        Origin { scheme, name: host.name.clone(), port: host.port.unwrap_or(port) }
    }

    /// `http://localhost`, for a request that names no host.
    pub fn localhost() -> Origin {
        Origin { scheme: Scheme::Http, name: "localhost".to_owned(), port: 80 }
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The port, even if it is the scheme's default.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host name, without the port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `host`, or `host:port` if the port is not the scheme's default, as a browser sends it in `Host`.
    pub fn authority(&self) -> String {
        match self.port == self.scheme.default_port() {
            true => self.name.clone(),
            false => format!("{}:{}", self.name, self.port),
        }
    }

    /// The address, if the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.name.trim_matches(['[', ']']).parse().ok()
    }

    /// Whether the host is this machine: a loopback address, `localhost` or a name under it.
    pub fn is_loopback(&self) -> bool {
        match self.address() {
            Some(address) => address.to_canonical().is_loopback(),
            None => self.name == "localhost" || self.name.ends_with(".localhost"),
        }
    }

    /// Whether browsers apply isolation headers to its pages. Over http they ignore these headers and report that in
    /// the console, except on loopback.
    pub fn is_trustworthy(&self) -> bool {
        self.scheme == Scheme::Https || self.is_loopback()
    }

    /// Whether the host can only be reached from nearby: loopback, a private or link-local address, or a name under
    /// `.local` or `.localhost`. Such origins need no `public.url`.
    pub fn is_private(&self) -> bool {
        match self.address() {
            Some(address) => is_private_address(address),
            None => self.is_loopback() || self.name.ends_with(".local"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

/// Loopback, private (RFC 1918, RFC 4193, shared RFC 6598) and link-local addresses.
pub fn is_private_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared(v4),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn is_shared(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    a == 100 && (64..128).contains(&b)
}

/// The public origins, and the one that a request belongs to.
#[derive(Clone, Debug, Default)]
pub struct PublicOrigins {
    /// `public.url`.
    pub url: Option<PublicUrl>,
    /// `public.hosts`.
    pub hosts: Vec<Host>,
}

/// The parts of `public.url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    pub origin: Origin,
    /// The path prefix of every address that qrgate writes, which a proxy in front strips. It starts with a slash and
    /// does not end with one, or is empty.
    pub sub_path: String,
}

/// The address without a final slash.
impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.sub_path)
    }
}

impl PublicOrigins {
    /// The public origin of a request with this `host` that was sent to the origin `seen`. `None` for a host that is
    /// not configured.
    ///
    /// The host of `public.url` has the scheme of that URL, and its port if the request's host has none: a proxy may
    /// report a port that only another proxy in front of it uses. Other hosts keep the request's scheme and port.
    /// Without `public.url` and `public.hosts`, origins that can only be reached from nearby are accepted as they are.
    pub fn admit(&self, host: &Host, seen: &Origin) -> Option<Origin> {
        if let Some(PublicUrl { origin, .. }) = &self.url
            && [Origin::new(origin.scheme, host), Origin { scheme: origin.scheme, ..seen.clone() }].contains(origin)
        {
            return Some(origin.clone());
        }
        let listed = self.hosts.iter().any(|known| Origin::new(seen.scheme, known) == *seen);
        let nearby = self.url.is_none() && self.hosts.is_empty() && seen.is_private();
        (listed || nearby).then(|| seen.clone())
    }

    /// The sub-path of `public.url`, or nothing.
    pub fn sub_path(&self) -> &str {
        self.url.as_ref().map_or("", |url| url.sub_path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_out_in_one_normal_form() {
        for text in ["APP.Example", "app.example.", "app.example", "app.example:"] {
            assert_eq!(Host::parse(text).unwrap().to_string(), "app.example", "{text}");
        }
        assert_eq!(Host::parse("[::1]:80").unwrap().to_string(), "[::1]:80");
        assert_eq!(Host::parse("a:65535").unwrap().port(), Some(65535));
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for text in [
            "", ".", "a, b", "a b", "a/..", "user@a", "a:99999", "a:x", "a..b", "[::1", "[::1]x", "::1", "a:1:2", "ä",
            "a..",
        ] {
            assert_eq!(Host::parse(text), Err(BadHost), "{text}");
            assert!(!Host::is_valid(text), "{text}");
        }
    }

    #[test]
    fn a_default_port_is_the_same_origin() {
        let with = Origin::parse("https://app.example:443").unwrap();
        assert_eq!(with, Origin::parse("https://APP.example").unwrap());
        assert_eq!(with.to_string(), "https://app.example");
        assert_eq!(Origin::parse("http://app.example:8080").unwrap().to_string(), "http://app.example:8080");
        assert_eq!(Origin::parse("null"), None);
        assert_eq!(Origin::parse("https://app.example/"), None);
    }

    /// What a request by http that names this host comes to, where the port is known.
    fn admit(public: &PublicOrigins, host: &str, port: u16) -> Option<String> {
        let host = Host::parse(host).unwrap();
        public.admit(&host, &Origin::at(Scheme::Http, &host, port)).map(|origin| origin.to_string())
    }

    #[test]
    fn a_port_that_a_proxy_reports_counts_where_the_host_has_none() {
        let url = PublicUrl { origin: Origin::parse("https://app.example:8443").unwrap(), sub_path: String::new() };
        let public = PublicOrigins { url: Some(url), hosts: vec![Host::parse("intranet:8080").unwrap()] };
        for (host, port, expected) in [
            ("app.example", 8443, Some("https://app.example:8443")),
            ("app.example:8443", 80, Some("https://app.example:8443")),
            ("app.example", 80, None),
            ("app.example:443", 8443, None),
            ("intranet", 8080, Some("http://intranet:8080")),
            ("intranet", 8081, None),
        ] {
            assert_eq!(admit(&public, host, port).as_deref(), expected, "{host}, {port}");
        }
    }

    #[test]
    fn without_settings_only_nearby_hosts_are_admitted() {
        let open = PublicOrigins::default();
        let admit = |host: &str| admit(&open, host, 80);
        for near in ["localhost:8080", "127.0.0.1", "192.168.1.20:8080", "[fe80::1]", "box.local"] {
            assert!(admit(near).is_some(), "{near}");
        }
        for far in ["app.example", "203.0.113.7", "local", "localhost.evil.example"] {
            assert!(admit(far).is_none(), "{far}");
        }
    }

    #[test]
    fn the_host_of_the_public_url_brings_its_scheme() {
        let url = PublicUrl { origin: Origin::parse("https://app.example").unwrap(), sub_path: String::new() };
        let public = PublicOrigins { url: Some(url), hosts: vec![Host::parse("intranet:8080").unwrap()] };
        let admit = |host| admit(&public, host, 80);
        assert_eq!(admit("app.example").as_deref(), Some("https://app.example"));
        assert_eq!(admit("app.example:443").as_deref(), Some("https://app.example"));
        assert_eq!(admit("intranet:8080").as_deref(), Some("http://intranet:8080"));
        assert_eq!(admit("intranet"), None);
        assert_eq!(admit("127.0.0.1"), None);
    }
}
