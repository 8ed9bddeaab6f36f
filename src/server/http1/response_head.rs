//! Writes the head of a response, with the framing of its content (RFC 9112, section 6.3).

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode, Version, response};

use crate::http1::{BodyFraming, fields};
use crate::server::dates::Dates;

/// The facts of a request on which the response depends.
pub struct RequestFacts {
    pub method: Method,
    pub version: Version,
    /// Whether the connection may persist.
    pub keeps: bool,
}

/// What follows the head of a response.
pub struct Plan {
    /// The framing of the content.
    pub rest: BodyFraming,
    /// The lines of `Trailer`, if trailers can be sent.
    pub announced: Vec<HeaderValue>,
    /// Whether the connection persists.
    pub keeps: bool,
}

/// Writes the head of a response. `exact` is the length of its content, if known.
pub fn write(
    buffer: &mut Vec<u8>,
    head: &response::Parts,
    exact: Option<u64>,
    asked: &RequestFacts,
    dates: &Dates,
) -> Plan {
    status_line(buffer, head, asked.version);
    let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let (mut keeps, mut dated) = (asked.keeps, false);
    let mut length = None;
    for (name, value) in &head.headers {
        if *name == header::CONTENT_LENGTH {
            length = value.to_str().ok().and_then(|text| text.parse().ok());
            continue;
        }
        if *name == header::CONNECTION && !switches {
            keeps &= !fields::lists(value.as_bytes(), b"close");
            continue;
        }
        if *name == header::TRANSFER_ENCODING {
            continue;
        }
        dated |= *name == header::DATE;
        fields::push(buffer, name.as_str(), value.as_bytes());
    }
    if !dated {
        dates.push(buffer);
    }
    let exact = exact.filter(|_| asked.method != Method::HEAD);
    let rest = frame(buffer, head.status, length.or(exact), asked);
    keeps &= rest != BodyFraming::UntilClose;
    match (keeps, asked.version) {
        _ if switches => {}
        (true, Version::HTTP_10) => buffer.extend_from_slice(b"connection: keep-alive\r\n"),
        (true, _) => {}
        (false, _) => buffer.extend_from_slice(b"connection: close\r\n"),
    }
    buffer.extend_from_slice(b"\r\n");
    // Every client that reads chunks reads trailers, even without `TE`. They are sent if the application announced them.
    let announced = match rest == BodyFraming::Chunks {
        true => head.headers.get_all(header::TRAILER).iter().cloned().collect(),
        false => Vec::new(),
    };
    Plan { rest, announced, keeps }
}

/// The response to a malformed head, without content. The connection is closed after it.
pub fn bare(status: StatusCode, dates: &Dates) -> Vec<u8> {
    let mut buffer = Vec::new();
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = status;
    let asked = RequestFacts { method: Method::GET, version: Version::HTTP_11, keeps: false };
    write(&mut buffer, &head, Some(0), &asked, dates);
    buffer
}

fn status_line(buffer: &mut Vec<u8>, head: &response::Parts, version: Version) {
    let reason = head.extensions.get::<fields::Reason>();
    if head.status == StatusCode::OK && reason.is_none() && version == Version::HTTP_11 {
        return buffer.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    buffer.extend_from_slice(if version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    buffer.extend_from_slice(head.status.as_str().as_bytes());
    buffer.push(b' ');
    let known = || head.status.canonical_reason().unwrap_or_default().as_bytes();
    buffer.extend_from_slice(reason.map_or_else(known, |reason| &reason.0));
    buffer.extend_from_slice(b"\r\n");
}

/// Writes the framing of the content. A response to HEAD has the application's fields and no content.
fn frame(buffer: &mut Vec<u8>, status: StatusCode, length: Option<u64>, asked: &RequestFacts) -> BodyFraming {
    if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return BodyFraming::Nothing;
    }
    if let Some(length) = length {
        fields::push(buffer, "content-length", itoa::Buffer::new().format(length).as_bytes());
    }
    match length {
        _ if asked.method == Method::HEAD => BodyFraming::Nothing,
        Some(length) => BodyFraming::Length(length),
        None if asked.version == Version::HTTP_10 => BodyFraming::UntilClose,
        None => {
            buffer.extend_from_slice(b"transfer-encoding: chunked\r\n");
            BodyFraming::Chunks
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Timestamp};

    fn dates() -> Dates {
        Dates::of(Clock::manual(Timestamp(1_790_000_000_000)))
    }

    fn asked(method: Method, version: Version) -> RequestFacts {
        RequestFacts { method, version, keeps: true }
    }

    /// The head without its date, how content follows it, and whether the connection is kept.
    fn written(
        asked: &RequestFacts,
        status: u16,
        fields: &[(&str, &str)],
        exact: Option<u64>,
    ) -> (String, BodyFraming, bool) {
        let mut response = Response::builder().status(status).header("date", "now");
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let mut buffer = Vec::new();
        let plan = write(&mut buffer, &response.body(()).unwrap().into_parts().0, exact, asked, &dates());
        let text = String::from_utf8(buffer).unwrap();
        (text.replace("date: now\r\n", "").strip_suffix("\r\n\r\n").unwrap().to_owned(), plan.rest, plan.keeps)
    }

    #[test]
    fn content_is_framed_by_its_length_in_chunks_or_by_the_end() {
        let new = asked(Method::GET, Version::HTTP_11);
        let length = "HTTP/1.1 200 OK\r\ncontent-length: 3";
        assert_eq!(
            written(&new, 200, &[("content-length", "3")], Some(3)),
            (length.into(), BodyFraming::Length(3), true)
        );
        assert_eq!(written(&new, 200, &[], Some(3)), (length.into(), BodyFraming::Length(3), true));
        let chunks = "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked";
        assert_eq!(written(&new, 404, &[], None), (chunks.into(), BodyFraming::Chunks, true));
        let old = asked(Method::GET, Version::HTTP_10);
        let close = "HTTP/1.0 200 OK\r\nconnection: close";
        assert_eq!(written(&old, 200, &[], None), (close.into(), BodyFraming::UntilClose, false));
        let keep = "HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive";
        assert_eq!(written(&old, 200, &[], Some(0)), (keep.into(), BodyFraming::Length(0), true));
    }

    #[test]
    fn some_answers_have_no_content_whatever_they_say() {
        let head = asked(Method::HEAD, Version::HTTP_11);
        let said = "HTTP/1.1 200 OK\r\ncontent-length: 9";
        assert_eq!(written(&head, 200, &[("content-length", "9")], Some(0)), (said.into(), BodyFraming::Nothing, true));
        assert_eq!(written(&head, 200, &[], Some(0)), ("HTTP/1.1 200 OK".into(), BodyFraming::Nothing, true));
        let get = asked(Method::GET, Version::HTTP_11);
        for (status, line) in [(204, "HTTP/1.1 204 No Content"), (304, "HTTP/1.1 304 Not Modified")] {
            assert_eq!(
                written(&get, status, &[("content-length", "9")], None),
                (line.into(), BodyFraming::Nothing, true)
            );
        }
        let switched = written(&get, 101, &[("connection", "Upgrade"), ("upgrade", "x")], Some(0));
        assert_eq!(switched.0, "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: x");
    }

    #[test]
    fn either_side_ends_the_connection() {
        let close = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close";
        let expected = (close.to_owned(), BodyFraming::Length(0), false);
        let leaves = RequestFacts { keeps: false, ..asked(Method::GET, Version::HTTP_11) };
        assert_eq!(written(&leaves, 200, &[], Some(0)), expected);
        let stays = asked(Method::GET, Version::HTTP_11);
        assert_eq!(written(&stays, 200, &[("connection", "close")], Some(0)), expected);
    }

    #[test]
    fn trailers_are_announced_where_there_are_chunks() {
        let (head, ()) = Response::builder().header("trailer", "x-sum").body(()).unwrap().into_parts();
        let announced = |version| write(&mut Vec::new(), &head, None, &asked(Method::GET, version), &dates()).announced;
        assert_eq!(announced(Version::HTTP_11), ["x-sum"]);
        assert!(announced(Version::HTTP_10).is_empty());
    }

    #[test]
    fn a_malformed_head_gets_a_status_and_the_connection_ends() {
        let text = String::from_utf8(bare(StatusCode::BAD_REQUEST, &dates())).unwrap();
        let fields = "date: Mon, 21 Sep 2026 14:13:20 GMT\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        assert_eq!(text, format!("HTTP/1.1 400 Bad Request\r\n{fields}"));
    }
}
