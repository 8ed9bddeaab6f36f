//! A request on its way to the server: its head, and its content as it comes, framed by its length or in chunks.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, request};
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite;

use crate::body::{Body, BodyError};
use crate::fields::Edit;

/// Content up to this size is sent in one piece with what precedes it.
const COPIED: usize = 4 * 1024;
/// So much is gathered before it is sent.
const GATHERED: usize = 16 * 1024;

/// Why a request could not be sent whole.
pub enum Failed {
    /// The connection.
    Wire(io::Error),
    /// Its own content.
    Content(BodyError),
}

/// A request on its way.
pub struct Outgoing {
    method: Method,
    /// Head, and what frames the content; sent from `written` on.
    buffer: Vec<u8>,
    written: usize,
    /// A piece of content, sent after the buffer.
    piece: Bytes,
    /// Whether the last chunk still lacks its line end.
    owes_line_end: bool,
    content: Body,
    rest: Rest,
    /// The lines of `Trailer`: what they name may follow the last chunk, nothing else (product contract, section 9).
    announced: Vec<HeaderValue>,
    /// Whether content comes by and by.
    streams: bool,
    sent: u64,
    waits: bool,
}

/// What is still to come of the content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// So many bytes.
    Length(u64),
    /// Chunks and the last one.
    Chunks,
    /// Nothing.
    Nothing,
}

impl Outgoing {
    /// A request in origin-form with its `Host`, and the fields that `edit` makes of its own. Its content is framed by its
    /// `Content-Length`, else by what is known of its size, else in chunks (RFC 9112, section 6.3).
    pub fn new(head: &request::Parts, mut content: Body, edit: &Edit) -> Outgoing {
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
        for (name, value) in edit.fields(&head.headers) {
            push_field(&mut buffer, name.as_str(), value.as_bytes());
        }
        let mut rest = frame(&mut buffer, head, &content);
        buffer.extend_from_slice(b"\r\n");
        let announced = match rest {
            Rest::Chunks => head.headers.get_all(header::TRAILER).iter().cloned().collect(),
            Rest::Length(_) | Rest::Nothing => Vec::new(),
        };
        let mut piece = Bytes::new();
        if let Body::Full(bytes) = &mut content {
            rest = Rest::Nothing;
            match bytes.len() > COPIED {
                true => piece = std::mem::take(bytes),
                false => buffer.extend_from_slice(bytes),
            }
        }
        Outgoing {
            method: head.method.clone(),
            buffer,
            written: 0,
            piece,
            owes_line_end: false,
            content,
            rest,
            announced,
            streams: rest != Rest::Nothing,
            sent: 0,
            waits: false,
        }
    }

    /// The request's method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Bytes that the socket has taken.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether everything was sent.
    pub fn is_over(&self) -> bool {
        self.rest == Rest::Nothing && self.is_flushed()
    }

    /// Whether more content must come before there is anything to send.
    pub fn waits_for_client(&self) -> bool {
        self.waits
    }

    /// Begins anew, for another connection: after nothing was sent, or a request without content.
    pub fn rewind(&mut self) {
        (self.written, self.sent) = (0, 0);
    }

    fn is_flushed(&self) -> bool {
        self.written == self.buffer.len() && self.piece.is_empty()
    }

    /// Sends what is there and asks for more; ready when all was sent.
    ///
    /// # Errors
    ///
    /// [`Failed`]. After an error of the wire with nothing sent, the same request may go over another one.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, mut wire: impl AsyncWrite + Unpin) -> Poll<Result<(), Failed>> {
        loop {
            self.waits = self.gather(cx).map_err(Failed::Content)?;
            if self.is_flushed() {
                // Under TLS bytes may have been taken and not yet sent.
                let flushed = Pin::new(&mut wire).poll_flush(cx).map_err(Failed::Wire);
                return if self.waits && !matches!(flushed, Poll::Ready(Err(_))) { Poll::Pending } else { flushed };
            }
            let wrote = if self.piece.is_empty() {
                Pin::new(&mut wire).poll_write(cx, &self.buffer[self.written..])
            } else {
                let both = [IoSlice::new(&self.buffer[self.written..]), IoSlice::new(&self.piece)];
                Pin::new(&mut wire).poll_write_vectored(cx, &both)
            };
            self.waits = false;
            match ready!(wrote) {
                Ok(0) => return Poll::Ready(Err(Failed::Wire(io::ErrorKind::WriteZero.into()))),
                Ok(count) => self.advance(count),
                Err(error) => return Poll::Ready(Err(Failed::Wire(error))),
            }
        }
    }

    /// Takes content that is there already; true when there is none, but more will come.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<bool, BodyError> {
        while self.rest != Rest::Nothing && self.piece.is_empty() && self.buffer.len() < GATHERED {
            match Pin::new(&mut self.content).poll_frame(cx) {
                Poll::Ready(Some(frame)) => self.take_frame(frame?)?,
                Poll::Ready(None) => self.end()?,
                Poll::Pending => return Ok(true),
            }
        }
        Ok(false)
    }

    fn advance(&mut self, count: usize) {
        self.sent += count as u64;
        let of_buffer = count.min(self.buffer.len() - self.written);
        self.written += of_buffer;
        self.piece.advance(count - of_buffer);
        if self.streams && self.is_flushed() {
            self.buffer.clear();
            self.written = 0;
            if std::mem::take(&mut self.owes_line_end) {
                self.buffer.extend_from_slice(b"\r\n");
            }
        }
    }

    fn take_frame(&mut self, frame: Frame<Bytes>) -> Result<(), BodyError> {
        match frame.into_data() {
            Ok(data) => self.take_data(data),
            Err(frame) => {
                if let (Rest::Chunks, Ok(trailers)) = (self.rest, frame.into_trailers()) {
                    self.end_chunks(&trailers);
                }
                Ok(())
            }
        }
    }

    fn take_data(&mut self, data: Bytes) -> Result<(), BodyError> {
        if data.is_empty() {
            // A chunk of no bytes would be the last one.
            return Ok(());
        }
        let chunked = self.rest == Rest::Chunks;
        match &mut self.rest {
            Rest::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(BodyError::WrongLength)?;
                if *left == 0 {
                    self.rest = Rest::Nothing;
                }
            }
            // Writing to memory cannot fail.
            Rest::Chunks => drop(write!(self.buffer, "{:x}\r\n", data.len())),
            Rest::Nothing => return Err(BodyError::WrongLength),
        }
        if data.len() > COPIED {
            (self.piece, self.owes_line_end) = (data, chunked);
            return Ok(());
        }
        self.buffer.extend_from_slice(&data);
        if chunked {
            self.buffer.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), BodyError> {
        match self.rest {
            Rest::Length(_) => Err(BodyError::WrongLength),
            Rest::Chunks => {
                self.end_chunks(&HeaderMap::new());
                Ok(())
            }
            Rest::Nothing => Ok(()),
        }
    }

    fn end_chunks(&mut self, trailers: &HeaderMap) {
        self.buffer.extend_from_slice(b"0\r\n");
        for (name, value) in trailers.iter().filter(|(name, _)| is_listed(&self.announced, name)) {
            push_field(&mut self.buffer, name.as_str(), value.as_bytes());
        }
        self.buffer.extend_from_slice(b"\r\n");
        self.rest = Rest::Nothing;
    }
}

/// Whether a name is in these comma-separated lists.
fn is_listed(lines: &[HeaderValue], name: &HeaderName) -> bool {
    let mut names = lines.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    names.any(|listed| listed.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}

fn push_field(buffer: &mut Vec<u8>, name: &str, value: &[u8]) {
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b": ");
    buffer.extend_from_slice(value);
    buffer.extend_from_slice(b"\r\n");
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
    if length == 0 { Rest::Nothing } else { Rest::Length(length) }
}

#[cfg(test)]
mod tests {
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
        let piece = "x".repeat(COPIED + 1);
        let large = Bytes::from(piece.clone());
        let request = Request::put("/").body(Body::stream(futures_util::stream::iter([large.clone(), large]))).unwrap();
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        assert_eq!(
            sent(request),
            format!("PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n")
        );
    }

    #[test]
    fn content_that_is_not_as_long_as_it_said_is_never_completed() {
        for length in ["2", "9"] {
            let request = Request::post("/").header("content-length", length).body(stream(&["abc"])).unwrap();
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let polled = outgoing(request).poll_send(&mut cx, Vec::new());
            assert!(matches!(polled, Poll::Ready(Err(Failed::Content(BodyError::WrongLength)))), "{length}");
        }
    }
}
