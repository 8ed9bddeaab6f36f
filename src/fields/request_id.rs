//! `X-Request-ID`: the client's is kept if it is well-formed.

use http::header::{HeaderMap, HeaderName, HeaderValue};

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's `X-Request-ID`, if there is exactly one and it has 1 to 128 characters of `A-Za-z0-9._~+/=-`.
pub fn kept_request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    static NAME: HeaderName = X_REQUEST_ID;
    // Most requests have none: a pass over the names costs less than a look-up.
    if !headers.keys().any(|name| *name == NAME) {
        return None;
    }
    let mut lines = headers.get_all(X_REQUEST_ID).iter();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(byte);
    let first = lines.next().filter(|value| (1..=128).contains(&value.len()) && value.as_bytes().iter().all(allowed));
    first.filter(|_| lines.next().is_none())
}
