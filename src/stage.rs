//! How far the process's own end has come, for all who would go on without being told.

use tokio::sync::watch;

/// A stage, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Stage {
    /// The end has not come.
    Serving,
    /// What is under way is finished.
    Draining,
    /// Time is up: what is still under way is cut off.
    Over,
}

/// Hears of each stage. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stages(watch::Receiver<Stage>);

/// Announces each stage.
#[derive(Debug)]
pub struct Announcer(watch::Sender<Stage>);

/// Both sides, while serving.
pub fn stages() -> (Announcer, Stages) {
    let (announce, hear) = watch::channel(Stage::Serving);
    (Announcer(announce), Stages(hear))
}

impl Announcer {
    /// Tells everybody.
    pub fn announce(&self, stage: Stage) {
        self.0.send_replace(stage);
    }
}

impl Stages {
    /// The present one.
    pub fn now(&self) -> Stage {
        *self.0.borrow()
    }

    /// Waits until the drain begins; returns at once where it has.
    pub async fn draining(&mut self) {
        // Nobody is left to announce anything: that is an end, too.
        let _ = self.0.wait_for(|stage| *stage >= Stage::Draining).await;
    }
}
