//! The PROXY preamble: accepted from trusted peers only, and the bytes after it stay unread.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::forwarded::TrustedProxies;
use crate::peer::{PeerAddress, Source};
use crate::server::proxy_protocol::read;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The peer's address and its source.
type Said = (PeerAddress, Source);

const LARGEST: usize = 4096;

/// The input is the first bytes of a connection.
///
/// - An untrusted peer is refused before anything is read.
/// - Exactly the preamble is read, wherever the bytes are split.
/// - For TCP the address is that of the preamble. `LOCAL` and `UNKNOWN` keep the peer's address; `UNKNOWN` also marks
///   the client as unknown.
pub fn check(data: &[u8]) {
    let peer = PeerAddress::ip(SocketAddr::from(([10, 0, 0, 1], 443)));
    let mut untouched = data;
    let refused = now(&mut untouched, peer, false);
    assert!(refused.is_err_and(|error| error == ErrorKind::PermissionDenied) && untouched.len() == data.len());

    let mut rest = data;
    let read = now(&mut rest, peer, true);
    let taken = &data[..data.len() - rest.len()];
    assert!(taken.len() <= LARGEST, "too large");
    for at in [0, 1, 12, 16, data.len() / 2] {
        let (first, second) = data.split_at(at.min(data.len()));
        assert_eq!(now(&mut first.chain(second), peer, true), read, "cut at {at}");
    }
    let Ok(said) = read else { return };
    let expected = match taken.starts_with(SIGNATURE) {
        true => version_2(taken, peer),
        false => version_1(taken, peer),
    };
    assert_eq!(Some(said), expected);
}

/// Reads from a complete buffer, so the future must be ready at once.
fn now(wire: &mut (impl AsyncRead + Unpin), peer: PeerAddress, trusted: bool) -> Result<Said, ErrorKind> {
    let entries = peer.as_ip().filter(|_| trusted).map(|address| address.to_string());
    let trusted = TrustedProxies::parse(entries.as_slice()).unwrap_or_default();
    let read = read(wire, peer, &trusted).now_or_never().expect("bytes in memory are never waited for");
    read.map_err(|error| error.kind())
}

fn version_1(taken: &[u8], peer: PeerAddress) -> Option<Said> {
    let line = std::str::from_utf8(taken).ok()?.strip_suffix("\r\n")?;
    assert!(taken.len() <= 107 && !line.contains('\n'), "one line");
    let words: Vec<&str> = line.split(' ').collect();
    let (source, port) = match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => return Some((peer, Source::Unknown)),
        ["PROXY", "TCP4", source, destination, port, other] => {
            let _: (Ipv4Addr, u16) = (destination.parse().ok()?, decimal(other)?);
            (IpAddr::V4(source.parse().ok()?), decimal(port)?)
        }
        ["PROXY", "TCP6", source, destination, port, other] => {
            let _: (Ipv6Addr, u16) = (destination.parse().ok()?, decimal(other)?);
            (IpAddr::V6(source.parse().ok()?), decimal(port)?)
        }
        _ => return None,
    };
    Some((PeerAddress::ip(SocketAddr::new(source, port)), Source::Preamble))
}

fn decimal(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn version_2(taken: &[u8], peer: PeerAddress) -> Option<Said> {
    let length = usize::from(u16::from_be_bytes([taken[14], taken[15]]));
    assert_eq!(taken.len(), 16 + length, "the whole preamble");
    let port = |at: usize| u16::from_be_bytes([taken[at], taken[at + 1]]);
    match (taken[12], taken[13]) {
        (0x20, _) => Some((peer, Source::Preamble)),
        (0x21, 0x11) if length >= 12 => {
            let source: [u8; 4] = taken[16..20].try_into().ok()?;
            Some((PeerAddress::ip(SocketAddr::new(source.into(), port(24))), Source::Preamble))
        }
        (0x21, 0x21) if length >= 36 => {
            let source: [u8; 16] = taken[16..32].try_into().ok()?;
            Some((PeerAddress::ip(SocketAddr::new(source.into(), port(48))), Source::Preamble))
        }
        // Not an address.
        (0x21, family) if family >> 4 == 0 || family >> 4 == 3 => Some((peer, Source::Unknown)),
        _ => None,
    }
}
