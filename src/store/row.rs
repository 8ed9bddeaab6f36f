//! Encoding of tickets in Redis, and the names of keys.
//!
//! A row is one string, because a hash of four fields would take about 300 bytes more. It consists of the version in
//! eight hexadecimal digits, which scripts compare; the sealed record and the sealed page, each prefixed with its
//! length in four bytes (big endian); and the rest as JSON.

use bytes::{Buf, Bytes};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use crate::ticket::Ticket;
use crate::token::{AnchorKey, CodeHash, TicketId, UserHash, ViewIndex};

/// The shard of the counter of tries.
pub(super) const TRIES_SHARD: u8 = 0;

/// The shard of the lease on delivering events.
pub(super) const LEADER_SHARD: u8 = 0;

/// Digits of a version.
const VERSION: usize = 8;

/// Names of keys: tickets by id in hexadecimal, the others in base64url, which is shorter. All keys of a ticket have
/// the hash tag of its shard, so that one script can access them in a cluster.
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Keys {
        Keys { prefix: prefix.to_owned() }
    }

    pub(super) fn ticket(&self, id: &TicketId) -> String {
        self.key(id.shard, "t", &HEXLOWER.encode(&id.id))
    }

    /// What remains of a ticket while its sign-in can be undone.
    pub(super) fn remainder(&self, id: &TicketId) -> String {
        self.key(id.shard, "r", &HEXLOWER.encode(&id.id))
    }

    pub(super) fn anchor(&self, anchor: &AnchorKey) -> String {
        self.key(anchor.shard(), "a", &BASE64URL_NOPAD.encode(&anchor.0))
    }

    pub(super) fn view(&self, view: &ViewIndex) -> String {
        self.key(view.shard, "v", &BASE64URL_NOPAD.encode(&view.hash))
    }

    pub(super) fn user(&self, user: &UserHash) -> String {
        self.key(user.0[0], "u", &BASE64URL_NOPAD.encode(&user.0))
    }

    pub(super) fn code(&self, code: &CodeHash) -> String {
        self.key(code.shard(), "c", &BASE64URL_NOPAD.encode(&code.0))
    }

    /// The counter of tries to type a code, shared by all clients.
    pub(super) fn tries(&self) -> String {
        self.key(TRIES_SHARD, "n", "codes_typed")
    }

    /// The queue of events of a shard.
    pub(super) fn queue(&self, shard: u8) -> String {
        self.key(shard, "e", "queue")
    }

    /// The lease of the process that delivers events.
    pub(super) fn leader(&self) -> String {
        self.key(LEADER_SHARD, "e", "leader")
    }

    /// The channel on which changes are published.
    pub(super) fn changes(&self) -> String {
        format!("{}changed", self.prefix)
    }

    /// The channel on which a process publishes heartbeats to itself.
    pub(super) fn heartbeats(&self, process: &str) -> String {
        format!("{}beats:{process}", self.prefix)
    }

    fn key(&self, shard: u8, kind: &str, name: &str) -> String {
        format!("{}{{{shard:02x}}}{kind}:{name}", self.prefix)
    }
}

/// A ticket's id as a value: shard and id, 23 characters of base64url.
pub(crate) fn name(id: &TicketId) -> String {
    let mut bytes = [id.shard; 17];
    bytes[1..].copy_from_slice(&id.id);
    BASE64URL_NOPAD.encode(&bytes)
}

pub(crate) fn named(text: &[u8]) -> Option<TicketId> {
    let bytes = BASE64URL_NOPAD.decode(text).ok()?;
    let (shard, id) = bytes.split_first()?;
    Some(TicketId { shard: *shard, id: id.try_into().ok()? })
}

/// The prefix of a row of this version. Empty for 0, which means that there is no row.
pub(super) fn version_text(version: u64) -> String {
    if version == 0 { String::new() } else { format!("{version:0VERSION$x}") }
}

pub(crate) fn encode(version: u64, ticket: &Ticket) -> Result<Vec<u8>, serde_json::Error> {
    Ok(join(version, &ticket.record, &ticket.page, &serde_json::to_vec(ticket)?))
}

pub(crate) fn join(version: u64, record: &[u8], page: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(VERSION + 8 + record.len() + page.len() + rest.len());
    row.extend_from_slice(version_text(version).as_bytes());
    for part in [record, page] {
        // Sealed values are far smaller than that.
        row.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        row.extend_from_slice(part);
    }
    row.extend_from_slice(rest);
    row
}

/// The version and the ticket of a row.
///
/// # Errors
///
/// The JSON's error, or `None` if the parts before it are malformed.
pub(crate) fn decode(row: Vec<u8>) -> Result<(u64, Ticket), Option<serde_json::Error>> {
    let mut rest = Bytes::from(row);
    let version = take(&mut rest, VERSION).ok_or(None)?;
    let version =
        std::str::from_utf8(&version).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or(None)?;
    let record = take_part(&mut rest).ok_or(None)?;
    let page = take_part(&mut rest).ok_or(None)?;
    let ticket: Ticket = serde_json::from_slice(&rest)?;
    Ok((version, Ticket { record, page, ..ticket }))
}

fn take_part(rest: &mut Bytes) -> Option<Bytes> {
    let length = take(rest, 4)?.get_u32();
    take(rest, usize::try_from(length).ok()?)
}

fn take(rest: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= rest.len()).then(|| rest.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ticket::fixture::Scene;

    #[test]
    fn a_row_is_read_as_it_was_written_and_no_part_of_one_is() {
        let ticket = Scene::new(Timestamp(1_790_000_000_000)).ticket();
        let row = encode(0x1f, &ticket).unwrap();
        assert!(row.starts_with(version_text(0x1f).as_bytes()));
        assert_eq!(decode(row.clone()).unwrap(), (0x1f, ticket));
        for length in 0..row.len() {
            assert!(decode(row[..length].to_vec()).is_err(), "{length}");
        }
    }

    #[test]
    fn a_ticket_lies_under_its_shard_and_its_id_in_hexadecimal() {
        let id = TicketId { shard: 0xa7, id: [0x0f; 16] };
        assert_eq!(Keys::new("qrgate:").ticket(&id), format!("qrgate:{{a7}}t:{}", "0f".repeat(16)));
    }

    #[test]
    fn what_is_no_row_is_none() {
        let long = join(1, b"", b"", b"{}").into_iter().chain([0xff; 4]).collect();
        for bytes in [Vec::new(), b"00000001\xff\xff\xff\xff".to_vec(), b"0000000\xff".to_vec(), long] {
            assert!(decode(bytes).is_err());
        }
    }
}
