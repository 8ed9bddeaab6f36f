//! A socket on its way from the worker that accepted it to the worker that serves it.

use std::io;

use tokio::net::{TcpStream, UnixStream};

use crate::wire::Wire;

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
