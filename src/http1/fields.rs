//! The head of a message: its end, and its fields (RFC 9112, section 5).

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue, InvalidHeaderName};

use crate::body::Cause;

/// Where the empty line after a head ends. A line may end in LF alone (RFC 9112, section 2.2).
pub fn end_of_head(read: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', read).find_map(|at| match &read[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// The name of a field. Common names in their usual spellings are compared as a whole, without a check of each byte.
///
/// # Errors
///
/// If it is not a token (RFC 9110, section 5.1).
pub fn name_of(name: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
    Ok(match name {
        b"Host" | b"host" => header::HOST,
        b"Date" | b"date" => header::DATE,
        b"ETag" | b"etag" => header::ETAG,
        b"Vary" | b"vary" => header::VARY,
        b"Accept" | b"accept" => header::ACCEPT,
        b"Cookie" | b"cookie" => header::COOKIE,
        b"Server" | b"server" => header::SERVER,
        b"Referer" | b"referer" => header::REFERER,
        b"Location" | b"location" => header::LOCATION,
        b"Connection" | b"connection" => header::CONNECTION,
        b"Set-Cookie" | b"set-cookie" => header::SET_COOKIE,
        b"User-Agent" | b"user-agent" => header::USER_AGENT,
        b"Content-Type" | b"content-type" => header::CONTENT_TYPE,
        b"Accept-Ranges" | b"accept-ranges" => header::ACCEPT_RANGES,
        b"Last-Modified" | b"last-modified" => header::LAST_MODIFIED,
        b"Cache-Control" | b"cache-control" => header::CACHE_CONTROL,
        b"Content-Length" | b"content-length" => header::CONTENT_LENGTH,
        b"Accept-Encoding" | b"accept-encoding" => header::ACCEPT_ENCODING,
        b"Accept-Language" | b"accept-language" => header::ACCEPT_LANGUAGE,
        b"Content-Encoding" | b"content-encoding" => header::CONTENT_ENCODING,
        b"Transfer-Encoding" | b"transfer-encoding" => header::TRANSFER_ENCODING,
        _ => return HeaderName::from_bytes(name),
    })
}

/// An extension of a response: its reason phrase, if that is not the canonical one.
#[derive(Clone)]
pub struct Reason(pub Bytes);

/// Appends a field parsed from `head` to a map, sharing its bytes.
///
/// # Errors
///
/// If the value is invalid, or the map is full.
pub fn append(map: &mut HeaderMap, name: HeaderName, value: &[u8], head: &Bytes) -> Result<(), Cause> {
    map.try_append(name, HeaderValue::from_maybe_shared(head.slice_ref(value))?)?;
    Ok(())
}

/// Whether a comma-separated list contains an option, in any case.
pub fn lists(options: &[u8], option: &[u8]) -> bool {
    options.split(|byte| *byte == b',').any(|said| said.trim_ascii().eq_ignore_ascii_case(option))
}

/// Writes a field line.
pub fn push(buffer: &mut Vec<u8>, name: &str, value: &[u8]) {
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b": ");
    buffer.extend_from_slice(value);
    buffer.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_is_recognised_in_any_spelling() {
        let known = "Host Date ETag Vary Accept Cookie Server Referer Location Connection Set-Cookie User-Agent Content-Type \
                     Accept-Ranges Last-Modified Cache-Control Content-Length Accept-Encoding Accept-Language Content-Encoding \
                     Transfer-Encoding X-Other";
        for name in known.split_whitespace() {
            for spelled in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
                assert_eq!(name_of(spelled.as_bytes()).unwrap().as_str(), name.to_lowercase());
            }
        }
        assert!(name_of(b"Host ").is_err() && name_of(b"").is_err());
    }
}
