//! A worker's idle connections to one origin server: the last one returned is the first one used.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http2;
use tokio::time::Instant;

use super::http1::Http1;
use crate::body::Body;

/// How often old connections are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// Idle connections.
pub struct Pool {
    idle: RefCell<Vec<(Http1, Instant)>>,
    shared: RefCell<Option<Shared>>,
    keep_alive: Duration,
}

/// An HTTP/2 connection, and when it was last asked for.
struct Shared {
    sender: http2::SendRequest<Body>,
    used: Instant,
}

impl Pool {
    /// An empty pool, and the task that ends what has been idle for `keep_alive`. Runs on a local runtime.
    pub fn start(keep_alive: Duration) -> Rc<Pool> {
        let pool = Rc::new(Pool { idle: RefCell::default(), shared: RefCell::default(), keep_alive });
        let weak = Rc::downgrade(&pool);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(SWEEP.min(keep_alive)).await;
                let Some(pool) = weak.upgrade() else { return };
                pool.idle.borrow_mut().retain_mut(|(connection, since)| {
                    connection.shrink();
                    since.elapsed() < keep_alive && connection.is_idle()
                });
                // Whoever still waits on it holds a sender of their own.
                pool.shared.borrow_mut().take_if(|shared| shared.used.elapsed() >= keep_alive);
            }
        });
        pool
    }

    /// The last connection returned that is still good.
    pub fn take(&self) -> Option<Http1> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let (mut connection, since) = idle.pop()?;
            if since.elapsed() < self.keep_alive && connection.is_idle() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request, unless something was said on it that nobody asked for.
    pub fn put(&self, mut connection: Http1) {
        if connection.is_free() {
            connection.deadline.clear();
            connection.reused = true;
            self.idle.borrow_mut().push((connection, Instant::now()));
        }
    }

    /// Remembers the HTTP/2 connection that all requests share.
    pub fn share(&self, sender: http2::SendRequest<Body>) {
        *self.shared.borrow_mut() = Some(Shared { sender, used: Instant::now() });
    }

    /// The shared HTTP/2 connection, while it is open.
    pub fn shared(&self) -> Option<http2::SendRequest<Body>> {
        let mut shared = self.shared.borrow_mut();
        let shared = shared.as_mut().filter(|shared| !shared.sender.is_closed())?;
        shared.used = Instant::now();
        Some(shared.sender.clone())
    }

    /// Sends nothing more over the shared connection: the next request opens another.
    pub fn forget_shared(&self) {
        self.shared.borrow_mut().take();
    }
}
