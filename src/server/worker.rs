//! One worker's share of the server: its settings, its handler, and the events of its connections.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};

use super::dates::Dates;
use crate::body::{Body, Splice};
use crate::clock::Clock;
use crate::deadline::Deadlines;
use crate::forwarded::TrustedProxies;
use crate::peer::{Peer, PeerAddress};
use crate::tls::Certificates;
use crate::tunnel::TunnelSlot;

/// Responds to requests.
pub trait Handler: 'static {
    /// The content of responses.
    type Content: Splice + Unpin + 'static;

    /// Responds to a request. An accepted upgrade is put into `tunnel`. The future is dropped if the client
    /// disconnects.
    fn respond(
        &self,
        request: Request<Body>,
        peer: Peer,
        tunnel: TunnelSlot,
    ) -> impl Future<Output = Response<Self::Content>> + 'static;
}

impl<F, A, C> Handler for F
where
    F: Fn(Request<Body>, Peer, TunnelSlot) -> A + 'static,
    A: Future<Output = Response<C>> + 'static,
    C: Splice + Unpin + 'static,
{
    type Content = C;

    fn respond(
        &self,
        request: Request<Body>,
        peer: Peer,
        tunnel: TunnelSlot,
    ) -> impl Future<Output = Response<C>> + 'static {
        self(request, peer, tunnel)
    }
}

/// The settings of the server.
#[derive(Clone)]
pub struct ServerSettings {
    /// Maximum bytes of a head.
    pub header_size: usize,
    /// Maximum fields of a head.
    pub header_count: usize,
    /// Time limit for the first byte, for the PROXY preamble, for the TLS handshake, and from the first byte of a head
    /// to its end.
    pub header_timeout: Duration,
    /// How long an idle connection is kept open.
    pub keep_alive: Duration,
    /// How long a client may stop sending content that we wait for, or stop taking a response.
    pub idle_timeout: Duration,
    /// The only peers that are accepted, each with a PROXY preamble. `None`: there is no preamble.
    pub proxy_protocol: Option<TrustedProxies>,
    /// For `https://` addresses.
    pub certificates: Option<Arc<Certificates>>,
}

/// An event on a connection that no handler sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// A malformed head, with the status of the response.
    Malformed(StatusCode),
    /// A head, content, preamble or handshake that exceeded its time limit, or a response that was not taken.
    TooSlow,
    /// A TLS handshake that failed.
    Handshake,
    /// A PROXY preamble that is missing, malformed or from an untrusted peer.
    Preamble,
    /// A refused connection.
    Refused(Refusal),
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The limit for all connections is reached.
    Connections,
    /// The limit for this client is reached.
    Client,
    /// The process has no free descriptors. The peer may be unknown.
    Descriptors,
}

/// One worker's share of the server.
pub struct Worker<H> {
    settings: RefCell<Rc<ServerSettings>>,
    pub(super) handler: H,
    pub(super) dates: Dates,
    pub(super) deadlines: Deadlines,
    pub(super) draining: Cell<bool>,
    /// Each open connection holds a clone.
    pub(super) open: Rc<()>,
    pub(super) report: Rc<dyn Fn(ConnectionEvent, PeerAddress)>,
}

impl<H> Worker<H> {
    /// The current settings.
    pub fn settings(&self) -> Rc<ServerSettings> {
        self.settings.borrow().clone()
    }
}

impl<H: Handler> Worker<H> {
    /// A worker that responds with `handler`. `clock` gives the `Date` of responses without one. Must be called on a
    /// local runtime.
    pub fn new(
        settings: ServerSettings,
        handler: H,
        clock: Clock,
        deadlines: Deadlines,
        report: Rc<dyn Fn(ConnectionEvent, PeerAddress)>,
    ) -> Rc<Worker<H>> {
        let settings = RefCell::new(Rc::new(settings));
        let dates = Dates::of(clock);
        Rc::new(Worker { settings, handler, dates, deadlines, draining: Cell::default(), open: Rc::default(), report })
    }

    pub fn configure(&self, settings: ServerSettings) {
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    /// Begins to drain: closes idle connections after a grace period, the others after their current request.
    pub fn drain(&self) {
        self.draining.set(true);
        self.deadlines.wake_all();
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        Rc::strong_count(&self.open) - 1
    }
}
