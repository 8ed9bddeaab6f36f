//! Tunnels: two upgraded streams, joined with backpressure until both have ended or no byte has passed for the idle
//! timeout. A drain does not end a tunnel: like a response in progress, it may last until the end of the drain.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::worker::Worker;
use crate::tunnel::Tunnel;

thread_local! {
    /// The read buffer of a worker's tunnels, so that idle ones hold no memory.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 * 1024].into_boxed_slice());
}

/// Joins a client's stream, from which `ahead` was read already, with the application's side.
pub async fn join<H, S>(worker: &Rc<Worker<H>>, mut client: S, ahead: Bytes, tunnel: Tunnel)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Tunnel { mut application, ahead: down, idle_timeout, ended } = tunnel;
    let mut joined = Joined { up: Pipe::holding(ahead), down: Pipe::holding(down), ended: Some(ended) };
    let deadline = worker.deadlines.register();
    deadline.set(idle_timeout);
    poll_fn(|cx| {
        let passed = joined.passed();
        let first = joined.up.poll(cx, &mut client, &mut application);
        let second = joined.down.poll(cx, &mut application, &mut client);
        if joined.passed() > passed {
            deadline.set(idle_timeout);
        }
        match (first, second) {
            (Poll::Ready(_), Poll::Ready(_)) | (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => Poll::Ready(()),
            _ => deadline.poll_expired(cx),
        }
    })
    .await;
}

/// Both directions. Calls `ended` when dropped.
struct Joined {
    up: Pipe,
    down: Pipe,
    ended: Option<Box<dyn FnOnce(u64, u64)>>,
}

impl Joined {
    fn passed(&self) -> u64 {
        self.up.passed + self.down.passed
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            ended(self.up.passed, self.down.passed);
        }
    }
}

/// One direction.
struct Pipe {
    /// Bytes that the writer has not taken yet, from `from` on.
    left: Vec<u8>,
    from: usize,
    passed: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closing,
    Closed,
}

impl Pipe {
    fn holding(bytes: Bytes) -> Pipe {
        Pipe { left: bytes.into(), from: 0, passed: 0, state: State::Open }
    }

    /// Moves bytes while it can. Ready when the reader has ended and the writer is shut down.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while self.from < self.left.len() {
                let count = ready!(poll_write(cx, writer, &self.left[self.from..]))?;
                self.from += count;
                self.passed += count as u64;
            }
            // Frees the memory, since most tunnels are idle most of the time.
            (self.left, self.from) = (Vec::new(), 0);
            match self.state {
                State::Closed => return Poll::Ready(Ok(())),
                State::Closing => {
                    ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                    self.state = State::Closed;
                }
                State::Open => ready!(self.poll_pass(cx, reader, writer))?,
            }
        }
    }

    /// Reads once and writes the bytes; keeps those that the writer does not take.
    fn poll_pass<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        // Streams never poll a tunnel, so borrowing the buffer cannot fail.
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            if Pin::new(&mut *reader).poll_read(cx, &mut buffer)?.is_pending() {
                // Nothing to read: flush what was written.
                let _ = Pin::new(&mut *writer).poll_flush(cx)?;
                return Poll::Pending;
            }
            let read = buffer.filled();
            if read.is_empty() {
                self.state = State::Closing;
                return Poll::Ready(Ok(()));
            }
            let count = match poll_write(cx, writer, read)? {
                Poll::Ready(count) => count,
                Poll::Pending => 0,
            };
            self.passed += count as u64;
            self.left.extend_from_slice(&read[count..]);
            Poll::Ready(Ok(()))
        })
    }
}

/// Writes once. A writer that takes nothing is an error.
fn poll_write(cx: &mut Context<'_>, writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(writer).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        count => Poll::Ready(Ok(count)),
    }
}
