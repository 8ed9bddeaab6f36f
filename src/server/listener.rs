//! Listening: TCP and unix sockets.

use std::fmt;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use socket2::{Domain, Socket as RawSocket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::connection::Stream;
use crate::config::{Address, Socket};
use crate::peer::PeerAddress;

const BACKLOG: i32 = 4096;

/// A socket that is bound but not yet served: made before the workers start, so that errors come early.
pub struct Bound {
    kind: Kind,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener, Option<UnixFile>),
}

/// A socket file that goes when its listener goes.
struct UnixFile(PathBuf);

impl Drop for UnixFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    address: String,
    cause: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = match self.cause.kind() {
            io::ErrorKind::AddrInUse => "; another program listens there",
            io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
            _ => "",
        };
        write!(f, "cannot listen on {}: {}{hint}", self.address, self.cause)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// A listener that has been bound and can be taken to another thread, where a runtime is.
pub struct Ready {
    kind: ReadyKind,
    tls: bool,
}

enum ReadyKind {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, Option<UnixFile>),
}

impl Ready {
    /// Binds an address.
    ///
    /// # Errors
    ///
    /// [`BindError`], which names the address and the likely cause.
    pub fn bind(address: &Address) -> Result<Ready, BindError> {
        let failed = |cause| BindError { address: name(&address.socket), cause };
        let kind = match &address.socket {
            Socket::Tcp(address) => bind_tcp(*address).map(ReadyKind::Tcp),
            Socket::Unix(path) => bind_unix(path),
            Socket::Systemd(_) => Err(io::Error::other("sockets of systemd are not taken over yet")),
        };
        Ok(Ready { kind: kind.map_err(failed)?, tls: address.tls })
    }

    /// Where it listens, as a person would write it.
    pub fn name(&self) -> String {
        match &self.kind {
            ReadyKind::Tcp(listener) => listener.local_addr().map(|address| address.to_string()).unwrap_or_default(),
            ReadyKind::Unix(_, Some(file)) => format!("unix:{}", file.0.display()),
            ReadyKind::Unix(_, None) => "unix".to_owned(),
        }
    }

    /// Joins the current runtime.
    ///
    /// # Errors
    ///
    /// When the runtime refuses the socket.
    pub fn join(self) -> io::Result<Bound> {
        let kind = match self.kind {
            ReadyKind::Tcp(listener) => Kind::Tcp(TcpListener::from_std(listener)?),
            ReadyKind::Unix(listener, file) => Kind::Unix(UnixListener::from_std(listener)?, file),
        };
        Ok(Bound { kind, tls: self.tls })
    }
}

impl Bound {
    /// The next connection.
    ///
    /// # Errors
    ///
    /// When the system has none to give, mostly for want of descriptors.
    pub async fn accept(&self) -> io::Result<(Stream, PeerAddress)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::tcp(stream.into_std()?), PeerAddress::ip(address)))
            }
            Kind::Unix(listener, _file) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::unix(stream.into_std()?), PeerAddress::Unix))
            }
        }
    }
}

fn name(socket: &Socket) -> String {
    match socket {
        Socket::Tcp(address) => address.to_string(),
        Socket::Unix(path) => format!("unix:{}", path.display()),
        Socket::Systemd(name) => format!("systemd:{name}"),
    }
}

fn bind_tcp(address: std::net::SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path) -> io::Result<ReadyKind> {
    // A socket that a dead process left behind; anything else there is not ours to remove.
    let stale = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if stale && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(ReadyKind::Unix(listener, Some(UnixFile(path.to_owned()))))
}
