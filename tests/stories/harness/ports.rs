//! Addresses for the servers of tests.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use socket2::{Domain, Socket, Type};

/// Below `net.ipv4.ip_local_port_range`: the system gives none of these to a connection or to a listener at port 0.
const PORTS: Range<u16> = 11_000..32_000;

/// An address of this machine where no program listens. It is returned once in a process, so that a server which stops
/// finds its port again, and an address stays unreachable until its test listens there.
pub fn unused() -> SocketAddr {
    // Other processes begin elsewhere.
    static NEXT: LazyLock<AtomicUsize> = LazyLock::new(|| AtomicUsize::new(std::process::id() as usize * 7919));
    loop {
        let nth = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS.len();
        let address = SocketAddr::from(([127, 0, 0, 1], PORTS.start + nth as u16));
        // The socket does not listen: a child process that inherits it until its `exec` would keep the address busy.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("SO_REUSEADDR");
        if socket.bind(&address.into()).is_ok() {
            return address;
        }
    }
}
