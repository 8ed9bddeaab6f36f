//! Delivers events on the main thread, while the configuration names a receiver.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::setup::{ProcessState, Setup};
use crate::application::{ClientSettings, Receiver};
use crate::deadline::Deadlines;
use crate::events::{Delivery, End};

/// The polling interval for a changed configuration.
const LOOK: Duration = Duration::from_secs(1);

/// Delivers until `stop`, by the configuration in use. `process` is a unique name. Must be called on a local runtime.
pub async fn deliver(shared: ProcessState, process: String, mut stop: oneshot::Receiver<()>) {
    let deadlines = Deadlines::start();
    loop {
        let setup = shared.setup.load_full();
        let ends = async {
            tokio::select! {
                () = changed(&shared, &setup) => End::Changed,
                _ = &mut stop => End::Stopped,
            }
        };
        let end = match receiver(&shared, &setup, &deadlines) {
            None => ends.await,
            Some(receiver) => {
                let delivery = Delivery {
                    failing: Cell::new(false),
                    store: &setup.store,
                    secrets: &setup.secrets,
                    receiver: &receiver,
                    telemetry: &shared.telemetry,
                    process: &process,
                };
                delivery.run(ends).await
            }
        };
        if end == End::Stopped {
            return;
        }
    }
}

fn receiver(shared: &ProcessState, setup: &Setup, deadlines: &Deadlines) -> Option<Receiver> {
    let settings = ClientSettings::from(&setup.config.application);
    let receiver = Receiver::new(setup.config.events.as_ref()?, settings, deadlines.clone());
    receiver.inspect_err(|error| shared.telemetry.error("events cannot be delivered", &[("cause", error)])).ok()
}

/// Returns when another configuration is in use.
async fn changed(shared: &ProcessState, setup: &Arc<Setup>) {
    while Arc::ptr_eq(setup, &shared.setup.load()) {
        tokio::time::sleep(LOOK).await;
    }
}
