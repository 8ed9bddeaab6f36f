//! A worker's idle HTTP/1.1 connections to one origin server, last in, first out.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::http1::Http1;
use crate::deadline::Deadlines;

/// The interval at which expired connections are closed.
const SWEEP: Duration = Duration::from_secs(1);

pub struct Pool {
    idle: RefCell<Vec<(Http1, Duration)>>,
    keep_alive: Duration,
    clock: Deadlines,
}

impl Pool {
    /// An empty pool, and the task that closes connections idle for `keep_alive`. Must be called on a local runtime.
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

    /// Takes the most recent connection that can still be used.
    pub fn take(&self) -> Option<Http1> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let (mut connection, since) = idle.pop()?;
            if !self.is_old(since) && connection.is_idle() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request, unless unsolicited bytes arrived on it.
    pub fn put(&self, mut connection: Http1) {
        if connection.is_free() {
            connection.deadline.clear();
            connection.reused = true;
            self.idle.borrow_mut().push((connection, self.clock.now()));
        }
    }
}
