//! The cryptographic primitives: HKDF-SHA-256 (RFC 5869), HMAC-SHA-256 and AES-256-GCM. Each use is bound to a label,
//! so that a value made for one purpose is useless for another.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret::NoRandomness;

/// The output of HMAC-SHA-256.
pub type Block = Zeroizing<[u8; 32]>;

/// A label and values, each value prefixed with its length, so that different lists give different bytes.
pub fn join(label: &str, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length = label.len() + parts.iter().map(|part| part.len() + 4).sum::<usize>();
    let mut joined = Zeroizing::new(Vec::with_capacity(length));
    joined.extend_from_slice(label.as_bytes());
    for part in parts {
        joined.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

/// A pseudo-random key (RFC 5869, section 2.2), from which keys with labels are expanded.
#[derive(Clone)]
pub struct Prk(hmac::Key);

impl Prk {
    pub fn extract(salt: &[u8], material: &[u8]) -> Prk {
        let block = sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), material);
        Prk(hmac::Key::new(hmac::HMAC_SHA256, &*block))
    }

    /// HKDF-Expand of up to 32 bytes, which is one block: `HMAC(prk, info || 0x01)` (RFC 5869, section 2.3).
    pub fn expand<const N: usize>(&self, info: &[u8]) -> Zeroizing<[u8; N]> {
        const { assert!(N <= 32, "more than one block") };
        let mut message = Zeroizing::new(Vec::with_capacity(info.len() + 1));
        message.extend_from_slice(info);
        message.push(1);
        let block = sign(&self.0, &message);
        let mut out = Zeroizing::new([0; N]);
        out.copy_from_slice(&block[..N]);
        out
    }

    /// HKDF-Expand to the key of an HMAC.
    pub fn expand_mac(&self, info: &[u8]) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &*self.expand::<32>(info))
    }
}

pub fn sign(key: &hmac::Key, message: &[u8]) -> Block {
    let tag = hmac::sign(key, message);
    let mut block = Zeroizing::new([0; 32]);
    block.copy_from_slice(tag.as_ref());
    block
}

pub fn half(block: &Block) -> Zeroizing<[u8; 16]> {
    let mut half = Zeroizing::new([0; 16]);
    half.copy_from_slice(&block[..16]);
    half
}

/// Compares in constant time.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// A sealed value is not authentic under this key and context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a sealed value of the store is not authentic")]
pub struct Tampered;

/// AES-256-GCM. The result starts with the random nonce.
pub fn seal(key: &[u8; 32], aad: &[u8], mut plain: Vec<u8>) -> Result<Vec<u8>, NoRandomness> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| NoRandomness)?;
    let nonce = key.seal_in_place_append_tag(Aad::from(aad), &mut plain).map_err(|_| NoRandomness)?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len());
    sealed.extend_from_slice(nonce.as_ref());
    sealed.append(&mut plain);
    Ok(sealed)
}

pub fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Tampered> {
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| Tampered)?;
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Tampered)?;
    let mut plain = Zeroizing::new(rest.to_vec());
    let length = key.open_in_place(Nonce::from(nonce), Aad::from(aad), &mut plain).map_err(|_| Tampered)?.len();
    plain.truncate(length);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    #[test]
    fn hkdf_agrees_with_the_first_vector_of_rfc_5869() {
        let salt: Vec<u8> = (0..=12).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let block = Prk::extract(&salt, &[0x0b; 22]).expand::<32>(&info);
        assert_eq!(HEXLOWER.encode(&*block), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    }

    #[test]
    fn a_sealed_value_opens_with_its_own_key_and_place_only() {
        let sealed = seal(&[7; 32], b"here", b"plain".to_vec()).unwrap();
        assert_eq!(**open(&[7; 32], b"here", &sealed).unwrap(), *b"plain");
        assert_eq!(open(&[8; 32], b"here", &sealed), Err(Tampered));
        assert_eq!(open(&[7; 32], b"there", &sealed), Err(Tampered));
        assert_eq!(open(&[7; 32], b"here", &sealed[..11]), Err(Tampered));
        assert_ne!(sealed, seal(&[7; 32], b"here", b"plain".to_vec()).unwrap(), "nonces are fresh");
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_noticed(at in 0usize..33, bit in 0u8..8) {
            let mut sealed = seal(&[7; 32], b"aad", b"plain".to_vec()).unwrap();
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(open(&[7; 32], b"aad", &sealed), Err(Tampered));
        }

        #[test]
        fn no_two_lists_are_joined_alike(a in ".{0,6}", b in ".{0,6}", c in ".{0,6}", d in ".{0,6}") {
            let one = join("label", &[a.as_bytes(), b.as_bytes()]);
            let two = join("label", &[c.as_bytes(), d.as_bytes()]);
            prop_assert_eq!(one == two, (a, b) == (c, d));
        }
    }
}
