//! A request on its way to the server: its head, and how its content is framed.

use std::io::{self, Write};
use std::task::{Context, Poll};

use http::header;
use http::{Method, request};
use http_body::Body as _;

use crate::application::schemes::signs_in_connection;
use crate::body::{Body, BodyError};
use crate::fields::Edit;
use crate::http1::{self, Rest, Sending, Sink, fields};

/// Why a request could not be sent whole.
pub enum Failed {
    /// The connection.
    Wire(io::Error),
    /// Its own content.
    Content(BodyError),
}

impl From<http1::Failed<BodyError>> for Failed {
    fn from(failed: http1::Failed<BodyError>) -> Failed {
        match failed {
            http1::Failed::Wire(error) => Failed::Wire(error),
            http1::Failed::Content(error) => Failed::Content(error),
            http1::Failed::WrongLength => Failed::Content(BodyError::WrongLength),
        }
    }
}

/// A request on its way.
pub struct Outgoing {
    method: Method,
    /// Whether credentials sign the connection in.
    pub signs_in: bool,
    sending: Sending<Body>,
}

impl Outgoing {
    /// A request in origin-form with its `Host`, and the fields that `edit` makes of its own. Its content is framed by its
    /// `Content-Length`, else by what is known of its size, else in chunks (RFC 9112, section 6.3).
    pub fn new(head: &request::Parts, content: Body, edit: &Edit) -> Outgoing {
        let mut buffer = Vec::with_capacity(1024);
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
            // Their lengths, first: every field is asked.
            if matches!(text.len(), 13 | 19) && (*name == header::AUTHORIZATION || *name == header::PROXY_AUTHORIZATION)
            {
                signs_in |= signs_in_connection(value.as_bytes());
            }
            fields::push(&mut buffer, text, value.as_bytes());
        }
        let rest = frame(&mut buffer, head, &content);
        buffer.extend_from_slice(b"\r\n");
        let announced = match rest {
            Rest::Chunks => head.headers.get_all(header::TRAILER).iter().cloned().collect(),
            _ => Vec::new(),
        };
        let mut sending = Sending::new(buffer, content, rest, announced);
        sending.keep_last_piece();
        Outgoing { method: head.method.clone(), signs_in, sending }
    }

    /// The request's method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Bytes that the socket has taken.
    pub fn sent(&self) -> u64 {
        self.sending.sent()
    }

    /// Whether everything was sent.
    pub fn is_over(&self) -> bool {
        self.sending.is_over()
    }

    /// Whether more content must come before there is anything to send.
    pub fn waits_for_client(&self) -> bool {
        self.sending.waits_for_content()
    }

    /// Begins anew, for another connection: after nothing was sent, or a request without content.
    pub fn rewind(&mut self) {
        self.sending.rewind();
    }

    /// Sends what is there and asks for more; ready when all was sent.
    ///
    /// # Errors
    ///
    /// [`Failed`]. After an error of the wire with nothing sent, the same request may go over another one.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, wire: &mut impl Sink) -> Poll<Result<(), Failed>> {
        self.sending.poll_send(cx, wire).map_err(Failed::from)
    }
}

/// Says how the content is framed, where the fields do not say it yet.
fn frame(buffer: &mut Vec<u8>, head: &request::Parts, content: &Body) -> Rest {
    let said = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length = match (said, content.size_hint().exact()) {
        (Some(length), _) => length,
        (None, Some(length)) => {
            // These methods expect content: that there is none is said too (RFC 9110, section 8.6).
            if length > 0 || [Method::POST, Method::PUT, Method::PATCH].contains(&head.method) {
                let _ = write!(buffer, "content-length: {length}\r\n");
            }
            length
        }
        (None, None) => {
            buffer.extend_from_slice(b"transfer-encoding: chunked\r\n");
            return Rest::Chunks;
        }
    };
    Rest::Length(length)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;

    use super::*;

    fn outgoing(request: Request<Body>) -> Outgoing {
        let (head, content) = request.into_parts();
        Outgoing::new(&head, content, &Edit::nothing())
    }

    fn sent(request: Request<Body>) -> String {
        let mut wire = Vec::new();
        let mut outgoing = outgoing(request);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Ok(())) = outgoing.poll_send(&mut cx, &mut wire) {
            if outgoing.is_over() {
                break;
            }
        }
        String::from_utf8(wire).unwrap()
    }

    fn stream(pieces: &'static [&'static str]) -> Body {
        Body::stream(futures_util::stream::iter(pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes()))))
    }

    #[test]
    fn a_request_without_content_is_its_head() {
        let request = Request::get("/a?b").header("host", "a").header("x-b", "c").body(Body::Empty).unwrap();
        assert_eq!(sent(request), "GET /a?b HTTP/1.1\r\nhost: a\r\nx-b: c\r\n\r\n");
    }

    #[test]
    fn content_at_hand_has_a_length_and_no_content_too_where_some_is_expected() {
        let request = |body| Request::post("/").body(body).unwrap();
        assert_eq!(sent(request(Body::full("abc"))), "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc");
        assert_eq!(sent(request(Body::Empty)), "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
    }

    #[test]
    fn content_of_unknown_length_goes_in_chunks_and_an_empty_piece_does_not_end_it() {
        let request = Request::get("/").body(stream(&["ab", "", "cde"])).unwrap();
        let chunks = "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n";
        assert_eq!(sent(request), chunks);
    }

    #[test]
    fn a_large_piece_goes_without_a_copy_and_its_chunk_is_ended() {
        let piece = "x".repeat(20_000);
        let large = Bytes::from(piece.clone());
        let request = Request::put("/").body(Body::stream(futures_util::stream::iter([large.clone(), large]))).unwrap();
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        assert_eq!(
            sent(request),
            format!("PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n")
        );
    }

    #[test]
    fn the_last_piece_waits_until_the_content_has_ended() {
        let (pieces, mut coming) = tokio::sync::mpsc::unbounded_channel();
        let content = Body::stream(futures_util::stream::poll_fn(move |cx| coming.poll_recv(cx)));
        let request = Request::post("/").header("content-length", "3").body(content).unwrap();
        let (mut outgoing, mut wire) = (outgoing(request), Vec::new());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        pieces.send(Bytes::from_static(b"abc")).unwrap();
        assert!(outgoing.poll_send(&mut cx, &mut wire).is_pending() && outgoing.waits_for_client());
        assert!(!wire.ends_with(b"abc"), "a server would have the whole request");
        drop(pieces);
        while !outgoing.is_over() {
            assert!(matches!(outgoing.poll_send(&mut cx, &mut wire), Poll::Ready(Ok(()))));
        }
        assert!(wire.ends_with(b"\r\n\r\nabc"));
    }

    #[test]
    fn content_that_is_not_as_long_as_it_said_is_never_completed() {
        for length in ["2", "9"] {
            let request = Request::post("/").header("content-length", length).body(stream(&["abc"])).unwrap();
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let polled = outgoing(request).poll_send(&mut cx, &mut Vec::new());
            assert!(matches!(polled, Poll::Ready(Err(Failed::Content(BodyError::WrongLength)))), "{length}");
        }
    }
}
