//! Two upgraded streams joined: bytes pass both ways with backpressure, until both have ended or nothing has passed
//! for too long. Draining is no end: a tunnel has as long as any answer that is under way.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Worker;
use crate::tunnel::Tunnel;
use crate::wire::Wire;

const BUFFER: usize = 16 * 1024;

/// Joins a client's wire, from which `ahead` was read already, with the application's side.
pub async fn join<H>(worker: &Rc<Worker<H>>, wire: Wire, ahead: Bytes, tunnel: Tunnel) {
    join_streams(worker, wire, ahead, tunnel).await;
}

/// Joins any client's stream with the application's side.
pub async fn join_streams<H, S>(worker: &Rc<Worker<H>>, client: S, ahead: Bytes, tunnel: Tunnel)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Tunnel { application, ahead: answered, idle_timeout, ended } = tunnel;
    let mut joined = Joined { up: Pipe::holding(ahead), down: Pipe::holding(answered), ended: Some(ended) };
    let (mut client, mut application) = (client, application);
    let deadline = worker.deadlines.register();
    deadline.set(idle_timeout);
    let _ = std::future::poll_fn(|cx| {
        let passed = joined.passed();
        let first = joined.up.poll(cx, &mut client, &mut application);
        let second = joined.down.poll(cx, &mut application, &mut client);
        if joined.passed() > passed {
            deadline.set(idle_timeout);
        }
        match (first, second) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            _ => deadline.poll_expired(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    })
    .await;
}

/// Both directions. However the tunnel ends, whoever opened it is told.
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
    buffer: Box<[u8]>,
    from: usize,
    to: usize,
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
        let mut buffer = vec![0; BUFFER.max(bytes.len())].into_boxed_slice();
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Pipe { buffer, from: 0, to: bytes.len(), passed: 0, state: State::Open }
    }

    /// Moves what can be moved; ready when the reader has ended and the writer knows it.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while self.from < self.to {
                let count = match Pin::new(&mut *writer).poll_write(cx, &self.buffer[self.from..self.to])? {
                    Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(count) => count,
                    Poll::Pending => return Poll::Pending,
                };
                self.from += count;
                self.passed += count as u64;
            }
            match self.state {
                State::Closed => return Poll::Ready(Ok(())),
                State::Closing => {
                    if Pin::new(&mut *writer).poll_shutdown(cx)?.is_pending() {
                        return Poll::Pending;
                    }
                    self.state = State::Closed;
                }
                State::Open => {
                    let mut buffer = ReadBuf::new(&mut self.buffer);
                    if Pin::new(&mut *reader).poll_read(cx, &mut buffer)?.is_pending() {
                        // Nothing to read: what was written must not wait for it.
                        let _ = Pin::new(&mut *writer).poll_flush(cx)?;
                        return Poll::Pending;
                    }
                    (self.from, self.to) = (0, buffer.filled().len());
                    if self.to == 0 {
                        self.state = State::Closing;
                    }
                }
            }
        }
    }
}
