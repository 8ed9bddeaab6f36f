//! Checks that all processes on one store have the same ticket secret, because a process cannot open codes of another
//! secret. Each leaves a keyed hash of its newest secret in the store, which reveals nothing of the secret.

use std::time::Duration;

use super::setup::ProcessState;
use crate::config::StoreUrl;
use crate::store::{Store, StoreError};
use crate::token::{CodeHash, TicketSecrets};

/// The mark's place among the codes to type, whose keys are all hashes.
const MARK: CodeHash = CodeHash(*b"the ticket secret that is in use");
/// The lifetime of a mark. The next process that looks replaces an expired one.
const LIFETIME: Duration = Duration::from_secs(90);
/// The interval in which a process looks.
const INTERVAL: Duration = Duration::from_secs(60);
/// Foreign marks in a row before a warning: a process that has stopped may have left the first two.
const LOOKS: u32 = 3;

/// Whether the mark in the store is that of a secret which is not among `secrets`.
pub async fn is_foreign(store: &Store, secrets: &TicketSecrets) -> Result<bool, StoreError> {
    Ok(store.code(&MARK).await?.is_some_and(|mark| !secrets.has_fingerprint(&mark)))
}

/// Leaves this process's mark, and warns when another process keeps leaving a foreign one.
pub(super) async fn compare(shared: ProcessState) {
    let mut interval = tokio::time::interval(INTERVAL);
    let mut looks = 0;
    loop {
        interval.tick().await;
        let setup = shared.setup.load_full();
        if matches!(setup.config.store.url, StoreUrl::Memory) {
            continue;
        }
        // The requests that need the store report that it is unreachable.
        let _ = setup.store.keep_code(&MARK, &setup.secrets.newest().fingerprint(), LIFETIME).await;
        looks = if is_foreign(&setup.store, &setup.secrets).await.unwrap_or(false) { looks + 1 } else { 0 };
        if looks == LOOKS {
            shared.telemetry.warn("another process on this store has another ticket secret", &[]);
        }
    }
}
