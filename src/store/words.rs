//! What is asked of a store, and what it gives.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::Rate;
use crate::ticket::{Phase, Refusal, Ticket};
use crate::token::TicketId;

/// A ticket as it was at one moment of the store's.
#[derive(Clone, Debug)]
pub struct Row {
    /// Grows with each write; a swap names the one it was judged on.
    pub version: u64,
    pub ticket: Ticket,
    /// The store's time of the reading.
    pub now: Timestamp,
}

impl Row {
    /// The state as seen at the reading.
    pub fn phase(&self) -> Phase {
        self.ticket.phase(self.now)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swapped {
    Written,
    /// Something was not as it was judged: version, anchor or time. Nothing is written.
    Lost,
}

#[derive(Debug)]
pub enum Stepped<T = ()> {
    /// It is written: the new row, and what the rule gave besides.
    Done(Row, T),
    /// The rule refused; the row it judged.
    Refused(Row, Refusal),
    /// There is no such ticket (any more).
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minted {
    /// The older ticket of the same anchor that it ended: as replaced, or as expired and not counted until now.
    pub older: Option<(TicketId, Phase)>,
}

/// One code more of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Within {
        now: Timestamp,
    },
    TooMany {
        /// When the next one will be within.
        retry_after: Duration,
        now: Timestamp,
    },
}

/// What a Redis says of itself; empty where it does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    pub version: String,
    /// What it does when its memory is full (`maxmemory-policy`).
    pub eviction: String,
}

/// One write: everything it needs to hold, and everything it sets. Whole or not at all.
pub(super) struct Write<'a> {
    pub(super) id: TicketId,
    /// The version it was judged on; 0: there must be no such row.
    pub(super) version: u64,
    pub(super) ticket: &'a Ticket,
    pub(super) before: Option<Timestamp>,
    pub(super) anchor: Anchor,
    /// The older ticket that a mint ends.
    pub(super) older: Option<(TicketId, u64, &'a Ticket)>,
}

/// What a write asks of its anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Any,
    /// It must name this ticket.
    Ours,
    /// It must name that ticket, or none; then it names this one.
    Take(Option<TicketId>),
}

/// Each code takes `per / count` of an allowance that refills with time (the generic cell rate algorithm). Both stores
/// reckon in microseconds: the present moment, one code's share, and the whole allowance.
pub(super) fn shares(now: Timestamp, rate: Rate) -> (u64, u64, u64) {
    let count = u64::from(rate.count.max(1));
    let share = (u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX) / count).max(1);
    (now.0.saturating_mul(1000), share, share.saturating_mul(count))
}
