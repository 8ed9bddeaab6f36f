//! `X-Request-ID`: a client's own is kept where it is harmless.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// `X-Request-ID`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether a client's `X-Request-ID` may stand: 1 to 128 of `A-Za-z0-9._~+/=-`, once.
pub fn kept_request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(X_REQUEST_ID).iter();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(byte);
    let first = lines.next().filter(|value| (1..=128).contains(&value.len()) && value.as_bytes().iter().all(allowed));
    first.filter(|_| lines.next().is_none())
}
