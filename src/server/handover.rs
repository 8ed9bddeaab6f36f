//! An accepted socket on its way to the worker that serves it.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use tokio::net::UnixStream;

use crate::wire::{Tcp, Wire};

/// A non-blocking socket that no runtime has.
pub enum Stream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Stream {
    /// Joins the current worker's runtime: a unix socket now, TCP when it first has to wait.
    pub(super) fn join(self) -> io::Result<Wire> {
        Ok(match self {
            Stream::Tcp(stream) => Wire::Tcp(Tcp::fresh(stream)),
            Stream::Unix(stream) => Wire::Unix(UnixStream::from_std(stream)?),
        })
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
        }
    }
}
