//! The PROXY protocol, versions 1 and 2: a proxy in front says whose connection it passes on.
//!
//! Where it is configured it is required, and only peers that are trusted may speak it. `LOCAL` means the proxy's own
//! connection (a health check): the real peer stands.

use std::io;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::AsyncReadExt;

use super::wire::Wire;
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
    wire: &mut Wire,
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

async fn read_version_2(wire: &mut Wire, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.resize(V2_HEAD, 0);
    wire.read_exact(&mut bytes[V2_SIGNATURE.len()..]).await?;
    let length = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    if V2_HEAD + length > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    bytes.resize(V2_HEAD + length, 0);
    wire.read_exact(&mut bytes[V2_HEAD..]).await.map(drop)
}

async fn read_version_1(wire: &mut Wire, bytes: &mut Vec<u8>) -> io::Result<()> {
    if !bytes.starts_with(b"PROXY ") {
        return Err(io::ErrorKind::InvalidData.into());
    }
    while !bytes.ends_with(b"\r\n") {
        if bytes.len() >= 107 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.push(wire.read_u8().await?);
    }
    Ok(())
}
