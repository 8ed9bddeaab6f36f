//! Parses the head of a response, and determines where its content ends (RFC 9112, sections 4 to 6).
//!
//! Uses hyper's parser and is as strict: no obs-fold, no whitespace before a colon, no bare CR, no NUL.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{Method, Response, StatusCode, Version};

use crate::application::error::ClientError;
use crate::application::schemes::signs_in_connection;
use crate::body::Cause;
use crate::fields::{Length, response_length};
use crate::http1::BodyReader;
use crate::http1::fields::{Reason, append, end_of_head, lists, name_of};

/// Maximum number of fields of a response.
const MOST_FIELDS: usize = 256;

/// The head of a response, and the framing of its content.
pub struct ResponseHead {
    pub response: Response<()>,
    pub framing: BodyReader,
    /// Whether the connection persists after the response (RFC 9112, section 9.3).
    pub keeps: bool,
    /// Whether it contains a challenge that authenticates the connection.
    pub signs_in: bool,
}

/// Removes the head of a response from `read`. `None` while it is incomplete.
///
/// # Errors
///
/// If it is malformed, or two recipients could interpret it differently (docs/conformance.md, G20).
pub fn read(read: &mut BytesMut, method: &Method) -> Result<Option<ResponseHead>, ClientError> {
    let Some(end) = end_of_head(read) else { return Ok(None) };
    let head = read.split_to(end).freeze();
    let mut parsed = parse(&head).map_err(ClientError::Broken)?;
    let (version, status) = (parsed.response.version(), parsed.response.status());
    let headers = parsed.response.headers_mut();
    let both = headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH);
    if status.is_informational() {
        parsed.keeps &=
            !headers.contains_key(header::CONTENT_LENGTH) && !headers.contains_key(header::TRANSFER_ENCODING);
        return Ok(Some(parsed));
    }
    let length = response_length(version, headers).map_err(ClientError::BadResponse)?;
    let without_content = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if without_content {
        headers.remove(header::CONTENT_LENGTH);
    }
    parsed.keeps &= !both;
    match length {
        // No content follows (RFC 9112, section 6.3). A server that sends some nevertheless may send it late, where it
        // would be taken for the next response on this connection.
        _ if without_content || *method == Method::HEAD => {
            parsed.keeps &= matches!(length, Length::Open | Length::Known(0));
        }
        Length::Known(length) => parsed.framing = BodyReader::Length(length),
        Length::Chunked => parsed.framing = BodyReader::chunks(),
        Length::Open => (parsed.framing, parsed.keeps) = (BodyReader::UntilClose, false),
    }
    Ok(Some(parsed))
}

/// The head, without the framing. `Connection: keep-alive` alone is not copied to the response.
fn parse(head: &Bytes) -> Result<ResponseHead, Cause> {
    let mut room = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    if config.parse_response_with_uninit_headers(&mut parsed, head, &mut room)?.is_partial() {
        return Err("the response's head is empty".into());
    }
    let mut response = Response::new(());
    *response.version_mut() = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    *response.status_mut() = StatusCode::from_u16(parsed.code.unwrap_or_default())?;
    let reason = parsed.reason.unwrap_or_default();
    if !reason.is_empty() && Some(reason) != response.status().canonical_reason() {
        response.extensions_mut().insert(Reason(head.slice_ref(reason.as_bytes())));
    }
    let headers = response.headers_mut();
    // Capacity for the fields that forwarding adds.
    *headers = HeaderMap::with_capacity(parsed.headers.len() + 2);
    let (mut keeps, mut closes, mut signs_in) = (parsed.version != Some(0), false, false);
    for field in parsed.headers {
        let name = name_of(field.name.as_bytes())?;
        if name == header::CONNECTION {
            if field.value.eq_ignore_ascii_case(b"keep-alive") {
                keeps = true;
                continue;
            }
            closes |= lists(field.value, b"close");
        }
        // The length first, since this runs for every field.
        if matches!(field.name.len(), 16 | 18)
            && (name == header::WWW_AUTHENTICATE || name == header::PROXY_AUTHENTICATE)
        {
            signs_in |= signs_in_connection(field.value);
        }
        append(headers, name, field.value, head)?;
    }
    Ok(ResponseHead { response, framing: BodyReader::Nothing, keeps: keeps && !closes, signs_in })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Result<Option<ResponseHead>, ClientError> {
        read(&mut BytesMut::from(text), &Method::GET)
    }

    #[test]
    fn an_incomplete_head_waits_for_more_bytes() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        for length in 0..whole.len() {
            let mut bytes = BytesMut::from(&whole[..length]);
            assert!(read(&mut bytes, &Method::GET).unwrap().is_none(), "{length}");
            assert_eq!(bytes, whole[..length]);
        }
        let mut bytes = BytesMut::from(&format!("{whole}ok")[..]);
        let answer = read(&mut bytes, &Method::GET).unwrap().unwrap();
        assert_eq!((answer.framing, answer.keeps), (BodyReader::Length(2), true));
        assert_eq!(answer.response.headers()["content-length"], "2");
        assert_eq!(bytes, "ok");
    }

    #[test]
    fn content_ends_by_length_chunks_or_with_the_connection() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", BodyReader::chunks(), true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 4\r\n\r\n", BodyReader::chunks(), false),
            ("HTTP/1.1 200 OK\r\n\r\n", BodyReader::UntilClose, false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 010\r\n\r\n", BodyReader::Length(10), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, Close\r\n\r\n", BodyReader::Length(1), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", BodyReader::Length(1), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", BodyReader::Length(1), true),
            ("HTTP/1.1 204 No Content\r\n\r\n", BodyReader::Nothing, true),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", BodyReader::Nothing, true),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", BodyReader::Nothing, false),
            ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", BodyReader::Nothing, false),
            ("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", BodyReader::Nothing, true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", BodyReader::Nothing, false),
            ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", BodyReader::Nothing, true),
            ("HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n", BodyReader::Nothing, false),
            ("HTTP/1.1 200 OK\nContent-Length: 3\n\n", BodyReader::Length(3), true),
        ];
        for (text, framing, keeps) in cases {
            let answer = answer(text).unwrap().unwrap();
            assert_eq!((answer.framing, answer.keeps), (framing, keeps), "{text}");
        }
    }

    #[test]
    fn the_answer_to_head_keeps_its_length_and_has_no_content() {
        let mut bytes = BytesMut::from("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        let answer = read(&mut bytes, &Method::HEAD).unwrap().unwrap();
        assert_eq!((answer.framing, answer.keeps), (BodyReader::Nothing, false));
        assert_eq!(answer.response.headers()["content-length"], "9");
        for (length, keeps) in [("", true), ("Content-Length: 0\r\n", true), ("Transfer-Encoding: chunked\r\n", false)]
        {
            let mut bytes = BytesMut::from(&format!("HTTP/1.1 200 OK\r\n{length}\r\n")[..]);
            assert_eq!(read(&mut bytes, &Method::HEAD).unwrap().unwrap().keeps, keeps, "{length}");
        }
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for fields in [
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 1, 1",
            "Content-Length: +1",
            "Content-Length: ",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: identity",
            "A: b\r\n folded",
            "A : b",
            "A: b\rc",
            "A: b\0c",
            ": b",
            "no colon",
        ] {
            assert!(answer(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n")).is_err(), "{fields}");
        }
        for head in ["HTTP/2 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 099 OK", "\r\n", "200 OK"] {
            assert!(answer(&format!("{head}\r\n\r\n")).is_err(), "{head}");
        }
        assert!(answer("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(answer(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(MOST_FIELDS + 1))).is_err());
    }

    #[test]
    fn an_unusual_reason_is_kept() {
        let answer = answer("HTTP/1.1 200 Fine\r\n\r\n").unwrap().unwrap();
        assert_eq!(answer.response.extensions().get::<Reason>().unwrap().0, "Fine");
    }
}
