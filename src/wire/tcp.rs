//! A TCP socket that joins the runtime when an operation on it would block.
//!
//! A connection that brings one short request is often accepted, read, written and closed without ever waiting for its
//! client. Such a socket saves the two system calls that add it to epoll and remove it, and the wake-ups in between.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A non-blocking TCP socket.
pub struct Tcp(State);

enum State {
    /// No runtime has it.
    Fresh(std::net::TcpStream),
    Registered(TcpStream),
    /// The runtime refused it, which it does for want of memory only.
    Lost,
}

impl From<TcpStream> for Tcp {
    fn from(stream: TcpStream) -> Tcp {
        Tcp(State::Registered(stream))
    }
}

impl Tcp {
    /// An accepted socket, which must be non-blocking. Until it is registered it can be moved to another worker.
    pub fn fresh(stream: std::net::TcpStream) -> Tcp {
        Tcp(State::Fresh(stream))
    }

    /// Whether the runtime has it.
    pub fn is_registered(&self) -> bool {
        !matches!(self.0, State::Fresh(_))
    }

    /// The socket in the runtime; registers it if need be.
    ///
    /// # Errors
    ///
    /// If the runtime refuses the socket.
    pub fn registered(&mut self) -> io::Result<&mut TcpStream> {
        if let State::Fresh(_) = self.0
            && let State::Fresh(stream) = std::mem::replace(&mut self.0, State::Lost)
        {
            self.0 = State::Registered(TcpStream::from_std(stream)?);
        }
        match &mut self.0 {
            State::Registered(stream) => Ok(stream),
            State::Fresh(_) | State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Has the connection reset when it is closed.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    pub fn reset_on_close(&self) -> io::Result<()> {
        let zero = Some(Duration::ZERO);
        match &self.0 {
            State::Fresh(stream) => SockRef::from(stream).set_linger(zero),
            State::Registered(stream) => SockRef::from(stream).set_linger(zero),
            State::Lost => Ok(()),
        }
    }

    /// Ready when a read may give something, the end included. The task that asked last is woken when it may.
    ///
    /// # Errors
    ///
    /// If the runtime refuses the socket.
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registered()?.poll_read_ready(cx)
    }

    /// Reads what has arrived, as [`Wire::try_read`](super::Wire::try_read).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if nothing has arrived, and what `recv` reports.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            State::Fresh(stream) => stream.read(buffer),
            State::Registered(stream) => stream.try_read(buffer),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Tries an operation on a socket that no runtime has; `None` where one has it or the operation would block. Out of
    /// line: a connection with more than one request is registered for nearly all of them.
    #[cold]
    #[inline(never)]
    fn try_fresh<T>(
        &mut self,
        operation: impl FnMut(&mut std::net::TcpStream) -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let State::Fresh(stream) = &mut self.0 else { return None };
        let mut operation = operation;
        loop {
            match operation(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Some(done),
            }
        }
    }
}

impl AsyncRead for Tcp {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let tcp = self.get_mut();
        if let State::Registered(stream) = &mut tcp.0 {
            return Pin::new(stream).poll_read(cx, buffer);
        }
        if let Some(read) = tcp.try_fresh(|stream| stream.read(buffer.initialize_unfilled())) {
            buffer.advance(read?);
            return Poll::Ready(Ok(()));
        }
        Pin::new(tcp.registered()?).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tcp = self.get_mut();
        if let State::Registered(stream) = &mut tcp.0 {
            return Pin::new(stream).poll_write(cx, bytes);
        }
        match tcp.try_fresh(|stream| stream.write(bytes)) {
            Some(written) => Poll::Ready(written),
            None => Pin::new(tcp.registered()?).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tcp = self.get_mut();
        if let State::Registered(stream) = &mut tcp.0 {
            return Pin::new(stream).poll_write_vectored(cx, bytes);
        }
        match tcp.try_fresh(|stream| stream.write_vectored(bytes)) {
            Some(written) => Poll::Ready(written),
            None => Pin::new(tcp.registered()?).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// TCP holds nothing back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tcp = self.get_mut();
        match tcp.try_fresh(|stream| stream.shutdown(Shutdown::Write)) {
            Some(shut) => Poll::Ready(shut),
            None => {
                ready!(Pin::new(tcp.registered()?).poll_shutdown(cx))?;
                Poll::Ready(Ok(()))
            }
        }
    }
}
