//! The framing of messages, and messages whose framing two recipients could interpret differently.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use thiserror::Error;

use super::connection::is_forbidden_in_http2;
use super::managed::{contains, is_usual};

/// A malformed request that the parser accepts (docs/conformance.md, section G). It is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// `Transfer-Encoding` is anything but one `chunked`, or came in HTTP/1.0.
    #[error("Transfer-Encoding is not one `chunked`")]
    TransferEncoding,
    #[error("Content-Length is not one number")]
    ContentLength,
    /// A field that HTTP/2 forbids (RFC 9113, section 8.2.2).
    #[error("a connection-specific field in HTTP/2")]
    ConnectionSpecific,
    /// A value with leading or trailing whitespace, in HTTP/2 (RFC 9113, section 8.2.1).
    #[error("a field value with leading or trailing whitespace in HTTP/2")]
    Whitespace,
    /// A name that is not a token (RFC 9110, section 5.6.2), in HTTP/2.
    #[error("a field name that is not a token in HTTP/2")]
    FieldName,
    #[error("more fields than limits.header_count")]
    TooMany,
    #[error("an unknown expectation")]
    Expectation,
}

impl Malformed {
    /// The status: 431 for too many fields, 417 for an expectation, else 400.
    pub fn status(self) -> StatusCode {
        match self {
            Malformed::TooMany => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Malformed::Expectation => StatusCode::EXPECTATION_FAILED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// A response of the application that must not be forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadResponse {
    /// Two lengths, or one that is not a number.
    #[error("the response's Content-Length is not one number")]
    ContentLength,
    #[error("the response's Transfer-Encoding is not one `chunked`")]
    TransferEncoding,
    /// A name that is not a token, in HTTP/2.
    #[error("the response has a field name that is not a token")]
    FieldName,
    /// A 101 to a request without an upgrade, or with another protocol.
    #[error("the response switches to a protocol that was not requested")]
    UnaskedUpgrade,
    /// A success that is not an upgrade, to a client that would take it for one (RFC 8441, section 5).
    #[error("the response to an upgrade is neither 101 nor a refusal")]
    NoUpgrade,
}

/// The framing of content (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// By its length.
    Known(u64),
    /// By the last chunk.
    Chunked,
    /// By the end of the connection, or of the stream.
    Open,
}

/// Checks a request's framing and expectation. In HTTP/2, where hyper does not count them, checks that it has at most
/// `most` fields.
///
/// # Errors
///
/// The first reason to refuse it.
pub fn check_framing(version: Version, headers: &HeaderMap, most: usize) -> Result<(), Malformed> {
    static CHECKED: [HeaderName; 3] = [header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::EXPECT];
    // Most requests have none of them: one pass over the names saves the look-ups.
    if version < Version::HTTP_2 && !headers.keys().any(|name| CHECKED.contains(name)) {
        return Ok(());
    }
    request_length(version, headers)?;
    if version >= Version::HTTP_2 {
        // Split `Cookie` lines count as one field (docs/conformance.md, H9).
        let pairs = headers.get_all(header::COOKIE).iter().count();
        if headers.len() - pairs.saturating_sub(1) > most {
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

/// Whether every name of an HTTP/2 message is a token. `http` accepts one byte that tokens exclude, the quotation mark;
/// HTTP/1.1 is parsed more strictly.
pub fn has_tokens_for_names(fields: &HeaderMap) -> bool {
    !fields.keys().any(contains::<b'"'>)
}

/// Checks names and values of a request's trailers (RFC 9113, section 8.2.1).
///
/// # Errors
///
/// [`Malformed::FieldName`], [`Malformed::Whitespace`].
pub fn check_trailers(trailers: &HeaderMap) -> Result<(), Malformed> {
    trailers.iter().try_for_each(|(name, value)| check_field(name, value, |_, _| false))
}

fn check_field(
    name: &HeaderName,
    value: &HeaderValue,
    is_forbidden: impl Fn(&HeaderName, &HeaderValue) -> bool,
) -> Result<(), Malformed> {
    // Most fields have a usual name, and only the value needs a check.
    if !is_usual(name) {
        if is_forbidden(name, value) {
            return Err(Malformed::ConnectionSpecific);
        }
        if contains::<b'"'>(name) {
            return Err(Malformed::FieldName);
        }
    }
    if has_whitespace_around(value) { Err(Malformed::Whitespace) } else { Ok(()) }
}

/// The framing of a request's content; [`Length::Open`] if the fields do not contain it (RFC 9112, section 6.3).
///
/// # Errors
///
/// [`Malformed`] if two recipients could interpret it differently (docs/conformance.md, G1 to G8).
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
    // A length is forwarded as written, and some recipients parse `010` as eight (docs/conformance.md, G8).
    if has_leading_zero(length) || lengths.next().is_some() {
        return Err(Malformed::ContentLength);
    }
    number(length).map(Length::Known).ok_or(Malformed::ContentLength)
}

fn has_leading_zero(length: &HeaderValue) -> bool {
    length.len() > 1 && length.as_bytes()[0] == b'0'
}

fn has_whitespace_around(value: &HeaderValue) -> bool {
    matches!(value.as_bytes(), [b' ' | b'\t', ..] | [.., b' ' | b'\t'])
}

/// A number of at most 19 digits, all of which fit a `u64`.
fn number(value: &HeaderValue) -> Option<u64> {
    let is_number = value.len() <= 19 && value.as_bytes().iter().all(u8::is_ascii_digit);
    value.to_str().ok().filter(|_| is_number)?.parse().ok()
}

/// The framing of a response with content. Makes the fields agree with it: no length beside `chunked`, no leading
/// zeros.
///
/// # Errors
///
/// [`BadResponse`] if two recipients could interpret it differently (docs/conformance.md, G20).
pub fn response_length(version: Version, headers: &mut HeaderMap) -> Result<Length, BadResponse> {
    if version >= Version::HTTP_2 && !has_tokens_for_names(headers) {
        return Err(BadResponse::FieldName);
    }
    if let Some(coding) = headers.get(header::TRANSFER_ENCODING) {
        let alone = headers.get_all(header::TRANSFER_ENCODING).iter().count() == 1;
        if !alone || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") || version != Version::HTTP_11 {
            return Err(BadResponse::TransferEncoding);
        }
        headers.remove(header::CONTENT_LENGTH);
        return Ok(Length::Chunked);
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(Length::Open) };
    let is_one = lengths.next().is_none();
    let number = number(length).filter(|_| is_one).ok_or(BadResponse::ContentLength)?;
    if has_leading_zero(length) {
        headers.insert(header::CONTENT_LENGTH, number.into());
    }
    Ok(Length::Known(number))
}
