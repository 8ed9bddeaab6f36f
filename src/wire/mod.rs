//! Sockets in a worker's runtime, with or without TLS, to clients and to the application.

mod pipe;
mod tcp;

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio_rustls::TlsStream;

pub use pipe::Pipe;
pub use tcp::{Tcp, register_reads};

/// A socket in the worker's runtime, with or without TLS.
pub enum Wire {
    Tcp(Tcp),
    Unix(UnixStream),
    /// TLS over one of them.
    Tls(Box<TlsStream<Wire>>),
}

impl Wire {
    /// Ready when a read may return something, the end included. Wakes the task that polled last.
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Wire::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            Wire::Unix(stream) => stream.poll_read_ready(cx).map(drop),
            Wire::Tls(stream) => {
                // rustls may buffer plaintext, for which the socket will not become ready.
                let (wire, held) = match &mut **stream {
                    TlsStream::Client(stream) => {
                        let (wire, tls) = stream.get_mut();
                        (wire, io::BufRead::fill_buf(&mut tls.reader()).is_ok())
                    }
                    TlsStream::Server(stream) => {
                        let (wire, tls) = stream.get_mut();
                        (wire, io::BufRead::fill_buf(&mut tls.reader()).is_ok())
                    }
                };
                if held { Poll::Ready(()) } else { wire.poll_read_ready(cx) }
            }
        }
    }

    /// Waits until a read may return something, the end included.
    pub async fn readable(&mut self) {
        poll_fn(|cx| self.poll_read_ready(cx)).await;
    }

    /// Reads what has arrived, without registering the socket and without waking a task later. Zero: end of the stream.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if nothing has arrived, and the errors of the socket or of TLS.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.try_read(buffer),
            Wire::Unix(stream) => stream.try_read(buffer),
            Wire::Tls(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                match Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
                    Poll::Ready(read) => read.map(|()| buffer.filled().len()),
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Whether [`Wire::poll_fill`] and [`Wire::poll_drain`] work, which is not so with TLS.
    pub fn is_plain(&self) -> bool {
        !matches!(self, Wire::Tls(_))
    }

    /// Whether the runtime reports what happens on the socket. An accepted TCP socket is registered by the first call
    /// that has to wait.
    pub fn is_registered(&self) -> bool {
        match self {
            Wire::Tcp(stream) => stream.is_registered(),
            Wire::Unix(_) => true,
            Wire::Tls(stream) => stream.get_ref().0.is_registered(),
        }
    }

    /// Moves up to `most` available bytes into an empty pipe. Zero: end of the stream.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe, most: u64) -> Poll<io::Result<usize>> {
        self.poll_splice(cx, Interest::READABLE, |socket| pipe.fill(socket, most))
    }

    /// Moves bytes out of a pipe, as many as the socket accepts.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        self.poll_splice(cx, Interest::WRITABLE, |socket| pipe.drain(socket))
    }

    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut splice: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let reads = interest.is_readable();
        loop {
            let moved = match self {
                Wire::Tcp(stream) => {
                    let stream = &*stream.registered()?;
                    ready!(if reads { stream.poll_read_ready(cx) } else { stream.poll_write_ready(cx) })?;
                    stream.try_io(interest, || splice(stream.as_fd()))
                }
                Wire::Unix(stream) => {
                    ready!(if reads { stream.poll_read_ready(cx) } else { stream.poll_write_ready(cx) })?;
                    stream.try_io(interest, || splice(stream.as_fd()))
                }
                Wire::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
            };
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                moved => return Poll::Ready(moved),
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Wire::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Wire::Tcp(stream) => stream.is_write_vectored(),
            Wire::Unix(stream) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
