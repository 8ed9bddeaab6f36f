//! The PROXY protocol, versions 1 and 2, by which a proxy reports the client of a connection.
//!
//! If it is configured, every connection must begin with a preamble from a trusted peer. `LOCAL` is a connection of the
//! proxy itself (a health check): the peer is the proxy. After `UNKNOWN`, and for address families other than IP, the
//! client is unknown.

use std::io;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::forwarded::TrustedProxies;
use crate::peer::{PeerAddress, Source};

/// Maximum bytes of a preamble. Version 1 has at most 107; the rest is for TLVs of version 2.
const LARGEST: usize = 4096;
/// Bytes of the fixed part of version 2, which contains the length.
const V2_HEAD: usize = 16;
/// `LOCAL` in the low half of the byte after the signature, which holds the version in its high half.
const V2_LOCAL: u8 = 0;
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads the preamble and no byte after it. Returns the address of the peer, and how it is known.
///
/// # Errors
///
/// If the peer is not trusted, the preamble is malformed or too large, or the connection ends.
pub async fn read(
    wire: &mut (impl AsyncRead + Unpin),
    peer: PeerAddress,
    trusted: &TrustedProxies,
) -> io::Result<(PeerAddress, Source)> {
    if !trusted.trusts(peer) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut bytes = vec![0; V2_SIGNATURE.len()];
    wire.read_exact(&mut bytes).await?;
    let version_2 = bytes == V2_SIGNATURE;
    match version_2 {
        true => read_version_2(wire, &mut bytes).await?,
        false => read_version_1(wire, &mut bytes).await?,
    }
    let malformed = io::ErrorKind::InvalidData;
    let (header, length) = ProxyHeader::parse(&bytes, ParseConfig::default()).map_err(|_| malformed)?;
    if length != bytes.len() {
        return Err(malformed.into());
    }
    match header.proxied_address() {
        None if version_2 && bytes[V2_SIGNATURE.len()] & 0xF == V2_LOCAL => Ok((peer, Source::Preamble)),
        None => Ok((peer, Source::Unknown)),
        Some(named) if named.protocol == Protocol::Stream => Ok((PeerAddress::ip(named.source), Source::Preamble)),
        Some(_) => Err(malformed.into()),
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
    is_well_formed(bytes).then_some(()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Stricter than the library: printable characters only, a known protocol, and ports of digits (not `+80`). Any text
/// may follow `UNKNOWN`.
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

    fn read_all(mut bytes: &[u8]) -> io::Result<(PeerAddress, Source)> {
        let peer = PeerAddress::ip(([10, 0, 0, 1], 443).into());
        let trusted = TrustedProxies::parse(&["10.0.0.1".to_owned()]).unwrap();
        read(&mut bytes, peer, &trusted).now_or_never().unwrap()
    }

    #[test]
    fn a_port_is_digits() {
        let line = |port: &str| format!("PROXY TCP4 203.0.113.7 10.0.0.1 {port} 443\r\n");
        let named = (PeerAddress::ip(([203, 0, 113, 7], 5000).into()), Source::Preamble);
        assert_eq!(read_all(line("5000").as_bytes()).unwrap(), named);
        for port in ["+5000", "-1", "5000.", "0x50", "", "65536"] {
            assert!(read_all(line(port).as_bytes()).is_err(), "{port}");
        }
    }

    #[test]
    fn an_unknown_connection_is_one_line_of_its_own_word() {
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN any +thing\r\n"] {
            assert_eq!(read_all(line.as_bytes()).unwrap().1, Source::Unknown, "{line:?}");
        }
        for line in
            ["PROXY UNKNOWNX 1\r\n", "PROXY UNKNOWN\n GET /\r\n", "PROXY UNKNOWN \u{e4}\r\n", "PROXY UNKNOWN \0\r\n"]
        {
            assert!(read_all(line.as_bytes()).is_err(), "{line:?}");
        }
    }
    #[test]
    fn local_is_the_proxy_itself_and_another_family_is_unknown() {
        let version_2 = |command: u8, family: u8, rest: &[u8]| {
            let length = u8::try_from(rest.len()).unwrap();
            [V2_SIGNATURE, &[0x20 | command, family, 0, length], rest].concat()
        };
        let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        let source = |bytes: Vec<u8>| read_all(&bytes).unwrap().1;
        assert_eq!(source(version_2(0, 0, &[])), Source::Preamble);
        assert_eq!(source(version_2(0, 0x11, &v4)), Source::Preamble);
        assert_eq!(source(version_2(1, 0x11, &v4)), Source::Preamble);
        assert_eq!(source(version_2(1, 0, &[])), Source::Unknown);
        assert_eq!(source(version_2(1, 0x31, &[0; 216])), Source::Unknown);
    }
}
