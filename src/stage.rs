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

/// Announces each stage.
#[derive(Debug)]
pub struct Announcer(watch::Sender<Stage>);

/// Both sides, at the stage of serving.
pub fn stages() -> (Announcer, Stages) {
    let (announce, hear) = watch::channel(Stage::Serving);
    (Announcer(announce), Stages(hear))
}

impl Announcer {
    /// Announces a stage to all receivers.
    pub fn announce(&self, stage: Stage) {
        self.0.send_replace(stage);
    }
}

impl Stages {
    pub fn now(&self) -> Stage {
        *self.0.borrow()
    }

    /// Waits until the drain begins, or returns at once if it has begun.
    pub async fn draining(&mut self) {
        // The sender is gone, which ends the process too.
        let _ = self.0.wait_for(|stage| *stage >= Stage::Draining).await;
    }
}
