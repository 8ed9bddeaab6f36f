//! A connection from its first byte: PROXY preamble, TLS, and the HTTP version.

use std::rc::Rc;

use tokio::task::JoinHandle;

use super::boxed::boxed;
use super::handover::Stream;
use super::permits::{Load, LoadGuard, Permit};
use super::worker::{ConnectionEvent, Handler, Refusal, Worker};
use super::{http1, http2, parked, proxy_protocol};
use crate::deadline::Deadline;
use crate::http1::Reader;
use crate::peer::{Peer, PeerAddress, Source};
use crate::tls::ACME_TLS;
use crate::wire::Wire;

/// An accepted connection for a worker.
pub struct Accepted {
    /// The socket.
    pub stream: Stream,
    /// The peer.
    pub peer: PeerAddress,
    /// Whether the connection uses TLS.
    pub tls: bool,
    /// Its permit.
    pub permit: Permit,
    /// Counts it in the worker's load.
    pub held: LoadGuard,
}

impl Accepted {
    /// A plaintext connection over a non-blocking socket that is served by the worker that accepted it, and counts in
    /// no load.
    pub fn new(stream: std::net::TcpStream, peer: PeerAddress, permit: Permit) -> Accepted {
        Accepted { stream: Stream::Tcp(stream), peer, tls: false, permit, held: Load::default().take() }
    }
}

impl<H: Handler> Worker<H> {
    /// Spawns a task that serves the connection. The socket is closed when that task ends.
    pub fn serve(self: &Rc<Self>, accepted: Accepted) -> JoinHandle<()> {
        let worker = self.clone();
        let open = self.count_open();
        // Boxed, because tokio moves a task's future when it is spawned and when it has ended.
        tokio::task::spawn_local(boxed(|| async move {
            serve(&worker, accepted).await;
            drop(open);
        }))
    }
}

async fn serve<H: Handler>(worker: &Rc<Worker<H>>, accepted: Accepted) {
    let Accepted { stream, peer, tls, mut permit, held: _held } = accepted;
    let Ok(wire) = stream.join() else { return };
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
    // No HTTP state before the first byte: many connections never send one.
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

/// Reads the preamble and performs the TLS handshake. The error is the event to report, if any.
async fn begin<H>(
    worker: &Rc<Worker<H>>,
    deadline: &Deadline,
    mut wire: Wire,
    address: PeerAddress,
    tls: bool,
    permit: &mut Permit,
) -> Result<Begun, Option<ConnectionEvent>> {
    let limit = worker.settings().header_timeout;
    let settings = worker.settings();
    let mut peer = Peer { address, tls, source: Source::Socket };
    if let Some(trusted) = &settings.proxy_protocol {
        let read = proxy_protocol::read(&mut wire, address, trusted);
        (peer.address, peer.source) = match parked::within(worker, deadline, limit, read).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => return Err(Some(ConnectionEvent::Preamble)),
            Err(cut) => return Err(cut.event()),
        };
        if !permit.assign(peer.address, peer.source == Source::Unknown) {
            return Err(Some(ConnectionEvent::Refused(Refusal::Client)));
        }
    }
    if !tls {
        return Ok(Begun { wire, peer, http2: false });
    }
    let certificates = settings.certificates.as_ref().ok_or(None)?;
    match parked::within(worker, deadline, limit, certificates.acceptor().accept(wire)).await {
        Ok(Ok(stream)) => {
            let protocol = stream.get_ref().1.alpn_protocol();
            if protocol == Some(ACME_TLS) {
                // The authority has seen the validation certificate (RFC 8737, section 3). No HTTP follows.
                return Err(None);
            }
            let http2 = protocol == Some(b"h2");
            Ok(Begun { wire: Wire::Tls(Box::new(stream.into())), peer, http2 })
        }
        Ok(Err(_)) => Err(Some(ConnectionEvent::Handshake)),
        Err(cut) => Err(cut.event()),
    }
}
