//! A ticket's life: every state, every step between them, and who may take it.
//!
//! Pure rules. A step reads the row (with the store's time), asks the rule here, and lets the store swap the old
//! ticket for the new one; a lost swap reads and judges again (`store/`). Each rule consumes the old ticket and
//! returns a [`Step`], or a [`Refusal`] that changes nothing. "Expired" is a comparison with the store's clock, not a
//! state that anybody would have to write.
//!
//! ```text
//! issued ──claim──▶ claimed ──right number──▶ approved ──redeem──▶ spent
//!    │                 └─ wrong number, decline ─▶ declined
//!    └─ newer code ─▶ replaced          (a decline and a newer code end every state before spent)
//! ```

mod grant;
mod redeem;

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, millis};
use crate::token::{AnchorKey, Approval, Assent, Check, Claim, Opened, Record, TicketId, TicketKey, ViewIndex};

pub use grant::Grant;
pub use redeem::{Failure, Lease, Redeem};

/// A claim leaves at least this long to approve and finish; `end` is this much after the lifetime.
pub const LEFT_BY_A_CLAIM: Duration = Duration::from_secs(60);
/// For this long after `spent` the holder's `finish` is answered with the same cookies.
pub const ANSWERED_AGAIN: Duration = Duration::from_secs(60);
/// Finished tickets stay this long, so that a second use is noticed and a page can say what happened.
pub const TOMBSTONE: Duration = Duration::from_secs(60);
/// A ticket that was minted further ahead of the store's time than this is from before the store's clock was set back. Clocks
/// of servers that stand in for one another differ by less.
pub const SET_BACK: Duration = Duration::from_secs(30);
/// So many calls of the login hook for one ticket.
pub const MOST_CALLS: u8 = 3;

/// A row of the store, as the rules see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Which ticket secret it was made under.
    #[serde(rename = "kid")]
    pub key_id: u8,
    /// The user and browser it was made for.
    pub anchor: AnchorKey,
    /// How the page with the code finds it.
    pub view: ViewIndex,
    /// The store's time of the mint.
    #[serde(with = "millis")]
    pub issued: Timestamp,
    /// Until when it may be used, as things stand: the lifetime, moved by a late claim.
    #[serde(with = "millis")]
    pub exp: Timestamp,
    /// No step begins after this. The sealed record says so too, and that one counts.
    #[serde(with = "millis")]
    pub end: Timestamp,
    /// Another browser opened it while it was claimed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub contested: bool,
    /// Its expiry has been counted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub expiry_noted: bool,
    /// Where in its life it is.
    pub state: State,
    /// The sealed record.
    #[serde(skip)]
    pub record: Bytes,
    /// The sealed facts for the page with the code.
    #[serde(skip)]
    pub page: Bytes,
}

// As serde asks.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The states, each with what is true in it alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Shown on the computer; nobody has taken it.
    Issued,
    /// A phone has taken it and shows the number.
    Claimed(Binding),
    /// The computer agreed (or need not be asked); the phone may finish.
    Approved(Approved),
    /// A session was handed over.
    Spent(Spent),
    /// Somebody said no.
    Declined(Declined),
    /// A newer code of the same user and browser took its place.
    Replaced(Replaced),
}

/// Which phone holds the ticket. Kept to the end, so that the holder is told what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its browser.
    pub claim: Claim,
    /// Its number, as far as the store may know it.
    pub check: Check,
}

/// What is true of an approved ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Who holds it.
    pub binding: Binding,
    /// The keyed proof of the approval: a word in a field could be written by anybody who can write to the store.
    pub assent: Assent,
    /// Calls of the login hook that count.
    pub calls: u8,
    /// Redeems ever begun: gives each lease its number.
    pub begun: u32,
    /// The running redeem, if there is one.
    pub lease: Option<LeaseHeld>,
    /// The last `webhook-timestamp`, in seconds: the next one is later.
    pub signed: u64,
}

/// A redeem that is running, or ended without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseHeld {
    /// Whose it is.
    pub serial: u32,
    /// When it frees itself.
    #[serde(with = "millis")]
    pub until: Timestamp,
}

/// What is true of a spent ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Who has it.
    pub binding: Binding,
    /// Since when.
    #[serde(with = "millis")]
    pub at: Timestamp,
    /// The sealed answer.
    #[serde(with = "base64_bytes")]
    pub answer: Bytes,
}

/// What is true of a declined ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    /// Who had it, if anybody.
    pub binding: Option<Binding>,
    /// Who said no.
    pub reason: Reason,
}

/// What is true of a replaced ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Who had it, if anybody.
    pub binding: Option<Binding>,
}

/// Who said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The person at the computer.
    Computer,
    /// A wrong number was typed.
    Number,
    /// The person with the phone.
    Phone,
    /// The login hook refused, or failed for the third time.
    Application,
    /// The computer's session had ended, or was not allowed any more.
    SignedOut,
}

impl Reason {
    /// As the status object and the audit events write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Computer => "computer",
            Reason::Number => "number",
            Reason::Phone => "phone",
            Reason::Application => "application",
            Reason::SignedOut => "signed_out",
        }
    }
}

/// A state as seen now: expiry included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Waiting for a phone.
    Issued,
    /// Waiting for the number.
    Claimed,
    /// Waiting for the phone to finish.
    Approved,
    /// Over: a session was handed over.
    Spent,
    /// Over: somebody said no.
    Declined(Reason),
    /// Over: out of time.
    Expired,
    /// Over: there is a newer code.
    Replaced,
}

impl Phase {
    /// As the status object and the metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Issued => "issued",
            Phase::Claimed => "claimed",
            Phase::Approved => "approved",
            Phase::Spent => "spent",
            Phase::Declined(_) => "declined",
            Phase::Expired => "expired",
            Phase::Replaced => "replaced",
        }
    }

    /// Whether nothing more can happen to the ticket.
    pub fn is_over(self) -> bool {
        match self {
            Phase::Issued | Phase::Claimed | Phase::Approved => false,
            Phase::Spent | Phase::Declined(_) | Phase::Expired | Phase::Replaced => true,
        }
    }
}

/// The product says no; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another browser holds the claim.
    Taken,
    /// This browser holds the claim already.
    Held,
    /// The ticket is over, in this way.
    Over(Phase),
    /// Not approved yet.
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
pub struct Step {
    /// The ticket after the step.
    pub ticket: Ticket,
    /// The store's time must be before this when it writes.
    pub before: Option<Timestamp>,
    /// The anchor must still name this ticket.
    pub anchored: bool,
}

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

    /// Its state as seen now.
    pub fn phase(&self, now: Timestamp) -> Phase {
        let live = |phase| if self.is_in_its_time(now) { phase } else { Phase::Expired };
        match &self.state {
            State::Issued => live(Phase::Issued),
            State::Claimed(_) => live(Phase::Claimed),
            State::Approved(_) => live(Phase::Approved),
            State::Spent(_) => Phase::Spent,
            State::Declined(declined) => Phase::Declined(declined.reason),
            State::Replaced(_) => Phase::Replaced,
        }
    }

    /// Whether `now` is between its mint and its end. Where the store's clock was set back, a ticket would live that much
    /// longer: it is over instead, as after a restart.
    fn is_in_its_time(&self, now: Timestamp) -> bool {
        self.issued <= now + SET_BACK && now < self.live_until()
    }

    /// Until when it can live if nothing ends it: `exp`, or the end of a running redeem where that is later.
    pub fn live_until(&self) -> Timestamp {
        match &self.state {
            State::Approved(Approved { lease: Some(lease), .. }) => self.exp.max(lease.until),
            State::Issued
            | State::Claimed(_)
            | State::Approved(_)
            | State::Spent(_)
            | State::Declined(_)
            | State::Replaced(_) => self.exp,
        }
    }

    /// Whether a press of Finish is under way.
    pub fn is_redeeming(&self, now: Timestamp) -> bool {
        matches!(&self.state, State::Approved(Approved { lease: Some(lease), .. }) if now < lease.until)
    }

    /// When the store may forget it.
    pub fn forget_at(&self) -> Timestamp {
        let last = match &self.state {
            State::Approved(Approved { lease: Some(lease), .. }) => lease.until,
            State::Spent(spent) => spent.at,
            State::Issued | State::Claimed(_) | State::Approved(_) | State::Declined(_) | State::Replaced(_) => {
                Timestamp(0)
            }
        };
        self.end.max(last) + TOMBSTONE
    }

    /// Which phone holds it, or held it when it ended.
    pub fn binding(&self) -> Option<&Binding> {
        match &self.state {
            State::Issued => None,
            State::Claimed(binding) => Some(binding),
            State::Approved(approved) => Some(&approved.binding),
            State::Spent(spent) => Some(&spent.binding),
            State::Declined(declined) => declined.binding.as_ref(),
            State::Replaced(replaced) => replaced.binding.as_ref(),
        }
    }

    /// Whether this browser holds it, or held it when it ended.
    pub fn held_by(&self, claim: &Claim) -> bool {
        self.binding().is_some_and(|binding| binding.claim == *claim)
    }

    /// The sealed answer, for the holder and for a minute.
    pub fn answer(&self, now: Timestamp, claim: &Claim) -> Option<&Bytes> {
        match &self.state {
            State::Spent(spent)
                if spent.binding.claim == *claim && now < spent.at + ANSWERED_AGAIN && spent.at <= now + SET_BACK =>
            {
                Some(&spent.answer).filter(|answer| !answer.is_empty())
            }
            State::Spent(_)
            | State::Issued
            | State::Claimed(_)
            | State::Approved(_)
            | State::Declined(_)
            | State::Replaced(_) => None,
        }
    }

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
        claim: Claim,
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
        let binding = Binding { claim, check: opened.check(&claim) };
        let state = match record.approval {
            Approval::Number => State::Claimed(binding),
            Approval::Phone => State::Approved(Approved::new(binding, opened.assent(&claim))),
        };
        let before = Some(self.exp);
        let exp = self.exp.max(now + LEFT_BY_A_CLAIM);
        Ok(Step { ticket: Ticket { state, exp, page, ..self }, before, anchored: true })
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
        told: Option<Claim>,
        number: u8,
    ) -> Result<Step, Refusal> {
        if self.binding().map(|binding| binding.claim) != told {
            return Err(Refusal::OtherClaim);
        }
        let right = self.binding().is_some_and(|binding| key.check(id, &binding.claim, number) == binding.check);
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
            true => State::Approved(Approved::new(binding, key.assent(id, &binding.claim))),
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
    pub fn cancel(self, now: Timestamp, claim: &Claim) -> Result<Step, Refusal> {
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
        Ok(Step { ticket: Ticket { contested: true, ..self }, before, anchored: false })
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
            true => Ok(Step { ticket: Ticket { expiry_noted: true, ..self }, before: None, anchored: false }),
            false => Err(Refusal::AlreadyDone),
        }
    }

    /// Whether it ran out of time before anything else ended it.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.phase(now) == Phase::Expired
    }

    fn refuse_if_over(&self, now: Timestamp, record: Option<&Record>) -> Result<(), Refusal> {
        let phase = self.phase(now);
        // The sealed end counts even where somebody has moved the times in the store.
        let sealed_end = record.is_some_and(|record| now >= record.end);
        match phase {
            _ if phase.is_over() => Err(Refusal::Over(phase)),
            _ if sealed_end => Err(Refusal::Over(Phase::Expired)),
            _ => Ok(()),
        }
    }

    fn declined(self, reason: Reason) -> Step {
        let binding = self.binding().copied();
        self.becomes(State::Declined(Declined { binding, reason }))
    }

    /// The step to `state`, which must be written while the old ticket is alive.
    fn becomes(self, state: State) -> Step {
        let before = Some(self.live_until());
        Step { ticket: Ticket { state, ..self }, before, anchored: false }
    }
}

impl Approved {
    fn new(binding: Binding, assent: Assent) -> Approved {
        Approved { binding, assent, calls: 0, begun: 0, lease: None, signed: 0 }
    }
}

/// Bytes as base64 in JSON.
mod base64_bytes {
    use bytes::Bytes;
    use data_encoding::BASE64;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        BASE64.encode(bytes).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map(Bytes::from).map_err(|_| D::Error::custom("not base64"))
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
