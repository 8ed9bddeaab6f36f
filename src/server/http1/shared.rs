//! What a connection and the content that is read from it have in common: the wire, and where in it they are.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::AsyncWrite;

use crate::body::{BodyError, Cause, Relayed};
use crate::http1::{Framing, Next, Reader};
use crate::wire::{Pipe, Wire};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A client's wire, and how far it was read.
pub struct Shared {
    /// The wire.
    pub wire: Wire,
    /// What was read and not yet used.
    pub reader: Reader,
    /// What is left of the present request's content.
    pub framing: Framing,
    /// What is left of the 100 that the client waits for before it sends its content.
    owed: &'static [u8],
    /// Whether somebody waits for the client to send more of its content.
    pub awaits_content: bool,
    /// Bytes that came.
    pub read: u64,
    /// The connection's task, while it waits for somebody else to be done with the content.
    task: Option<Waker>,
}

impl Shared {
    /// A wire of which nothing was read yet.
    pub fn new(wire: Wire) -> Shared {
        let reader = Reader::default();
        Shared { wire, reader, framing: Framing::Nothing, owed: b"", awaits_content: false, read: 0, task: None }
    }

    /// Begins the content of a request; `expects`: the client waits for a 100 first.
    pub fn begin(&mut self, framing: Framing, expects: bool) {
        self.framing = framing;
        self.owed = if expects { CONTINUE } else { b"" };
    }

    /// What must precede an answer: the end of a 100 of which a part was sent. One that was not begun is owed no more.
    pub fn take_owed(&mut self) -> &'static [u8] {
        let owed = std::mem::take(&mut self.owed);
        if owed.len() == CONTINUE.len() { b"" } else { owed }
    }

    /// Whether nothing is left of the content.
    pub fn is_over(&self) -> bool {
        self.framing == Framing::Nothing
    }

    /// Reads once, for a head. Zero: the client will send no more.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = ready!(self.reader.poll_head(cx, &mut self.wire))?;
        self.read += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let count = ready!(self.reader.poll_content(cx, &mut self.wire))?;
        self.read += count as u64;
        Poll::Ready(Ok(count))
    }

    /// Whether the client is gone, as far as can be known without reading ahead of what it is owed.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_over() || !self.reader.bytes.is_empty() {
            return Poll::Pending;
        }
        // Room for a read is made only where there is something: the head still holds what was read before.
        ready!(self.wire.poll_read_ready(cx));
        match ready!(self.poll_head(cx)) {
            Ok(count) if count > 0 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    /// Skips what has come of a content that nobody wants; true when that was all of it.
    pub fn skip(&mut self, cx: &mut Context<'_>) -> bool {
        // A client that waits for a 100 has not begun.
        for _ in 0..if self.owed.is_empty() { 16 } else { 0 } {
            match self.framing.next(&mut self.reader.bytes) {
                Ok(Next::Piece(_)) => {}
                Ok(Next::End | Next::Trailers(_)) => self.framing = Framing::Nothing,
                Ok(Next::More) if matches!(self.poll_content(cx), Poll::Ready(Ok(1..))) => {}
                Ok(Next::More) | Err(_) => break,
            }
            if self.is_over() {
                break;
            }
        }
        self.is_over()
    }

    /// Whether bytes of the client may lie unread in the socket.
    pub fn may_hold_more(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        !self.reader.bytes.is_empty() || matches!(self.poll_head(&mut cx), Poll::Ready(Ok(1..)))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, Cause>> {
        loop {
            match self.framing.next(&mut self.reader.bytes) {
                Ok(Next::More) => {}
                Ok(next) => return Poll::Ready(Ok(next)),
                Err(error) => {
                    // Nothing that follows can be told from it.
                    self.framing = Framing::UntilClose;
                    return Poll::Ready(Err(error.into()));
                }
            }
            while !self.owed.is_empty() {
                let count = ready!(Pin::new(&mut self.wire).poll_write(cx, self.owed))?;
                self.owed = &self.owed[count..];
                if self.owed.is_empty() {
                    let _ = Pin::new(&mut self.wire).poll_flush(cx)?;
                }
            }
            if ready!(self.poll_content(cx))? == 0 {
                return Poll::Ready(Err("the connection was closed".into()));
            }
        }
    }

    /// Moves what has come of a content that has a length into an empty pipe; none where some of it was read already.
    fn poll_into(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Option<Poll<io::Result<usize>>> {
        let Framing::Length(left @ 1..) = self.framing else { return None };
        if !self.reader.bytes.is_empty() || !self.wire.is_plain() || !self.owed.is_empty() {
            return None;
        }
        let moved = self.wire.poll_fill(cx, pipe, left);
        if let Poll::Ready(Ok(count)) = &moved {
            self.read += *count as u64;
            self.framing.pass(*count);
            if self.framing.exact() == Some(0) {
                self.framing = Framing::Nothing;
            }
        }
        Some(moved)
    }

    fn wake(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

/// Whether somebody still reads the content that `shared` is at: then the connection has to wait for them.
pub fn poll_read_by_others(shared: &Rc<RefCell<Shared>>, cx: &mut Context<'_>) -> Poll<()> {
    if Rc::strong_count(shared) == 1 {
        return Poll::Ready(());
    }
    shared.borrow_mut().task = Some(cx.waker().clone());
    Poll::Pending
}

/// The content of a request, read from the wire as it is asked for.
pub struct Content {
    /// None once it is over or broken.
    shared: Option<Rc<RefCell<Shared>>>,
    length: Option<u64>,
}

impl Content {
    /// What is left of the content that `shared` is at.
    pub fn of(shared: &Rc<RefCell<Shared>>) -> Content {
        let length = shared.borrow().framing.exact();
        Content { shared: Some(shared.clone()), length }
    }

    fn finish(&mut self) {
        if let Some(shared) = self.shared.take() {
            let mut shared = shared.borrow_mut();
            shared.awaits_content = false;
            shared.wake();
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Relayed for Content {
    fn poll_into(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Option<Poll<Result<usize, BodyError>>> {
        let this = self.get_mut();
        let shared = this.shared.clone()?;
        let mut side = shared.borrow_mut();
        let moved = side.poll_into(cx, pipe)?;
        side.awaits_content = moved.is_pending();
        this.length = side.framing.exact();
        drop(side);
        let Poll::Ready(moved) = moved else { return Some(Poll::Pending) };
        let moved = match moved {
            Ok(0) => Err(BodyError::Broken("the connection was closed".into())),
            moved => moved.map_err(|error| BodyError::Broken(error.into())),
        };
        drop(shared);
        if moved.is_err() || this.length == Some(0) {
            this.finish();
        }
        Some(Poll::Ready(moved))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(shared) = self.shared.clone() else { return Poll::Ready(None) };
        let mut side = shared.borrow_mut();
        let next = side.poll_next(cx);
        side.awaits_content = next.is_pending();
        self.length = side.framing.exact();
        let over = self.length == Some(0);
        drop(side);
        let frame = match ready!(next) {
            Ok(Next::Piece(piece)) => Some(Ok(Frame::data(piece))),
            Ok(Next::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(Next::End | Next::More) => None,
            Err(cause) => Some(Err(BodyError::Broken(cause))),
        };
        if over {
            shared.borrow_mut().framing = Framing::Nothing;
        }
        drop(shared);
        if over || !matches!(frame, Some(Ok(_))) {
            self.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.shared.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}
