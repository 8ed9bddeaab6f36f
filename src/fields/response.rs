//! Edits the header fields of responses, and trailers in both directions.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::connection::remove_connection_specific;
use super::managed::is_managed;
use super::request_id::X_REQUEST_ID;
use super::rules::FieldRules;
use crate::cookies;

/// Edits a response's fields for the client.
pub fn prepare_response(headers: &mut HeaderMap) {
    remove_connection_specific(headers);
    remove_our_set_cookies(headers);
}

/// Edits the fields of a 101 for the client: of the connection-specific ones only the upgrade stays.
pub fn prepare_upgrade_response(headers: &mut HeaderMap, protocol: &HeaderValue) {
    remove_connection_specific(headers);
    remove_our_set_cookies(headers);
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}

/// Drops `Set-Cookie` lines with the name of qrgate's cookie (docs/conformance.md, I6).
fn remove_our_set_cookies(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| *name == header::SET_COOKIE)
        || !headers.get_all(header::SET_COOKIE).iter().any(cookies::names_own)
    {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(header::SET_COOKIE).iter().filter(|line| !cookies::names_own(line)).cloned().collect();
    headers.remove(header::SET_COOKIE);
    for line in kept {
        headers.append(header::SET_COOKIE, line);
    }
}

/// Drops the trailers that could change the framing, routing or authentication of a message (docs/conformance.md, G12).
pub fn prepare_trailers(trailers: &mut HeaderMap) {
    remove_connection_specific(trailers);
    remove_aliases(trailers);
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
    for name in &NEVER {
        trailers.remove(name);
    }
}

/// The same for a client's trailers, which must also pass the rules for its header fields. Proxies do not use trailers.
pub fn prepare_request_trailers(trailers: &mut HeaderMap, rules: &FieldRules) {
    prepare_trailers(trailers);
    let refused = trailers.keys().filter(|name| !rules.pass(name, false)).cloned().collect::<Vec<_>>();
    for name in refused {
        trailers.remove(name);
    }
}

/// Removes every spelling of a managed name.
fn remove_aliases(headers: &mut HeaderMap) {
    let managed = headers.keys().filter(|name| is_managed(name.as_str())).cloned().collect::<Vec<_>>();
    for name in managed {
        headers.remove(name);
    }
}
