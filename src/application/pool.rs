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
    /// For whoever uses the connection. A request's content holds it too, while it is on its way.
    pub deadline: Rc<Deadline>,
    /// Whether the server has said anything yet.
    pub heard: Heard,
    /// Whether an earlier request went over it.
    pub reused: bool,
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
    shared: RefCell<Option<Shared>>,
    keep_alive: Duration,
}

/// An HTTP/2 connection, and when it was last asked for.
struct Shared {
    sender: http2::SendRequest<Body>,
    used: Instant,
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
                // Whoever still waits on it holds a sender of their own.
                pool.shared.borrow_mut().take_if(|shared| shared.used.elapsed() >= keep_alive);
            }
        });
        pool
    }

    /// The last connection returned that can be used at once, one request at a time.
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
            self.idle.borrow_mut().push((Connection { reused: true, ..connection }, Instant::now()));
        }
    }

    /// Remembers the HTTP/2 connection that all requests share.
    pub fn share(&self, sender: http2::SendRequest<Body>) {
        *self.shared.borrow_mut() = Some(Shared { sender, used: Instant::now() });
    }

    /// The shared HTTP/2 connection, while it is open.
    pub fn shared(&self, deadlines: &Deadlines) -> Option<Connection> {
        let mut shared = self.shared.borrow_mut();
        let shared = shared.as_mut().filter(|shared| !shared.sender.is_closed())?;
        shared.used = Instant::now();
        let sender = Sender::Http2(shared.sender.clone());
        Some(Connection { sender, deadline: Rc::new(deadlines.register()), heard: Heard::default(), reused: true })
    }

    /// Sends nothing more over the shared connection: the next request opens another.
    pub fn forget_shared(&self) {
        self.shared.borrow_mut().take();
    }
}
