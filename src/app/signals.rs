//! Signals: which are handled and which are ignored (docs/operations.md has the table).

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::setup::{StartError, failed};

/// The signals that are handled.
pub struct Signals {
    /// A reload.
    pub hangup: Signal,
    /// Shutdown.
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
    /// Replaces the default action of these signals.
    pub fn heard_from_now() -> Result<Signals, StartError> {
        let hear = |kind| signal(kind).map_err(failed);
        // Received and ignored: by default these two would end the process.
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
