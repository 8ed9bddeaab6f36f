//! The wire itself: a socket before and after it joins a worker's runtime, plain or under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// A socket between the listener and its worker.
pub enum Stream {
    /// The worker that accepted keeps it.
    Here(Wire),
    /// TCP, for a worker elsewhere: no runtime has it.
    Tcp(std::net::TcpStream),
    /// A socket in the file system, for a worker elsewhere.
    Unix(std::os::unix::net::UnixStream),
}

impl Stream {
    /// Takes a socket out of this runtime.
    pub(super) fn leave(wire: Wire) -> io::Result<Stream> {
        Ok(match wire {
            Wire::Tcp(stream) => Stream::Tcp(stream.into_std()?),
            Wire::Unix(stream) => Stream::Unix(stream.into_std()?),
            Wire::Tls(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }

    pub(super) fn join(self) -> io::Result<Wire> {
        Ok(match self {
            Stream::Here(wire) => wire,
            Stream::Tcp(stream) => Wire::Tcp(TcpStream::from_std(stream)?),
            Stream::Unix(stream) => Wire::Unix(UnixStream::from_std(stream)?),
        })
    }
}

/// A socket in this worker's runtime, plain or under TLS.
pub enum Wire {
    /// TCP.
    Tcp(TcpStream),
    /// A socket in the file system.
    Unix(UnixStream),
    /// TLS over one of them.
    Tls(Box<TlsStream<Wire>>),
}

impl Wire {
    /// Waits until something can be read, or the other end is gone.
    pub async fn readable(&mut self) -> io::Result<()> {
        match self {
            Wire::Tcp(stream) => stream.readable().await,
            Wire::Unix(stream) => stream.readable().await,
            Wire::Tls(stream) => {
                // rustls may hold plaintext that the socket will never announce again.
                let (wire, session) = stream.get_mut();
                if io::BufRead::fill_buf(&mut session.reader()).is_ok() {
                    return Ok(());
                }
                match wire {
                    Wire::Tcp(stream) => stream.readable().await,
                    Wire::Unix(stream) => stream.readable().await,
                    Wire::Tls(_) => Ok(()),
                }
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
