//! Notifications to a service manager (`Type=notify`, sd_notify(3)), if `NOTIFY_SOCKET` is set.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// Reports that everything listens, or that a reload is complete.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Reports the start of a reload. `Type=notify-reload` requires the timestamp.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// Reports the start of the shutdown.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Ignores errors: a missing manager is no reason to stop serving.
fn notify(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}

/// The heartbeat of a worker, which stops when its loop stalls and ends with the worker.
#[derive(Default)]
pub struct Pulse(Arc<AtomicBool>);

impl Pulse {
    /// Called in each iteration of the worker's loop.
    pub fn beat(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The heartbeats of all workers.
#[derive(Default)]
pub struct Pulses(Vec<Weak<AtomicBool>>);

impl Pulses {
    /// The heartbeat for a new worker.
    pub fn add(&mut self) -> Pulse {
        let pulse = Pulse::default();
        self.0.push(Arc::downgrade(&pulse.0));
        pulse
    }

    /// Whether every worker has beaten since the last call. A worker that has ended counts as stalled, unless the
    /// process is `ending`.
    fn all_beat(&self, ending: bool) -> bool {
        // No early exit: every flag must be reset.
        let still = self.0.iter().filter(|pulse| match pulse.upgrade() {
            Some(pulse) => !pulse.swap(false, Ordering::Relaxed),
            None => !ending,
        });
        still.count() == 0
    }
}

/// Notifies the manager's watchdog twice per `WATCHDOG_USEC` while all workers are alive. Returns at once if there is
/// no watchdog, else never.
pub async fn watch(pulses: Pulses, ending: impl Fn() -> bool, stalled: impl Fn()) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| *limit > Duration::ZERO) else { return };
    let half = limit / 2;
    let mut tick = tokio::time::interval_at(Instant::now() + half, half);
    loop {
        tick.tick().await;
        match pulses.all_beat(ending()) {
            true => notify(&[NotifyState::Watchdog]),
            false => stalled(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_that_stalled_is_enough() {
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
