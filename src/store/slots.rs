//! The slots of a cluster: the slot of a shard, and its owner.

use redis::{FromRedisValue, Value};

use crate::endpoint::HostPort;

const SLOTS: u16 = 16_384;

/// Ranges of slots with their owners, sorted by last slot. Slots between ranges have no owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots(Vec<Range>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    owner: HostPort,
}

/// A node in a response: host (`None` for the node that was asked) and port.
type Node = (Option<String>, u16);

impl Slots {
    /// Reads the response of `asked` to `CLUSTER SLOTS`.
    pub(super) fn read(response: Value, asked: &HostPort) -> Option<Slots> {
        let Value::Array(ranges) = response else { return None };
        let mut slots: Vec<Range> = ranges.into_iter().map(|range| read_range(range, asked)).collect::<Option<_>>()?;
        slots.sort_by_key(|range| range.last);
        Some(Slots(slots))
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&HostPort> {
        let at = self.0.partition_point(|range| range.last < slot);
        self.0.get(at).filter(|range| range.first <= slot).map(|range| &range.owner)
    }

    /// A copy in which one slot has another owner.
    pub(super) fn with(&self, slot: u16, owner: &HostPort) -> Slots {
        let mut ranges: Vec<Range> = Vec::with_capacity(self.0.len() + 2);
        for range in &self.0 {
            if range.first < slot {
                ranges.push(Range { last: range.last.min(slot - 1), ..range.clone() });
            }
            if range.last > slot {
                ranges.push(Range { first: range.first.max(slot + 1), ..range.clone() });
            }
        }
        ranges.push(Range { first: slot, last: slot, owner: owner.clone() });
        ranges.sort_by_key(|range| range.last);
        Slots(ranges)
    }

    /// The owner of each range.
    pub(super) fn owners(&self) -> impl Iterator<Item = &HostPort> {
        self.0.iter().map(|range| &range.owner)
    }
}

fn read_range(range: Value, asked: &HostPort) -> Option<Range> {
    let Value::Array(parts) = range else { return None };
    let [first, last, master, ..] = <[Value; 3]>::try_from(parts.into_iter().take(3).collect::<Vec<_>>()).ok()?;
    let Value::Array(node) = master else { return None };
    let (host, port): Node = FromRedisValue::from_redis_value(Value::Array(node.into_iter().take(2).collect())).ok()?;
    let number = |value: Value| u16::from_redis_value(value).ok().filter(|slot| *slot < SLOTS);
    Some(Range {
        first: number(first)?,
        last: number(last)?,
        owner: at(host.as_deref().unwrap_or_default(), port, asked),
    })
}

/// A node's address. Without a host it is on the host of the node that was asked.
pub(super) fn at(host: &str, port: u16, asked: &HostPort) -> HostPort {
    let host = if matches!(host, "" | "?") { &asked.host } else { host };
    HostPort::new(host, port)
}

/// The slot of a shard's hash tag.
pub(super) fn of_shard(shard: u8) -> u16 {
    crc16(format!("{shard:02x}").as_bytes()) % SLOTS
}

/// CRC-16/XMODEM, which Redis uses for slots.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => (crc << 1) ^ 0x1021,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(port: u16) -> HostPort {
        HostPort { host: "h".to_owned(), port }
    }

    #[test]
    fn a_hash_tag_has_the_slot_that_redis_gives_it() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(of_shard(0), crc16(b"00") % 16_384);
    }

    #[test]
    fn slots_are_read_and_change_hands_one_by_one() {
        let text = |text: &str| Value::BulkString(text.into());
        let range = |first, last, host, port| {
            let node = Value::Array(vec![host, Value::Int(port), text("id"), Value::Array(vec![])]);
            Value::Array(vec![Value::Int(first), Value::Int(last), node.clone(), node])
        };
        let response = Value::Array(vec![
            range(8000, 16_383, Value::Nil, 2),
            range(0, 7000, text("h"), 1),
            range(7500, 7500, text("?"), 3),
        ]);
        let slots = Slots::read(response, &node(9)).unwrap();
        let owner = |slots: &Slots, slot| slots.owner(slot).map(|owner| owner.port);
        let seen = [0, 7000, 7001, 7500, 7501, 8000, 16_383].map(|slot| owner(&slots, slot));
        assert_eq!(seen, [Some(1), Some(1), None, Some(3), None, Some(2), Some(2)]);
        for slot in [0, 5, 7000, 7300, 7500, 16_383] {
            let moved = slots.with(slot, &node(4));
            for other in (0..SLOTS).step_by(7).chain([slot]) {
                let expected = if other == slot { Some(4) } else { owner(&slots, other) };
                assert_eq!(owner(&moved, other), expected, "{other} after {slot}");
            }
        }
        assert_eq!(slots.owners().count(), 3);
        assert!(Slots::read(Value::Array(vec![Value::Int(1)]), &node(9)).is_none());
    }
}
