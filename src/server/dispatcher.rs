//! Accepting: each socket goes to the worker with the fewest connections.

use std::io;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::connection::Accepted;
use super::listener::Bound;
use super::permits::Permits;
use super::worker::{ConnectionEvent, Handler, Refusal, Worker};
use crate::peer::PeerAddress;

/// Assigns each accepted socket to the worker with the fewest connections.
#[derive(Clone)]
pub struct Dispatcher {
    /// Each connection of a worker holds a clone of the second value, whose reference count is the worker's load.
    workers: Arc<[(mpsc::UnboundedSender<Accepted>, Arc<()>)]>,
}

impl Dispatcher {
    /// Dispatches to the inboxes of these workers. The first worker is the one that accepts.
    pub fn new(inboxes: Vec<mpsc::UnboundedSender<Accepted>>) -> Dispatcher {
        Dispatcher { workers: inboxes.into_iter().map(|inbox| (inbox, Arc::default())).collect() }
    }

    /// Accepts from `bound` until dropped. Runs on worker 0, whose connections need no inbox. Over the limits of
    /// `permits` a socket is closed at once, not queued.
    pub async fn accept<H: Handler>(self, bound: Bound, permits: Permits, own: Rc<Worker<H>>) {
        loop {
            let (socket, arrived, peer) = match bound.accept().await {
                Ok(accepted) => accepted,
                // Closed before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(_) => {
                    // Usually out of descriptors: the next connection that closes frees one.
                    (own.report)(ConnectionEvent::Refused(Refusal::Descriptors), PeerAddress::Unix);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let refuse = |refusal| (own.report)(ConnectionEvent::Refused(refusal), peer);
            if !permits.allow_descriptor(socket.as_raw_fd()) {
                refuse(Refusal::Descriptors);
                continue;
            }
            // The client is unknown before the PROXY preamble; its limit is checked after it.
            let counted = if own.settings().proxy_protocol.is_some() { PeerAddress::Unix } else { peer };
            let Some(permit) = permits.take(counted) else {
                refuse(if permits.are_exhausted() { Refusal::Connections } else { Refusal::Client });
                continue;
            };
            let least = self.workers.iter().enumerate().min_by_key(|(_, (_, load))| Arc::strong_count(load));
            let Some((index, (inbox, load))) = least else { return };
            let accepted = Accepted { socket, arrived, peer, tls: bound.tls, permit, _load: load.clone() };
            match index {
                0 => drop(own.serve(accepted)),
                _ => drop(inbox.send(accepted)),
            }
        }
    }
}
