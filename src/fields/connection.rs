//! Connection-specific header fields, which are not forwarded (RFC 9110, section 7.6.1).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Version};

pub(super) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// End-to-end fields, which `Connection` cannot remove (docs/conformance.md, E9).
pub(super) fn is_end_to_end(name: &HeaderName) -> bool {
    static KEPT: [HeaderName; 20] = [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::COOKIE,
        header::DATE,
        header::ETAG,
        header::EXPECT,
        header::HOST,
        header::LAST_MODIFIED,
        header::LOCATION,
        header::ORIGIN,
        header::RANGE,
        header::REFERER,
        header::SET_COOKIE,
        header::STRICT_TRANSPORT_SECURITY,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::USER_AGENT,
        header::VARY,
        header::WWW_AUTHENTICATE,
        header::X_FRAME_OPTIONS,
    ];
    const FAMILIES: [&str; 6] = ["accept", "access-control-", "content-", "cross-origin-", "if-", "sec-"];
    KEPT.contains(name) || FAMILIES.iter().any(|family| name.as_str().starts_with(family))
}

pub(super) fn is_forbidden_in_http2(name: &HeaderName, value: &HeaderValue) -> bool {
    static FORBIDDEN: [HeaderName; 4] = [header::CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, header::UPGRADE];
    FORBIDDEN.contains(name) || *name == header::TE && !value.as_bytes().eq_ignore_ascii_case(b"trailers")
}

/// Whether a field is connection-specific (RFC 9110, section 7.6.1).
pub(super) fn is_connection_specific(name: &HeaderName) -> bool {
    static OTHERS: [HeaderName; 3] = [KEEP_ALIVE, PROXY_CONNECTION, HeaderName::from_static("http2-settings")];
    matches!(
        *name,
        header::CONNECTION | header::TE | header::TRANSFER_ENCODING | header::UPGRADE | header::PROXY_AUTHORIZATION
    ) || OTHERS.contains(name)
}

/// Removes the connection-specific fields, and those that `Connection` names.
pub(super) fn remove_connection_specific(headers: &mut HeaderMap) {
    if !headers.keys().any(is_connection_specific) {
        return;
    }
    for name in connection_options(headers).into_iter().filter(|name| !is_end_to_end(name)) {
        headers.remove(name);
    }
    remove_where(headers, is_connection_specific);
}

pub(super) fn remove_where(headers: &mut HeaderMap, is_removed: impl Fn(&HeaderName) -> bool) {
    let names = headers.keys().filter(|name| is_removed(name)).cloned().collect::<Vec<_>>();
    for name in names {
        headers.remove(name);
    }
}

/// The field names that `Connection` lists, without the options `close` and `keep-alive`.
pub(super) fn connection_options(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(header::CONNECTION).iter();
    let options = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    options
        .filter(|option| !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive"))
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .collect()
}

/// The protocol of a complete HTTP/1.1 upgrade request (RFC 9110, section 7.8), else `None`.
///
/// A WebSocket is requested by GET without content (RFC 6455, section 4.1). Other protocols may be requested with
/// content, as `docker exec` does. `h2c` is never forwarded (docs/conformance.md, H11).
pub fn asks_for_upgrade(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
    has_content: bool,
) -> Option<HeaderValue> {
    if !headers.keys().any(|name| *name == header::UPGRADE) {
        return None;
    }
    let mut lines = headers.get_all(header::UPGRADE).iter();
    let protocol = lines.next()?;
    let named = connection_options(headers).contains(&header::UPGRADE);
    let one = lines.next().is_none() && !protocol.is_empty() && !protocol.as_bytes().contains(&b',');
    let websocket = protocol.as_bytes().eq_ignore_ascii_case(b"websocket");
    let h2c = protocol.as_bytes().to_ascii_lowercase().starts_with(b"h2c");
    let fits = !websocket || !has_content && method == Method::GET;
    (version == Version::HTTP_11 && named && one && !h2c && fits).then(|| protocol.clone())
}
