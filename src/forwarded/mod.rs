//! The client of a request, and the public origin that the browser shows.
//!
//! Both are decided once for each request, from the connection and, if the peer is a trusted proxy, from its
//! `X-Forwarded-*` and `Forwarded` fields. Nothing later reads those fields. `X-Forwarded-For`, `-Proto` and `-Host` take
//! precedence over `Forwarded` (RFC 7239), because proxies append to them by default.

mod rfc7239;

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use ipnet::IpNet;
use thiserror::Error;

use crate::origin::{Host, Scheme, is_private_address};
use crate::peer::{Peer, PeerAddress, Source};
use rfc7239::{Element, parse_forwarded, parse_node};

pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
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
    /// The complaint: an entry is invalid, or the entries trust every address.
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

    /// Whether a peer is trusted. A peer on a unix socket is trusted only if `unix` is listed.
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

/// A network. IPv4-mapped IPv6 becomes IPv4, like the addresses of peers.
fn parse_network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    match (network.addr().to_canonical(), network.prefix_len()) {
        (IpAddr::V4(v4), length) if network.addr().is_ipv6() => {
            IpNet::new(IpAddr::V4(v4), length.checked_sub(96)?).ok()
        }
        _ => Some(network),
    }
}

/// The client of a request, and the public origin.
#[derive(Clone, Debug)]
pub struct Downstream {
    pub client: Client,
    pub scheme: Scheme,
    /// The public host, a valid `host[:port]`, as received.
    pub host: HeaderValue,
    pub port: u16,
    /// The first forwarding field of an untrusted peer, if any. All of them are ignored.
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
    /// The public host in normal form. Never `None` for a value that [`resolve`] made.
    pub fn host(&self) -> Option<Host> {
        Host::parse(self.host.to_str().ok()?).ok()
    }

    /// Whether an undeclared proxy forwarded the request, so that the client's address is unknown.
    pub fn behind_undeclared_proxy(&self) -> bool {
        self.client.many && self.ignored.is_some()
    }
}

/// Why the origin of a request is unknown; the request is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ForwardedError {
    /// Neither a trusted field nor the request names a host (RFC 9112, section 3.2).
    #[error("the request names no host")]
    Missing,
    /// There are two `Host` lines, or the value is not a host.
    #[error("the request's Host is not one host")]
    Malformed,
    /// The target and `Host` name different hosts, or the target contains user information.
    #[error("the request's target and Host name different hosts")]
    Conflicting,
}

/// Determines the client and the public origin that the browser shows.
///
/// Unless `peer` is in `trusted`, every `Forwarded` and `X-Forwarded-*` field is ignored, and the connection and the
/// request's own host count. The same holds after a PROXY preamble, because a proxy that relays bytes does not check
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
    // Only a peer nearby may be a proxy of the operator.
    let is_nearby = || peer.address.as_ip().is_none_or(is_private_address);
    let undeclared = trusted.is_empty() && ignored.is_some() && names_a_client(&head.headers) && is_nearby();
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

/// The first forwarding field of a request, for the log.
fn ignored_field(headers: &HeaderMap) -> Option<HeaderName> {
    // Most requests have none; a check of the first letters saves the look-ups.
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
            // From the end, and no further than the client, which may have sent any number of earlier hops.
            let lines: Vec<&str> = text_lines(headers, &X_FORWARDED_FOR).collect();
            let hops = lines.into_iter().rev().flat_map(|line| line.rsplit(',').map(parse_node));
            return Chain { client: client_of(peer, hops, trusted), proto: None, host: None };
        }
        let lines: Option<Vec<Vec<Element>>> = text_lines(headers, &header::FORWARDED).map(parse_forwarded).collect();
        // A malformed list is ignored: what follows the error cannot be interpreted.
        let elements: Vec<Element> = lines.unwrap_or_default().into_iter().flatten().collect();
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

/// The right-most hop that is not a trusted proxy; `hops` run from right to left. A hop without an address hides those
/// behind it. Then the last known proxy counts as the client, so that limits still apply.
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
mod tests;
