//! The opening handshake of a WebSocket (RFC 6455, section 4): the client's key, and the server's response to it.

use aws_lc_rs::digest;
use data_encoding::BASE64;
use http::header::HeaderValue;

use crate::secret::{NoRandomness, fill_random};

/// RFC 6455, section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A new `Sec-WebSocket-Key`.
///
/// # Errors
///
/// [`NoRandomness`] if it cannot be generated.
pub fn draw_key() -> Result<HeaderValue, NoRandomness> {
    let mut nonce = [0; 16];
    fill_random(&mut nonce)?;
    HeaderValue::from_str(&BASE64.encode(&nonce)).map_err(|_| NoRandomness)
}

/// The `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455, section 4.2.2).
pub fn accept_of(key: &HeaderValue) -> HeaderValue {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    HeaderValue::from_str(&BASE64.encode(hash.as_ref())).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_field_is_that_of_the_rfc() {
        assert_eq!(accept_of(&HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==")), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
