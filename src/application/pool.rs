//! A worker's idle connections to one origin server: the last one returned is the first one used.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use tokio::time::Instant;

use crate::body::Body;
use crate::deadline::{Deadline, Deadlines};

/// How often old connections are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// Whether anything was read since the last request. hyper wants an upgraded connection's parts to be `Send`.
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<AtomicBool>);

impl Heard {
    /// A request begins.
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Something was read.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether something was read.
    pub fn anything(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What requests are sent by.
pub enum Sender {
    /// One request at a time.
    Http1(http1::SendRequest<Body>),
    /// Many at once.
    Http2(http2::SendRequest<Body>),
}

/// A connection, held by one request or by the pool. Dropping it closes it (HTTP/1.1).
pub struct Connection {
    /// Sends.
    pub sender: Sender,
    /// For whoever uses the connection.
    pub deadline: Deadline,
    /// Whether the server has said anything yet.
    pub heard: Heard,
}

impl Connection {
    fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(sender) => sender.is_ready(),
        }
    }
}

/// Idle connections.
pub struct Pool {
    idle: RefCell<Vec<(Connection, Instant)>>,
    shared: RefCell<Option<http2::SendRequest<Body>>>,
    keep_alive: Duration,
}

impl Pool {
    /// An empty pool, and the task that ends what has been idle for `keep_alive`. Needs a `LocalSet`.
    pub fn start(keep_alive: Duration) -> Rc<Pool> {
        let pool = Rc::new(Pool { idle: RefCell::default(), shared: RefCell::default(), keep_alive });
        let weak = Rc::downgrade(&pool);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(SWEEP.min(keep_alive)).await;
                let Some(pool) = weak.upgrade() else { return };
                pool.idle
                    .borrow_mut()
                    .retain(|(connection, since)| !connection.is_closed() && since.elapsed() < keep_alive);
            }
        });
        pool
    }

    /// The last connection returned that can be used at once.
    pub fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        while at > 0 {
            at -= 1;
            let (connection, since) = &idle[at];
            if connection.is_closed() || since.elapsed() >= self.keep_alive {
                idle.swap_remove(at);
            } else if connection.is_ready() {
                return Some(idle.remove(at).0);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub fn put(&self, connection: Connection) {
        if matches!(connection.sender, Sender::Http1(_)) && !connection.is_closed() {
            connection.deadline.clear();
            self.idle.borrow_mut().push((connection, Instant::now()));
        }
    }

    /// Remembers the HTTP/2 connection that all requests share.
    pub fn share(&self, sender: http2::SendRequest<Body>) {
        *self.shared.borrow_mut() = Some(sender);
    }

    /// The shared HTTP/2 connection, while it is open.
    pub fn shared(&self, deadlines: &Deadlines) -> Option<Connection> {
        let sender = self.shared.borrow().as_ref().filter(|sender| !sender.is_closed()).cloned()?;
        Some(Connection { sender: Sender::Http2(sender), deadline: deadlines.register(), heard: Heard::default() })
    }
}
