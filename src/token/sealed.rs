//! What is sealed in the store: the record, the facts for the computer's page, the answer with the cookies.
//!
//! Each is JSON inside its seal, so that two versions of qrgate can share a store while one replaces the other; bytes
//! that need not be text are base64 in it.

use std::fmt;
use std::net::IpAddr;

use data_encoding::BASE64;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::capability::Desk;
use super::derive::Tampered;
use crate::clock::{Timestamp, millis};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// The computer types the number that the phone shows.
    Number,
    /// The tap on the phone is enough.
    Phone,
}

/// A device as a person would name it: what it says it is, and where it is, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Its address; none when a proxy nobody declared stands in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// "Safari on iPhone".
    pub label: String,
}

/// What the token opens: everything a sign-in needs, written once at the mint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The user id, as the application gave it.
    pub user: String,
    /// The display name, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The store's time of the mint.
    #[serde(with = "millis")]
    pub issued: Timestamp,
    /// No step begins after this.
    #[serde(with = "millis")]
    pub end: Timestamp,
    /// Where the phone lands, if the computer asked for a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    pub approval: Approval,
    pub issuer: Party,
    /// The computer's User-Agent as it came: applications tie sessions to it.
    #[serde(default, with = "optional_bytes", skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Vec<u8>>,
    /// When the person last proved who they are, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<u64>,
    /// The computer's session cookies, as one `Cookie` value.
    pub session: String,
    /// The capability of the page with the code.
    #[serde(with = "desk_text")]
    pub desk: Desk,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record(..)")
    }
}

/// What the page with the code, and its audit events, need without the token. Written at mint, again at claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFacts {
    pub user: String,
    /// The computer that shows the code.
    pub computer: Party,
    /// The phone that claimed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Party>,
    /// Whether both are in one network, where that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_network: Option<bool>,
    /// Where the phone is to land: a new code is asked for with the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Where the phone lands, where it asked for a place of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lands: Option<String>,
}

/// What the redeeming press was answered with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedeemResponse {
    /// `Set-Cookie` lines, raw and in order.
    #[serde(with = "list_of_bytes")]
    pub cookies: Vec<Vec<u8>>,
    pub location: String,
}

impl fmt::Debug for RedeemResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedeemResponse({} cookies)", self.cookies.len())
    }
}

impl Record {
    /// What the page with the code, and audit events, say of this sign-in.
    pub fn facts(&self, phone: Option<Party>, same_network: Option<bool>) -> PageFacts {
        PageFacts {
            user: self.user.clone(),
            computer: self.issuer.clone(),
            phone,
            same_network,
            next: self.next.clone(),
            lands: None,
        }
    }
}

/// None of these types holds anything that JSON cannot say; an empty value would not open again.
pub(super) fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Tampered> {
    serde_json::from_slice(bytes).map_err(|_| Tampered)
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
