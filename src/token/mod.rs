//! The token in the QR link, and everything that is derived from it and from the ticket secret.
//!
//! The derivations are written down in docs/security.md; every one has its own label, every list of values is joined
//! unambiguously, and nothing here does I/O. What a ticket may do is `ticket.rs`; where it is kept is `store/`.

mod capability;
mod derive;
mod keys;
mod sealed;

pub use capability::{BrowserId, ClaimKey, Desk, Token, View, ViewIndex};
pub use derive::SealFailed;
#[cfg(test)]
pub(crate) use keys::Mac;
pub use keys::{AnchorKey, Assent, Check, Claim, Opened, Pressed, TicketId, TicketKey, TicketSecrets, UserHash};
pub use sealed::{Answer, Approval, PageFacts, Party, Record};

/// 32 bytes as base64url, for serde's `with`.
mod text {
    use data_encoding::BASE64URL_NOPAD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        BASE64URL_NOPAD.encode(bytes).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| D::Error::custom("not base64url"))?;
        bytes.try_into().map_err(|_| D::Error::custom("not 32 bytes"))
    }
}

#[cfg(test)]
mod tests;
