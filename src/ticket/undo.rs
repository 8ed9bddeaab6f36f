//! Undoing a sign-in. Each attempt takes one lease and makes at most one call of the revoke hook.

use std::time::Duration;

use bytes::Bytes;

use super::grant::RevokeGrant;
use super::redeem::{Lease, RedeemFailure};
use super::rules::{Refusal, Step};
use super::state::{Binding, LeaseHeld, SET_BACK, Spent, State, Ticket, Undo, Undone};
use crate::clock::Timestamp;
use crate::token::NewSession;

/// How far a `webhook-timestamp` may be ahead of the store's clock, in seconds. Applications accept 60.
const MAX_AHEAD: u64 = 30;

/// An undo that has begun.
#[cfg_attr(test, derive(Debug))]
pub struct Undoing {
    /// Permits one call of the revoke hook.
    pub grant: RevokeGrant,
    /// Ends the undo.
    pub lease: Lease,
}

impl Ticket {
    /// How long the sign-in can still be undone. `None` unless it is spent and its session has a name.
    pub fn undo_left(&self, now: Timestamp) -> Option<Duration> {
        let State::Spent(spent) = &self.state else { return None };
        spent.offered(now).map(|undo| now.until(undo.until))
    }

    /// Whether an undo has begun, or is done.
    pub fn is_in_undo(&self) -> bool {
        matches!(self.state, State::Undone(_)) || self.undo().is_some_and(|undo| undo.begun > 0)
    }

    /// Whether an undo is running.
    pub fn is_undoing(&self, now: Timestamp) -> bool {
        self.undo().and_then(|undo| undo.lease).is_some_and(|lease| now < lease.until)
    }

    /// The sealed session that can be undone.
    pub fn sealed_session(&self) -> Option<&Bytes> {
        self.undo().map(|undo| &undo.session)
    }

    fn undo(&self) -> Option<&Undo> {
        match &self.state {
            State::Spent(spent) => spent.undo.as_ref(),
            _ => None,
        }
    }

    /// The page with the code begins to undo the sign-in. The lease lasts for `length`. From now on no phone gets the
    /// session's cookies again.
    ///
    /// `session` is what [`Ticket::sealed_session`] holds, opened.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyDone`], [`Refusal::NothingToUndo`], [`Refusal::Busy`] while another request is undoing it or
    /// after too many calls within seconds.
    pub fn begin_undo(self, now: Timestamp, session: NewSession, length: Duration) -> Result<Step<Undoing>, Refusal> {
        let spent = match &self.state {
            State::Spent(spent) => spent,
            State::Undone(_) => return Err(Refusal::AlreadyDone),
            _ => return Err(Refusal::NothingToUndo),
        };
        let undo = spent.offered(now).ok_or(Refusal::NothingToUndo)?;
        let timestamp = now.seconds().max(undo.signed.saturating_add(1));
        let is_running = undo.lease.is_some_and(|lease| now < lease.until);
        if is_running || timestamp > now.seconds() + MAX_AHEAD {
            return Err(Refusal::Busy);
        }
        let serial = undo.begun.saturating_add(1);
        let lease = Some(LeaseHeld { serial, until: now + length });
        let begun = Undo { begun: serial, lease, signed: timestamp, ..undo.clone() };
        let undoing = Undoing { grant: RevokeGrant { session, timestamp, _private: () }, lease: Lease { serial } };
        Ok(Step::of(Ticket { record: Bytes::new(), ..self.keeping(begun) }).with(undoing))
    }

    /// The session has ended. `page` holds the sealed page facts, which say so too.
    pub fn finish_undo(self, now: Timestamp, lease: &Lease, page: Bytes) -> Result<Step, Refusal> {
        let (binding, undo) = self.undoing(now, lease)?;
        let state = State::Undone(Undone { binding, until: undo.until });
        Ok(Step::of(Ticket { state, page, ..self }))
    }

    /// The session has not ended, as far as is known. The sign-in can be undone again.
    pub fn release_undo(self, now: Timestamp, lease: &Lease, failure: RedeemFailure) -> Result<Step, Refusal> {
        let (_, undo) = self.undoing(now, lease)?;
        let signed = match failure {
            // Nothing was sent with this timestamp, so the next call may use it.
            RedeemFailure::NotCalled => undo.signed.saturating_sub(1),
            RedeemFailure::Called => undo.signed,
        };
        Ok(Step::of(self.keeping(Undo { lease: None, signed, ..undo })))
    }

    /// The holder, and what can undo the sign-in, if this lease is the running one and has not lapsed.
    fn undoing(&self, now: Timestamp, lease: &Lease) -> Result<(Binding, Undo), Refusal> {
        match &self.state {
            State::Spent(Spent { binding, undo: Some(undo), .. })
                if undo.lease.is_some_and(|held| held.serial == lease.serial && now < held.until) =>
            {
                Ok((*binding, undo.clone()))
            }
            _ => Err(Refusal::LeaseLost),
        }
    }

    /// The same ticket with another `undo`, and without the sealed cookies.
    fn keeping(self, undo: Undo) -> Ticket {
        match self.state {
            State::Spent(spent) => {
                Ticket { state: State::Spent(Spent { response: Bytes::new(), undo: Some(undo), ..spent }), ..self }
            }
            _ => self,
        }
    }
}

impl Spent {
    /// What can undo it at this time.
    fn offered(&self, now: Timestamp) -> Option<&Undo> {
        self.undo.as_ref().filter(|undo| now < undo.until && self.at <= now + SET_BACK)
    }
}
