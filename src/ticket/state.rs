//! What a ticket is, and what can be read off it at a given time.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, millis};
use crate::token::{AnchorKey, ApprovalMac, ClaimMac, NumberMac, ViewIndex};

/// A claim leaves at least this long to approve and finish; `end` is this much after the lifetime.
pub const LEFT_BY_A_CLAIM: Duration = Duration::from_secs(60);
/// For this long after `spent` the holder's `finish` is answered with the same cookies.
pub const RESPONSE_REPEATED: Duration = Duration::from_secs(60);
/// Finished tickets stay this long, so that a second use is noticed and a page can say what happened.
pub const TOMBSTONE: Duration = Duration::from_secs(60);
/// A ticket that was minted further ahead of the store's time than this is from before the store's clock was set back. Clocks
/// of servers that stand in for one another differ by less.
pub const SET_BACK: Duration = Duration::from_secs(30);

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
    #[serde(skip)]
    pub record: Bytes,
    /// The sealed facts for the page with the code.
    #[serde(skip)]
    pub page: Bytes,
}

// By reference, as serde asks.
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
    Spent(Spent),
    Declined(Declined),
    /// A newer code of the same user and browser took its place.
    Replaced(Replaced),
}

/// Which phone holds the ticket. Kept to the end, so that the holder is told what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its browser.
    pub claim: ClaimMac,
    /// Its number, as far as the store may know it.
    pub check: NumberMac,
}

/// What is true of an approved ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    pub binding: Binding,
    /// The keyed proof of the approval: a word in a field could be written by anybody who can write to the store.
    pub assent: ApprovalMac,
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
    pub serial: u32,
    /// When it frees itself.
    #[serde(with = "millis")]
    pub until: Timestamp,
}

/// What is true of a spent ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub binding: Binding,
    #[serde(with = "millis")]
    pub at: Timestamp,
    #[serde(with = "base64_bytes")]
    pub answer: Bytes,
}

/// What is true of a declined ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    pub binding: Option<Binding>,
    pub reason: Reason,
}

/// What is true of a replaced ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    pub binding: Option<Binding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The person at the computer.
    Computer,
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
    Issued,
    Claimed,
    /// Waiting for the phone to finish.
    Approved,
    /// Over: a session was handed over.
    Spent,
    Declined(Reason),
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

impl Ticket {
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
    pub fn held_by(&self, claim: &ClaimMac) -> bool {
        self.binding().is_some_and(|binding| binding.claim == *claim)
    }

    /// The sealed answer, for the holder and for a minute.
    pub fn sealed_response(&self, now: Timestamp, claim: &ClaimMac) -> Option<&Bytes> {
        match &self.state {
            State::Spent(spent)
                if spent.binding.claim == *claim
                    && now < spent.at + RESPONSE_REPEATED
                    && spent.at <= now + SET_BACK =>
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

    /// Whether it ran out of time before anything else ended it.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.phase(now) == Phase::Expired
    }
}

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
