//! The wire below hyper for HTTP/2, with the timer of the connection. hyper itself uses no timers here.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::deadline::Deadline;
use crate::wire::Wire;

/// Vectored writes up to this many bytes are copied into one.
const SMALL: usize = 2048;

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Idle. A PING does not change that.
    Idle,
    /// Waiting for the handler or its content, without a time limit.
    Waiting,
    /// Waiting for the client to send more of a request or to take more of a response.
    Content,
}

/// The timer of one connection. The time limit depends on the phase.
pub struct ConnectionTimer {
    pub deadline: Deadline,
    idle_timeout: Duration,
    /// Requests in progress, and requests finished so far.
    running: Cell<usize>,
    ended: Cell<u64>,
    /// Contents that wait for the client, in either direction.
    contents: Cell<usize>,
    read: Cell<u64>,
    written: Cell<u64>,
    /// Whether a write waits for the socket.
    blocked: Cell<bool>,
    /// What the deadline was last set for.
    armed: Cell<Option<(Phase, u64)>>,
    passed: Cell<u64>,
}

impl ConnectionTimer {
    /// The timer of a new connection.
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

    pub fn phase(&self) -> Phase {
        if self.blocked.get() || self.contents.get() > 0 {
            return Phase::Content;
        }
        if self.running.get() > 0 {
            return Phase::Waiting;
        }
        Phase::Idle
    }

    /// Sets the deadline for the current phase; `idle` is the limit while idle. True if bytes have passed since the
    /// last call.
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

    /// Requests in progress.
    pub fn running(&self) -> usize {
        self.running.get()
    }

    /// Called when a head is complete. `content`: the client has content to send.
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

    /// Called when a response is complete or abandoned.
    pub(super) fn end(&self) {
        self.running.set(self.running.get() - 1);
        self.ended.set(self.ended.get() + 1);
    }
}

/// A wire that reports to the timer.
pub struct Metered {
    pub wire: Wire,
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
            // Copying is cheaper than a vectored write of so little.
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
        // TLS may still buffer bytes: a response is not complete before they are sent.
        let flushed = Pin::new(&mut self.wire).poll_flush(cx);
        self.timer.blocked.set(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
