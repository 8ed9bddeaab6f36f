//! A ticket's data, and what follows from it at a given time.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::stay::Stay;
use crate::token::{AnchorKey, ApprovalMac, ClaimMac, NumberMac, ViewIndex};

/// Minimum time left after a claim to approve and finish. `end` is this long after the lifetime.
pub const LEFT_BY_A_CLAIM: Duration = Duration::from_secs(60);
/// How long after `spent` the holder's `finish` gets the same response again.
pub const RESPONSE_REPEATED: Duration = Duration::from_secs(60);
/// How long a finished ticket is kept, so that a second use is detected and pages can say what happened.
pub const TOMBSTONE: Duration = Duration::from_secs(60);
/// A ticket minted further ahead of the store's time than this was minted before the store's clock was set back.
/// Clocks of a master and its replicas differ by less.
pub const SET_BACK: Duration = Duration::from_secs(30);

/// A row of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Id of the ticket secret that it was minted under.
    #[serde(rename = "kid")]
    pub key_id: u8,
    /// Identifies the user and the computer's browser.
    pub anchor: AnchorKey,
    /// How the page with the code looks it up.
    pub view: ViewIndex,
    /// The store's time at the mint.
    pub issued: Timestamp,
    /// When it expires: the end of its lifetime, extended by a late claim.
    pub exp: Timestamp,
    /// No step begins after this. The sealed record holds the authoritative copy.
    pub end: Timestamp,
    /// Another browser opened the link after the claim.
    #[serde(default, skip_serializing_if = "is_false")]
    pub contested: bool,
    /// Another browser than that of the mint has opened the link: a hint for the page with the code, which link
    /// previews may cause too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub opened: bool,
    /// The expiry is in the audit log.
    #[serde(default, skip_serializing_if = "is_false")]
    pub expiry_noted: bool,
    /// Its second use was reported.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replayed: bool,
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

/// The states, each with the data that exists only in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Shown on the computer, not yet claimed.
    Issued,
    /// A phone holds it and shows the number.
    Claimed(Binding),
    /// The computer approved it, or need not be asked: the phone may finish.
    Approved(Approved),
    Spent(Spent),
    /// The computer undid the sign-in, and the application ended the session.
    Undone(Undone),
    Declined(Declined),
    /// A newer code of the same user and browser replaced it.
    Replaced(Replaced),
}

/// The phone that holds the ticket. Kept after the end, so that the holder learns how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Identifies its claim key.
    pub claim: ClaimMac,
    /// A MAC of its number: the store must not learn the number itself.
    pub check: NumberMac,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    pub binding: Binding,
    /// Proves the approval. A plain flag could be set by anyone with write access to the store.
    pub assent: ApprovalMac,
    /// The chosen length of session, which `assent` covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stay: Option<Stay>,
    /// Calls of the login hook that may have arrived.
    pub calls: u8,
    /// Number of redeems begun, which numbers the leases.
    pub begun: u32,
    pub lease: Option<LeaseHeld>,
    /// The last `webhook-timestamp`, in seconds. The next one must be later.
    pub signed: u64,
}

/// A redeem or undo that is running, or was abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseHeld {
    pub serial: u32,
    /// When it lapses.
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub binding: Binding,
    pub at: Timestamp,
    /// The sealed cookies. Empty once they are no longer kept.
    #[serde(rename = "answer", with = "base64_bytes")]
    pub response: Bytes,
    /// `None` if the sign-in cannot be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

/// What can undo a sign-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The sealed session.
    #[serde(with = "base64_bytes")]
    pub session: Bytes,
    /// No undo begins from then on.
    pub until: Timestamp,
    /// Number of undos begun, which numbers the leases.
    pub begun: u32,
    pub lease: Option<LeaseHeld>,
    /// The last `webhook-timestamp`, in seconds. The next one must be later.
    pub signed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    pub binding: Binding,
    /// As [`Undo::until`]: until then a repeated undo gets the same result.
    pub until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    pub binding: Option<Binding>,
    pub reason: Reason,
}

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
    /// The computer's session has ended or is no longer allowed.
    SignedOut,
}

impl Reason {
    /// As in the status object and in audit events.
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

/// The state at a given time, expiry included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Issued,
    Claimed,
    Approved,
    Spent,
    Undone,
    Declined(Reason),
    Expired,
    Replaced,
}

impl Phase {
    /// As in the status object and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Issued => "issued",
            Phase::Claimed => "claimed",
            Phase::Approved => "approved",
            Phase::Spent => "spent",
            Phase::Undone => "undone",
            Phase::Declined(_) => "declined",
            Phase::Expired => "expired",
            Phase::Replaced => "replaced",
        }
    }

    /// Whether the state is final.
    pub fn is_over(self) -> bool {
        match self {
            Phase::Issued | Phase::Claimed | Phase::Approved => false,
            Phase::Spent | Phase::Undone | Phase::Declined(_) | Phase::Expired | Phase::Replaced => true,
        }
    }
}

impl Ticket {
    pub fn phase(&self, now: Timestamp) -> Phase {
        let live = |phase| if self.is_in_its_time(now) { phase } else { Phase::Expired };
        match &self.state {
            State::Issued => live(Phase::Issued),
            State::Claimed(_) => live(Phase::Claimed),
            State::Approved(_) => live(Phase::Approved),
            State::Spent(_) => Phase::Spent,
            State::Undone(_) => Phase::Undone,
            State::Declined(declined) => Phase::Declined(declined.reason),
            State::Replaced(_) => Phase::Replaced,
        }
    }

    /// Whether `now` is between mint and expiry. If the store's clock was set back, the ticket would live longer by
    /// that much; it counts as expired instead.
    fn is_in_its_time(&self, now: Timestamp) -> bool {
        self.issued <= now + SET_BACK && now < self.live_until()
    }

    /// When it expires at the latest: `exp`, or the end of a running redeem if that is later.
    pub fn live_until(&self) -> Timestamp {
        match &self.state {
            State::Approved(Approved { lease: Some(lease), .. }) => self.exp.max(lease.until),
            _ => self.exp,
        }
    }

    /// Whether a redeem is running.
    pub fn is_redeeming(&self, now: Timestamp) -> bool {
        matches!(&self.state, State::Approved(Approved { lease: Some(lease), .. }) if now < lease.until)
    }

    /// When the store may delete it.
    pub fn forget_at(&self) -> Timestamp {
        let last = match &self.state {
            State::Approved(Approved { lease: Some(lease), .. }) => lease.until,
            State::Spent(Spent { undo: Some(undo), response, .. }) if response.is_empty() => undo.until,
            State::Spent(spent) => spent.at,
            State::Undone(undone) => undone.until,
            State::Issued | State::Claimed(_) | State::Approved(_) | State::Declined(_) | State::Replaced(_) => {
                Timestamp(0)
            }
        };
        self.end.max(last) + TOMBSTONE
    }

    /// What the store keeps in its place after [`Ticket::forget_at`]: while the sign-in can be undone, the ticket
    /// without its record and without the sealed cookies.
    pub fn remainder(&self) -> Option<Ticket> {
        match &self.state {
            State::Spent(spent) if spent.undo.is_some() && !spent.response.is_empty() => {
                let state = State::Spent(Spent { response: Bytes::new(), ..spent.clone() });
                Some(Ticket { state, record: Bytes::new(), ..self.clone() })
            }
            _ => None,
        }
    }

    /// What the store has of it at this time: all of it, the remainder, or nothing.
    pub fn kept_at(self, now: Timestamp) -> Option<Ticket> {
        if now < self.forget_at() {
            return Some(self);
        }
        self.remainder().filter(|remainder| now < remainder.forget_at())
    }

    /// The phone that holds it, or held it when it ended.
    pub fn binding(&self) -> Option<&Binding> {
        match &self.state {
            State::Issued => None,
            State::Claimed(binding) => Some(binding),
            State::Approved(approved) => Some(&approved.binding),
            State::Spent(spent) => Some(&spent.binding),
            State::Undone(undone) => Some(&undone.binding),
            State::Declined(declined) => declined.binding.as_ref(),
            State::Replaced(replaced) => replaced.binding.as_ref(),
        }
    }

    /// Whether the browser with this claim holds it, or held it when it ended.
    pub fn held_by(&self, claim: &ClaimMac) -> bool {
        self.binding().is_some_and(|binding| binding.claim == *claim)
    }

    /// The sealed response of the redeem, for its holder and within [`RESPONSE_REPEATED`].
    pub fn sealed_response(&self, now: Timestamp, claim: &ClaimMac) -> Option<&Bytes> {
        let State::Spent(spent) = &self.state else { return None };
        let in_time = now < spent.at + RESPONSE_REPEATED && spent.at <= now + SET_BACK;
        Some(&spent.response).filter(|response| spent.binding.claim == *claim && in_time && !response.is_empty())
    }

    /// Whether it expired before anything else ended it.
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
