//! The permission to call the login hook. The hook takes it by value, so a call without a redeemed ticket does not
//! compile.

use crate::token::Party;

/// Permission for exactly one call of the login hook. Only `Ticket::begin_redeem` creates it.
#[derive(Debug)]
pub struct Grant {
    pub(super) user: String,
    pub(super) hook_id: String,
    pub(super) issued_at: u64,
    pub(super) auth_time: Option<u64>,
    pub(super) computer: Party,
    pub(super) attempt: u8,
    pub(super) timestamp: u64,
}

impl Grant {
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The `webhook-id`, the same for all calls for one ticket.
    pub fn hook_id(&self) -> &str {
        &self.hook_id
    }

    /// When the code was minted, in seconds since the epoch by the store's clock.
    pub fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// When the person last authenticated, in seconds since the epoch, if the application said so.
    pub fn auth_time(&self) -> Option<u64> {
        self.auth_time
    }

    /// The computer that showed the code.
    pub fn computer(&self) -> &Party {
        &self.computer
    }

    /// The number of the call, from 1 to [`MOST_CALLS`](super::redeem::MOST_CALLS).
    pub fn attempt(&self) -> u8 {
        self.attempt
    }

    /// The `webhook-timestamp`, in seconds since the epoch by the store's clock, later than that of the previous call.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// A grant without a ticket.
    #[cfg(test)]
    pub(crate) fn for_test(user: &str, hook_id: &str, computer: Party, timestamp: u64) -> Grant {
        Grant {
            user: user.to_owned(),
            hook_id: hook_id.to_owned(),
            issued_at: timestamp.saturating_sub(30),
            auth_time: None,
            computer,
            attempt: 1,
            timestamp,
        }
    }
}
