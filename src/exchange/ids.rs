//! Request ids.

use std::cell::Cell;

use data_encoding::HEXLOWER;
use http::header::HeaderValue;

/// Generates ids that differ between requests, workers and processes.
pub struct RequestIds {
    /// The random prefix in hexadecimal, followed by space for the number.
    text: [u8; 24],
    next: Cell<u32>,
}

impl RequestIds {
    /// Ids that begin with a random prefix.
    pub fn new(prefix: [u8; 8]) -> RequestIds {
        let mut text = [0; 24];
        HEXLOWER.encode_mut(&prefix, &mut text[..16]);
        RequestIds { text, next: Cell::new(0) }
    }

    pub(super) fn next(&self) -> HeaderValue {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let mut text = self.text;
        HEXLOWER.encode_mut(&number.to_be_bytes(), &mut text[16..]);
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
    }
}
