//! The PROXY protocol, versions 1 and 2: a proxy in front says whose connection it passes on.
//!
//! Where it is configured it is required, and only peers that are trusted may speak it. `LOCAL` means the proxy's own
//! connection (a health check): the real peer stands.

use std::io;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::peer::PeerAddress;

/// The largest preamble that is read; version 1 has at most 107 bytes, the rest are TLVs of version 2.
const LARGEST: usize = 4096;
/// Bytes that tell how long a preamble of version 2 is.
const V2_HEAD: usize = 16;
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads the preamble, and not one byte more.
///
/// # Errors
///
/// When the peer may not speak it, when it is malformed or too large, and when the connection ends.
pub async fn read(
    wire: &mut (impl AsyncRead + Unpin),
    peer: PeerAddress,
    trusted: &(dyn Fn(PeerAddress) -> bool + Send + Sync),
) -> io::Result<PeerAddress> {
    if !trusted(peer) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut bytes = vec![0; V2_SIGNATURE.len()];
    wire.read_exact(&mut bytes).await?;
    match bytes == V2_SIGNATURE {
        true => read_version_2(wire, &mut bytes).await?,
        false => read_version_1(wire, &mut bytes).await?,
    }
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let (header, length) = ProxyHeader::parse(&bytes, ParseConfig::default()).map_err(|_| malformed())?;
    if length != bytes.len() {
        return Err(malformed());
    }
    match header.proxied_address() {
        None => Ok(peer),
        Some(named) if named.protocol == Protocol::Stream => Ok(PeerAddress::ip(named.source)),
        Some(_) => Err(malformed()),
    }
}

async fn read_version_2(wire: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.resize(V2_HEAD, 0);
    wire.read_exact(&mut bytes[V2_SIGNATURE.len()..]).await?;
    let length = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    if V2_HEAD + length > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    bytes.resize(V2_HEAD + length, 0);
    wire.read_exact(&mut bytes[V2_HEAD..]).await.map(drop)
}

async fn read_version_1(wire: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    if !bytes.starts_with(b"PROXY ") {
        return Err(io::ErrorKind::InvalidData.into());
    }
    while !bytes.ends_with(b"\r\n") {
        if bytes.len() >= 107 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.push(wire.read_u8().await?);
    }
    match is_well_formed(bytes) {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// What the library takes less strictly: visible characters alone, a known word, and ports that are digits (not `+80`).
/// After `UNKNOWN` anything may stand.
fn is_well_formed(line: &[u8]) -> bool {
    let Some(line) = line.strip_suffix(b"\r\n") else { return false };
    let mut words = line.split(|byte| *byte == b' ').skip(1);
    let known = match words.next() {
        Some(b"UNKNOWN") => true,
        Some(b"TCP4" | b"TCP6") => words.skip(2).all(|port| port.iter().all(u8::is_ascii_digit)),
        Some(_) | None => false,
    };
    known && line.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn read_all(mut bytes: &[u8]) -> io::Result<PeerAddress> {
        let peer = PeerAddress::ip(([10, 0, 0, 1], 443).into());
        read(&mut bytes, peer, &|_| true).now_or_never().unwrap()
    }

    #[test]
    fn a_port_is_digits() {
        let line = |port: &str| format!("PROXY TCP4 203.0.113.7 10.0.0.1 {port} 443\r\n");
        let named = PeerAddress::ip(([203, 0, 113, 7], 5000).into());
        assert_eq!(read_all(line("5000").as_bytes()).unwrap(), named);
        for port in ["+5000", "-1", "5000.", "0x50", "", "65536"] {
            assert!(read_all(line(port).as_bytes()).is_err(), "{port}");
        }
    }

    #[test]
    fn an_unknown_connection_is_one_line_of_its_own_word() {
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN any +thing\r\n"] {
            assert!(read_all(line.as_bytes()).is_ok(), "{line:?}");
        }
        for line in
            ["PROXY UNKNOWNX 1\r\n", "PROXY UNKNOWN\n GET /\r\n", "PROXY UNKNOWN \u{e4}\r\n", "PROXY UNKNOWN \0\r\n"]
        {
            assert!(read_all(line.as_bytes()).is_err(), "{line:?}");
        }
    }
}
