//! Bytes that must not be seen: kept out of logs, and wiped from memory when dropped.

use std::fmt;

use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

/// The least a secret may hold, in bytes.
pub const LEAST_BYTES: usize = 32;

/// Secret bytes. Printing one shows only that it is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why a text is not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// It starts with `whsec_`, but what follows is not base64.
    NotBase64,
    /// It holds this many bytes; [`LEAST_BYTES`] are needed.
    TooShort(usize),
}

impl Secret {
    /// Reads a secret as an operator writes it: `whsec_` and base64 (with or without padding), or any other text,
    /// which is taken as it stands. White space at both ends is dropped.
    ///
    /// # Errors
    ///
    /// [`SecretError::NotBase64`] and [`SecretError::TooShort`].
    pub fn parse(text: &str) -> Result<Secret, SecretError> {
        let text = text.trim();
        let bytes = match text.strip_prefix("whsec_") {
            Some(encoded) => {
                BASE64_NOPAD.decode(encoded.trim_end_matches('=').as_bytes()).map_err(|_| SecretError::NotBase64)?
            }
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() < LEAST_BYTES {
            return Err(SecretError::TooShort(bytes.len()));
        }
        Ok(Secret::from_bytes(bytes))
    }

    /// Takes bytes that were made or read elsewhere.
    pub fn from_bytes(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// Makes a fresh secret of 32 bytes from the operating system.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn random() -> Result<Secret, NoRandomness> {
        let mut bytes = vec![0; LEAST_BYTES];
        fill_random(&mut bytes)?;
        Ok(Secret::from_bytes(bytes))
    }

    /// The secret itself. Whoever calls this must not let it out.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The form an operator keeps in a file: `whsec_<base64>`.
    pub fn to_whsec(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("whsec_{}", BASE64.encode(&self.0)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretError::NotBase64 => f.write_str("is not base64 after `whsec_`"),
            SecretError::TooShort(n) => write!(f, "holds {n} bytes, at least {LEAST_BYTES} are needed"),
        }
    }
}

impl std::error::Error for SecretError {}

/// The operating system gave no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system gave no random bytes")
    }
}

impl std::error::Error for NoRandomness {}

/// Fills `bytes` with randomness of the operating system.
///
/// # Errors
///
/// [`NoRandomness`] when it has none to give.
pub fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| NoRandomness)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_round_trips_through_its_written_form() {
        let secret = Secret::random().unwrap();
        assert_eq!(Secret::parse(&secret.to_whsec()).unwrap(), secret);
        let unpadded = secret.to_whsec().trim_end_matches('=').to_owned();
        assert_eq!(Secret::parse(&format!(" {unpadded}\n")).unwrap(), secret);
    }

    #[test]
    fn a_short_secret_is_refused_with_its_length() {
        assert_eq!(Secret::parse("letmein"), Err(SecretError::TooShort(7)));
        assert_eq!(Secret::parse("whsec_"), Err(SecretError::TooShort(0)));
        assert_eq!(Secret::parse("whsec_!!!"), Err(SecretError::NotBase64));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let secret = Secret::from_bytes(b"0123456789abcdef0123456789abcdef".to_vec());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
