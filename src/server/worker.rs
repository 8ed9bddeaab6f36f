//! One worker's share of the server: its settings, what responds to requests, and how connections end.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};

use super::dates::Dates;
use crate::body::{Body, Cause, Splice};
use crate::clock::Clock;
use crate::deadline::Deadlines;
use crate::forwarded::TrustedProxies;
use crate::peer::{Peer, PeerAddress};
use crate::tls::Certificates;
use crate::tunnel::TunnelSlot;

/// What answers requests.
pub trait Handler: 'static {
    /// The content of answers.
    type Content: Splice<Error: Into<Cause>> + Unpin + 'static;

    /// Answers a request, given who sent it and where an accepted upgrade is left. Dropped when the client is gone.
    fn answer(
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
    C: Splice<Error: Into<Cause>> + Unpin + 'static,
{
    type Content = C;

    fn answer(
        &self,
        request: Request<Body>,
        peer: Peer,
        tunnel: TunnelSlot,
    ) -> impl Future<Output = Response<C>> + 'static {
        self(request, peer, tunnel)
    }
}

/// What the server must know of the configuration.
#[derive(Clone)]
pub struct ServerSettings {
    /// Bytes of a head.
    pub header_size: usize,
    /// Fields of a head.
    pub header_count: usize,
    /// For the first byte, the PROXY preamble, the TLS handshake, and from the first byte of a head to its end.
    pub header_timeout: Duration,
    /// How long an idle connection is kept open.
    pub keep_alive: Duration,
    /// How long a client may send nothing of a content that is waited for, and take nothing of an answer.
    pub idle_timeout: Duration,
    /// The peers that must send a PROXY preamble, and are believed. `None`: no preamble.
    pub proxy_protocol: Option<TrustedProxies>,
    /// For `https://` addresses.
    pub certificates: Option<Arc<Certificates>>,
}

/// Something that happened on a connection and that no handler saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// A head that was refused by this bare status.
    Malformed(StatusCode),
    /// A head, a content, a preamble or a handshake that came too slowly, or an answer that was not taken.
    TooSlow,
    /// A TLS handshake that failed.
    Handshake,
    /// A PROXY preamble that is missing, malformed or from a peer nobody trusts.
    Preamble,
    /// A connection that was not served at all.
    Refused(Refusal),
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are as many connections as there may be.
    Connections,
    /// Its client has as many as a client may have.
    Client,
    /// The process has no descriptors left for it. The peer is not known then.
    Descriptors,
}

/// One worker's share of the server.
pub struct Worker<H> {
    settings: RefCell<Rc<ServerSettings>>,
    pub(super) handler: H,
    pub(super) dates: Dates,
    pub(super) deadlines: Deadlines,
    pub(super) draining: Rc<Cell<bool>>,
    open: Rc<Cell<usize>>,
    pub(super) report: Rc<dyn Fn(ConnectionEvent, PeerAddress)>,
}

impl<H> Worker<H> {
    /// The settings as they are now.
    pub fn settings(&self) -> Rc<ServerSettings> {
        self.settings.borrow().clone()
    }
}

impl<H: Handler> Worker<H> {
    /// A worker that answers by `handler` and dates by `clock` what has no date. Serves on a local runtime.
    pub fn new(
        settings: ServerSettings,
        handler: H,
        clock: Clock,
        deadlines: Deadlines,
        report: Rc<dyn Fn(ConnectionEvent, PeerAddress)>,
    ) -> Rc<Worker<H>> {
        let settings = RefCell::new(Rc::new(settings));
        let dates = Dates::of(clock);
        Rc::new(Worker { settings, handler, dates, deadlines, draining: Rc::default(), open: Rc::default(), report })
    }

    /// Serves with other settings from now on.
    pub fn configure(&self, settings: ServerSettings) {
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    /// Takes no further requests: idle connections end now, the others after what they are at.
    pub fn drain(&self) {
        self.draining.set(true);
        self.deadlines.wake_all();
    }

    /// Counts a connection as open until the guard is dropped.
    pub(super) fn count_open(&self) -> Open {
        Open::one(&self.open)
    }

    /// Connections that are still open.
    pub fn open(&self) -> usize {
        self.open.get()
    }
}

/// Counts an open connection, even one whose task panics.
pub struct Open(Rc<Cell<usize>>);

impl Open {
    fn one(count: &Rc<Cell<usize>>) -> Open {
        count.set(count.get() + 1);
        Open(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
