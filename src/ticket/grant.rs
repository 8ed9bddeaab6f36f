//! The proof that a ticket was redeemed. The login hook takes it by value: a sign-in without a redeemed ticket does
//! not compile.

use crate::token::Party;

/// Leave for exactly one call of the login hook. Only `Ticket::begin_redeem` gives one.
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

    /// The `webhook-id`: the same over all calls for one ticket.
    pub fn hook_id(&self) -> &str {
        &self.hook_id
    }

    /// When the code was minted: the store's seconds since the epoch.
    pub fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// When the person last proved who they are, if the application said so.
    pub fn auth_time(&self) -> Option<u64> {
        self.auth_time
    }

    /// The computer that showed the code.
    pub fn computer(&self) -> &Party {
        &self.computer
    }

    /// 1 to 3: which call this is.
    pub fn attempt(&self) -> u8 {
        self.attempt
    }

    /// The `webhook-timestamp`: the store's seconds since the epoch, later than that of the call before.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// A grant without a ticket, for tests of what takes one.
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
