//! Signals: which of them mean something, and which are ignored (docs/operations.md has the table).

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::setup::{StartError, failed};

/// The signals that mean something.
pub struct Signals {
    /// A reload.
    pub hangup: Signal,
    /// The end.
    pub end: End,
}

/// The signals that end the process.
pub struct End {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl End {
    /// Waits for one of them.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}

impl Signals {
    /// From now on these signals do nothing by themselves.
    ///
    /// # Errors
    ///
    /// When the system refuses to hand one over.
    pub fn heard_from_now() -> Result<Signals, StartError> {
        let hear = |kind| signal(kind).map_err(failed);
        // Heard and ignored, from now to the end of the process: by default these two would end it.
        drop([hear(SignalKind::user_defined1())?, hear(SignalKind::user_defined2())?]);
        Ok(Signals {
            hangup: hear(SignalKind::hangup())?,
            end: End {
                terminate: hear(SignalKind::terminate())?,
                interrupt: hear(SignalKind::interrupt())?,
                quit: hear(SignalKind::quit())?,
            },
        })
    }
}
