//! Arguments and results of the store's calls.

use std::time::Duration;

use super::queue::QueuedEvent;
use crate::clock::Timestamp;
use crate::config::Rate;
use crate::ticket::{Phase, Refusal, Ticket};
use crate::token::TicketId;

/// A ticket as it was read.
#[derive(Clone, Debug)]
pub struct Row {
    /// Grows with each write. A swap succeeds only onto the version that was read.
    pub version: u64,
    pub ticket: Ticket,
    /// The store's time of the read.
    pub now: Timestamp,
}

impl Row {
    /// The state at the time of the read.
    pub fn phase(&self) -> Phase {
        self.ticket.phase(self.now)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swapped {
    Written,
    /// Version, anchor or time did not match. Nothing is written.
    Lost,
}

#[derive(Debug)]
pub enum Stepped<T = ()> {
    /// Written: the new row, and the rule's other result.
    Done(Row, T),
    /// The rule refused a step for this row.
    Refused(Row, Refusal),
    /// There is no such ticket.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Within { now: Timestamp },
    TooMany { retry_after: Duration, now: Timestamp },
}

/// Facts about a Redis server. A fact that the server does not report is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub version: String,
    /// Its `maxmemory-policy`.
    pub eviction: String,
}

/// An atomic write: its conditions, and what it sets.
pub(super) struct Write<'a> {
    pub(super) id: TicketId,
    /// The version that the row must have. 0 means that there must be no row.
    pub(super) version: u64,
    pub(super) ticket: &'a Ticket,
    pub(super) before: Option<Timestamp>,
    pub(super) anchor: Anchor,
    /// The older ticket that a mint ends, with its version and new value.
    pub(super) older: Option<(TicketId, u64, &'a Ticket)>,
    /// Queued in the same write.
    pub(super) event: Option<QueuedEvent>,
}

/// The condition on the ticket's anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Any,
    /// It must point to this ticket.
    Ours,
    /// It must point to that ticket, or to none. The write points it to this ticket.
    Take(Option<TicketId>),
}

/// The generic cell rate algorithm: each count takes `per / count` of an allowance that refills with time. Returns, in
/// microseconds, the present time, the share of one count, and the whole allowance.
pub(super) fn shares(now: Timestamp, rate: Rate) -> (u64, u64, u64) {
    let count = u64::from(rate.count.max(1));
    let share = (u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX) / count).max(1);
    (now.0.saturating_mul(1000), share, share.saturating_mul(count))
}
