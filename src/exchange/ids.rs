//! Request ids.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use http::header::HeaderValue;

use crate::secret::{NoRandomness, fill_random};

/// The length of an id.
const LENGTH: usize = 24;
/// The number of ids in a block, which lives as long as the longest of their requests.
const BLOCK: u32 = 16;

/// Generates ids that differ between requests, workers and processes.
pub struct RequestIds {
    /// The random prefix in hexadecimal, followed by space for the number.
    text: [u8; LENGTH],
    next: Cell<u32>,
    /// The ids that were generated and not used. A block of them shares its memory, which saves an allocation for each.
    block: Cell<Bytes>,
}

impl RequestIds {
    /// Ids that begin with a random prefix.
    pub fn random() -> Result<RequestIds, NoRandomness> {
        let (mut prefix, mut text) = ([0; 8], [0; LENGTH]);
        fill_random(&mut prefix)?;
        HEXLOWER.encode_mut(&prefix, &mut text[..16]);
        Ok(RequestIds { text, next: Cell::default(), block: Cell::default() })
    }

    pub(super) fn next(&self) -> HeaderValue {
        let mut block = self.block.take();
        if block.is_empty() {
            block = self.generate();
        }
        let id = block.split_to(LENGTH);
        self.block.set(block);
        HeaderValue::from_maybe_shared(id).unwrap_or(HeaderValue::from_static("0"))
    }

    fn generate(&self) -> Bytes {
        let first = self.next.get();
        self.next.set(first.wrapping_add(BLOCK));
        let mut block = BytesMut::with_capacity(LENGTH * BLOCK as usize);
        for number in 0..BLOCK {
            let mut text = self.text;
            HEXLOWER.encode_mut(&first.wrapping_add(number).to_be_bytes(), &mut text[16..]);
            block.extend_from_slice(&text);
        }
        block.freeze()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_several_blocks_differ_and_begin_with_the_prefix() {
        let ids = RequestIds::random().unwrap();
        let made: Vec<_> = (0..3 * BLOCK).map(|_| ids.next().to_str().unwrap().to_owned()).collect();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
        assert!(made.iter().all(|id| id.len() == LENGTH && id[..16] == made[0][..16]), "{made:?}");
    }
}
