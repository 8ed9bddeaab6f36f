//! The token in the QR link, and everything that is derived from it and from the ticket secret.
//!
//! The derivations are written down in docs/security.md; every one has its own label, every list of values is joined
//! unambiguously, and nothing here does I/O. What a ticket may do is `ticket/`; where it is kept is `store/`.

mod capability;
mod derive;
mod keys;
mod sealed;
mod text;
mod typed;

pub use capability::{BrowserId, ClaimKey, Desk, Token, View, ViewIndex};
#[cfg(test)]
pub(crate) use keys::Mac;
pub use keys::{
    AnchorKey, ApprovalMac, ClaimMac, CodeHash, NumberMac, Opened, Pressed, TicketId, TicketKey, TicketSecrets,
    UserHash,
};
pub use sealed::{Approval, PageFacts, Party, Record, RedeemResponse};
pub use typed::TypedCode;

#[cfg(test)]
mod tests;
