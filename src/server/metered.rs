//! The wire as hyper's HTTP/1.1 sees it: bytes that were read ahead come first, and what passes moves the clock of the
//! connection. hyper itself keeps no time here.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Wire;
use crate::deadline::Deadline;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing, since an answer or the beginning.
    Idle,
    /// Reading a head: it has begun.
    Head,
    /// Busy with a request and its answer.
    Busy,
}

/// The clock of one connection: which deadline runs depends on what it is doing.
pub struct Pace {
    phase: Cell<Phase>,
    stalled: Cell<bool>,
    answered: Cell<bool>,
    /// The one deadline.
    pub deadline: Deadline,
    header_timeout: Duration,
    idle_timeout: Duration,
}

impl Pace {
    /// At the beginning of a head.
    pub fn new(deadline: Deadline, header_timeout: Duration, idle_timeout: Duration) -> Rc<Pace> {
        deadline.set(header_timeout);
        Rc::new(Pace {
            phase: Cell::new(Phase::Head),
            stalled: Cell::new(false),
            answered: Cell::new(false),
            deadline,
            header_timeout,
            idle_timeout,
        })
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether at least one answer was given.
    pub fn has_answered(&self) -> bool {
        self.answered.get()
    }

    /// A head is complete.
    pub fn begin(&self) {
        self.phase.set(Phase::Busy);
        self.deadline.clear();
    }

    /// An answer has been handed over whole; for `idle` nothing more need happen.
    pub fn end(&self, idle: Duration) {
        self.answered.set(true);
        self.phase.set(Phase::Idle);
        self.deadline.set(idle);
    }

    fn read_something(&self) {
        if self.phase.get() == Phase::Idle {
            self.phase.set(Phase::Head);
            self.deadline.set(self.header_timeout);
        }
    }

    /// The client takes nothing: from now on it has `idle_timeout`.
    fn wrote(&self, progress: bool) {
        if self.phase.get() != Phase::Busy || self.stalled.get() != progress {
            return;
        }
        self.stalled.set(!progress);
        match progress {
            true => self.deadline.clear(),
            false => self.deadline.set(self.idle_timeout),
        }
    }
}

/// The wire under that clock.
pub struct Metered {
    /// The wire.
    pub wire: Wire,
    /// What was read before.
    pub ahead: Bytes,
    /// The clock.
    pub pace: Rc<Pace>,
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let count = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..count]);
            self.ahead.advance(count);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.wire).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pace.read_something();
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.wire).poll_write(cx, bytes);
        self.pace.wrote(wrote.is_ready());
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.wire).poll_write_vectored(cx, bytes);
        self.pace.wrote(wrote.is_ready());
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
