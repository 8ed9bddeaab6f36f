//! The token in the QR link, and everything derived from it and from the ticket secret.
//!
//! docs/security.md lists the derivations. Each has its own label, lists of values are encoded unambiguously, and
//! nothing here does I/O. `ticket/` has the rules for tickets, `store/` keeps them.

mod capability;
mod derive;
mod keys;
mod opened;
mod sealed;
mod text;
mod typed;

pub use capability::{BrowserId, ClaimKey, Desk, Token, View, ViewIndex};
#[cfg(test)]
pub(crate) use keys::Mac;
pub use keys::{
    AnchorKey, ApprovalMac, ClaimMac, CodeHash, NumberMac, Pressed, TicketId, TicketKey, TicketSecrets, UserHash,
};
pub use opened::Opened;
pub use sealed::{Approval, EventMessage, NewSession, PageFacts, Party, Record, RedeemResponse};
pub use typed::TypedCode;

#[cfg(test)]
mod tests;
