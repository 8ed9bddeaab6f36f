//! Shared by the stories: an application, a gate in front of it, and two clients.

pub mod application;
pub mod attempt;
pub mod browser;
pub mod code;
pub mod front;
pub mod gate;
pub mod http;
pub mod http2;
pub mod modern;
pub mod network;
pub mod outage;
pub mod pebble;
pub mod people;
pub mod ports;
pub mod receiver;
pub mod redis;
pub mod relay;
pub mod tls;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Polls until there is a result; fails after [`http::TIMEOUT`].
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + http::TIMEOUT;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < until, "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The count, once it has not changed for a while.
pub fn stands_still(count: &AtomicUsize) -> usize {
    let mut last = (0, Instant::now());
    eventually("the count stops changing", || {
        let now = count.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, Instant::now());
        }
        (now > 0 && last.1.elapsed() > Duration::from_millis(500)).then_some(now)
    })
}
