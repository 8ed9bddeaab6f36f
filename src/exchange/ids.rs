//! Request ids.

use std::cell::Cell;

use data_encoding::HEXLOWER;
use http::header::HeaderValue;

use crate::secret::{NoRandomness, fill_random};

/// Generates ids that differ between requests, workers and processes.
pub struct RequestIds {
    /// The random prefix in hexadecimal, followed by space for the number.
    text: [u8; 24],
    next: Cell<u32>,
}

impl RequestIds {
    /// Ids that begin with a random prefix.
    pub fn random() -> Result<RequestIds, NoRandomness> {
        let (mut prefix, mut text) = ([0; 8], [0; 24]);
        fill_random(&mut prefix)?;
        HEXLOWER.encode_mut(&prefix, &mut text[..16]);
        Ok(RequestIds { text, next: Cell::new(0) })
    }

    pub(super) fn next(&self) -> HeaderValue {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let mut text = self.text;
        HEXLOWER.encode_mut(&number.to_be_bytes(), &mut text[16..]);
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
    }
}
