//! Writes a request: its head and the framing of its content.

use http::header;
use http::{Method, request};
use http_body::Body as _;

use crate::application::schemes::signs_in_connection;
use crate::body::Body;
use crate::fields::Edit;
use crate::http1::{BodyFraming, MessageWriter, fields, head_buffers};

/// A request that is being sent.
pub struct RequestWriter {
    /// Its method, on which the framing of the response depends.
    pub method: Method,
    /// Whether its credentials authenticate the connection.
    pub signs_in: bool,
    /// Its head and its content.
    pub message: MessageWriter<Body>,
}

impl RequestWriter {
    /// A request in origin-form with its `Host`, and the fields that `edit` lets pass or adds. The content is framed by
    /// its `Content-Length`, else by its exact size if known, else in chunks (RFC 9112, section 6.3).
    pub fn new(head: &request::Parts, content: Body, edit: &Edit) -> RequestWriter {
        let mut buffer = head_buffers::take();
        buffer.extend_from_slice(head.method.as_str().as_bytes());
        buffer.push(b' ');
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        if target.starts_with('?') {
            // An absolute target need not have a path; origin-form does (RFC 9112, section 3.2.1).
            buffer.push(b'/');
        }
        buffer.extend_from_slice(target.as_bytes());
        buffer.extend_from_slice(b" HTTP/1.1\r\n");
        let mut signs_in = false;
        for (name, value) in edit.fields(&head.headers) {
            let text = name.as_str();
            // The length first, since this runs for every field.
            if matches!(text.len(), 13 | 19) && (*name == header::AUTHORIZATION || *name == header::PROXY_AUTHORIZATION)
            {
                signs_in |= signs_in_connection(value.as_bytes());
            }
            fields::push(&mut buffer, text, value.as_bytes());
        }
        let rest = frame(&mut buffer, head, &content);
        buffer.extend_from_slice(b"\r\n");
        let announced = match rest {
            BodyFraming::Chunks => head.headers.get_all(header::TRAILER).iter().cloned().collect(),
            _ => Vec::new(),
        };
        let mut message = MessageWriter::new(buffer, content, rest, announced);
        message.keep_last_piece();
        RequestWriter { method: head.method.clone(), signs_in, message }
    }
}

/// Writes the framing of the content, if the fields do not contain it.
fn frame(buffer: &mut Vec<u8>, head: &request::Parts, content: &Body) -> BodyFraming {
    let declared = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(length) = declared {
        return BodyFraming::Length(length);
    }
    let Some(length) = content.size_hint().exact() else {
        buffer.extend_from_slice(b"transfer-encoding: chunked\r\n");
        return BodyFraming::Chunks;
    };
    // For methods that define content, a length of zero is sent too (RFC 9110, section 8.6).
    if length > 0 || [Method::POST, Method::PUT, Method::PATCH].contains(&head.method) {
        fields::push(buffer, "content-length", itoa::Buffer::new().format(length).as_bytes());
    }
    BodyFraming::Length(length)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::task::Poll;

    use bytes::Bytes;
    use http::Request;

    use super::*;
    use crate::body::BodyError;
    use crate::http1::Failed;
    use crate::wire::Wire;

    fn message(request: Request<Body>) -> MessageWriter<Body> {
        let (head, content) = request.into_parts();
        RequestWriter::new(&head, content, &Edit::nothing()).message
    }

    /// A connection: our end, and the server's.
    fn connection() -> (RefCell<Wire>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (RefCell::new(Wire::Unix(tokio::net::UnixStream::from_std(ours).unwrap())), theirs)
    }

    async fn send(message: &mut MessageWriter<Body>, wire: &RefCell<Wire>) {
        while !message.is_over() {
            assert!(poll_fn(|cx| message.poll_send(cx, wire)).await.is_ok());
        }
    }

    async fn sent(request: Request<Body>) -> String {
        let (wire, mut theirs) = connection();
        send(&mut message(request), &wire).await;
        drop(wire);
        let mut text = String::new();
        theirs.read_to_string(&mut text).unwrap();
        text
    }

    fn stream(pieces: &'static [&'static str]) -> Body {
        Body::stream(futures_util::stream::iter(pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes()))))
    }

    #[tokio::test]
    async fn a_request_without_content_is_its_head() {
        let request = Request::get("/a?b").header("host", "a").header("x-b", "c").body(Body::Empty).unwrap();
        assert_eq!(sent(request).await, "GET /a?b HTTP/1.1\r\nhost: a\r\nx-b: c\r\n\r\n");
    }

    #[tokio::test]
    async fn content_at_hand_has_a_length_and_no_content_too_where_some_is_expected() {
        let request = |body| Request::post("/").body(body).unwrap();
        assert_eq!(sent(request(Body::full("abc"))).await, "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc");
        assert_eq!(sent(request(Body::Empty)).await, "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
    }

    #[tokio::test]
    async fn content_of_unknown_length_goes_in_chunks_and_an_empty_piece_does_not_end_it() {
        let request = Request::get("/").body(stream(&["ab", "", "cde"])).unwrap();
        let chunks = "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";
        assert_eq!(sent(request).await, chunks);
    }

    #[tokio::test]
    async fn a_large_piece_goes_without_a_copy_and_its_chunk_is_ended() {
        let piece = "x".repeat(20_000);
        let large = Bytes::from(piece.clone());
        let request = Request::put("/").body(Body::stream(futures_util::stream::iter([large.clone(), large]))).unwrap();
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        let head = "PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(sent(request).await, format!("{head}{chunk}{chunk}0\r\n\r\n"));
    }

    #[tokio::test]
    async fn the_last_piece_waits_until_the_content_has_ended() {
        let (pieces, mut coming) = tokio::sync::mpsc::unbounded_channel();
        let content = Body::stream(futures_util::stream::poll_fn(move |cx| coming.poll_recv(cx)));
        let request = Request::post("/").header("content-length", "3").body(content).unwrap();
        let (mut message, (wire, mut theirs)) = (message(request), connection());
        pieces.send(Bytes::from_static(b"abc")).unwrap();
        for _ in 0..3 {
            let polled = poll_fn(|cx| Poll::Ready(message.poll_send(cx, &wire))).await;
            assert!(polled.is_pending() && message.waits_for_content());
            tokio::task::yield_now().await;
        }
        assert_eq!(message.sent(), 0, "a server would have the whole request");
        drop(pieces);
        send(&mut message, &wire).await;
        drop(wire);
        let mut text = String::new();
        theirs.read_to_string(&mut text).unwrap();
        assert!(text.ends_with("\r\n\r\nabc"), "{text}");
    }

    #[tokio::test]
    async fn content_that_is_not_as_long_as_it_said_is_never_completed() {
        for length in ["2", "9"] {
            let request = Request::post("/").header("content-length", length).body(stream(&["abc"])).unwrap();
            let (mut message, (wire, _theirs)) = (message(request), connection());
            let failed = poll_fn(|cx| message.poll_send(cx, &wire)).await;
            assert!(matches!(failed, Err(Failed::Content(BodyError::WrongLength))), "{length}");
        }
    }
}
