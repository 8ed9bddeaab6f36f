//! Parses the head of a request, with the framing of its content and the persistence of the connection (RFC 9112,
//! sections 3, 6 and 9).
//!
//! Uses the parser that hyper uses and is as strict; the fuzz target `requests` compares the two.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{Method, Request, StatusCode, Uri, Version};

use crate::fields::{Length, request_length};
use crate::http1::BodyReader;
use crate::http1::fields::{append, end_of_head, lists, name_of};

/// Fields that are parsed without an allocation.
const FIELDS_AT_HAND: usize = 128;

/// Maximum options in `Connection`: each is looked up among the fields.
const MOST_OPTIONS: usize = 100;

/// Limits of a head.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Bytes, from the request line to the empty line.
    pub size: usize,
    /// Fields.
    pub count: usize,
}

/// A request's head.
pub struct Head {
    pub request: Request<()>,
    /// The framing of its content. Ambiguous fields give no content: [`crate::fields::check_framing`] refuses such a
    /// request, and nothing after it is read.
    pub framing: BodyReader,
    /// Whether the connection persists after it.
    pub keeps: bool,
    /// Whether the client expects a 100 before it sends the content (RFC 9110, section 10.1.1).
    pub expects: bool,
}

/// Takes the head of a request off the bytes that were read. `None` while it is incomplete. `searched` is the number of
/// bytes that earlier calls searched for its end.
///
/// # Errors
///
/// The status of the response to a malformed or too large head.
pub fn read(read: &mut BytesMut, limits: Limits, searched: &mut usize) -> Result<Option<Head>, StatusCode> {
    if *searched == 0 {
        skip_empty_lines(read);
    }
    // The end may begin in the last bytes that were searched.
    let from = searched.saturating_sub(3);
    let end = end_of_head(&read[from..]).map(|end| from + end);
    *searched = match read[..] {
        [] | [b'\r'] => 0,
        _ => read.len(),
    };
    if end.unwrap_or(read.len()) > limits.size {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let Some(end) = end else { return refused_early(read) };
    let head = read.split_to(end).freeze();
    if limits.count <= FIELDS_AT_HAND {
        let mut room = [const { MaybeUninit::uninit() }; FIELDS_AT_HAND];
        parse(&head, &mut room[..limits.count]).map(Some)
    } else {
        let mut room = vec![MaybeUninit::uninit(); limits.count];
        parse(&head, &mut room).map(Some)
    }
}

/// Skips empty lines before a request (RFC 9112, section 2.2).
fn skip_empty_lines(read: &mut BytesMut) {
    loop {
        match read[..] {
            [b'\n', ..] => read.advance(1),
            [b'\r', b'\n', ..] => read.advance(2),
            _ => return,
        }
    }
}

/// Refuses bytes that do not begin like a head before the head is complete: a client that speaks TLS here waits for a
/// response.
fn refused_early(begun: &[u8]) -> Result<Option<Head>, StatusCode> {
    match begun.first() {
        Some(byte) if !byte.is_ascii_graphic() && begun != b"\r" => Err(StatusCode::BAD_REQUEST),
        _ => Ok(None),
    }
}

fn parse<'a>(head: &'a Bytes, room: &mut [MaybeUninit<httparse::Header<'a>>]) -> Result<Head, StatusCode> {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    let mut parsed = httparse::Request::new(&mut []);
    match httparse::ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, head, room) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        _ => return Err(BAD),
    }
    let target = parsed.path.unwrap_or_default();
    if target.len() > usize::from(u16::MAX) - 1 {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes()).map_err(|_| BAD)?;
    *request.uri_mut() = uri_of(head, target).ok_or(BAD)?;
    let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    *request.version_mut() = version;
    // Bytes after a CONNECT may be meant for a tunnel.
    let (mut keeps, mut closes) = (version == Version::HTTP_11, request.method() == Method::CONNECT);
    let headers = request.headers_mut();
    *headers = HeaderMap::with_capacity(parsed.headers.len());
    let (mut framed, mut expects, mut options) = (false, false, 0);
    for field in parsed.headers {
        let name = name_of(field.name.as_bytes()).map_err(|_| BAD)?;
        if name == header::CONNECTION {
            // Options must be tokens: recipients interpret others differently.
            options += 1 + memchr::memchr_iter(b',', field.value).count();
            if options > MOST_OPTIONS {
                return Err(BAD);
            }
            closes |= lists(field.value, b"close") || !field.value.is_ascii();
            keeps |= lists(field.value, b"keep-alive");
        }
        framed |= name == header::CONTENT_LENGTH || name == header::TRANSFER_ENCODING;
        expects |= name == header::EXPECT && field.value.eq_ignore_ascii_case(b"100-continue");
        append(headers, name, field.value, head).map_err(|_| BAD)?;
    }
    let framing = match framed.then(|| request_length(version, headers)) {
        None | Some(Ok(Length::Open | Length::Known(0))) => BodyReader::Nothing,
        Some(Ok(Length::Known(length))) => BodyReader::Length(length),
        Some(Ok(Length::Chunked)) => BodyReader::chunks(),
        Some(Err(_)) => {
            closes = true;
            BodyReader::Nothing
        }
    };
    expects &= version == Version::HTTP_11 && framing != BodyReader::Nothing;
    Ok(Head { request, framing, keeps: keeps && !closes, expects })
}

/// The target as received. Four characters that RFC 3986 requires to be encoded, that some clients send raw and that
/// the `http` crate refuses, are encoded. Every server reads both forms the same.
fn uri_of(head: &Bytes, target: &str) -> Option<Uri> {
    const RAW: [char; 4] = ['"', '<', '>', '`'];
    if let Ok(uri) = Uri::from_maybe_shared(head.slice_ref(target.as_bytes())) {
        return Some(uri);
    }
    if !target.contains(RAW) {
        return None;
    }
    let mut encoded = String::with_capacity(target.len() + 32);
    for c in target.chars() {
        match RAW.contains(&c) {
            true => encoded.push_str(&format!("%{:02X}", u32::from(c))),
            false => encoded.push(c),
        }
    }
    Uri::try_from(encoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { size: 200, count: 4 };

    fn head(text: &str) -> Result<Option<Head>, StatusCode> {
        read(&mut BytesMut::from(text), LIMITS, &mut 0)
    }

    fn whole(text: &str) -> Head {
        head(text).unwrap().unwrap()
    }

    #[test]
    fn a_head_that_is_not_whole_waits_for_more_and_lines_before_it_are_skipped() {
        let whole = "\r\n\nGET /a?b HTTP/1.1\r\nHost: a\r\n\r\n";
        for length in 0..whole.len() {
            assert!(head(&whole[..length]).unwrap().is_none(), "{length}");
        }
        let mut bytes = BytesMut::from(&format!("{whole}rest")[..]);
        let head = read(&mut bytes, LIMITS, &mut 0).unwrap().unwrap();
        assert_eq!(
            (head.request.uri().to_string(), head.framing, head.keeps),
            ("/a?b".into(), BodyReader::Nothing, true)
        );
        assert_eq!(bytes, "rest");
    }

    #[test]
    fn the_content_is_as_long_as_is_said_in_one_way() {
        let framing = |fields: &str| whole(&format!("POST / HTTP/1.1\r\n{fields}\r\n")).framing;
        assert_eq!(framing("Content-Length: 3\r\n"), BodyReader::Length(3));
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), BodyReader::chunks());
        assert_eq!(framing("Content-Length: 0\r\n"), BodyReader::Nothing);
        for fields in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Content-Length: +3\r\n",
        ] {
            let head = whole(&format!("POST / HTTP/1.1\r\n{fields}\r\n"));
            assert!(head.framing == BodyReader::Nothing && !head.keeps, "{fields}");
        }
        assert!(!whole("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n").keeps);
    }

    #[test]
    fn a_connection_is_kept_unless_either_says_otherwise() {
        let keeps = |text: &str| whole(text).keeps;
        assert!(keeps("GET / HTTP/1.1\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.1\r\nConnection: x, Close\r\nConnection: keep-alive\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
        assert!(!keeps("CONNECT a:1 HTTP/1.1\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.0\r\nConnection: keep-alive, \u{e9}\r\n\r\n"));
        assert!(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    }

    #[test]
    fn a_head_is_the_same_in_however_many_pieces_it_comes() {
        let whole = "\r\n\r\nGET /a HTTP/1.1\nHost: a\r\nB: c\r\n\r\nrest";
        for step in 1..whole.len() {
            let (mut bytes, mut searched, mut found) = (BytesMut::new(), 0, None);
            for piece in whole.as_bytes().chunks(step) {
                bytes.extend_from_slice(piece);
                if found.is_none() {
                    found = read(&mut bytes, LIMITS, &mut searched).unwrap();
                }
            }
            let head = found.unwrap();
            assert_eq!((head.request.uri().path(), head.request.headers().len()), ("/a", 2), "{step}");
            assert_eq!(bytes, "rest", "{step}");
        }
    }

    #[test]
    fn connection_lists_no_more_options_than_there_may_be_fields() {
        let options = |count: usize| {
            let head = format!("GET / HTTP/1.1\r\nConnection: {}a\r\nConnection: b\r\n\r\n", "a,".repeat(count));
            read(&mut BytesMut::from(&head[..]), Limits { size: 16 * 1024, count: 4 }, &mut 0).map(|_| ())
        };
        assert_eq!(options(98), Ok(()));
        assert_eq!(options(99), Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn a_100_is_expected_only_before_content() {
        let expects = |fields: &str| whole(&format!("POST / HTTP/1.1\r\nExpect: 100-Continue\r\n{fields}\r\n")).expects;
        assert!(expects("Content-Length: 1\r\n"));
        assert!(!expects("") && !expects("Content-Length: 0\r\n"));
    }

    #[test]
    fn what_is_no_head_is_refused_at_once_and_what_is_too_large_with_431() {
        for text in [
            "\rGET / HTTP/1.1\r\n\r\n",
            "\rG",
            "\u{16}\u{3}\u{1}",
            "GET / HTTP/2.0\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        ] {
            assert_eq!(head(text).err(), Some(StatusCode::BAD_REQUEST), "{text:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(200));
        for text in [&long[..], &long[..201], "GET / HTTP/1.1\r\na: b\r\na: b\r\na: b\r\na: b\r\na: b\r\n\r\n"] {
            assert_eq!(head(text).err(), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        let wide = Limits { size: 1 << 20, count: 1000 };
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 16));
        assert_eq!(read(&mut BytesMut::from(&long[..]), wide, &mut 0).err(), Some(StatusCode::URI_TOO_LONG));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(900));
        assert_eq!(read(&mut BytesMut::from(&many[..]), wide, &mut 0).unwrap().unwrap().request.headers().len(), 900);
    }
}
