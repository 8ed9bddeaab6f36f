//! Listening: TCP and unix sockets.

use std::cell::Cell;
use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};
use socket2::{Domain, SockAddr, SockRef, Socket as RawSocket, Type};
use thiserror::Error;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::handover::Stream;
use crate::config::{Address, Socket};
use crate::peer::PeerAddress;

const BACKLOG: i32 = 4096;

/// The mode of a socket file: owner and group may connect.
const SOCKET_MODE: u32 = 0o660;

/// A listening socket in a runtime.
pub struct Bound {
    /// The listening socket. tokio's listeners register what they accept, and their readiness cannot be asked for; that
    /// of a stream can, whatever the socket is.
    listener: TcpStream,
    kind: Kind,
    /// Whether a connection was accepted since the last readiness event: that event says nothing about a second one.
    doubtful: Cell<bool>,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

enum Kind {
    Tcp,
    Unix { _file: Option<UnixFile> },
}

/// A socket file, removed when dropped unless another process has replaced it.
struct UnixFile {
    path: PathBuf,
    inode: u64,
}

impl UnixFile {
    fn inode(path: &Path) -> io::Result<u64> {
        Ok(std::fs::symlink_metadata(path)?.ino())
    }
}

impl Drop for UnixFile {
    fn drop(&mut self) {
        if UnixFile::inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {cause}{}", hint(address, cause))]
pub struct BindError {
    address: String,
    #[source]
    cause: io::Error,
}

fn hint(address: &str, cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "; another program listens there",
        io::ErrorKind::PermissionDenied if address.starts_with("unix:") => "; its folder must be writable",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "",
    }
}

/// A listener that has been bound and can be moved to the thread of a runtime. Bound before the workers start, so that
/// errors are reported early.
pub struct Ready {
    kind: ReadyKind,
    tls: bool,
}

enum ReadyKind {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener, Option<UnixFile>),
}

impl Ready {
    /// Binds these addresses, all or none. To be called once: sockets from systemd can be taken only once.
    ///
    /// # Errors
    ///
    /// [`BindError`], which names the address and the likely cause.
    pub fn bind_all(addresses: &[Address]) -> Result<Vec<Ready>, BindError> {
        let mut handed = None;
        addresses.iter().map(|address| Ready::bind_one(address, addresses, &mut handed)).collect()
    }

    fn bind_one(address: &Address, all: &[Address], handed: &mut Option<ActivatedSockets>) -> Result<Ready, BindError> {
        let failed = |cause| BindError { address: name(&address.socket), cause };
        let kind = match &address.socket {
            Socket::Tcp(address) => bind_tcp(*address, has_ipv4_beside(*address, all)).map(ReadyKind::Tcp),
            Socket::Unix(path) => bind_unix(path),
            Socket::Systemd(name) => ActivatedSockets::take(handed, name),
        };
        Ok(Ready { kind: kind.map_err(failed)?, tls: address.tls })
    }

    /// Its address, for people.
    pub fn name(&self) -> String {
        match &self.kind {
            ReadyKind::Tcp(listener) => listener.local_addr().map(|address| address.to_string()).unwrap_or_default(),
            ReadyKind::Unix(_, Some(file)) => format!("unix:{}", file.path.display()),
            ReadyKind::Unix(_, None) => "unix".to_owned(),
        }
    }

    /// Whether TLS is spoken there.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Joins the current runtime.
    ///
    /// # Errors
    ///
    /// If the runtime refuses the socket.
    pub fn join(self) -> io::Result<Bound> {
        let (listener, kind) = match self.kind {
            ReadyKind::Tcp(listener) => (OwnedFd::from(listener), Kind::Tcp),
            ReadyKind::Unix(listener, _file) => (listener.into(), Kind::Unix { _file }),
        };
        Ok(Bound { listener: TcpStream::from_std(listener.into())?, kind, doubtful: Cell::default(), tls: self.tls })
    }
}

impl Bound {
    /// The next connection, which no runtime has yet: any worker can take it.
    ///
    /// # Errors
    ///
    /// What accept(2) reports, mostly that the process has no descriptors left.
    pub async fn accept(&self) -> io::Result<(Stream, PeerAddress)> {
        let (socket, address) = self.listener.async_io(Interest::READABLE, || self.accept_waiting()).await?;
        match self.kind {
            Kind::Tcp => {
                let address = address.and_then(|address| SocketAddr::try_from(address).ok());
                let address = address.ok_or(io::ErrorKind::ConnectionAborted)?;
                Ok((Stream::Tcp(socket.into()), PeerAddress::ip(address)))
            }
            Kind::Unix { .. } => Ok((Stream::Unix(socket.into()), PeerAddress::Unix)),
        }
    }

    /// Accepts a connection from the queue. Linux allocates a socket before it looks whether there is one, so an
    /// accept(2) that fails with EAGAIN costs several times as much as poll(2).
    fn accept_waiting(&self) -> io::Result<(OwnedFd, Option<SocketAddrAny>)> {
        if self.doubtful.get()
            && poll(&mut [PollFd::new(&self.listener, PollFlags::IN)], Some(&Timespec::default()))? == 0
        {
            self.doubtful.set(false);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let accepted = acceptfrom_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
        self.doubtful.set(true);
        Ok(accepted)
    }
}

fn name(socket: &Socket) -> String {
    match socket {
        Socket::Tcp(address) => address.to_string(),
        Socket::Unix(path) => format!("unix:{}", path.display()),
        Socket::Systemd(name) => format!("systemd:{name}"),
    }
}

/// Whether an IPv4 address with this port is listed too. `[::]` would bind it as well, unless set to IPv6 only.
fn has_ipv4_beside(address: SocketAddr, all: &[Address]) -> bool {
    let beside =
        |other: &Address| matches!(other.socket, Socket::Tcp(ip) if ip.is_ipv4() && ip.port() == address.port());
    address.is_ipv6() && all.iter().any(beside)
}

fn bind_tcp(address: SocketAddr, only_v6: bool) -> io::Result<std::net::TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, None)?;
    if only_v6 {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    // Accepted sockets inherit it, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// The sockets that systemd passed to this process, with their names (`FileDescriptorName=`).
struct ActivatedSockets {
    names: Vec<String>,
    sockets: listenfd::ListenFd,
}

impl ActivatedSockets {
    /// Takes the socket with this name.
    fn take(handed: &mut Option<ActivatedSockets>, name: &str) -> io::Result<ReadyKind> {
        let handed = match handed {
            Some(handed) => handed,
            None => {
                // Before listenfd removes the variables.
                let names = sd_notify::listen_fds_with_names()?.map(|(_, name)| name).collect();
                handed.insert(ActivatedSockets { names, sockets: listenfd::ListenFd::from_env() })
            }
        };
        let mut found = handed.names.iter().enumerate().filter(|(_, known)| *known == name);
        let Some((index, _)) = found.next() else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "systemd handed over no socket of this name"));
        };
        if found.next().is_some() {
            return Err(io::Error::other("systemd handed over several sockets of this name; give each its own name"));
        }
        let gone = || io::Error::other("listed twice");
        if let Ok(listener) = handed.sockets.take_tcp_listener(index) {
            let listener = listener.ok_or_else(gone)?;
            SockRef::from(&listener).set_tcp_nodelay(true)?;
            listener.set_nonblocking(true)?;
            return Ok(ReadyKind::Tcp(listener));
        }
        let listener = handed.sockets.take_unix_listener(index)?.ok_or_else(gone)?;
        listener.set_nonblocking(true)?;
        Ok(ReadyKind::Unix(listener, None))
    }
}

/// Binds a socket file that only its owner and group may connect to. Before `listen` no one can connect. The right to
/// connect is the right to write (unix(7)); the umask has no effect.
fn bind_unix(path: &Path) -> io::Result<ReadyKind> {
    let address = SockAddr::unix(path)?;
    // A socket left behind by a process that has ended. Any other file is not removed.
    if is_stale(path, &address) {
        std::fs::remove_file(path)?;
    }
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address)?;
    let file = UnixFile { path: path.to_owned(), inode: UnixFile::inode(path)? };
    std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(ReadyKind::Unix(socket.into(), Some(file)))
}

/// Whether there is a socket without a listener. One that refuses us for another reason (no permission, a full backlog)
/// is in use.
fn is_stale(path: &Path, address: &SockAddr) -> bool {
    let connect = || {
        let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(address)
    };
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        && connect().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
