//! Redeeming: one press is one lease and at most one call of the login hook.

use std::time::Duration;

use bytes::Bytes;

use super::grant::Grant;
use super::rules::{Refusal, Step};
use super::state::{Approved, LeaseHeld, Reason, Spent, State, Ticket};
use crate::clock::Timestamp;
use crate::token::{ClaimMac, Opened, Record};

/// So many calls of the login hook for one ticket.
pub const MOST_CALLS: u8 = 3;

/// Which running redeem is ours. Not cloned: whoever began it ends it.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    serial: u32,
}

/// A redeem has begun: what the login hook may be called with, and what ends the redeem.
#[derive(Debug)]
pub struct Redeem {
    /// For the one call.
    pub grant: Grant,
    /// For the step after it.
    pub lease: Lease,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedeemFailure {
    /// Nothing can have reached the login hook: the call does not count.
    NotCalled,
    /// It may have: the call counts.
    Called,
}

impl Ticket {
    /// `finish`: the holder of an approved ticket begins to redeem it, for `length` at most.
    ///
    /// `page` is the facts for the computer's page, sealed anew, where another phone presses than the one it shows: the
    /// ticket is contested then. Without a [`Redeem`] the step ends the ticket: three calls were made and the last one
    /// never reported back.
    ///
    /// # Errors
    ///
    /// [`Refusal::Taken`] for another browser, [`Refusal::NotApproved`], [`Refusal::Busy`] while another press is
    /// redeeming, [`Refusal::Forged`] for an approval that nobody with the ticket secret gave, [`Refusal::Over`].
    pub fn begin_redeem(
        self,
        now: Timestamp,
        opened: &Opened,
        claim: &ClaimMac,
        record: &Record,
        page: Option<Bytes>,
        length: Duration,
    ) -> Result<Step<Option<Redeem>>, Refusal> {
        self.refuse_if_over(now, None)?;
        let approved = match &self.state {
            State::Approved(approved) => *approved,
            State::Issued => return Err(Refusal::NotApproved),
            State::Claimed(_) if self.held_by(claim) => return Err(Refusal::NotApproved),
            State::Claimed(_) => return Err(Refusal::Taken),
            State::Spent(_) | State::Declined(_) | State::Replaced(_) => return Err(Refusal::Over(self.phase(now))),
        };
        if approved.binding.claim != *claim {
            return Err(Refusal::Taken);
        }
        if approved.assent != opened.approval_mac(claim) {
            return Err(Refusal::Forged);
        }
        if approved.lease.is_some_and(|lease| now < lease.until) {
            return Err(Refusal::Busy);
        }
        self.refuse_if_over(now, Some(record))?;
        if approved.calls >= MOST_CALLS {
            return Ok(self.declined(Reason::Application).with(None));
        }
        let begun = approved.next_call(now, length);
        let redeem = Redeem { grant: begun.grant(opened, record), lease: Lease { serial: begun.begun } };
        let mut step = self.becomes(State::Approved(begun));
        if let Some(page) = page {
            step.ticket.page = page;
            step.ticket.contested = true;
        }
        Ok(step.with(Some(redeem)))
    }

    /// The hook gave cookies and they were verified. Relayed is only what this step has written.
    ///
    /// # Errors
    ///
    /// [`Refusal::LeaseLost`]: relay nothing.
    pub fn finish_redeem(self, now: Timestamp, lease: &Lease, answer: Bytes) -> Result<Step, Refusal> {
        let approved = self.leased(now, lease)?;
        Ok(self.ends_lease(&approved, State::Spent(Spent { binding: approved.binding, at: now, answer })))
    }

    /// The redeem failed: the ticket stays approved, or is declined with the third failed call.
    pub fn release_redeem(self, now: Timestamp, lease: &Lease, failure: RedeemFailure) -> Result<Step, Refusal> {
        let approved = self.leased(now, lease)?;
        let Approved { calls, signed, .. } = approved;
        let (calls, signed) = match failure {
            // Nothing was sent with this timestamp: the next call may bear it.
            RedeemFailure::NotCalled => (calls.saturating_sub(1), signed.saturating_sub(1)),
            RedeemFailure::Called if calls >= MOST_CALLS => return self.refuse(now, lease),
            RedeemFailure::Called => (calls, signed),
        };
        Ok(self.ends_lease(&approved, State::Approved(Approved { calls, signed, lease: None, ..approved })))
    }

    pub fn refuse(self, now: Timestamp, lease: &Lease) -> Result<Step, Refusal> {
        self.leased(now, lease)?;
        Ok(self.declined(Reason::Application))
    }

    /// The computer's session has ended, is another user's, or is not allowed any more.
    pub fn sign_out(self, now: Timestamp, lease: &Lease) -> Result<Step, Refusal> {
        self.leased(now, lease)?;
        Ok(self.declined(Reason::SignedOut))
    }

    /// The approved state, if the running redeem is ours and has not lapsed.
    fn leased(&self, now: Timestamp, lease: &Lease) -> Result<Approved, Refusal> {
        match &self.state {
            State::Approved(approved) => match approved.lease {
                Some(held) if held.serial == lease.serial && now < held.until => Ok(*approved),
                Some(_) | None => Err(Refusal::LeaseLost),
            },
            State::Issued | State::Claimed(_) | State::Spent(_) | State::Declined(_) | State::Replaced(_) => {
                Err(Refusal::LeaseLost)
            }
        }
    }

    /// The step to `state`, which must be written while the lease runs.
    fn ends_lease(self, approved: &Approved, state: State) -> Step {
        let before = approved.lease.map(|lease| lease.until);
        Step { ticket: Ticket { state, ..self }, before, anchored: false, with: () }
    }
}

impl Approved {
    /// One call more, under a lease of its own, signed later than the one before even within a second: an application
    /// refuses the same id and timestamp twice. The row says when the last call was signed, and others may write there:
    /// no timestamp is further ahead than [`MOST_CALLS`] seconds, which so many calls never need.
    fn next_call(self, now: Timestamp, length: Duration) -> Approved {
        let begun = self.begun.saturating_add(1);
        let latest = now.seconds() + u64::from(MOST_CALLS);
        Approved {
            calls: self.calls + 1,
            begun,
            lease: Some(LeaseHeld { serial: begun, until: now + length }),
            signed: now.seconds().max(self.signed.saturating_add(1)).min(latest),
            ..self
        }
    }

    fn grant(&self, opened: &Opened, record: &Record) -> Grant {
        Grant {
            user: record.user.clone(),
            hook_id: opened.hook_id(),
            issued_at: record.issued.seconds(),
            auth_time: record.auth_time,
            computer: record.issuer.clone(),
            attempt: self.calls,
            timestamp: self.signed,
        }
    }
}
