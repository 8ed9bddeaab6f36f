//! A worker's idle HTTP/1.1 connections to one origin server: the last one returned is the first one used.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::http1::Http1;
use crate::deadline::Deadlines;

/// How often old connections are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// Idle connections.
pub struct Pool {
    idle: RefCell<Vec<(Http1, Duration)>>,
    keep_alive: Duration,
    clock: Deadlines,
}

impl Pool {
    /// An empty pool, and the task that ends what has been idle for `keep_alive`. Runs on a local runtime.
    pub fn start(keep_alive: Duration, clock: Deadlines) -> Rc<Pool> {
        let pool = Rc::new(Pool { idle: RefCell::default(), keep_alive, clock });
        let weak = Rc::downgrade(&pool);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(SWEEP.min(keep_alive)).await;
                let Some(pool) = weak.upgrade() else { return };
                pool.idle.borrow_mut().retain_mut(|(connection, since)| {
                    connection.shrink();
                    !pool.is_old(*since) && connection.is_idle()
                });
            }
        });
        pool
    }

    fn is_old(&self, since: Duration) -> bool {
        self.clock.now().saturating_sub(since) >= self.keep_alive
    }

    /// The last connection returned that is still good.
    pub fn take(&self) -> Option<Http1> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let (mut connection, since) = idle.pop()?;
            if !self.is_old(since) && connection.is_idle() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request, unless something was said on it that nobody asked for.
    pub fn put(&self, mut connection: Http1) {
        if connection.is_free() {
            connection.deadline.clear();
            connection.reused = true;
            self.idle.borrow_mut().push((connection, self.clock.now()));
        }
    }
}
