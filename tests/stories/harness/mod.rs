//! What the stories share: an application, a gate in front of it, and two people.

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
pub mod people;
pub mod redis;
pub mod relay;
pub mod tls;

use std::time::{Duration, Instant};

/// Asks again and again until there is something, without a fixed wait; fails after [`http::PATIENCE`].
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + http::PATIENCE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < until, "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
