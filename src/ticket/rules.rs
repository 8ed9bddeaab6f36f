//! The steps that a ticket can take, and who may take them; `redeem` has those of the phone's last one.

use bytes::Bytes;

use super::state::{Approved, Binding, Declined, LEFT_BY_A_CLAIM, Phase, Reason, Replaced, State, Ticket};
use crate::clock::Timestamp;
use crate::token::{Approval, ApprovalMac, ClaimMac, Opened, Record, TicketId, TicketKey};

/// The product says no; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another browser holds the claim.
    Taken,
    /// This browser holds the claim already.
    Held,
    /// The ticket is over, in this way.
    Over(Phase),
    NotApproved,
    /// Another press of the same holder is redeeming.
    Busy,
    /// There is no number to type: nobody claimed it, or it went another way.
    NothingToApprove,
    /// The number was typed for another claim than the one in the store: somebody wrote there.
    OtherClaim,
    /// It has happened already; the present state is the answer.
    AlreadyDone,
    /// The redeem is no longer ours: it lapsed, or a decline or a newer code won.
    LeaseLost,
    /// The approval in the store is not authentic: somebody wrote it there.
    Forged,
}

/// What a rule decided: the new ticket, and what must still hold when the store writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<T = ()> {
    pub ticket: Ticket,
    /// The store's time must be before this when it writes.
    pub before: Option<Timestamp>,
    /// The anchor must still name this ticket.
    pub anchored: bool,
    /// What the rule gives besides.
    pub with: T,
}

impl Step {
    pub(super) fn with<T>(self, with: T) -> Step<T> {
        let Step { ticket, before, anchored, with: () } = self;
        Step { ticket, before, anchored, with }
    }
}

impl Ticket {
    /// `continue`: a phone takes the ticket, and has at least a minute from now on.
    ///
    /// With `approval = "phone"` (as the sealed record says) the claim is the approval too. `page` is sealed anew, with
    /// the phone in it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Held`] when this browser has it, [`Refusal::Taken`] when another does, [`Refusal::Over`].
    pub fn claim(
        self,
        now: Timestamp,
        opened: &Opened,
        claim: ClaimMac,
        record: &Record,
        page: Bytes,
    ) -> Result<Step, Refusal> {
        self.refuse_if_over(now, Some(record))?;
        match &self.state {
            State::Issued => {}
            State::Claimed(_) | State::Approved(_) if self.held_by(&claim) => return Err(Refusal::Held),
            State::Claimed(_) | State::Approved(_) => return Err(Refusal::Taken),
            State::Spent(_) | State::Declined(_) | State::Replaced(_) => return Err(Refusal::Over(self.phase(now))),
        }
        let binding = Binding { claim, check: opened.number_mac(&claim) };
        let state = match record.approval {
            Approval::Number => State::Claimed(binding),
            Approval::Phone => State::Approved(Approved::new(binding, opened.approval_mac(&claim))),
        };
        let before = Some(self.exp);
        let exp = self.exp.max(now + LEFT_BY_A_CLAIM);
        Ok(Step { ticket: Ticket { state, exp, page, ..self }, before, anchored: true, with: () })
    }

    /// The computer's page sends the number. One try: a wrong one ends the ticket, which is a step, not a refusal.
    ///
    /// `key` is the secret that [`Ticket::key_id`] names; whoever calls has checked the capability. `told` is the claim
    /// that the number was typed for: a number is never judged against two claims, or whoever can swap rows in the
    /// store would have as many tries.
    ///
    /// # Errors
    ///
    /// [`Refusal::OtherClaim`] where the row holds another claim than `told`, [`Refusal::AlreadyDone`] for the right
    /// number once more, [`Refusal::NothingToApprove`], [`Refusal::Over`].
    pub fn approve(
        self,
        now: Timestamp,
        id: &TicketId,
        key: &TicketKey,
        told: Option<ClaimMac>,
        number: u8,
    ) -> Result<Step, Refusal> {
        if self.binding().map(|binding| binding.claim) != told {
            return Err(Refusal::OtherClaim);
        }
        let right = self.binding().is_some_and(|binding| key.number_mac(id, &binding.claim, number) == binding.check);
        let binding = match &self.state {
            State::Approved(_) | State::Spent(_) if right && !self.is_expired(now) => return Err(Refusal::AlreadyDone),
            State::Claimed(binding) => *binding,
            State::Issued | State::Approved(_) | State::Spent(_) | State::Declined(_) | State::Replaced(_) => {
                self.refuse_if_over(now, None)?;
                return Err(Refusal::NothingToApprove);
            }
        };
        self.refuse_if_over(now, None)?;
        let state = match right {
            true => State::Approved(Approved::new(binding, key.approval_mac(id, &binding.claim))),
            false => State::Declined(Declined { binding: Some(binding), reason: Reason::Number }),
        };
        Ok(self.becomes(state))
    }

    /// The computer's page says no. A running redeem does not protect the ticket: until `spent`, the no wins.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyDone`] when it was declined before, [`Refusal::Over`] after every other end.
    pub fn decline(self, now: Timestamp) -> Result<Step, Refusal> {
        match self.phase(now) {
            Phase::Issued | Phase::Claimed | Phase::Approved => Ok(self.declined(Reason::Computer)),
            Phase::Declined(_) => Err(Refusal::AlreadyDone),
            over @ (Phase::Spent | Phase::Expired | Phase::Replaced) => Err(Refusal::Over(over)),
        }
    }

    /// The phone says no: the holder, or before any claim whoever has a confirm form with a valid proof.
    ///
    /// # Errors
    ///
    /// [`Refusal::Taken`] when another browser holds it, [`Refusal::Over`].
    pub fn cancel(self, now: Timestamp, claim: &ClaimMac) -> Result<Step, Refusal> {
        self.refuse_if_over(now, None)?;
        match self.binding() {
            Some(_) if !self.held_by(claim) => Err(Refusal::Taken),
            Some(_) | None => Ok(self.declined(Reason::Phone)),
        }
    }

    /// A browser that holds no claim opened the link of a claimed ticket: the computer's page shows it.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyDone`] when it is marked or unclaimed: nothing to write. [`Refusal::Over`].
    pub fn contest(self, now: Timestamp) -> Result<Step, Refusal> {
        self.refuse_if_over(now, None)?;
        if self.contested || self.binding().is_none() {
            return Err(Refusal::AlreadyDone);
        }
        let before = Some(self.live_until());
        Ok(Step { ticket: Ticket { contested: true, ..self }, before, anchored: false, with: () })
    }

    /// A newer code takes its place.
    ///
    /// # Errors
    ///
    /// [`Refusal::Over`]: an end stays what it is.
    pub fn replace(self, now: Timestamp) -> Result<Step, Refusal> {
        self.refuse_if_over(now, None)?;
        let binding = self.binding().copied();
        Ok(self.becomes(State::Replaced(Replaced { binding })))
    }

    /// Marks an expired ticket as counted; whoever wins this step counts it.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyDone`] when it has been counted or is not expired.
    pub fn note_expiry(self, now: Timestamp) -> Result<Step, Refusal> {
        match self.is_expired(now) && !self.expiry_noted {
            true => Ok(Step { ticket: Ticket { expiry_noted: true, ..self }, before: None, anchored: false, with: () }),
            false => Err(Refusal::AlreadyDone),
        }
    }

    pub(super) fn refuse_if_over(&self, now: Timestamp, record: Option<&Record>) -> Result<(), Refusal> {
        let phase = self.phase(now);
        // The sealed end counts even where somebody has moved the times in the store.
        let sealed_end = record.is_some_and(|record| now >= record.end);
        match phase {
            _ if phase.is_over() => Err(Refusal::Over(phase)),
            _ if sealed_end => Err(Refusal::Over(Phase::Expired)),
            _ => Ok(()),
        }
    }

    pub(super) fn declined(self, reason: Reason) -> Step {
        let binding = self.binding().copied();
        self.becomes(State::Declined(Declined { binding, reason }))
    }

    /// The step to `state`, which must be written while the old ticket is alive.
    pub(super) fn becomes(self, state: State) -> Step {
        let before = Some(self.live_until());
        Step { ticket: Ticket { state, ..self }, before, anchored: false, with: () }
    }
}

impl Approved {
    pub(super) fn new(binding: Binding, assent: ApprovalMac) -> Approved {
        Approved { binding, assent, calls: 0, begun: 0, lease: None, signed: 0 }
    }
}
