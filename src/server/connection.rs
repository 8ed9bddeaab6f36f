//! One connection from its first byte: preamble, TLS, and the version of HTTP that it speaks.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::permits::Permit;
use super::{ConnectionEvent, Held, Worker, http1, http2, parked, proxy_protocol};
use crate::peer::{Peer, PeerAddress};

/// A socket on its way to a worker.
pub struct Accepted {
    /// The socket.
    pub stream: Stream,
    /// Who holds the other end.
    pub peer: PeerAddress,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Its right to be.
    pub permit: Permit,
    /// Its place in the worker's load.
    pub held: Held,
}

/// A socket that no runtime has yet: it may change threads.
pub enum Stream {
    /// TCP.
    Tcp(std::net::TcpStream),
    /// A socket in the file system.
    Unix(std::os::unix::net::UnixStream),
}

impl Stream {
    pub(super) fn tcp(stream: std::net::TcpStream) -> Stream {
        Stream::Tcp(stream)
    }

    pub(super) fn unix(stream: std::os::unix::net::UnixStream) -> Stream {
        Stream::Unix(stream)
    }

    fn join(self) -> io::Result<Wire> {
        Ok(match self {
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

/// Serves a connection to its end.
pub async fn serve<B>(worker: &Rc<Worker<B>>, accepted: Accepted)
where
    B: http_body::Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Accepted { stream, mut peer, tls, permit, held } = accepted;
    let (_permit, _held) = (permit, held);
    let Ok(mut wire) = stream.join() else { return };
    let limit = worker.settings.header_timeout;
    if let Some(trusted) = &worker.settings.proxy_protocol {
        match tokio::time::timeout(limit, proxy_protocol::read(&mut wire, peer, trusted.as_ref())).await {
            Ok(Ok(named)) => peer = named,
            Ok(Err(_)) => return (worker.report)(ConnectionEvent::Preamble, peer),
            Err(_) => return (worker.report)(ConnectionEvent::TooSlow, peer),
        }
    }
    let mut speaks_http2 = false;
    if tls {
        let Some(certificates) = &worker.settings.certificates else { return };
        match tokio::time::timeout(limit, certificates.acceptor().accept(wire)).await {
            Ok(Ok(stream)) => {
                speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                wire = Wire::Tls(Box::new(stream));
            }
            Ok(Err(_)) => return (worker.report)(ConnectionEvent::Handshake, peer),
            Err(_) => return (worker.report)(ConnectionEvent::TooSlow, peer),
        }
    }
    let peer = Peer { address: peer, tls };
    // No state of HTTP is made before the first byte: many connections never send one.
    let Some(wire) = parked::wait(worker, wire, limit).await else { return };
    match speaks_http2 {
        true => http2::serve(worker, wire, peer).await,
        false => http1::serve(worker, wire, peer).await,
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
