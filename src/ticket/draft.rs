//! A ticket at its mint.

use std::time::Duration;

use super::state::{LEFT_BY_A_CLAIM, State, Ticket};
use crate::clock::Timestamp;
use crate::token::{AnchorKey, ViewIndex};

/// What a mint brings along.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Which ticket secret it is made under.
    pub key_id: u8,
    /// The user and browser.
    pub anchor: AnchorKey,
    /// How its page finds it.
    pub view: ViewIndex,
    /// The store's time.
    pub issued: Timestamp,
    /// `tickets.lifetime`.
    pub lifetime: Duration,
    /// The sealed record.
    pub record: Vec<u8>,
    /// The sealed facts for its page.
    pub page: Vec<u8>,
}

/// The last moment at which a step may begin, for a ticket minted at `issued`: what the record seals as `end`.
pub fn end_of(issued: Timestamp, lifetime: Duration) -> Timestamp {
    issued + lifetime + LEFT_BY_A_CLAIM
}

impl Ticket {
    /// A ticket at the beginning of its life.
    pub fn issue(new: Issue) -> Ticket {
        Ticket {
            key_id: new.key_id,
            anchor: new.anchor,
            view: new.view,
            issued: new.issued,
            exp: new.issued + new.lifetime,
            end: end_of(new.issued, new.lifetime),
            contested: false,
            expiry_noted: false,
            state: State::Issued,
            record: new.record.into(),
            page: new.page.into(),
        }
    }
}
