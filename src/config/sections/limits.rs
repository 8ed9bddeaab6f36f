//! `[limits]`

use std::time::Duration;

use crate::config::reader::Section;
use crate::config::units::Rate;
use crate::config::values::DAY;

const KIB: usize = 1024;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request's head.
    pub header_size: usize,
    /// Header fields of a request.
    pub header_count: usize,
    /// Client connections in total.
    pub connections: usize,
    /// Client connections per address; `None`: unlimited.
    pub connections_per_client: Option<usize>,
    /// From the first byte of a request to the end of its head; also until the first byte, and of the TLS handshake.
    pub header_timeout: Duration,
    /// How long an idle client connection is kept open.
    pub keep_alive: Duration,
    /// How long requests in progress may take after SIGTERM.
    pub drain_timeout: Duration,
    /// Codes minted per user.
    pub codes_per_user: Rate,
    /// Codes opened per client.
    pub opens_per_client: Rate,
    /// Redeems begun per client.
    pub redeems_per_client: Rate,
    /// Codes typed per client.
    pub codes_typed_per_client: Rate,
    /// Codes typed by all clients.
    pub codes_typed: Rate,
}

impl Limits {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Limits {
        Limits {
            header_size: section.size("header_size", "16KiB", KIB..=1024 * KIB, "between 1KiB and 1MiB"),
            header_count: section.integer("header_count", 100, 10..=10_000, "between 10 and 10000"),
            connections: section.integer("connections", 10_000, 1..=10_000_000, "at least 1"),
            connections_per_client: Some(section.integer("connections_per_client", 0, .., "")).filter(|most| *most > 0),
            header_timeout: section.timeout("header_timeout", "10s"),
            keep_alive: section.timeout("keep_alive", "75s"),
            drain_timeout: section.duration("drain_timeout", "30s", ..=DAY, "at most 1d"),
            codes_per_user: section.rate("codes_per_user", "20/15m"),
            opens_per_client: section.rate("opens_per_client", "120/1m"),
            redeems_per_client: section.rate("redeems_per_client", "60/1m"),
            codes_typed_per_client: section.rate("codes_typed_per_client", "5/1m"),
            codes_typed: section.rate("codes_typed", "300/1m"),
        }
    }
}
