//! Listening: TCP and unix sockets.

use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, SockAddr, Socket as RawSocket, Type};
use thiserror::Error;
use tokio::io::unix::AsyncFd;
use tokio::task::coop::consume_budget;

use crate::config::{Address, Socket};
use crate::peer::PeerAddress;
use crate::wire::register_reads;

const BACKLOG: i32 = 4096;

/// The mode of a socket file: owner and group may connect.
const SOCKET_MODE: u32 = 0o660;

/// A listening socket in a runtime.
pub struct Bound {
    /// Not one of tokio's listeners, which register what they accept and do not reveal their readiness.
    listener: AsyncFd<OwnedFd>,
    is_unix: bool,
    _file: Option<UnixFile>,
    /// Whether its clients use TLS.
    pub tls: bool,
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

/// A listener that is bound and can be moved to the thread of a runtime. Bound before the workers start, so that errors
/// are reported early.
pub struct Ready {
    socket: RawSocket,
    file: Option<UnixFile>,
    tls: bool,
}

impl Ready {
    /// Binds these addresses, all or none. To be called once: sockets from systemd can be taken only once.
    ///
    /// # Errors
    ///
    /// [`BindError`], which names the address and the likely cause.
    pub fn bind_all(addresses: &[Address]) -> Result<Vec<Ready>, BindError> {
        let mut activated = None;
        let bind = |address: &Address| {
            Ready::bind_one(address, addresses, &mut activated)
                .map_err(|cause| BindError { address: name(&address.socket), cause })
        };
        addresses.iter().map(bind).collect()
    }

    fn bind_one(address: &Address, all: &[Address], activated: &mut Option<ActivatedSockets>) -> io::Result<Ready> {
        let (socket, file) = match &address.socket {
            Socket::Tcp(address) => (bind_tcp(*address, has_ipv4_beside(*address, all))?, None),
            Socket::Unix(path) => bind_unix(path)?,
            Socket::Systemd(name) => (ActivatedSockets::take(activated, name)?, None),
        };
        socket.set_nonblocking(true)?;
        Ok(Ready { socket, file, tls: address.tls })
    }

    /// Its address, for people.
    pub fn name(&self) -> String {
        let address = self.socket.local_addr().ok().and_then(|address| address.as_socket());
        match (address, &self.file) {
            (Some(address), _) => address.to_string(),
            (None, Some(file)) => format!("unix:{}", file.path.display()),
            (None, None) => "unix".to_owned(),
        }
    }

    /// Whether its clients use TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Joins the current runtime.
    ///
    /// # Errors
    ///
    /// If the runtime refuses the socket.
    pub fn join(self) -> io::Result<Bound> {
        let is_unix = self.socket.local_addr()?.is_unix();
        let listener = register_reads(OwnedFd::from(self.socket))?;
        Ok(Bound { listener, is_unix, _file: self.file, tls: self.tls })
    }
}

impl Bound {
    /// The next connection: its socket, whether its first bytes may have arrived, and its peer. No runtime has
    /// registered the socket, so any worker can take it.
    ///
    /// # Errors
    ///
    /// Those of accept(2); usually the process has no descriptors left.
    pub async fn accept(&self) -> io::Result<(OwnedFd, bool, PeerAddress)> {
        loop {
            consume_budget().await;
            let mut ready = self.listener.readable().await?;
            let (socket, address) = match acceptfrom_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
            {
                Err(Errno::AGAIN) => {
                    ready.clear_ready();
                    continue;
                }
                accepted => accepted?,
            };
            // The queue is polled too: Linux allocates a socket before it checks the queue, so an accept(2) that fails
            // with EAGAIN costs several times as much.
            let mut polled = [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(&socket, PollFlags::IN)];
            let unknown = poll(&mut polled, Some(&Timespec::default())).is_err();
            let [another, arrived] = polled.map(|polled| unknown || !polled.revents().is_empty());
            if !another {
                ready.clear_ready();
            }
            if self.is_unix {
                return Ok((socket, arrived, PeerAddress::Unix));
            }
            let address = address.and_then(|address| SocketAddr::try_from(address).ok());
            return Ok((socket, arrived, PeerAddress::ip(address.ok_or(io::ErrorKind::ConnectionAborted)?)));
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

/// Whether an IPv4 address with this port is configured too. `[::]` would bind it as well, unless set to IPv6 only.
fn has_ipv4_beside(address: SocketAddr, all: &[Address]) -> bool {
    let beside =
        |other: &Address| matches!(other.socket, Socket::Tcp(ip) if ip.is_ipv4() && ip.port() == address.port());
    address.is_ipv6() && all.iter().any(beside)
}

fn bind_tcp(address: SocketAddr, only_v6: bool) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, None)?;
    if only_v6 {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    // Accepted sockets inherit it, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// The sockets that systemd passed to this process, with their names (`FileDescriptorName=`).
struct ActivatedSockets {
    names: Vec<String>,
    sockets: listenfd::ListenFd,
}

impl ActivatedSockets {
    /// Takes the socket with this name.
    fn take(activated: &mut Option<ActivatedSockets>, name: &str) -> io::Result<RawSocket> {
        let activated = match activated {
            Some(activated) => activated,
            None => {
                // Before listenfd removes the variables.
                let names = sd_notify::listen_fds_with_names()?.map(|(_, name)| name).collect();
                activated.insert(ActivatedSockets { names, sockets: listenfd::ListenFd::from_env() })
            }
        };
        let mut found = activated.names.iter().enumerate().filter(|(_, known)| *known == name);
        let Some((index, _)) = found.next() else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "systemd handed over no socket of this name"));
        };
        if found.next().is_some() {
            return Err(io::Error::other("systemd handed over several sockets of this name; give each its own name"));
        }
        let gone = || io::Error::other("listed twice");
        if let Ok(listener) = activated.sockets.take_tcp_listener(index) {
            let socket = RawSocket::from(listener.ok_or_else(gone)?);
            socket.set_tcp_nodelay(true)?;
            return Ok(socket);
        }
        Ok(activated.sockets.take_unix_listener(index)?.ok_or_else(gone)?.into())
    }
}

/// Binds a socket file to which only its owner and group may connect, whatever the umask is: connecting needs the right
/// to write (unix(7)), and no one can connect before `listen`.
fn bind_unix(path: &Path) -> io::Result<(RawSocket, Option<UnixFile>)> {
    let address = SockAddr::unix(path)?;
    // A socket that a process left behind when it ended. Any other file is not removed.
    if is_stale(path, &address) {
        std::fs::remove_file(path)?;
    }
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address)?;
    let file = UnixFile { path: path.to_owned(), inode: UnixFile::inode(path)? };
    std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    socket.listen(BACKLOG)?;
    Ok((socket, Some(file)))
}

/// Whether `path` is a socket without a listener. A socket that refuses the connection for another reason (no
/// permission, a full backlog) is in use.
fn is_stale(path: &Path, address: &SockAddr) -> bool {
    let connect = || {
        let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(address)
    };
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        && connect().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn all_waiting_connections_are_accepted_and_those_that_have_sent_bytes_are_known() {
        let address = Address { socket: Socket::Tcp("127.0.0.1:0".parse().unwrap()), tls: false };
        let ready = Ready::bind_all(&[address]).unwrap().remove(0);
        let name = ready.name();
        let bound = ready.join().unwrap();
        for _ in 0..3 {
            let mut talks = TcpStream::connect(&name).unwrap();
            talks.write_all(b"GET").unwrap();
            let _waits = TcpStream::connect(&name).unwrap();
            let (first, second) = (bound.accept().await.unwrap(), bound.accept().await.unwrap());
            assert_eq!((first.1, second.1), (true, false));
        }
    }
}
