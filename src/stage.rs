//! Shutdown stages of the process, for tasks that would otherwise keep running.

use tokio::sync::watch;

/// A stage, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Stage {
    Serving,
    /// Requests in progress are completed.
    Draining,
    /// Requests still in progress are interrupted.
    Over,
}

/// Receives the stages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stages(watch::Receiver<Stage>);

/// A sender of stages and its receiver, at [`Stage::Serving`].
pub fn stages() -> (watch::Sender<Stage>, Stages) {
    let (sender, receiver) = watch::channel(Stage::Serving);
    (sender, Stages(receiver))
}

impl Stages {
    pub fn now(&self) -> Stage {
        *self.0.borrow()
    }

    /// Waits until the drain begins, or returns at once if it has begun.
    pub async fn draining(&mut self) {
        // An error: the sender is gone, which ends the process too.
        let _ = self.0.wait_for(|stage| *stage >= Stage::Draining).await;
    }
}
