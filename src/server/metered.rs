//! The wire below hyper for HTTP/2, with the timer of the connection. hyper itself uses no timers here.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::trailers::Marked;
use crate::deadline::Deadline;
use crate::wire::Wire;

/// Vectored writes up to this many bytes are copied into one buffer.
const SMALL: usize = 2048;

/// Requests that a client may reset within [`RESET_WINDOW`] (docs/conformance.md, H5).
const MAX_RESETS: usize = 200;
const RESET_WINDOW: Duration = Duration::from_secs(10);

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No request is in progress. A PING does not change that.
    Idle,
    /// Waiting for the handler or its content, without a time limit.
    Waiting,
    /// Waiting for the client to send more of a request or to take more of a response.
    Content,
}

/// The timer of one connection, and the requests that it is for. The time limit depends on the phase.
pub struct ConnectionTimer {
    pub deadline: Deadline,
    idle_timeout: Duration,
    /// Requests in progress, and requests finished so far.
    pub(super) running: Cell<usize>,
    ended: Cell<u64>,
    /// Contents that wait for the client, in either direction.
    contents: Cell<usize>,
    /// Whether bytes were read or written since the last [`ConnectionTimer::arm`].
    moved: Cell<bool>,
    /// Whether a write waits for the socket.
    blocked: Cell<bool>,
    /// The phase, and the finished requests, for which the deadline was last set.
    armed: Cell<Option<(Phase, u64)>>,
    /// When the client recently reset requests.
    resets: RefCell<VecDeque<Instant>>,
    /// Whether the client has ever reset more than [`MAX_RESETS`] requests within [`RESET_WINDOW`].
    pub(super) too_many_resets: Cell<bool>,
}

impl ConnectionTimer {
    pub fn new(deadline: Deadline, idle_timeout: Duration) -> Rc<ConnectionTimer> {
        Rc::new(ConnectionTimer {
            deadline,
            idle_timeout,
            running: Cell::default(),
            ended: Cell::default(),
            contents: Cell::default(),
            moved: Cell::default(),
            blocked: Cell::default(),
            armed: Cell::default(),
            resets: RefCell::default(),
            too_many_resets: Cell::default(),
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

    /// Sets the deadline for the current phase; `idle` is the limit while idle. True if bytes were read or written
    /// since the last call.
    pub fn arm(&self, idle: Duration) -> bool {
        let now = (self.phase(), self.ended.get());
        let moved = self.moved.take();
        let changed = self.armed.replace(Some(now)) != Some(now);
        match now.0 {
            Phase::Content if changed || moved => self.deadline.set(self.idle_timeout),
            Phase::Waiting if changed => self.deadline.clear(),
            Phase::Idle if changed => self.deadline.set(idle),
            _ => {}
        }
        moved
    }

    /// Called when a head is complete.
    pub(super) fn begin(&self) {
        self.running.update(|running| running + 1);
    }

    /// Called when a response is complete or abandoned.
    pub(super) fn end(&self) {
        self.running.update(|running| running - 1);
        self.ended.update(|ended| ended + 1);
    }

    /// Changes whether a content waits for the client.
    pub(super) fn set_waits(&self, waits: &mut bool, now: bool) {
        if std::mem::replace(waits, now) != now {
            self.contents.update(|contents| if now { contents + 1 } else { contents - 1 });
        }
    }

    /// Called when the client has reset a request. Wakes the connection's task, since the connection may be idle now.
    pub(super) fn note_reset(&self) {
        let mut resets = self.resets.borrow_mut();
        let now = Instant::now();
        while resets.front().is_some_and(|at| now.duration_since(*at) > RESET_WINDOW) {
            resets.pop_front();
        }
        resets.push_back(now);
        if resets.len() > MAX_RESETS {
            self.too_many_resets.set(true);
        }
        self.deadline.wake();
    }
}

/// A wire that reports to the timer.
pub struct Metered {
    pub frames: Marked<Wire>,
    pub timer: Rc<ConnectionTimer>,
}

impl Metered {
    fn note_write(&self, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.timer.blocked.set(wrote.is_pending());
        if matches!(wrote, Poll::Ready(Ok(1..))) {
            self.timer.moved.set(true);
        }
        wrote
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.frames).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.timer.moved.set(true);
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.frames.wire).poll_write(cx, bytes);
        self.note_write(wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = bytes.iter().map(|piece| piece.len()).sum();
        if length <= SMALL {
            // Copying so little is cheaper than a vectored write.
            let mut joined = [0; SMALL];
            let mut at = 0;
            for piece in bytes {
                joined[at..at + piece.len()].copy_from_slice(piece);
                at += piece.len();
            }
            return self.poll_write(cx, &joined[..length]);
        }
        let wrote = Pin::new(&mut self.frames.wire).poll_write_vectored(cx, bytes);
        self.note_write(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.frames.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS may still buffer bytes: a response is not complete before they are sent.
        let flushed = Pin::new(&mut self.frames.wire).poll_flush(cx);
        self.timer.blocked.set(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames.wire).poll_shutdown(cx)
    }
}
