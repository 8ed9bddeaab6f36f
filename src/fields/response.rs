//! Edits the header fields of responses, and trailers in both directions.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::connection::{remove_connection_specific, remove_where};
use super::managed::is_managed;
use super::request_id::X_REQUEST_ID;
use super::rules::FieldRules;
use crate::cookies;

/// Edits a response's fields for the client.
pub fn prepare_response(headers: &mut HeaderMap) {
    remove_connection_specific(headers);
    cookies::remove_own_set_cookies(headers);
}

/// Edits the fields of a 101 for the client: of the connection-specific ones only the upgrade stays.
pub fn prepare_upgrade_response(headers: &mut HeaderMap, protocol: &HeaderValue) {
    prepare_response(headers);
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}

/// Removes the trailers that could change the framing, routing or authentication of a message (docs/conformance.md,
/// G12), and every spelling of a managed name.
pub fn prepare_trailers(trailers: &mut HeaderMap) {
    static NEVER: [HeaderName; 21] = [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_RANGE,
        header::CONTENT_SECURITY_POLICY,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::EXPECT,
        header::HOST,
        header::LOCATION,
        header::MAX_FORWARDS,
        header::ORIGIN,
        header::PROXY_AUTHENTICATE,
        header::RANGE,
        header::SET_COOKIE,
        header::STRICT_TRANSPORT_SECURITY,
        header::TRAILER,
        header::WWW_AUTHENTICATE,
        X_REQUEST_ID,
        header::X_FRAME_OPTIONS,
    ];
    remove_connection_specific(trailers);
    remove_where(trailers, |name| NEVER.contains(name) || is_managed(name.as_str()));
}

/// The same for a client's trailers, which must also pass the rules for its header fields. Proxies do not use trailers.
pub fn prepare_request_trailers(trailers: &mut HeaderMap, rules: &FieldRules) {
    prepare_trailers(trailers);
    remove_where(trailers, |name| !rules.pass(name, false));
}
