//! How a ticket lies in Redis: a hash with the fields `v` (version), `s` (state, times and the rest, as JSON), `r` (the
//! sealed record) and `p` (the sealed page). And what the keys are called.

use bytes::Bytes;
use data_encoding::HEXLOWER;

use crate::ticket::Ticket;
use crate::token::{AnchorKey, TicketId, UserHash, ViewIndex};

/// Names keys. All keys of a ticket carry the hash tag of its shard, so one script may touch them in a cluster.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Keys {
        Keys { prefix: prefix.to_owned() }
    }

    pub(super) fn ticket(&self, id: &TicketId) -> String {
        self.key(id.shard, "t", &id.id)
    }

    pub(super) fn anchor(&self, anchor: &AnchorKey) -> String {
        self.key(anchor.shard(), "a", &anchor.0)
    }

    pub(super) fn view(&self, view: &ViewIndex) -> String {
        self.key(view.shard, "v", &view.hash)
    }

    pub(super) fn user(&self, user: &UserHash) -> String {
        self.key(user.0[0], "u", &user.0)
    }

    /// Where changes are announced.
    pub(super) fn channel(&self) -> String {
        format!("{}changed", self.prefix)
    }

    fn key(&self, shard: u8, kind: &str, name: &[u8]) -> String {
        format!("{}{{{shard:02x}}}{kind}:{}", self.prefix, HEXLOWER.encode(name))
    }
}

/// A ticket's name as a value: shard and id, 34 hexadecimal digits.
pub(crate) fn name(id: &TicketId) -> String {
    format!("{:02x}{}", id.shard, HEXLOWER.encode(&id.id))
}

/// Reads such a name.
pub(crate) fn named(text: &[u8]) -> Option<TicketId> {
    let bytes = HEXLOWER.decode(text).ok()?;
    let (shard, id) = bytes.split_first()?;
    Some(TicketId { shard: *shard, id: id.try_into().ok()? })
}

/// The field `s`.
pub(crate) fn encode(ticket: &Ticket) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(ticket)
}

/// A ticket from its fields.
pub(crate) fn decode(state: &[u8], record: Vec<u8>, page: Vec<u8>) -> Result<Ticket, serde_json::Error> {
    let mut ticket: Ticket = serde_json::from_slice(state)?;
    ticket.record = Bytes::from(record);
    ticket.page = Bytes::from(page);
    Ok(ticket)
}
