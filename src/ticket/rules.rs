//! The steps of a ticket and who may take them, except those of a redeem (`redeem.rs`).

use bytes::Bytes;

use super::state::{Approved, Binding, Declined, LEFT_BY_A_CLAIM, Phase, Reason, Replaced, State, Ticket};
use crate::clock::Timestamp;
use crate::stay::Stay;
use crate::token::{Approval, ClaimMac, Opened, Record, TicketId, TicketKey};

/// Why a step is not allowed. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another browser holds the claim.
    Taken,
    /// This browser holds the claim already.
    Held,
    /// The ticket has ended, with this state.
    Over(Phase),
    NotApproved,
    /// Another request of the holder is redeeming.
    Busy,
    /// The ticket is not waiting for a number.
    NothingToApprove,
    /// The number was typed for another claim than the one in the store: the row was tampered with.
    OtherClaim,
    /// The step was taken before.
    AlreadyDone,
    /// The lease lapsed, or a decline or a newer code ended the redeem.
    LeaseLost,
    /// The approval in the store is not authentic.
    Forged,
    /// No sign-in of this ticket can be undone, or no longer.
    NothingToUndo,
}

/// The new ticket, and the conditions under which the store may write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<T = ()> {
    pub ticket: Ticket,
    /// The store must write it before this time, by its own clock.
    pub before: Option<Timestamp>,
    /// The anchor must still point to this ticket.
    pub anchored: bool,
    /// A result besides the new ticket.
    pub with: T,
}

impl Step {
    /// A step that may be written at any time.
    pub(super) fn of(ticket: Ticket) -> Step {
        Step { ticket, before: None, anchored: false, with: () }
    }

    pub(super) fn with<T>(self, with: T) -> Step<T> {
        let Step { ticket, before, anchored, with: () } = self;
        Step { ticket, before, anchored, with }
    }
}

impl Ticket {
    /// `continue`: a phone claims the ticket, and gets at least [`LEFT_BY_A_CLAIM`] from now on.
    ///
    /// With `approval = "phone"` (from the sealed record) the claim also approves, and `stay` is the chosen length of
    /// session. `page` holds the sealed page facts, now with the phone.
    ///
    /// # Errors
    ///
    /// [`Refusal::Held`] if this browser holds it, [`Refusal::Taken`] if another one does, [`Refusal::Over`].
    pub fn claim(
        self,
        now: Timestamp,
        opened: &Opened,
        claim: ClaimMac,
        record: &Record,
        page: Bytes,
        stay: Option<Stay>,
    ) -> Result<Step, Refusal> {
        self.refuse_if_over(now, Some(record))?;
        match self.binding() {
            None => {}
            Some(binding) if binding.claim == claim => return Err(Refusal::Held),
            Some(_) => return Err(Refusal::Taken),
        }
        let binding = Binding { claim, check: opened.number_mac(&claim) };
        let state = match record.approval {
            Approval::Number => State::Claimed(binding),
            Approval::Phone => State::Approved(Approved::new(binding, opened.key(), &opened.id(), stay)),
        };
        let before = Some(self.exp);
        let exp = self.exp.max(now + LEFT_BY_A_CLAIM);
        Ok(Step { before, anchored: true, ..Step::of(Ticket { state, exp, page, ..self }) })
    }

    /// The computer's page sends the number. There is one try: a wrong number declines the ticket, which is a step,
    /// not a refusal.
    ///
    /// `key` is the secret of [`Ticket::key_id`]; the caller has checked the capability. `typed_for` is the claim whose
    /// number was typed: checking a number against several claims would give as many tries to an attacker who can swap
    /// rows in the store. `stay` is the chosen length of session.
    ///
    /// # Errors
    ///
    /// [`Refusal::OtherClaim`] if the row's claim is not `typed_for`, [`Refusal::AlreadyDone`] if the right number is
    /// repeated, [`Refusal::NothingToApprove`], [`Refusal::Over`].
    pub fn approve(
        self,
        now: Timestamp,
        id: &TicketId,
        key: &TicketKey,
        typed_for: Option<ClaimMac>,
        number: u8,
        stay: Option<Stay>,
    ) -> Result<Step, Refusal> {
        if self.binding().map(|binding| binding.claim) != typed_for {
            return Err(Refusal::OtherClaim);
        }
        let right = self.binding().is_some_and(|binding| key.number_mac(id, &binding.claim, number) == binding.check);
        let is_approved = matches!(self.state, State::Approved(_) | State::Spent(_) | State::Undone(_));
        if is_approved && right && !self.is_expired(now) {
            return Err(Refusal::AlreadyDone);
        }
        self.refuse_if_over(now, None)?;
        let State::Claimed(binding) = self.state else { return Err(Refusal::NothingToApprove) };
        let state = match right {
            true => State::Approved(Approved::new(binding, key, id, stay)),
            false => State::Declined(Declined { binding: Some(binding), reason: Reason::Number }),
        };
        Ok(self.becomes(state))
    }

    /// The computer's page declines. Until `spent` this wins, also against a running redeem.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyDone`] if it is declined already, [`Refusal::Over`] after any other end.
    pub fn decline(self, now: Timestamp) -> Result<Step, Refusal> {
        match self.phase(now) {
            Phase::Issued | Phase::Claimed | Phase::Approved => Ok(self.declined(Reason::Computer)),
            Phase::Declined(_) => Err(Refusal::AlreadyDone),
            over @ (Phase::Spent | Phase::Undone | Phase::Expired | Phase::Replaced) => Err(Refusal::Over(over)),
        }
    }

    /// The phone declines: the holder, or before a claim any browser with a valid confirm form.
    ///
    /// # Errors
    ///
    /// [`Refusal::Taken`] if another browser holds it, [`Refusal::Over`].
    pub fn cancel(self, now: Timestamp, claim: &ClaimMac) -> Result<Step, Refusal> {
        self.refuse_if_over(now, None)?;
        match self.binding() {
            Some(_) if !self.held_by(claim) => Err(Refusal::Taken),
            Some(_) | None => Ok(self.declined(Reason::Phone)),
        }
    }

    /// Another browser opened the link of a claimed ticket. The computer's page shows a warning.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyDone`] if it is marked or unclaimed, [`Refusal::Over`].
    pub fn contest(self, now: Timestamp) -> Result<Step, Refusal> {
        self.refuse_if_over(now, None)?;
        if self.contested || self.binding().is_none() {
            return Err(Refusal::AlreadyDone);
        }
        let before = Some(self.live_until());
        Ok(Step { before, ..Step::of(Ticket { contested: true, ..self }) })
    }

    /// A browser opened the link of an unclaimed ticket. The computer's page gives a hint.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyDone`] if it is marked or claimed, [`Refusal::Over`].
    pub fn open(self, now: Timestamp) -> Result<Step, Refusal> {
        self.refuse_if_over(now, None)?;
        if self.opened || self.binding().is_some() {
            return Err(Refusal::AlreadyDone);
        }
        let before = Some(self.live_until());
        Ok(Step { before, ..Step::of(Ticket { opened: true, ..self }) })
    }

    /// A newer code replaces it.
    pub fn replace(self, now: Timestamp) -> Result<Step, Refusal> {
        self.refuse_if_over(now, None)?;
        let binding = self.binding().copied();
        Ok(self.becomes(State::Replaced(Replaced { binding })))
    }

    /// Marks an expired ticket as counted. The caller whose step is written counts it.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyDone`] if it has been counted or is not expired.
    pub fn note_expiry(self, now: Timestamp) -> Result<Step, Refusal> {
        match self.is_expired(now) && !self.expiry_noted {
            true => Ok(Step::of(Ticket { expiry_noted: true, ..self })),
            false => Err(Refusal::AlreadyDone),
        }
    }

    /// Another browser presented the spent code. Reported once, so that a page that is opened again and again is one
    /// event.
    ///
    /// # Errors
    ///
    /// [`Refusal::AlreadyDone`] if it has been reported or is not spent.
    pub fn note_replay(self, now: Timestamp) -> Result<Step, Refusal> {
        match self.phase(now) == Phase::Spent && !self.replayed {
            true => Ok(Step::of(Ticket { replayed: true, ..self })),
            false => Err(Refusal::AlreadyDone),
        }
    }

    pub(super) fn refuse_if_over(&self, now: Timestamp, record: Option<&Record>) -> Result<(), Refusal> {
        match self.phase(now) {
            over if over.is_over() => Err(Refusal::Over(over)),
            // The sealed end counts even if the times in the store were changed.
            _ if record.is_some_and(|record| now >= record.end) => Err(Refusal::Over(Phase::Expired)),
            _ => Ok(()),
        }
    }

    pub(super) fn declined(self, reason: Reason) -> Step {
        let binding = self.binding().copied();
        self.becomes(State::Declined(Declined { binding, reason }))
    }

    /// A step to `state` that must be written before the old ticket expires.
    pub(super) fn becomes(self, state: State) -> Step {
        let before = Some(self.live_until());
        Step { before, ..Step::of(Ticket { state, ..self }) }
    }
}

impl Approved {
    pub(super) fn new(binding: Binding, key: &TicketKey, id: &TicketId, stay: Option<Stay>) -> Approved {
        let assent = key.approval_mac(id, &binding.claim, stay);
        Approved { binding, assent, stay, calls: 0, begun: 0, lease: None, signed: 0 }
    }
}
