//! The wire as hyper sees it for HTTP/2: what passes moves the clock of the connection. hyper itself keeps no time here.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::deadline::Deadline;
use crate::wire::Wire;

/// An answer of so few bytes, head and content, is written as one piece.
const SMALL: usize = 2048;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing. A PING is no reason to hurry, nor to stay.
    Idle,
    /// Waiting for the handler, or for more of its answer. That takes as long as it takes.
    Waiting,
    /// It is the client's turn: to send more of a content, or to take more of an answer.
    Content,
}

/// The clock of one connection: which deadline runs depends on what it is doing.
pub struct ConnectionTimer {
    /// The one deadline.
    pub deadline: Deadline,
    idle_timeout: Duration,
    /// Requests whose answer is not over yet, and how many were.
    running: Cell<usize>,
    ended: Cell<u64>,
    /// Contents that wait for the client, of either direction.
    contents: Cell<usize>,
    read: Cell<u64>,
    written: Cell<u64>,
    /// Whether bytes of ours wait for room in the socket.
    blocked: Cell<bool>,
    /// What the deadline was last set for.
    armed: Cell<Option<(Phase, u64)>>,
    passed: Cell<u64>,
}

impl ConnectionTimer {
    /// At the beginning of a connection.
    pub fn new(deadline: Deadline, idle_timeout: Duration) -> Rc<ConnectionTimer> {
        Rc::new(ConnectionTimer {
            deadline,
            idle_timeout,
            running: Cell::default(),
            ended: Cell::default(),
            contents: Cell::default(),
            read: Cell::default(),
            written: Cell::default(),
            blocked: Cell::default(),
            armed: Cell::default(),
            passed: Cell::default(),
        })
    }

    /// What the connection is doing.
    pub fn phase(&self) -> Phase {
        if self.blocked.get() || self.contents.get() > 0 {
            return Phase::Content;
        }
        if self.running.get() > 0 {
            return Phase::Waiting;
        }
        Phase::Idle
    }

    /// Sets the deadline for what the connection is doing now; `idle`: how long it may do nothing. True when bytes have
    /// passed since the last time.
    pub fn arm(&self, idle: Duration) -> bool {
        let now = (self.phase(), self.ended.get());
        let passed = self.read.get() + self.written.get();
        let moved = self.passed.replace(passed) != passed;
        let changed = self.armed.replace(Some(now)) != Some(now);
        match now.0 {
            Phase::Content if changed || moved => self.deadline.set(self.idle_timeout),
            Phase::Waiting if changed => self.deadline.clear(),
            Phase::Idle if changed => self.deadline.set(idle),
            _ => {}
        }
        moved
    }

    /// Requests whose answer is not over yet.
    pub fn running(&self) -> usize {
        self.running.get()
    }

    /// A head is complete; `content`: the client has yet to send some.
    pub(super) fn begin(&self, content: bool) {
        self.running.set(self.running.get() + 1);
        self.await_client(content);
    }

    pub(super) fn await_client(&self, more: bool) {
        self.contents.set(self.contents.get() + usize::from(more));
    }

    pub(super) fn stop_awaiting_client(&self, one: bool) {
        self.contents.set(self.contents.get() - usize::from(one));
    }

    /// An answer has been handed over whole, or is given up.
    pub(super) fn end(&self) {
        self.running.set(self.running.get() - 1);
        self.ended.set(self.ended.get() + 1);
    }
}

/// The wire under that clock.
pub struct Metered {
    /// The wire.
    pub wire: Wire,
    /// The clock.
    pub timer: Rc<ConnectionTimer>,
}

impl Metered {
    fn note_write(&self, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.timer.blocked.set(wrote.is_pending());
        if let Poll::Ready(Ok(count)) = &wrote {
            self.timer.written.set(self.timer.written.get() + *count as u64);
        }
        wrote
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.wire).poll_read(cx, buffer);
        let count = buffer.filled().len() - before;
        let timer = &self.timer;
        timer.read.set(timer.read.get() + count as u64);
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.wire).poll_write(cx, bytes);
        self.note_write(wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = bytes.iter().map(|piece| piece.len()).sum();
        if length <= SMALL {
            // Copying so little is cheaper than having the kernel gather it.
            let mut joined = [0; SMALL];
            let mut at = 0;
            for piece in bytes {
                joined[at..at + piece.len()].copy_from_slice(piece);
                at += piece.len();
            }
            return self.poll_write(cx, &joined[..length]);
        }
        let wrote = Pin::new(&mut self.wire).poll_write_vectored(cx, bytes);
        self.note_write(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Under TLS bytes may have been taken and not yet sent: an answer is not over before they are.
        let flushed = Pin::new(&mut self.wire).poll_flush(cx);
        self.timer.blocked.set(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
