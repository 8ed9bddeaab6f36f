//! `qrgate secret`: a new secret in the form of the configuration.

use super::exit::DONE;
use super::terminal;
use crate::secret::Secret;

/// Prints `whsec_<base64 of 32 random bytes>`.
pub fn secret() -> u8 {
    let secret = match Secret::random() {
        Ok(secret) => secret,
        Err(error) => return terminal::fail(error),
    };
    match terminal::hand_over(&secret.to_whsec()) {
        Ok(()) => DONE,
        Err(error) => terminal::fail(format!("the secret could not be written: {error}")),
    }
}
