//! What is sealed in the store: the record, the facts for the computer's page, and the response with the cookies.
//!
//! Each is JSON, so that two versions of qrgate can share a store during an upgrade. Byte strings in it are base64.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use data_encoding::BASE64;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::capability::Desk;
use super::derive::{self, Block, Tampered};
use crate::clock::Timestamp;
use crate::secret::NoRandomness;
use crate::stay::Stay;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// The person types the phone's number at the computer.
    Number,
    /// Tapping on the phone is enough.
    Phone,
}

/// A device, as shown to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Its address. `None` behind a proxy that is not configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Such as "Safari on iPhone".
    pub label: String,
}

/// Everything that a sign-in needs, sealed for the token and written once at the mint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What names the account before the sign-in, in place of a masked name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_hint: Option<String>,
    /// The store's time at the mint.
    pub issued: Timestamp,
    /// No step begins after this.
    pub end: Timestamp,
    /// The path that the phone lands on, if the computer named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    pub approval: Approval,
    /// The lengths of session that the approving page offers, the default first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stay: Vec<Stay>,
    pub issuer: Party,
    /// The computer's `User-Agent` as received: applications bind sessions to it.
    #[serde(default, with = "optional_bytes", skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Vec<u8>>,
    /// When the person last authenticated, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<u64>,
    /// The computer's session cookies, as one `Cookie` value.
    pub session: String,
    #[serde(with = "desk_text")]
    pub desk: Desk,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record(..)")
    }
}

/// What the page with the code and its audit events need without the token. Written at the mint and again at the claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFacts {
    pub user: String,
    pub computer: Party,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Party>,
    /// Whether both are in the same network, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_network: Option<bool>,
    /// The path that the phone lands on. A new code is requested with the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The path that the phone lands on, if the phone named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lands: Option<String>,
    /// The lengths of session that it offers, the default first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stay: Vec<Stay>,
    /// The sign-in was undone. The row's state says so too, but could be tampered with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undone: bool,
}

/// The session that a sign-in opened, sealed for the page with the code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
pub struct NewSession {
    pub user: String,
    /// The application's name for it.
    pub name: String,
    /// The `webhook-id` of the login call.
    pub login_id: String,
    /// The `webhook-id` of all revoke calls.
    pub revoke_id: String,
    /// The store's time at the mint.
    pub issued: Timestamp,
}

/// An event for the application, as it is sealed in the queue and as its receiver gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventMessage {
    /// Such as `ticket.spent`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The `webhook-id` of the ticket's login calls.
    pub ticket: String,
    #[serde(rename = "user_id")]
    pub user: String,
    /// The store's time, in seconds since the epoch.
    pub at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computer: Option<Party>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Party>,
}

impl EventMessage {
    /// The `webhook-id`, the same for all tries. A ticket has one event of each type.
    pub fn webhook_id(&self) -> String {
        let word = self.kind.rsplit('.').next().unwrap_or_default();
        format!("{}-{word}", self.ticket)
    }

    pub fn to_json(&self) -> Vec<u8> {
        to_bytes(self)
    }
}

/// The response to a successful redeem.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
pub struct RedeemResponse {
    /// `Set-Cookie` field values as received, in order.
    #[serde(with = "list_of_bytes")]
    pub cookies: Vec<Vec<u8>>,
    pub location: String,
}

impl Record {
    /// The display name, or the user id where there is none.
    pub fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.user)
    }

    pub fn facts(&self, phone: Option<Party>, same_network: Option<bool>) -> PageFacts {
        PageFacts {
            user: self.user.clone(),
            computer: self.issuer.clone(),
            phone,
            same_network,
            next: self.next.clone(),
            lands: None,
            stay: self.stay.clone(),
            undone: false,
        }
    }
}

/// Seals and opens values of one type with a derived key, and for one context.
pub struct SealingKey<T> {
    key: Block,
    context: Zeroizing<Vec<u8>>,
    values: PhantomData<fn(&T)>,
}

impl<T: Serialize + DeserializeOwned> SealingKey<T> {
    pub(super) fn new(key: Block, label: &str, context: &[&[u8]]) -> SealingKey<T> {
        SealingKey { key, context: derive::join(label, context), values: PhantomData }
    }

    pub fn seal(&self, value: &T) -> Result<Vec<u8>, NoRandomness> {
        derive::seal(&self.key, &self.context, to_bytes(value))
    }

    /// # Errors
    ///
    /// [`Tampered`] if the value was sealed with another key or for another context, or is forged.
    pub fn open(&self, sealed: &[u8]) -> Result<T, Tampered> {
        let plain = derive::open(&self.key, &self.context, sealed)?;
        serde_json::from_slice(&plain).map_err(|_| Tampered)
    }
}

/// These types always serialize; the empty value of the impossible failure would not open again.
fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

mod desk_text {
    use super::*;

    pub fn serialize<S: Serializer>(desk: &Desk, serializer: S) -> Result<S::Ok, S::Error> {
        desk.text().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Desk, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Desk::parse(&text).ok_or_else(|| D::Error::custom("not a desk"))
    }
}

fn decode<E: serde::de::Error>(text: &str) -> Result<Vec<u8>, E> {
    BASE64.decode(text.as_bytes()).map_err(|_| E::custom("not base64"))
}

mod optional_bytes {
    use super::*;

    pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| BASE64.encode(bytes)).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|text| decode(&text)).transpose()
    }
}

mod list_of_bytes {
    use super::*;

    pub fn serialize<S: Serializer>(list: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|bytes| BASE64.encode(bytes)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        Vec::<String>::deserialize(deserializer)?.iter().map(|text| decode(text)).collect()
    }
}
