//! Request ids.

use std::cell::Cell;

use http::header::HeaderValue;

/// Makes ids that differ between requests, workers and processes.
pub struct RequestIds {
    prefix: u64,
    next: Cell<u64>,
}

impl RequestIds {
    /// Ids that begin with a random prefix.
    pub fn new(prefix: u64) -> RequestIds {
        RequestIds { prefix, next: Cell::new(0) }
    }

    pub(super) fn next(&self) -> HeaderValue {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let mut text = [0; 24];
        hex_digits(self.prefix, &mut text[..16]);
        hex_digits(number, &mut text[16..]);
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
    }
}

/// The low digits of a number, as many as there is room for.
fn hex_digits(mut number: u64, room: &mut [u8]) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xF) as usize];
        number >>= 4;
    }
}
