//! The permissions to call the login hook and the revoke hook. Each hook takes its own by value, so a call without a
//! ticket that allows it does not compile.

use crate::stay::Stay;
use crate::token::{NewSession, Party};

/// Permission for exactly one call of the login hook. Only `Ticket::begin_redeem` creates it.
#[derive(Debug)]
pub struct Grant {
    pub user: String,
    /// The `webhook-id`, the same for all calls for one ticket.
    pub hook_id: String,
    /// When the code was minted, in seconds since the epoch by the store's clock.
    pub issued_at: u64,
    /// When the person last authenticated, in seconds since the epoch, if the application said so.
    pub auth_time: Option<u64>,
    pub computer: Party,
    /// The chosen length of session, if there was a choice.
    pub stay: Option<Stay>,
    /// The number of the call, from 1 to [`MAX_CALLS`](super::redeem::MAX_CALLS).
    pub attempt: u8,
    /// The `webhook-timestamp`, in seconds since the epoch by the store's clock, later than that of the previous call.
    pub timestamp: u64,
    /// Not even its fields make a grant outside this folder.
    pub(super) _private: (),
}

/// Permission for exactly one call of the revoke hook. Only `Ticket::begin_undo` creates it.
#[cfg_attr(test, derive(Debug))]
pub struct RevokeGrant {
    pub session: NewSession,
    /// The `webhook-timestamp`, in seconds since the epoch by the store's clock, later than that of the previous call.
    pub timestamp: u64,
    /// Not even its fields make a grant outside this folder.
    pub(super) _private: (),
}

#[cfg(test)]
impl RevokeGrant {
    /// A grant without a ticket.
    pub(crate) fn for_test(session: NewSession, timestamp: u64) -> RevokeGrant {
        RevokeGrant { session, timestamp, _private: () }
    }
}

#[cfg(test)]
impl Grant {
    /// A grant without a ticket.
    pub(crate) fn for_test(user: &str, hook_id: &str, computer: Party, timestamp: u64) -> Grant {
        Grant {
            user: user.to_owned(),
            hook_id: hook_id.to_owned(),
            issued_at: timestamp.saturating_sub(30),
            auth_time: None,
            computer,
            stay: None,
            attempt: 1,
            timestamp,
            _private: (),
        }
    }
}
