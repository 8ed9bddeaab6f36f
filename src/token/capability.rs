//! Short secret texts: the token in the link, the values of the two cookies, and the two capabilities of the page with
//! the code.
//!
//! Each is canonical base64url without padding (RFC 4648, section 5). A non-canonical spelling of the same bytes is
//! refused, so a value has exactly one text. `Debug` shows the type only.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::derive;
use crate::secret::{NoRandomness, fill_random};

/// Secret bytes, whose text is base64url. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hidden<const N: usize>(pub(super) Zeroizing<[u8; N]>);

impl<const N: usize> Hidden<N> {
    fn random() -> Result<Hidden<N>, NoRandomness> {
        let mut bytes = Zeroizing::new([0; N]);
        fill_random(&mut *bytes)?;
        Ok(Hidden(bytes))
    }

    fn parse(text: &str) -> Option<Hidden<N>> {
        if text.len() != BASE64URL_NOPAD.encode_len(N) {
            return None;
        }
        let mut bytes = Zeroizing::new([0; N]);
        BASE64URL_NOPAD.decode_mut(text.as_bytes(), &mut *bytes).ok()?;
        Some(Hidden(bytes))
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL_NOPAD.encode(self.bytes()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &*self.0
    }
}

impl<const N: usize> fmt::Debug for Hidden<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// The secret in the QR link: `base64url(key id || shard || 31 random bytes)`, 44 characters without unused bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Hidden<33>);

impl Token {
    pub(super) fn mint(key_id: u8, shard: u8) -> Result<Token, NoRandomness> {
        let mut bytes = Hidden::random()?;
        bytes.0[..2].copy_from_slice(&[key_id, shard]);
        Ok(Token(bytes))
    }

    pub fn parse(text: &str) -> Option<Token> {
        Hidden::parse(text).map(Token)
    }

    /// The text in the link. Callers must not log it.
    pub fn text(&self) -> Zeroizing<String> {
        self.0.text()
    }

    /// Id of the ticket secret that it was minted under.
    pub fn key_id(&self) -> u8 {
        self.0.0[0]
    }

    pub fn shard(&self) -> u8 {
        self.0.0[1]
    }

    /// `shard || 31 random bytes`: the input of the ticket's key derivation.
    pub(super) fn material(&self) -> &[u8] {
        &self.0.0[1..]
    }
}

/// The value of the browser cookie: 32 random bytes that identify a browser and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserId(pub(super) Hidden<32>);

impl BrowserId {
    pub fn random() -> Result<BrowserId, NoRandomness> {
        Hidden::random().map(BrowserId)
    }

    pub fn parse(text: &str) -> Option<BrowserId> {
        Hidden::parse(text).map(BrowserId)
    }

    pub fn text(&self) -> Zeroizing<String> {
        self.0.text()
    }
}

/// The value of the claim cookie, which makes a browser the holder of one ticket. qrgate derives it when the person
/// presses Continue. The first half is secret, the second authenticates it for its ticket
/// ([`TicketKey::made_claim_key`](super::TicketKey::made_claim_key)), so a forged value is detected without the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimKey(pub(super) Hidden<32>);

impl ClaimKey {
    pub(super) fn new(secret: &[u8; 16], tag: &[u8; 16]) -> ClaimKey {
        let mut bytes = Zeroizing::new([0; 32]);
        bytes[..16].copy_from_slice(secret);
        bytes[16..].copy_from_slice(tag);
        ClaimKey(Hidden(bytes))
    }

    /// A random one, which [`TicketKey::made_claim_key`](super::TicketKey::made_claim_key) rejects: for a ticket that
    /// no browser sees.
    pub fn random() -> Result<ClaimKey, NoRandomness> {
        Hidden::random().map(ClaimKey)
    }

    pub fn parse(text: &str) -> Option<ClaimKey> {
        Hidden::parse(text).map(ClaimKey)
    }

    pub fn text(&self) -> Zeroizing<String> {
        self.0.text()
    }

    pub(super) fn secret(&self) -> &[u8] {
        &self.0.0[..16]
    }

    pub(super) fn tag(&self) -> &[u8] {
        &self.0.0[16..]
    }
}

/// The capability to approve or decline, held by the page with the code: `shard || 31 random bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desk(pub(super) Hidden<32>);

impl Desk {
    /// A random one for a ticket's shard.
    pub fn random(shard: u8) -> Result<Desk, NoRandomness> {
        let mut bytes = Hidden::random()?;
        bytes.0[0] = shard;
        Ok(Desk(bytes))
    }

    pub fn parse(text: &str) -> Option<Desk> {
        Hidden::parse(text).map(Desk)
    }

    pub fn text(&self) -> Zeroizing<String> {
        self.0.text()
    }

    /// The weaker capability to view the ticket's state. It does not reveal this one.
    pub fn view(&self) -> View {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.bytes());
        let mut bytes = derive::sign(&key, b"qrgate/1 view");
        bytes.copy_within(..31, 1);
        bytes[0] = self.0.0[0];
        View(Hidden(bytes))
    }
}

/// The capability to view a ticket's state, in the path of `/qr/status/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View(pub(super) Hidden<32>);

impl View {
    pub fn parse(text: &str) -> Option<View> {
        Hidden::parse(text).map(View)
    }

    /// The text in the page and in the path.
    pub fn text(&self) -> Zeroizing<String> {
        self.0.text()
    }

    /// The store's key for looking up the ticket: a hash, so that the store holds no capability.
    pub fn index(&self) -> ViewIndex {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.0.bytes()).as_ref());
        ViewIndex { shard: self.0.0[0], hash }
    }
}

/// `SHA-256(view)` and the shard, by which the store finds the ticket of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ViewIndex {
    pub shard: u8,
    #[serde(with = "super::text")]
    pub hash: [u8; 32],
}
