//! The far end of the socket: who holds it, and whether TLS was spoken. What that peer *says* about others is
//! judged in `forwarded.rs`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The holder of the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub address: PeerAddress,
    /// Whether the connection to us is under TLS.
    pub tls: bool,
}

/// Where a peer is: an address of the network, or a socket in the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// An IP address and port. IPv4-mapped IPv6 addresses are stored as IPv4.
    Ip(SocketAddr),
    /// A unix socket, which has no address of its own.
    Unix,
}

impl PeerAddress {
    /// Takes an address as the socket reports it; `::ffff:10.0.0.1` becomes `10.0.0.1`.
    pub fn ip(address: SocketAddr) -> PeerAddress {
        PeerAddress::Ip(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    /// The IP address, where there is one.
    pub fn as_ip(self) -> Option<IpAddr> {
        match self {
            PeerAddress::Ip(address) => Some(address.ip()),
            PeerAddress::Unix => None,
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Ip(address) => address.ip().fmt(f),
            PeerAddress::Unix => f.write_str("unix"),
        }
    }
}
