//! `qrgate secret`: a new secret in the form of the configuration.

use super::exit::Outcome;
use super::terminal;
use crate::secret::Secret;

/// Prints `whsec_<base64 of 32 random bytes>`.
pub fn secret() -> Outcome {
    let secret = Secret::random().map_err(terminal::fail)?;
    let written = terminal::hand_over(&secret.to_whsec());
    written.map_err(|error| terminal::fail(format!("the secret could not be written: {error}")))
}
