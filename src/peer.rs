//! The peer of a connection, and whether it used TLS. `forwarded/` evaluates what that peer reports about others.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The peer of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: PeerAddress,
    /// Whether the connection uses TLS.
    pub tls: bool,
    /// How `address` is known.
    pub source: Source,
}

/// How the address of a peer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is the peer of the socket.
    Socket,
    /// It is the address in a PROXY preamble, or for `LOCAL` the proxy itself.
    Preamble,
    /// It is the proxy, whose preamble does not name the client.
    Unknown,
}

/// The address of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// An IP address and port. IPv4-mapped IPv6 addresses are stored as IPv4.
    Ip(SocketAddr),
    /// A unix socket, whose peer has no address.
    Unix,
}

impl PeerAddress {
    /// An address from the socket; `::ffff:10.0.0.1` becomes `10.0.0.1`.
    pub fn ip(address: SocketAddr) -> PeerAddress {
        PeerAddress::Ip(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    /// The IP address, if there is one.
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

/// The number of clients that a proxy counts as if it does not name its clients.
pub const CLIENTS_OF_UNKNOWN_PEER: u32 = 20;

/// An address as text, formatted without an allocation.
#[derive(Clone, Copy)]
pub struct AddressText {
    bytes: [u8; 45],
    length: usize,
}

impl AddressText {
    /// Formats `address` as its `Display` does.
    pub fn of(address: IpAddr) -> AddressText {
        let mut text = AddressText { bytes: [0; 45], length: 0 };
        match address {
            IpAddr::V4(address) => {
                for (at, octet) in address.octets().into_iter().enumerate() {
                    if at > 0 {
                        text.push(b'.');
                    }
                    for place in [100, 10, 1] {
                        if octet >= place || place == 1 {
                            text.push(b'0' + octet / place % 10);
                        }
                    }
                }
            }
            // The longest, with an embedded IPv4 address, has 45 characters.
            IpAddr::V6(address) => drop(fmt::Write::write_fmt(&mut text, format_args!("{address}"))),
        }
        text
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(room) = self.bytes.get_mut(self.length) {
            *room = byte;
            self.length += 1;
        }
    }
}

impl fmt::Write for AddressText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.push(byte));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_prints_itself() {
        let longest = "1111:2222:3333:4444:5555:6666:7777:8888";
        for text in ["0.0.0.0", "127.0.0.1", "203.0.113.70", "255.255.255.255", "10.9.100.8", "::1", longest] {
            assert_eq!(AddressText::of(text.parse().unwrap()).as_str(), text);
        }
        let mapped: IpAddr = "::ffff:255.255.255.255".parse().unwrap();
        assert_eq!(AddressText::of(mapped).as_str(), mapped.to_string());
    }
}
