//! A plaintext listener with few connections, on the current thread: the admin listener, and the demo's application.

use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpListener;

use super::connection::Accepted;
use super::permits::Permits;
use super::worker::{Handler, ServerSettings, Worker};
use crate::clock::Clock;
use crate::deadline::Deadlines;
use crate::peer::PeerAddress;

/// Descriptors held in reserve: for a few connections, and for those that the handler opens.
const SPARE_DESCRIPTORS: usize = 8;

/// Serves until the future is dropped, on a local runtime. Connections over the limit wait in the backlog. `timeout` is
/// for a head, for content, for an idle connection, and for a response that is not read.
pub async fn serve_plain(listener: TcpListener, connections: usize, timeout: Duration, handler: impl Handler) {
    let settings = ServerSettings {
        header_size: 64 * 1024,
        header_count: 200,
        header_timeout: timeout,
        keep_alive: timeout,
        idle_timeout: timeout,
        proxy_protocol: None,
        certificates: None,
    };
    let permits = Permits::new(connections, None, None);
    let worker = Worker::new(settings, handler, Clock::System, Deadlines::start(), Rc::new(|_, _| ()));
    let mut connections = FuturesUnordered::new();
    let mut spares = Spares::default();
    spares.refill();
    loop {
        tokio::select! {
            Some(_) = connections.next() => if connections.is_empty() { spares.refill() },
            accepted = listener.accept(), if !permits.are_exhausted() => match accepted {
                Ok((stream, address)) => {
                    let peer = PeerAddress::ip(address);
                    if let (Some(permit), Ok(stream)) = (permits.take(peer), stream.into_std()) {
                        let socket = stream.into();
                        let accepted = Accepted { socket, arrived: true, peer, tls: false, permit, _load: Arc::default() };
                        connections.push(worker.serve(accepted));
                    }
                }
                Err(_) if spares.release() => {}
                // Usually out of descriptors: the next connection that closes frees one.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    spares.refill();
                }
            },
        }
    }
}

/// Descriptors held in reserve, so that the listener still responds when the process has no others left.
#[derive(Default)]
struct Spares(Vec<OwnedFd>);

impl Spares {
    /// Opens the missing ones, as far as the limit allows.
    fn refill(&mut self) {
        while self.0.len() < SPARE_DESCRIPTORS
            && let Ok(spare) = std::io::stderr().as_fd().try_clone_to_owned()
        {
            self.0.push(spare);
        }
    }

    /// Closes all of them, for the next connections. False if there were none.
    fn release(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }
}
