//! `qrgate secret`: a new secret, in the form in which it is kept.

use super::{FAILED, FINE, terminal};
use crate::secret::Secret;

/// Prints `whsec_<base64 of 32 random bytes>`.
pub fn secret() -> u8 {
    match Secret::random() {
        Ok(secret) => {
            terminal::say(&secret.to_whsec());
            FINE
        }
        Err(error) => {
            terminal::complain(&error.to_string());
            FAILED
        }
    }
}
