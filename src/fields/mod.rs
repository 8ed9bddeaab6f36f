//! The fields of a message between us and the application: what must not pass goes, what we know is set.
//!
//! Header maps are edited in place. The order is the product contract's (section 9): what is malformed is refused before
//! this, connection-specific fields go, then every spelling of a managed name, then our own cookies; ours are set last,
//! so that nothing a client names in `Connection` can take them away.

use std::fmt;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};

use crate::cookies;

mod edit;
mod managed;
mod rules;

pub use edit::{Edit, Ours};
pub use managed::is_managed;
use managed::{holds, is_usual};
pub use rules::{FieldRules, proxy_header};

/// `X-Request-ID`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Fields that `Connection` may not take away: they are end-to-end, whatever a client says (threat table, E9).
fn is_end_to_end(name: &HeaderName) -> bool {
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

/// A request whose framing only we can see to be wrong (threat table, section G). Each is answered without forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// `Transfer-Encoding` is anything but one `chunked`, or came in HTTP/1.0.
    TransferEncoding,
    /// `Content-Length` is not one number.
    ContentLength,
    /// A field that HTTP/2 forbids (RFC 9113, section 8.2.2).
    ConnectionSpecific,
    /// A value with blanks around it in HTTP/2 (RFC 9113, section 8.2.1).
    Blanks,
    /// A name that is no token (RFC 9110, section 5.6.2), in HTTP/2.
    FieldName,
    /// More fields than `limits.header_count`, in HTTP/2.
    TooMany,
    /// `Expect` asks for something nobody knows.
    Expectation,
}

impl Malformed {
    /// 400, but for too many fields, 431, and an expectation, 417.
    pub fn status(self) -> StatusCode {
        match self {
            Malformed::TransferEncoding
            | Malformed::ContentLength
            | Malformed::ConnectionSpecific
            | Malformed::Blanks
            | Malformed::FieldName => StatusCode::BAD_REQUEST,
            Malformed::TooMany => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Malformed::Expectation => StatusCode::EXPECTATION_FAILED,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::TransferEncoding => "Transfer-Encoding is not one `chunked`",
            Malformed::ContentLength => "Content-Length is not one number",
            Malformed::ConnectionSpecific => "a connection-specific field in HTTP/2",
            Malformed::Blanks => "a field value with blanks around it in HTTP/2",
            Malformed::FieldName => "a field name that is no token in HTTP/2",
            Malformed::TooMany => "more fields than limits.header_count",
            Malformed::Expectation => "an unknown expectation",
        })
    }
}

impl std::error::Error for Malformed {}

/// Checks a request's framing and what it expects, and in HTTP/2, where hyper does not count them, that it has at most
/// `most` fields.
///
/// # Errors
///
/// [`Malformed`], which says what.
pub fn check_framing(version: Version, headers: &HeaderMap, most: usize) -> Result<(), Malformed> {
    static CHECKED: [HeaderName; 3] = [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::EXPECT];
    // Most requests have none of them: one pass over the names spares the look-ups.
    if version < Version::HTTP_2 && !headers.keys().any(|name| CHECKED.contains(name)) {
        return Ok(());
    }
    request_length(version, headers)?;
    if version >= Version::HTTP_2 {
        // Crumbs of a cookie count as one field (threat table, H9).
        let crumbs = headers.get_all(header::COOKIE).iter().count();
        if headers.len() - crumbs.saturating_sub(1) > most {
            return Err(Malformed::TooMany);
        }
        headers.iter().try_for_each(|(name, value)| check_field(name, value, is_forbidden_in_http2))?;
    }
    let mut expectations = headers.get_all(header::EXPECT).iter();
    match expectations.all(|expectation| expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        true => Ok(()),
        false => Err(Malformed::Expectation),
    }
}

/// Whether every name of an HTTP/2 message is a token. Of the bytes that are no token's, `http` lets a quotation mark pass
/// in a name; HTTP/1.1 is parsed more strictly.
pub fn has_tokens_for_names(fields: &HeaderMap) -> bool {
    !fields.keys().any(holds::<b'"'>)
}

/// Checks the trailers of a request, as a name and a value alone can be checked (RFC 9113, section 8.2.1).
///
/// # Errors
///
/// [`Malformed::FieldName`], [`Malformed::Blanks`].
pub fn check_trailers(trailers: &HeaderMap) -> Result<(), Malformed> {
    trailers.iter().try_for_each(|(name, value)| check_field(name, value, |_, _| false))
}

fn check_field(
    name: &HeaderName,
    value: &HeaderValue,
    is_forbidden: impl Fn(&HeaderName, &HeaderValue) -> bool,
) -> Result<(), Malformed> {
    // Most fields have a usual name, and nothing but the value to look at.
    if !is_usual(name) {
        if is_forbidden(name, value) {
            return Err(Malformed::ConnectionSpecific);
        }
        if holds::<b'"'>(name) {
            return Err(Malformed::FieldName);
        }
    }
    if has_blanks_around(value) { Err(Malformed::Blanks) } else { Ok(()) }
}

/// How long a request's content is; [`Length::Open`] where nothing is said (RFC 9112, section 6.3).
///
/// # Errors
///
/// [`Malformed`] for what two readers could read in two ways (threat table, G1 to G8).
pub fn request_length(version: Version, headers: &HeaderMap) -> Result<Length, Malformed> {
    let coding = headers.get(header::TRANSFER_ENCODING);
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next();
    if let Some(coding) = coding {
        let alone = headers.get_all(header::TRANSFER_ENCODING).iter().count() == 1 && length.is_none();
        let chunked = alone && coding.as_bytes().eq_ignore_ascii_case(b"chunked") && version == Version::HTTP_11;
        return if chunked { Ok(Length::Chunked) } else { Err(Malformed::TransferEncoding) };
    }
    let Some(length) = length else { return Ok(Length::Open) };
    // A length goes on as it was written, and `010` is eight to some (threat table, G8).
    if !is_number(length) || has_leading_zero(length) || lengths.next().is_some() {
        return Err(Malformed::ContentLength);
    }
    let number = length.to_str().ok().and_then(|text| text.parse().ok()).ok_or(Malformed::ContentLength)?;
    Ok(Length::Known(number))
}

fn has_leading_zero(length: &HeaderValue) -> bool {
    length.len() > 1 && length.as_bytes()[0] == b'0'
}

fn has_blanks_around(value: &HeaderValue) -> bool {
    matches!(value.as_bytes(), [b' ' | b'\t', ..] | [.., b' ' | b'\t'])
}

fn is_number(value: &HeaderValue) -> bool {
    !value.is_empty() && value.len() <= 19 && value.as_bytes().iter().all(u8::is_ascii_digit)
}

fn is_forbidden_in_http2(name: &HeaderName, value: &HeaderValue) -> bool {
    static FORBIDDEN: [HeaderName; 4] = [header::CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, header::UPGRADE];
    FORBIDDEN.contains(name) || *name == header::TE && !value.as_bytes().eq_ignore_ascii_case(b"trailers")
}

/// Whether a `TE` line lets trailers come (RFC 9110, section 10.1.4).
pub fn lists_trailers(te: &HeaderValue) -> bool {
    te.as_bytes().split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// RFC 9110, section 7.6.1: the fields that speak of one connection.
fn is_connection_specific(name: &HeaderName) -> bool {
    static OTHERS: [HeaderName; 3] = [KEEP_ALIVE, PROXY_CONNECTION, HeaderName::from_static("http2-settings")];
    match *name {
        header::CONNECTION | header::TE | header::TRANSFER_ENCODING | header::UPGRADE | header::PROXY_AUTHORIZATION => {
            true
        }
        _ => OTHERS.contains(name),
    }
}

/// Removes those, and what `Connection` names.
fn remove_connection_specific(headers: &mut HeaderMap) {
    if !headers.keys().any(is_connection_specific) {
        return;
    }
    for name in connection_options(headers).into_iter().filter(|name| !is_end_to_end(name)) {
        headers.remove(name);
    }
    let specific = headers.keys().filter(|name| is_connection_specific(name)).cloned().collect::<Vec<_>>();
    for name in specific {
        headers.remove(name);
    }
}

/// The names that `Connection` lists; `close` and `keep-alive` speak of the connection itself.
fn connection_options(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(header::CONNECTION).iter();
    let options = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    options
        .filter(|option| !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive"))
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .collect()
}

/// Removes every spelling of a managed name, and whatever pretends to come from us.
fn remove_aliases(headers: &mut HeaderMap) {
    let managed = headers.keys().filter(|name| is_managed(name.as_str())).cloned().collect::<Vec<_>>();
    for name in managed {
        headers.remove(name);
    }
}

/// HTTP/2 may split `Cookie` into crumbs; HTTP/1.1 knows one line (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    if lines.next().is_none() || lines.next().is_none() {
        return;
    }
    let joined = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, joined);
    }
}

/// An answer of the application that must not be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadAnswer {
    /// Two lengths, or one that is no number.
    ContentLength,
    /// `Transfer-Encoding` is not one `chunked`.
    TransferEncoding,
    /// A name that is no token, in HTTP/2.
    FieldName,
    /// 101 to a request that asked for no upgrade, or naming another protocol.
    UnaskedUpgrade,
    /// Neither an upgrade nor a refusal, to a client that would take it for an upgrade (RFC 8441, section 5).
    NoUpgrade,
}

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadAnswer::FieldName => "the answer has a field name that is no token",
            BadAnswer::ContentLength => "the answer's Content-Length is not one number",
            BadAnswer::TransferEncoding => "the answer's Transfer-Encoding is not one `chunked`",
            BadAnswer::UnaskedUpgrade => "the answer switches to a protocol nobody asked for",
            BadAnswer::NoUpgrade => "the answer to an upgrade is neither that nor a refusal",
        })
    }
}

impl std::error::Error for BadAnswer {}

/// How the content of an answer is framed (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// By its length.
    Known(u64),
    /// By the last chunk.
    Chunked,
    /// By the end of the connection, or of the stream.
    Open,
}

/// How an answer with content is framed. Its fields then say nothing else: no length stands beside `chunked`, and none is
/// written oddly.
///
/// # Errors
///
/// [`BadAnswer`] where two readers could see two answers (threat table, G20).
pub fn answer_length(version: Version, headers: &mut HeaderMap) -> Result<Length, BadAnswer> {
    if version >= Version::HTTP_2 && !has_tokens_for_names(headers) {
        return Err(BadAnswer::FieldName);
    }
    if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
        let alone = headers.get_all(header::TRANSFER_ENCODING).iter().count() == 1;
        if !alone || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") || version != Version::HTTP_11 {
            return Err(BadAnswer::TransferEncoding);
        }
        headers.remove(header::CONTENT_LENGTH);
        return Ok(Length::Chunked);
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(Length::Open) };
    if !is_number(length) || lengths.next().is_some() {
        return Err(BadAnswer::ContentLength);
    }
    let odd = has_leading_zero(length);
    let number = length.to_str().ok().and_then(|text| text.parse::<u64>().ok()).ok_or(BadAnswer::ContentLength)?;
    if odd {
        headers.insert(header::CONTENT_LENGTH, number.into());
    }
    Ok(Length::Known(number))
}

/// Makes an answer's fields fit for the client.
pub fn prepare_answer(headers: &mut HeaderMap) {
    remove_connection_specific(headers);
    remove_our_set_cookies(headers);
}

/// Makes the fields of a 101 fit for the client: everything of the connection goes but the upgrade itself.
pub fn prepare_upgrade_answer(headers: &mut HeaderMap, protocol: &HeaderValue) {
    remove_connection_specific(headers);
    remove_our_set_cookies(headers);
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}

/// The application may not set our cookie (threat table, I6).
fn remove_our_set_cookies(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| *name == header::SET_COOKIE)
        || !headers.get_all(header::SET_COOKIE).iter().any(cookies::names_ours)
    {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(header::SET_COOKIE).iter().filter(|line| !cookies::names_ours(line)).cloned().collect();
    headers.remove(header::SET_COOKIE);
    for line in kept {
        headers.append(header::SET_COOKIE, line);
    }
}

/// Drops the trailers that could change how a message was framed, routed or believed (threat table, G12).
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

/// The same for the trailers of a client, of which no more pass than of its fields. No proxy speaks in trailers.
pub fn prepare_request_trailers(trailers: &mut HeaderMap, rules: &FieldRules) {
    prepare_trailers(trailers);
    let refused = trailers.keys().filter(|name| !rules.pass(name, false)).cloned().collect::<Vec<_>>();
    for name in refused {
        trailers.remove(name);
    }
}

/// Whether a client's `X-Request-ID` may stand: 1 to 128 of `A-Za-z0-9._~+/=-`, once.
pub fn kept_request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(X_REQUEST_ID).iter();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(byte);
    let first = lines.next().filter(|value| (1..=128).contains(&value.len()) && value.as_bytes().iter().all(allowed));
    first.filter(|_| lines.next().is_none())
}

/// The protocol that a complete HTTP/1.1 upgrade asks for (RFC 9110, section 7.8); none for anything less.
///
/// WebSocket is asked for by GET without content (RFC 6455, section 4.1). Other protocols may be asked for with content,
/// as `docker exec` does. `h2c` is never passed on (threat table, H11).
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

/// The value of a field that came once and is text.
pub fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests;
