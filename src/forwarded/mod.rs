//! The client of a request, and the public origin that the browser shows.
//!
//! Both are decided once for each request, from the connection and, if the peer is a trusted proxy, from its
//! `X-Forwarded-*` and `Forwarded` fields. Nothing later reads those fields. From a trusted peer `X-Forwarded-For`
//! takes precedence over `Forwarded` (RFC 7239), because proxies append to the former by default; likewise `-Proto` and
//! `-Host`.

mod rfc7239;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use ipnet::IpNet;

use crate::origin::{Host, Scheme, is_private_address};
use crate::peer::{Peer, PeerAddress, Source};
use rfc7239::{Element, parse_forwarded, parse_node};

/// `X-Forwarded-For`: the client's address.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`: the public scheme.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-Host`: the public host.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Forwarded-Port`: the public port.
pub const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// `X-Real-IP`: the client's address.
pub const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The proxies whose fields are trusted (`public.trusted_proxies`).
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Parses addresses, CIDRs and `unix`.
    ///
    /// # Errors
    ///
    /// What is wrong: an entry is invalid, or one or all of them together trust every address.
    pub fn parse(entries: &[String]) -> Result<TrustedProxies, String> {
        let mut trusted = TrustedProxies::default();
        for entry in entries {
            if entry == "unix" {
                trusted.unix = true;
                continue;
            }
            match parse_network(entry) {
                Some(network) if network.prefix_len() == 0 => {
                    return Err(format!("`{entry}` would trust every address"));
                }
                Some(network) => trusted.networks.push(network),
                None => return Err(format!("`{entry}` is not an address, a CIDR or \"unix\"")),
            }
        }
        match IpNet::aggregate(&trusted.networks).iter().any(|network| network.prefix_len() == 0) {
            true => Err("these networks together would trust every address".to_owned()),
            false => Ok(trusted),
        }
    }

    /// Whether no peer is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether a peer is trusted. A peer on a unix socket is only if `unix` is listed.
    pub fn trusts(&self, peer: PeerAddress) -> bool {
        match peer {
            PeerAddress::Ip(address) => self.trusts_ip(address.ip()),
            PeerAddress::Unix => self.unix,
        }
    }

    fn trusts_ip(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// A network. IPv4-mapped IPv6 becomes IPv4, as it does for peers.
fn parse_network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    match (network.addr().to_canonical(), network.prefix_len()) {
        (IpAddr::V4(v4), length) if network.addr().is_ipv6() => {
            IpNet::new(IpAddr::V4(v4), length.checked_sub(96)?).ok()
        }
        _ => Some(network),
    }
}

/// The client of a request, and the origin that the browser shows.
#[derive(Clone, Debug)]
pub struct Downstream {
    /// The client.
    pub client: Client,
    /// The public scheme.
    pub scheme: Scheme,
    /// The public host, a valid `host[:port]`, as received.
    pub host: HeaderValue,
    /// The public port.
    pub port: u16,
    /// The first forwarded field that an untrusted peer sent; it was ignored.
    pub ignored: Option<HeaderName>,
    /// A trusted peer's `X-Forwarded-Proto` was not a single `http` or `https`, so the connection decided.
    pub doubtful_proto: bool,
    /// Whether a trusted proxy sent the request.
    pub trusted: bool,
}

/// The client behind the trusted proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The peer of the socket.
    pub peer: PeerAddress,
    /// The client's address. `None` if the peer is a proxy that does not name its clients, or has no address.
    pub address: Option<IpAddr>,
    /// Whether the address is unknown and the peer may stand for many clients.
    pub many: bool,
}

impl Client {
    /// The address for the application: the client's, or the peer's if the client is unknown. A peer on a unix socket
    /// has no address; it is on this machine.
    pub fn forwarded_for(&self) -> IpAddr {
        self.address.or(self.peer.as_ip()).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

impl Downstream {
    /// The public host in normal form.
    ///
    /// # Errors
    ///
    /// [`ForwardedError::Malformed`] cannot happen for a value that [`resolve`] made.
    pub fn host(&self) -> Result<Host, ForwardedError> {
        let text = self.host.to_str().map_err(|_| ForwardedError::Malformed)?;
        Host::parse(text).map_err(|_| ForwardedError::Malformed)
    }

    /// Whether an undeclared proxy forwarded the request, so that the client's address is unknown.
    pub fn behind_undeclared_proxy(&self) -> bool {
        self.client.many && self.ignored.is_some()
    }
}

/// Why the origin of a request is unknown; the request is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedError {
    /// Neither a trusted field nor the request names a host (RFC 9112, section 3.2).
    Missing,
    /// There are two `Host` lines, or the value is not a host.
    Malformed,
    /// The target and `Host` name different hosts, or the target contains user information.
    Conflicting,
}

impl fmt::Display for ForwardedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ForwardedError::Missing => "the request names no host",
            ForwardedError::Malformed => "the request's Host is not one host",
            ForwardedError::Conflicting => "the request's target and Host name different hosts",
        })
    }
}

impl std::error::Error for ForwardedError {}

/// Determines the client and the public origin that the browser shows.
///
/// Unless `peer` is in `trusted`, every `Forwarded` and `X-Forwarded-*` field is ignored, and the connection and the
/// request's own host count. Nothing later reads those fields.
///
/// After a PROXY preamble they are ignored too, whatever address it names: the proxy relays bytes and does not check
/// fields.
///
/// # Errors
///
/// [`ForwardedError`] if neither a trusted field nor the request names one host (RFC 9112, section 3.2).
pub fn resolve(head: &Parts, peer: &Peer, trusted: &TrustedProxies) -> Result<Downstream, ForwardedError> {
    let (own_host, own_port) = request_host(head)?;
    let own_scheme = if peer.tls { Scheme::Https } else { Scheme::Http };
    let is_trusted = trusted.trusts(peer.address);
    if is_trusted && peer.source == Source::Socket {
        return Ok(by_trusted_peer(&head.headers, peer, trusted, own_host, own_scheme));
    }
    let ignored = ignored_field(&head.headers).filter(|_| !is_trusted);
    let undeclared =
        trusted.is_empty() && ignored.is_some() && names_a_client(&head.headers) && is_nearby(peer.address);
    let is_unknown = undeclared || peer.source == Source::Unknown;
    let address = peer.address.as_ip().filter(|_| !is_unknown);
    // A peer on a unix socket is assumed to be a proxy, unless the operator declares the proxies.
    let many = is_unknown || address.is_none() && trusted.is_empty();
    let port = own_port.unwrap_or(own_scheme.default_port());
    let client = Client { peer: peer.address, address, many };
    let (scheme, host) = (own_scheme, own_host);
    Ok(Downstream { client, scheme, host, port, ignored, doubtful_proto: false, trusted: false })
}

fn by_trusted_peer(
    headers: &HeaderMap,
    peer: &Peer,
    trusted: &TrustedProxies,
    own_host: HeaderValue,
    own_scheme: Scheme,
) -> Downstream {
    let chain = Chain::read(headers, peer.address, trusted);
    let proto = single(headers, &X_FORWARDED_PROTO).map(|text| text.and_then(Scheme::parse));
    let proto = proto.or(chain.proto);
    let scheme = proto.flatten().unwrap_or(own_scheme);
    let host = single(headers, &X_FORWARDED_HOST).flatten().or(chain.host.as_deref());
    let host = host.filter(|text| Host::is_valid(text)).and_then(|text| HeaderValue::from_str(text).ok());
    let host = host.unwrap_or(own_host);
    let said_port =
        single(headers, &X_FORWARDED_PORT).flatten().and_then(|text| text.parse().ok()).filter(|port| *port != 0);
    let written = host.to_str().ok().and_then(|text| Host::check(text).ok()?);
    let port = written.or(said_port).unwrap_or(scheme.default_port());
    let client = Client { peer: peer.address, address: chain.client, many: chain.client.is_none() };
    let doubtful_proto = matches!(proto, Some(None));
    Downstream { client, scheme, host, port, ignored: None, doubtful_proto, trusted: true }
}

/// The host in the request itself: `:authority`, or an absolute target that agrees with `Host`, or `Host`.
fn request_host(head: &Parts) -> Result<(HeaderValue, Option<u16>), ForwardedError> {
    let mut lines = head.headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(ForwardedError::Malformed);
    }
    let check = |text: &str| Host::check(text).map_err(|_| ForwardedError::Malformed);
    let Some(authority) = head.uri.authority() else {
        let line = line.ok_or(ForwardedError::Missing)?;
        let port = check(line.to_str().map_err(|_| ForwardedError::Malformed)?)?;
        return Ok((line.clone(), port));
    };
    if authority.as_str().contains('@') {
        return Err(ForwardedError::Conflicting);
    }
    let port = check(authority.as_str())?;
    match line {
        None if head.version < http::Version::HTTP_2 => return Err(ForwardedError::Missing),
        Some(line) if !same_host(line, authority.as_str()) => return Err(ForwardedError::Conflicting),
        None | Some(_) => {}
    }
    HeaderValue::from_str(authority.as_str()).map(|host| (host, port)).map_err(|_| ForwardedError::Malformed)
}

fn same_host(line: &HeaderValue, authority: &str) -> bool {
    let line = line.to_str().ok().and_then(|text| Host::parse(text).ok());
    line.is_some_and(|line| Host::parse(authority).is_ok_and(|authority| authority == line))
}

/// The first forwarded field of a request, for the log.
fn ignored_field(headers: &HeaderMap) -> Option<HeaderName> {
    // Most requests have none: a check of the first letters saves the look-ups.
    if !headers.keys().any(|name| matches!(name.as_str().as_bytes().first(), Some(b'x' | b'f'))) {
        return None;
    }
    [X_FORWARDED_PROTO, X_FORWARDED_FOR, X_REAL_IP, header::FORWARDED, X_FORWARDED_HOST, X_FORWARDED_PORT]
        .into_iter()
        .find(|name| headers.contains_key(name))
}

/// Whether a field names a client behind the peer.
fn names_a_client(headers: &HeaderMap) -> bool {
    [X_FORWARDED_FOR, X_REAL_IP, header::FORWARDED].iter().any(|name| headers.contains_key(name))
}

/// Whether a peer may be a proxy of the operator.
fn is_nearby(peer: PeerAddress) -> bool {
    peer.as_ip().is_none_or(is_private_address)
}

/// The value of a field that occurs exactly once. `None` if it is missing, `Some(None)` if it is malformed or repeated.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a str>> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let text = first.to_str().ok().map(str::trim).filter(|_| lines.next().is_none());
    Some(text.filter(|text| !text.is_empty() && !text.contains(',')))
}

/// What trusted proxies report about a request.
struct Chain {
    client: Option<IpAddr>,
    proto: Option<Option<Scheme>>,
    host: Option<String>,
}

impl Chain {
    fn read(headers: &HeaderMap, peer: PeerAddress, trusted: &TrustedProxies) -> Chain {
        if headers.contains_key(&X_FORWARDED_FOR) {
            // From the end, and no further than the client, who may have sent any number of earlier hops.
            let lines: Vec<&str> = text_lines(headers, &X_FORWARDED_FOR).collect();
            let hops = lines.into_iter().rev().flat_map(|line| line.rsplit(',').map(parse_node));
            return Chain { client: client_of(peer, hops, trusted), proto: None, host: None };
        }
        let elements: Option<Vec<Element>> =
            text_lines(headers, &header::FORWARDED).map(parse_forwarded).try_fold(Vec::new(), |mut all, line| {
                all.extend(line?);
                Some(all)
            });
        // A malformed list is ignored: what follows the error cannot be interpreted.
        let elements = elements.unwrap_or_default();
        let client = client_of(peer, elements.iter().rev().map(|element| element.node), trusted);
        // The element with the client was written by the proxy that the client connected to.
        let met = elements.iter().rev().find(|element| element.node == client && client.is_some()).or(elements.last());
        Chain {
            client,
            proto: met.and_then(|element| element.proto.as_deref().map(Scheme::parse)),
            host: met.and_then(|element| element.host.clone()),
        }
    }
}

fn text_lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().map(|line| line.to_str().unwrap_or(""))
}

/// The right-most hop that is not a trusted proxy; `hops` run from right to left. A hop without an address hides what
/// is behind it; then the last known proxy counts as the client, so that limits still apply to someone.
fn client_of(
    peer: PeerAddress,
    hops: impl Iterator<Item = Option<IpAddr>>,
    trusted: &TrustedProxies,
) -> Option<IpAddr> {
    let mut nearest = peer.as_ip();
    for hop in hops {
        let Some(hop) = hop else { return nearest };
        nearest = Some(hop);
        if !trusted.trusts_ip(hop) {
            return nearest;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(target: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn peer(address: &str) -> Peer {
        Peer { address: PeerAddress::ip(address.parse().unwrap()), tls: false, source: Source::Socket }
    }

    fn trusting(entries: &[&str]) -> TrustedProxies {
        TrustedProxies::parse(&entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn seen(from: &str, trusted: &[&str], fields: &[(&str, &str)]) -> Downstream {
        let mut all = vec![("host", "app.example")];
        all.extend_from_slice(fields);
        resolve(&head("/", &all), &peer(from), &trusting(trusted)).unwrap()
    }

    #[test]
    fn an_untrusted_peers_fields_are_ignored_and_the_first_is_named() {
        let downstream = seen("203.0.113.7:1", &[], &[("x-forwarded-proto", "https"), ("x-forwarded-for", "1.2.3.4")]);
        assert_eq!(downstream.scheme, Scheme::Http);
        assert_eq!(downstream.client.address, "203.0.113.7".parse().ok());
        assert_eq!(downstream.ignored, Some(X_FORWARDED_PROTO));
        assert!(!downstream.behind_undeclared_proxy(), "a public peer is shown by its own address");
    }

    #[test]
    fn behind_a_proxy_nobody_declared_the_client_is_unknown() {
        for field in ["x-forwarded-for", "x-real-ip", "forwarded"] {
            let downstream = seen("10.0.0.5:1", &[], &[(field, "1.2.3.4")]);
            assert_eq!((downstream.client.address, downstream.client.many), (None, true), "{field}");
            assert!(downstream.behind_undeclared_proxy());
            assert_eq!(downstream.client.forwarded_for(), "10.0.0.5".parse::<IpAddr>().unwrap());
        }
        let proto_alone = seen("10.0.0.5:1", &[], &[("x-forwarded-proto", "https")]);
        assert!(proto_alone.client.address.is_some());
    }

    #[test]
    fn where_proxies_are_declared_any_other_peer_is_a_client() {
        for from in ["127.0.0.1:1", "10.0.0.5:1", "192.168.1.9:1", "[fd00::5]:1", "[::1]:1"] {
            let downstream = seen(from, &["203.0.113.1"], &[("x-forwarded-for", "1.2.3.4")]);
            assert_eq!(downstream.client.address, peer(from).address.as_ip());
            assert_eq!(downstream.ignored, Some(X_FORWARDED_FOR), "and is reported");
            assert!(!downstream.behind_undeclared_proxy() && !downstream.client.many);
        }
        let unix = Peer { address: PeerAddress::Unix, ..peer("10.0.0.5:1") };
        let head = head("/", &[("host", "a"), ("x-forwarded-for", "1.2.3.4")]);
        let many = |entries: &[&str]| resolve(&head, &unix, &trusting(entries)).unwrap().client.many;
        assert!(many(&[]) && !many(&["203.0.113.1"]));
    }

    #[test]
    fn after_a_preamble_no_field_is_believed() {
        let fields = [("host", "a"), ("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")];
        let (head, trusted) = (head("/", &fields), trusting(&["10.0.0.0/8"]));
        let seen = |address: &str, source| {
            resolve(&head, &Peer { source, ..peer(address) }, &trusted).map(|seen| (seen.client, seen.scheme)).unwrap()
        };
        for (address, source) in
            [("10.0.0.5:1", Source::Preamble), ("203.0.113.7:1", Source::Preamble), ("10.0.0.5:1", Source::Unknown)]
        {
            let (client, scheme) = seen(address, source);
            let known = source == Source::Preamble;
            assert_eq!((client.address.is_some(), client.many, scheme), (known, !known, Scheme::Http), "{address}");
            assert_eq!(client.forwarded_for(), peer(address).address.as_ip().unwrap());
        }
        assert_eq!(seen("10.0.0.5:1", Source::Socket).0.address, "1.2.3.4".parse().ok());
    }

    #[test]
    fn the_client_is_the_right_most_hop_that_is_no_trusted_proxy() {
        let client = |value| seen("10.0.0.1:1", &["10.0.0.0/8"], &[("x-forwarded-for", value)]).client.address;
        assert_eq!(client("6.6.6.6, 203.0.113.7, 10.0.0.9"), "203.0.113.7".parse().ok());
        assert_eq!(client("203.0.113.7:443"), "203.0.113.7".parse().ok());
        assert_eq!(client("[2001:db8::1]:443"), "2001:db8::1".parse().ok());
        assert_eq!(client("::ffff:203.0.113.7"), "203.0.113.7".parse().ok());
        assert_eq!(client("203.0.113.7, unknown, 10.0.0.9"), "10.0.0.9".parse().ok());
        assert_eq!(client(""), "10.0.0.1".parse().ok());
    }

    #[test]
    fn hops_before_the_client_are_not_read() {
        let mut read = 0;
        let hops = ["10.0.0.9", "203.0.113.7", "6.6.6.6"].map(parse_node).into_iter().inspect(|_| read += 1);
        let client = client_of(peer("10.0.0.1:1").address, hops, &trusting(&["10.0.0.0/8"]));
        assert_eq!((client, read), ("203.0.113.7".parse().ok(), 2));
    }

    #[test]
    fn only_a_single_scheme_of_a_trusted_peer_is_believed() {
        let proto = |fields: &[(&str, &str)]| {
            let downstream = seen("10.0.0.1:1", &["10.0.0.1"], fields);
            (downstream.scheme, downstream.doubtful_proto)
        };
        assert_eq!(proto(&[("x-forwarded-proto", "HTTPS")]), (Scheme::Https, false));
        assert_eq!(proto(&[]), (Scheme::Http, false));
        for value in ["https, http", "", "wss", "https;"] {
            assert_eq!(proto(&[("x-forwarded-proto", value)]), (Scheme::Http, true), "{value}");
        }
        assert_eq!(proto(&[("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")]), (Scheme::Http, true));
    }

    #[test]
    fn forwarded_is_understood_from_trusted_proxies() {
        let value = "for=6.6.6.6;proto=http;host=evil.example, For=\"[2001:db8::7]:99\";proto=https;host=\"app.example\", for=10.0.0.9";
        let downstream = seen("10.0.0.1:1", &["10.0.0.0/8"], &[("forwarded", value)]);
        assert_eq!(downstream.client.address, "2001:db8::7".parse().ok());
        assert_eq!((downstream.scheme, downstream.host.to_str().unwrap()), (Scheme::Https, "app.example"));
        for value in ["for=1.2.3.4;;proto=https", "for=1.2.3.4;proto=https;proto=http", "for=1.2.3.4;for=5.6.7.8"] {
            let broken = seen("10.0.0.1:1", &["10.0.0.0/8"], &[("forwarded", value)]);
            assert_eq!((broken.client.address, broken.scheme), ("10.0.0.1".parse().ok(), Scheme::Http), "{value}");
        }
    }

    #[test]
    fn host_and_port_come_from_a_trusted_peer_or_the_request() {
        let downstream = seen(
            "10.0.0.1:1",
            &["10.0.0.1"],
            &[("x-forwarded-host", "shop.example"), ("x-forwarded-port", "8443"), ("x-forwarded-proto", "https")],
        );
        let origin = crate::origin::Origin::at(downstream.scheme, &downstream.host().unwrap(), downstream.port);
        assert_eq!(origin.to_string(), "https://shop.example:8443");
        assert_eq!(seen("10.0.0.1:1", &["10.0.0.1"], &[("x-forwarded-host", "a, b")]).host, "app.example");
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        let judge = |target: &str, fields: &[(&str, &str)]| {
            resolve(&head(target, fields), &peer("1.2.3.4:1"), &TrustedProxies::default()).map(|_| ())
        };
        assert_eq!(judge("/", &[]), Err(ForwardedError::Missing));
        assert_eq!(judge("/", &[("host", "a"), ("host", "a")]), Err(ForwardedError::Malformed));
        for bad in ["", "a, b", "a b", "a/..", "user@a", "a:99999"] {
            assert_eq!(judge("/", &[("host", bad)]), Err(ForwardedError::Malformed), "{bad}");
        }
        assert_eq!(judge("http://a.example/", &[("host", "A.example")]), Ok(()));
        assert_eq!(judge("http://b.example/", &[("host", "a.example")]), Err(ForwardedError::Conflicting));
        assert_eq!(judge("http://user@a.example/", &[("host", "a.example")]), Err(ForwardedError::Conflicting));
    }

    #[test]
    fn trust_is_not_given_by_accident() {
        assert!(
            TrustedProxies::parse(&["10.0.0.1".into(), "0.0.0.0/0".into()])
                .is_err_and(|why| why.starts_with("`0.0.0.0/0`"))
        );
        assert!(TrustedProxies::parse(&["::/0".into()]).is_err());
        let halves = ["10.0.0.1", "0.0.0.0/1", "::1", "128.0.0.0/1"].map(String::from);
        assert!(TrustedProxies::parse(&halves).is_err() && TrustedProxies::parse(&halves[..3]).is_ok());
        assert!(TrustedProxies::parse(&["proxy.example".into()]).is_err());
        let trusted = trusting(&["10.0.0.0/8", "::ffff:192.0.2.0/120"]);
        assert!(trusted.trusts(PeerAddress::ip("[::ffff:10.0.0.1]:80".parse().unwrap())));
        assert!(trusted.trusts(PeerAddress::ip("192.0.2.9:80".parse().unwrap())));
        assert!(!trusted.trusts(PeerAddress::Unix));
        assert!(trusting(&["unix"]).trusts(PeerAddress::Unix));
    }

    proptest! {
        #[test]
        fn no_forwarded_value_panics_or_misleads(value in "[ -~]{0,60}", trusted in any::<bool>()) {
            let Ok(value) = HeaderValue::from_str(&value) else { return Ok(()) };
            let mut parts = head("/", &[("host", "app.example")]);
            for name in [header::FORWARDED, X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST, X_FORWARDED_PORT] {
                parts.headers.insert(name, value.clone());
            }
            let list = if trusted { trusting(&["203.0.113.7"]) } else { TrustedProxies::default() };
            let downstream = resolve(&parts, &peer("203.0.113.7:1"), &list).unwrap();
            prop_assert!(Host::is_valid(downstream.host.to_str().unwrap()));
            prop_assert!(downstream.client.address.is_some());
        }
    }
}
