//! The life of a ticket: its states, the steps between them, and who may take them.
//!
//! The rules are pure. A caller reads the row (with the store's time), asks a rule, and lets the store swap the old
//! ticket for the new one; after a lost swap it reads and asks again (`store/`). Each rule consumes the old ticket and
//! returns a [`Step`], or a [`Refusal`] that changes nothing. "Expired" is not a stored state but a comparison with the
//! store's clock.
//!
//! ```text
//! issued ──claim──▶ claimed ──right number──▶ approved ──redeem──▶ spent ──undo──▶ undone
//!    │                 └─ wrong number, decline ─▶ declined
//!    └─ newer code ─▶ replaced          (a decline and a newer code end every state before spent)
//! ```

mod draft;
mod grant;
mod redeem;
mod rules;
mod state;
mod undo;

pub use draft::{Draft, SignIn};
pub use grant::{Grant, RevokeGrant};
pub use redeem::{Lease, Redeem, RedeemFailure};
pub use rules::{Refusal, Step};
#[cfg(any(test, fuzzing))]
pub use state::{Approved, Binding};
pub use state::{Phase, Reason, Replaced, State, TOMBSTONE, Ticket};
pub use undo::Undoing;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod undo_tests;
