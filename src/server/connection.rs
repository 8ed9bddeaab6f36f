//! A connection from its first byte: PROXY preamble, TLS, and the HTTP version.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::boxed::boxed;
use super::permits::Permit;
use super::worker::{ConnectionEvent, Handler, Refusal, Worker};
use super::{http1, http2, parked, proxy_protocol};
use crate::deadline::Deadline;
use crate::http1::Reader;
use crate::peer::{Peer, PeerAddress, Source};
use crate::tls::ACME_TLS;
use crate::wire::{Tcp, Wire};

/// An accepted connection for a worker.
pub struct Accepted {
    /// A non-blocking socket that no runtime has registered.
    pub(super) socket: OwnedFd,
    /// Whether its first bytes may have arrived.
    pub(super) arrived: bool,
    /// [`PeerAddress::Unix`] if and only if it is a unix socket.
    pub(super) peer: PeerAddress,
    pub(super) tls: bool,
    pub(super) permit: Permit,
    /// Counts the connection in the load of its worker.
    pub(super) _load: Arc<()>,
}

/// Joins the current worker's runtime: a unix socket now, TCP when it first has to wait.
fn join(socket: OwnedFd, arrived: bool, peer: PeerAddress) -> io::Result<Wire> {
    Ok(match peer {
        PeerAddress::Ip(_) => Wire::Tcp(Tcp::accepted(socket.into(), arrived)),
        PeerAddress::Unix => Wire::Unix(UnixStream::from_std(socket.into())?),
    })
}

impl<H: Handler> Worker<H> {
    /// Spawns a task that serves the connection. The socket is closed when that task ends.
    pub fn serve(self: &Rc<Self>, accepted: Accepted) -> JoinHandle<()> {
        let (worker, open) = (self.clone(), self.open.clone());
        // Boxed, because tokio moves the future of a task when it is spawned and when it has ended.
        tokio::task::spawn_local(boxed(|| async move {
            serve(&worker, accepted).await;
            drop(open);
        }))
    }
}

async fn serve<H: Handler>(worker: &Rc<Worker<H>>, accepted: Accepted) {
    let Accepted { socket, arrived, peer, tls, mut permit, _load } = accepted;
    let Ok(wire) = join(socket, arrived, peer) else { return };
    let limit = worker.settings().header_timeout;
    let deadline = worker.deadlines.register();
    let begun = if tls || worker.settings().proxy_protocol.is_some() {
        match Box::pin(begin(worker, &deadline, wire, peer, tls, &mut permit)).await {
            Ok(begun) => begun,
            Err(Some(event)) => return (worker.report)(event, peer),
            Err(None) => return,
        }
    } else {
        Begun { wire, peer: Peer { address: peer, tls, source: Source::Socket }, http2: false }
    };
    let Begun { mut wire, peer, http2 } = begun;
    // HTTP state is allocated after the first byte, because many connections never send one.
    if http2 {
        if parked::wait(worker, &deadline, &mut wire, limit).await {
            Box::pin(http2::serve(worker, wire, deadline, peer)).await;
        }
        return;
    }
    let mut reader = Reader::default();
    if parked::read(worker, &deadline, &mut wire, &mut reader, limit).await {
        http1::serve(worker, wire, reader, deadline, peer).await;
    }
}

/// A connection that is ready for HTTP.
struct Begun {
    wire: Wire,
    peer: Peer,
    http2: bool,
}

/// Reads the PROXY preamble and performs the TLS handshake. The error is the event to report, if any.
async fn begin<H>(
    worker: &Rc<Worker<H>>,
    deadline: &Deadline,
    mut wire: Wire,
    address: PeerAddress,
    tls: bool,
    permit: &mut Permit,
) -> Result<Begun, Option<ConnectionEvent>> {
    let settings = worker.settings();
    let limit = settings.header_timeout;
    let mut peer = Peer { address, tls, source: Source::Socket };
    if let Some(trusted) = &settings.proxy_protocol {
        let read = proxy_protocol::read(&mut wire, address, trusted);
        (peer.address, peer.source) =
            parked::within(worker, deadline, limit, read).await?.map_err(|_| ConnectionEvent::Preamble)?;
        if !permit.assign(peer.address, peer.source == Source::Unknown) {
            return Err(Some(ConnectionEvent::Refused(Refusal::Client)));
        }
    }
    if !tls {
        return Ok(Begun { wire, peer, http2: false });
    }
    let certificates = settings.certificates.as_ref().ok_or(None)?;
    let handshake = certificates.acceptor().accept(wire);
    let stream = parked::within(worker, deadline, limit, handshake).await?.map_err(|_| ConnectionEvent::Handshake)?;
    let protocol = stream.get_ref().1.alpn_protocol();
    if protocol == Some(ACME_TLS) {
        // The authority has seen the validation certificate (RFC 8737, section 3). No HTTP follows.
        return Err(None);
    }
    let http2 = protocol == Some(b"h2");
    Ok(Begun { wire: Wire::Tls(Box::new(stream.into())), peer, http2 })
}
