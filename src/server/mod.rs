//! Sockets: listening, accepting, and speaking HTTP to whoever connects. Knows nothing of the product.
//!
//! Worker 0 accepts and hands each socket to the worker with the fewest; everything after that stays on one thread.

mod answer;
mod connection;
mod dates;
mod handover;
mod http1;
mod http2;
mod listener;
mod metered;
mod parked;
mod permits;
pub(crate) mod proxy_protocol;
mod trailers;
mod tunnels;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::body::{Body, Cause, Splice};
use crate::clock::Clock;
use crate::deadline::Deadlines;
use crate::forwarded::TrustedProxies;
use crate::peer::{Peer, PeerAddress};
use crate::tls::Certificates;
use crate::tunnel::TunnelSlot;

pub use connection::Accepted;
use dates::Dates;
use handover::Stream;
#[cfg(any(test, fuzzing))]
pub(crate) use http1::head as request_head;
pub use listener::{Bound, Ready};
pub use permits::Permits;

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
    /// How long an idle connection is kept.
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
    handler: H,
    dates: Dates,
    deadlines: Deadlines,
    draining: Rc<Cell<bool>>,
    open: Rc<Cell<usize>>,
    report: Rc<dyn Fn(ConnectionEvent, PeerAddress)>,
}

impl<H> Worker<H> {
    fn settings(&self) -> Rc<ServerSettings> {
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

    /// Serves a connection in a task of its own. The socket is closed by the time that task has ended.
    pub fn serve(self: &Rc<Self>, accepted: Accepted) -> JoinHandle<()> {
        let worker = self.clone();
        let open = Open::one(&self.open);
        tokio::task::spawn_local(async move {
            connection::serve(&worker, accepted).await;
            drop(open);
        })
    }

    /// Takes no further requests: idle connections end now, the others after what they are at.
    pub fn drain(&self) {
        self.draining.set(true);
        self.deadlines.wake_all();
    }

    /// Connections that are still open.
    pub fn open(&self) -> usize {
        self.open.get()
    }
}

/// Counts an open connection, even one whose task panics.
struct Open(Rc<Cell<usize>>);

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

/// Hands sockets to workers: to the one with the fewest.
#[derive(Clone)]
pub struct Dispatcher {
    workers: Arc<[(mpsc::UnboundedSender<Accepted>, Load)]>,
}

/// How many connections a worker has.
#[derive(Clone, Debug, Default)]
pub struct Load(Arc<AtomicUsize>);

impl Load {
    /// One more, until the guard is dropped.
    fn take(&self) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(self.0.clone())
    }
}

/// Counts a connection of a worker for as long as it lives.
pub struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Dispatcher {
    /// Over these workers' inboxes; the first is the one that accepts.
    pub fn new(inboxes: Vec<mpsc::UnboundedSender<Accepted>>) -> Dispatcher {
        Dispatcher { workers: inboxes.into_iter().map(|inbox| (inbox, Load::default())).collect() }
    }

    /// Accepts from `bound` for ever. Runs on worker 0, whose own share takes no detour.
    ///
    /// Over the limits of `permits` a socket is closed at once: refused fast, not queued.
    pub async fn accept<H: Handler>(self, bound: Bound, permits: Permits, own: Rc<Worker<H>>) {
        loop {
            let (wire, peer) = match bound.accept().await {
                Ok(accepted) => accepted,
                // Gone before it was taken; the next one may be there already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(_) => {
                    // Out of descriptors, mostly: the next connection that closes frees one.
                    (own.report)(ConnectionEvent::Refused(Refusal::Descriptors), PeerAddress::Unix);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let refuse = |refusal| (own.report)(ConnectionEvent::Refused(refusal), peer);
            if !permits.allow_descriptor(wire.descriptor()) {
                refuse(Refusal::Descriptors);
                continue;
            }
            // Behind a PROXY preamble the client is not known yet: its own limit is looked at after that.
            let counted = if own.settings().proxy_protocol.is_some() { PeerAddress::Unix } else { peer };
            let Some(permit) = permits.take(counted) else {
                refuse(if permits.are_used_up() { Refusal::Connections } else { Refusal::Client });
                continue;
            };
            let least = self.workers.iter().enumerate().min_by_key(|(_, (_, load))| load.0.load(Ordering::Relaxed));
            let Some((index, (inbox, load))) = least else { return };
            let Ok(stream) = (if index == 0 { Ok(Stream::Here(wire)) } else { Stream::leave(wire) }) else { continue };
            let accepted = Accepted { stream, peer, tls: bound.tls, permit, held: load.take() };
            match index {
                0 => drop(own.serve(accepted)),
                _ => drop(inbox.send(accepted)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
