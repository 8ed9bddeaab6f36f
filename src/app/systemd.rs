//! What a service manager is told (`Type=notify`, sd_notify(3)), where `NOTIFY_SOCKET` says that there is one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// Everything listens, or a reload is over.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins. The time makes `Type=notify-reload` believe it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The end has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// A manager that went away is no reason to stop serving.
fn tell(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}

/// A worker's sign of life: it beats as long as the worker's loop goes round, and is gone with the worker.
#[derive(Default)]
pub struct Pulse(Arc<AtomicBool>);

impl Pulse {
    /// The loop has gone round.
    pub fn beat(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The pulses of all workers.
#[derive(Default)]
pub struct Pulses(Vec<Weak<AtomicBool>>);

impl Pulses {
    /// One more, for a new worker.
    pub fn add(&mut self) -> Pulse {
        let pulse = Pulse::default();
        self.0.push(Arc::downgrade(&pulse.0));
        pulse
    }

    /// Whether every worker's loop has gone round since the last time this was asked. Workers that have ended count as
    /// standing still, unless they are `ending`.
    fn all_beat(&self, ending: bool) -> bool {
        // Every one is asked: each begins anew.
        let still = self.0.iter().filter(|pulse| match pulse.upgrade() {
            Some(pulse) => !pulse.swap(false, Ordering::Relaxed),
            None => !ending,
        });
        still.count() == 0
    }
}

/// Tells the manager twice in each `WATCHDOG_USEC` that this process lives, as long as all its workers do. Never returns
/// where there is a watchdog; without one, at once.
pub async fn watch(pulses: Pulses, ending: impl Fn() -> bool, stands_still: impl Fn()) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit > Duration::ZERO) else { return };
    let half = limit / 2;
    let mut tick = tokio::time::interval_at(Instant::now() + half, half);
    loop {
        tick.tick().await;
        match pulses.all_beat(ending()) {
            true => tell(&[NotifyState::Watchdog]),
            false => stands_still(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_that_stands_still_is_enough() {
        let mut pulses = Pulses::default();
        let (one, other) = (pulses.add(), pulses.add());
        assert!(!pulses.all_beat(false), "neither has begun");
        one.beat();
        assert!(!pulses.all_beat(false));
        one.beat();
        other.beat();
        assert!(pulses.all_beat(false));
        assert!(!pulses.all_beat(false), "each must beat again");
    }

    #[test]
    fn a_worker_may_be_gone_only_at_the_end() {
        let mut pulses = Pulses::default();
        drop(pulses.add());
        assert!(!pulses.all_beat(false));
        assert!(pulses.all_beat(true));
    }
}
