//! Whether all processes on one store have the same ticket secret. Each leaves a keyed hash of its newest one in the
//! store, which reveals nothing of the secret. A process cannot open codes whose secret it does not have.

use std::time::Duration;

use super::setup::ProcessState;
use crate::config::StoreUrl;
use crate::store::{Store, StoreError};
use crate::token::{CodeHash, TicketSecrets};

/// The mark's place among the codes to type, whose keys are all hashes.
const MARK: CodeHash = CodeHash(*b"the ticket secret that is in use");
/// How long a mark stays. The first process that looks afterwards leaves the next one.
const LIFETIME: Duration = Duration::from_secs(90);
/// How often a process looks.
const INTERVAL: Duration = Duration::from_secs(60);
/// After how many looks a foreign mark is reported: a process that was stopped may have left the first two.
const LOOKS: u32 = 3;

/// Whether the mark in the store is that of a secret which is not among `secrets`.
///
/// # Errors
///
/// [`StoreError`] if the store cannot be read.
pub async fn is_foreign(store: &Store, secrets: &TicketSecrets) -> Result<bool, StoreError> {
    Ok(store.code(&MARK).await?.is_some_and(|mark| !secrets.has_fingerprint(&mark)))
}

/// Leaves this process' mark, and warns when another process keeps leaving a foreign one.
pub(super) async fn compare(shared: ProcessState) {
    let mut interval = tokio::time::interval(INTERVAL);
    let mut looks = 0;
    loop {
        interval.tick().await;
        let setup = shared.setup.load_full();
        if matches!(setup.config.store.url, StoreUrl::Memory) {
            continue;
        }
        // A store that is away is reported by the requests that need it.
        let _ = setup.store.keep_code(&MARK, &setup.secrets.newest().fingerprint(), LIFETIME).await;
        looks = if is_foreign(&setup.store, &setup.secrets).await.unwrap_or(false) { looks + 1 } else { 0 };
        if looks == LOOKS {
            shared.telemetry.warn("another process on this store has another ticket secret", &[]);
        }
    }
}
