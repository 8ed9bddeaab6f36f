//! Redeeming. Each attempt takes one lease and makes at most one call of the login hook.

use std::time::Duration;

use bytes::Bytes;

use super::grant::Grant;
use super::rules::{Refusal, Step};
use super::state::{Approved, LeaseHeld, Reason, Spent, State, Ticket, Undo};
use crate::clock::Timestamp;
use crate::token::{ClaimMac, Opened, Record};

/// Maximum calls of the login hook for one ticket.
pub const MAX_CALLS: u8 = 3;

/// Identifies a running redeem or undo. Not `Clone`: only the caller that began it can end it.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    pub(super) serial: u32,
}

/// A redeem that has begun.
#[derive(Debug)]
pub struct Redeem {
    /// Permits one call of the login hook.
    pub grant: Grant,
    /// Ends the redeem.
    pub lease: Lease,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedeemFailure {
    /// The call cannot have reached the login hook, and does not count.
    NotCalled,
    /// The call may have reached it, and counts.
    Called,
}

impl Ticket {
    /// `finish`: the holder of an approved ticket begins to redeem it. The lease lasts for `length`.
    ///
    /// `page` is given if the request comes from another phone than the computer's page shows: it holds the new
    /// sealed page facts, and the ticket becomes contested. A step without a [`Redeem`] declines the ticket:
    /// [`MAX_CALLS`] calls were made and the last one was abandoned.
    ///
    /// # Errors
    ///
    /// [`Refusal::Taken`] for another browser, [`Refusal::NotApproved`], [`Refusal::Busy`] while another request is
    /// redeeming, [`Refusal::Forged`] if the approval is not authentic, [`Refusal::Over`].
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
        if self.binding().is_some_and(|binding| binding.claim != *claim) {
            return Err(Refusal::Taken);
        }
        let State::Approved(approved) = self.state else { return Err(Refusal::NotApproved) };
        if approved.assent != opened.approval_mac(claim, approved.stay) {
            return Err(Refusal::Forged);
        }
        if approved.lease.is_some_and(|lease| now < lease.until) {
            return Err(Refusal::Busy);
        }
        self.refuse_if_over(now, Some(record))?;
        if approved.calls >= MAX_CALLS {
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

    /// The hook's cookies are verified. Callers relay them only after this step is written. `session` is the sealed
    /// session, and how long the sign-in can be undone; `None` if it cannot.
    ///
    /// # Errors
    ///
    /// [`Refusal::LeaseLost`]: nothing may be relayed.
    pub fn finish_redeem(
        self,
        now: Timestamp,
        lease: &Lease,
        response: Bytes,
        session: Option<(Bytes, Duration)>,
    ) -> Result<Step, Refusal> {
        let approved = self.leased(now, lease)?;
        let undo =
            session.map(|(session, lasts)| Undo { session, until: now + lasts, begun: 0, lease: None, signed: 0 });
        Ok(self.ends_lease(&approved, State::Spent(Spent { binding: approved.binding, at: now, response, undo })))
    }

    /// The redeem failed. The ticket stays approved, or is declined after [`MAX_CALLS`] failed calls.
    pub fn release_redeem(self, now: Timestamp, lease: &Lease, failure: RedeemFailure) -> Result<Step, Refusal> {
        let approved = self.leased(now, lease)?;
        let Approved { calls, signed, .. } = approved;
        let (calls, signed) = match failure {
            // Nothing was sent with this timestamp, so the next call may use it.
            RedeemFailure::NotCalled => (calls.saturating_sub(1), signed.saturating_sub(1)),
            RedeemFailure::Called if calls >= MAX_CALLS => return Ok(self.declined(Reason::Application)),
            RedeemFailure::Called => (calls, signed),
        };
        Ok(self.ends_lease(&approved, State::Approved(Approved { calls, signed, lease: None, ..approved })))
    }

    /// The login hook refused, or the computer's session is no longer valid for this sign-in: `reason` says which.
    pub fn refuse(self, now: Timestamp, lease: &Lease, reason: Reason) -> Result<Step, Refusal> {
        self.leased(now, lease)?;
        Ok(self.declined(reason))
    }

    /// The approved state, if this lease is the running one and has not lapsed.
    fn leased(&self, now: Timestamp, lease: &Lease) -> Result<Approved, Refusal> {
        match self.state {
            State::Approved(approved @ Approved { lease: Some(held), .. })
                if held.serial == lease.serial && now < held.until =>
            {
                Ok(approved)
            }
            _ => Err(Refusal::LeaseLost),
        }
    }

    /// A step to `state` that must be written before the lease lapses.
    fn ends_lease(self, approved: &Approved, state: State) -> Step {
        let before = approved.lease.map(|lease| lease.until);
        Step { before, ..Step::of(Ticket { state, ..self }) }
    }
}

impl Approved {
    /// The next call, under a new lease. Its timestamp is later than the previous one even within the same second,
    /// because an application refuses a repeated id and timestamp. The row could be tampered with, so a timestamp is
    /// at most [`MAX_CALLS`] seconds ahead of the clock.
    fn next_call(self, now: Timestamp, length: Duration) -> Approved {
        let begun = self.begun.saturating_add(1);
        let latest = now.seconds() + u64::from(MAX_CALLS);
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
            stay: self.stay,
            attempt: self.calls,
            timestamp: self.signed,
            _private: (),
        }
    }
}
