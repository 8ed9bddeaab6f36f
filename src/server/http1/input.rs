//! The input of a client's connection, shared by its task and the content of the current request.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::AsyncWrite;

use crate::body::{BodyError, Cause, Moved, Splice};
use crate::http1::{BodyPart, BodyReader, Reader};
use crate::wire::{Pipe, Wire};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A client's connection, shared by its task and the content of the current request.
pub struct ClientIo {
    pub wire: RefCell<Wire>,
    pub input: RefCell<Input>,
}

/// The input of a connection, with the state of the current request's content.
#[derive(Default)]
pub struct Input {
    /// Bytes read and not yet used.
    pub reader: Reader,
    /// The framing of the rest of the content.
    pub framing: BodyReader,
    /// The unsent part of the `100 Continue` that the client expects.
    pending_continue: &'static [u8],
    /// Whether a task waits for the client to send more of its content.
    pub awaits_content: bool,
    /// Bytes read so far.
    pub read: u64,
    /// The connection's task, while it waits for another task to finish with the content.
    task: Option<Waker>,
}

impl ClientIo {
    /// A socket, and what was read from it already.
    pub fn new(wire: Wire, reader: Reader) -> ClientIo {
        let input = Input { read: reader.bytes.len() as u64, reader, ..Input::default() };
        ClientIo { wire: RefCell::new(wire), input: RefCell::new(input) }
    }

    /// Ready if the client has closed the connection. Pending while there is unread content, which is not read ahead.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut input = self.input.borrow_mut();
        if !input.is_over() || !input.reader.bytes.is_empty() {
            return Poll::Pending;
        }
        let mut wire = self.wire.borrow_mut();
        // Reads only if there is something to read: the buffer is in use by the head.
        ready!(wire.poll_read_ready(cx));
        match ready!(input.poll_head(cx, &mut wire)) {
            Ok(1..) => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    /// Whether another task still reads the content.
    pub fn is_read_by_others(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) > 1
    }

    /// Ready once no other task reads the content.
    pub fn poll_released(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_read_by_others() {
            return Poll::Ready(());
        }
        self.input.borrow_mut().task = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Input {
    /// Begins the content of a request. `expects`: the client expects a `100 Continue` first.
    pub fn begin(&mut self, framing: BodyReader, expects: bool) {
        self.framing = framing;
        self.pending_continue = if expects { CONTINUE } else { b"" };
    }

    /// The unsent rest of a `100 Continue` that must precede the final response. One not yet started is dropped.
    pub fn take_pending_continue(&mut self) -> &'static [u8] {
        let pending = std::mem::take(&mut self.pending_continue);
        if pending.len() == CONTINUE.len() { b"" } else { pending }
    }

    /// Whether the content has ended.
    pub fn is_over(&self) -> bool {
        self.framing == BodyReader::Nothing
    }

    /// Reads once, for a head. Zero: end of the stream.
    pub fn poll_head(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> Poll<io::Result<usize>> {
        let count = ready!(self.reader.poll_head(cx, wire))?;
        self.read += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_content(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> Poll<io::Result<usize>> {
        let count = ready!(self.reader.poll_content(cx, wire))?;
        self.read += count as u64;
        Poll::Ready(Ok(count))
    }

    /// Skips the content that has arrived and that no task reads. True if that was all of it.
    pub fn skip(&mut self, wire: &mut Wire) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        // A client that expects a 100 has not sent any content.
        for _ in 0..if self.pending_continue.is_empty() { 16 } else { 0 } {
            match self.framing.next(&mut self.reader.bytes) {
                Ok(BodyPart::Piece(_)) => {}
                Ok(BodyPart::End | BodyPart::Trailers(_)) => self.framing = BodyReader::Nothing,
                Ok(BodyPart::More) if matches!(self.poll_content(&mut cx, wire), Poll::Ready(Ok(1..))) => {}
                Ok(BodyPart::More) | Err(_) => break,
            }
            if self.is_over() {
                break;
            }
        }
        self.is_over()
    }

    /// Whether the socket may hold unread bytes.
    pub fn may_hold_more(&self, wire: &mut Wire) -> bool {
        !self.reader.bytes.is_empty() || matches!(wire.try_read(&mut [0]), Ok(1..))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, wire: &mut Wire) -> Poll<Result<BodyPart, Cause>> {
        loop {
            match self.framing.next(&mut self.reader.bytes) {
                Ok(BodyPart::More) => {}
                Ok(next) => return Poll::Ready(Ok(next)),
                Err(error) => {
                    // The bytes after it cannot be interpreted.
                    self.framing = BodyReader::UntilClose;
                    return Poll::Ready(Err(error.into()));
                }
            }
            while !self.pending_continue.is_empty() {
                let count = ready!(Pin::new(&mut *wire).poll_write(cx, self.pending_continue))?;
                self.pending_continue = &self.pending_continue[count..];
                if self.pending_continue.is_empty() {
                    let _ = Pin::new(&mut *wire).poll_flush(cx)?;
                }
            }
            if ready!(self.poll_content(cx, wire))? == 0 {
                return Poll::Ready(Err("the connection was closed".into()));
            }
        }
    }

    /// Moves available content of known length into an empty pipe. `None` if some of it has been read already.
    fn poll_into(&mut self, cx: &mut Context<'_>, wire: &mut Wire, pipe: &mut Pipe) -> Option<Poll<io::Result<usize>>> {
        let BodyReader::Length(left @ 1..) = self.framing else { return None };
        if !self.reader.bytes.is_empty() || !wire.is_plain() || !self.pending_continue.is_empty() {
            return None;
        }
        let moved = wire.poll_fill(cx, pipe, left);
        if let Poll::Ready(Ok(count)) = &moved {
            self.read += *count as u64;
            self.framing.pass(*count);
            if self.framing.exact() == Some(0) {
                self.framing = BodyReader::Nothing;
            }
        }
        Some(moved)
    }
}

/// The content of a request, read from the wire when it is polled.
pub struct Content {
    /// `None` after the end or an error.
    io: Option<Rc<ClientIo>>,
    length: Option<u64>,
}

impl Content {
    /// The content of the connection's current request.
    pub fn of(io: &Rc<ClientIo>) -> Content {
        let length = io.input.borrow().framing.exact();
        Content { io: Some(io.clone()), length }
    }

    fn finish(&mut self) {
        if let Some(io) = self.io.take() {
            let mut input = io.input.borrow_mut();
            input.awaits_content = false;
            if let Some(task) = input.task.take() {
                task.wake();
            }
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Splice for Content {
    fn poll_into(self: Pin<&mut Self>, cx: &mut Context<'_>, pipe: &mut Pipe) -> Moved {
        let this = self.get_mut();
        let mut input = this.io.as_ref()?.input.borrow_mut();
        let moved = input.poll_into(cx, &mut this.io.as_ref()?.wire.borrow_mut(), pipe)?;
        input.awaits_content = moved.is_pending();
        this.length = input.framing.exact();
        drop(input);
        let Poll::Ready(moved) = moved else { return Some(Poll::Pending) };
        let moved = match moved {
            Ok(0) => Err(BodyError::Broken("the connection was closed".into())),
            moved => moved.map_err(|error| BodyError::Broken(error.into())),
        };
        if moved.is_err() || this.length == Some(0) {
            this.finish();
        }
        Some(Poll::Ready(moved))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(io) = &this.io else { return Poll::Ready(None) };
        let mut input = io.input.borrow_mut();
        let next = input.poll_next(cx, &mut io.wire.borrow_mut());
        input.awaits_content = next.is_pending();
        this.length = input.framing.exact();
        let over = this.length == Some(0);
        if over && next.is_ready() {
            input.framing = BodyReader::Nothing;
        }
        drop(input);
        let frame = match ready!(next) {
            Ok(BodyPart::Piece(piece)) => Some(Ok(Frame::data(piece))),
            Ok(BodyPart::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(BodyPart::End | BodyPart::More) => None,
            Err(cause) => Some(Err(BodyError::Broken(cause))),
        };
        if over || !matches!(frame, Some(Ok(_))) {
            this.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.io.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::wire::Tcp;

    #[tokio::test]
    async fn a_search_for_unread_bytes_does_not_register_the_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let mut wire = Wire::Tcp(Tcp::accepted(accepted, true));
        let input = Input::default();
        assert!(!input.may_hold_more(&mut wire));
        client.write_all(b"more").unwrap();
        assert!(input.may_hold_more(&mut wire));
        assert!(!wire.is_registered());
    }
}
