//! The ticket secrets, and what is derived from each of them alone. What a token opens is in `opened.rs`.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::capability::{BrowserId, ClaimKey, Desk, Token, View};
use super::derive::{self, Prk, Tampered};
use super::sealed::{EventMessage, NewSession, PageFacts, SealingKey};
use super::typed::TypedCode;
use crate::clock::Timestamp;
use crate::origin::Origin;
use crate::secret::{NoRandomness, Secret, fill_random};
use crate::stay::Stay;

/// The store's key of a ticket. It is derived from the token and does not reveal it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketId {
    pub shard: u8,
    pub id: [u8; 16],
}

impl TicketId {
    /// The first 8 hexadecimal digits, to correlate log lines.
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.id[..4])
    }
}

/// Identifies a user in a browser, who have one live ticket at most. Its first byte is the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AnchorKey(#[serde(with = "super::text")] pub [u8; 32]);

impl AnchorKey {
    pub fn shard(&self) -> u8 {
        self.0[0]
    }
}

/// Identifies a user to the counter of `codes_per_user`. The store cannot tell which user it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserHash(pub [u8; 16]);

/// The store's key of a code to type: a keyed hash, so that the store cannot test guesses. Its first byte is the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeHash(pub [u8; 32]);

impl CodeHash {
    pub fn shard(&self) -> u8 {
        self.0[0]
    }
}

/// A MAC, compared in constant time and never printed.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Mac(#[serde(with = "super::text")] pub [u8; 32]);

impl PartialEq for Mac {
    fn eq(&self, other: &Mac) -> bool {
        derive::same(&self.0, &other.0)
    }
}

impl Eq for Mac {}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// Identifies the claim key that holds a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimMac(pub Mac);

impl ClaimMac {
    /// A short public name of 8 characters, which distinguishes the claims of one ticket.
    pub fn name(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0.0[..6])
    }
}

/// A confirm form that was submitted by the browser and for the ticket that it was made for. It determines the claim
/// key: submitting the same form twice gives the same key, another form gives another one.
pub struct Pressed {
    nonce: [u8; NONCE],
}

/// Bound into the form for typing a code in place of a ticket's id. No ticket has this id, because ids are derived.
const CODE_FORM: TicketId = TicketId { shard: 0, id: *b"form of /qr/code" };

/// Bytes of random data in each form.
const NONCE: usize = 16;

/// Stored at the claim in place of the number, which could be read or guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberMac(pub Mac);

/// Stored at the approval: proves that a process with the ticket secret approved this claim of this ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalMac(pub Mac);

/// Two ticket secrets have the same key id, so tokens could not distinguish them. One must be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("two ticket secrets have the same key id: make one of them anew")]
pub struct SameKeyId;

/// The ticket secrets. The newest one mints, all of them open tickets.
#[derive(Clone, Debug)]
pub struct TicketSecrets {
    newest: TicketKey,
    older: Arc<[TicketKey]>,
}

impl TicketSecrets {
    /// Takes the secrets of the configuration, newest first.
    ///
    /// # Errors
    ///
    /// [`SameKeyId`] if two of them have the same key id (one pair in 256 does), or if there is none.
    pub fn new(secrets: Vec<Secret>) -> Result<TicketSecrets, SameKeyId> {
        let keys: Vec<TicketKey> = secrets.into_iter().map(TicketKey::new).collect();
        let ids: HashSet<u8> = keys.iter().map(TicketKey::id).collect();
        if ids.len() < keys.len() {
            return Err(SameKeyId);
        }
        let mut keys = keys.into_iter();
        let newest = keys.next().ok_or(SameKeyId)?;
        Ok(TicketSecrets { newest, older: keys.collect() })
    }

    /// One random secret, for the in-memory store.
    pub fn random() -> Result<TicketSecrets, NoRandomness> {
        Ok(TicketSecrets { newest: TicketKey::new(Secret::random()?), older: Arc::new([]) })
    }

    pub fn newest(&self) -> &TicketKey {
        &self.newest
    }

    /// The secret with this key id, if it is configured.
    pub fn key(&self, id: u8) -> Option<&TicketKey> {
        self.keys().find(|key| key.id() == id)
    }

    /// All secrets, newest first.
    pub fn keys(&self) -> impl Iterator<Item = &TicketKey> {
        std::iter::once(&self.newest).chain(self.older.iter())
    }

    /// Whether one of the secrets has this [`TicketKey::fingerprint`].
    pub fn has_fingerprint(&self, fingerprint: &[u8]) -> bool {
        self.keys().any(|key| key.fingerprint() == fingerprint)
    }

    /// Whether a text is the hidden field of a form for typing a code, made for this browser on this origin.
    pub fn made_code_form(&self, text: &str, browser: &BrowserId, origin: &Origin) -> bool {
        self.keys().any(|key| key.pressed(text, &CODE_FORM, browser, origin, Timestamp(0)).is_some())
    }

    /// Opens an event of a ticket. `None` if none of the secrets sealed it.
    pub fn open_event(&self, id: &TicketId, sealed: &[u8]) -> Option<EventMessage> {
        self.keys().find_map(|key| key.for_event(id).open(sealed).ok())
    }
}

/// One ticket secret and the keys derived from it alone. Cheap to clone.
#[derive(Clone)]
pub struct TicketKey(pub(super) Arc<Keys>);

pub(super) struct Keys {
    pub(super) secret: Secret,
    id: u8,
    anchor: hmac::Key,
    user: hmac::Key,
    pub(super) claim: hmac::Key,
    claim_key: hmac::Key,
    claim_tag: hmac::Key,
    confirm: hmac::Key,
    check: hmac::Key,
    assent: hmac::Key,
    typed: hmac::Key,
    hook: hmac::Key,
}

impl TicketKey {
    fn new(secret: Secret) -> TicketKey {
        let prk = Prk::extract(&[], secret.expose());
        TicketKey(Arc::new(Keys {
            id: prk.expand::<1>(b"qrgate/1 kid")[0],
            anchor: prk.expand_mac(b"qrgate/1 anchor"),
            user: prk.expand_mac(b"qrgate/1 user"),
            claim: prk.expand_mac(b"qrgate/1 claim"),
            claim_key: prk.expand_mac(b"qrgate/1 claim key"),
            claim_tag: prk.expand_mac(b"qrgate/1 claim tag"),
            confirm: prk.expand_mac(b"qrgate/1 confirm"),
            check: prk.expand_mac(b"qrgate/1 check"),
            assent: prk.expand_mac(b"qrgate/1 assent"),
            typed: prk.expand_mac(b"qrgate/1 typed"),
            hook: prk.expand_mac(b"qrgate/1 hook"),
            secret,
        }))
    }

    /// One byte that identifies this secret in tokens and rows.
    pub fn id(&self) -> u8 {
        self.0.id
    }

    /// Distinguishes this secret from others, and reveals nothing of it.
    pub fn fingerprint(&self) -> [u8; 8] {
        *Prk::extract(&[], self.0.secret.expose()).expand(b"qrgate/1 fingerprint")
    }

    pub fn anchor(&self, user: &str, browser: &BrowserId) -> AnchorKey {
        AnchorKey(*derive::sign(&self.0.anchor, &derive::join("", &[user.as_bytes(), browser.0.bytes()])))
    }

    /// The `webhook-id` of all login calls for a ticket, 22 characters: the application's name for it. It is derived
    /// from the store's id, because the page with the code has no token.
    pub fn hook_id(&self, id: &TicketId) -> String {
        BASE64URL_NOPAD.encode(&derive::sign(&self.0.hook, &derive::join("", &[&[id.shard], &id.id]))[..16])
    }

    pub fn user_hash(&self, user: &str) -> UserHash {
        UserHash(*derive::half(&derive::sign(&self.0.user, user.as_bytes())))
    }

    /// Derives the key with which a submitted confirm form claims a ticket. The client cannot choose it: the nonce
    /// comes from a form that qrgate made, and knowing a planted browser cookie does not reveal it.
    pub fn claim_key(&self, id: &TicketId, browser: &BrowserId, pressed: &Pressed) -> ClaimKey {
        let block = derive::sign(&self.0.claim_key, &derive::join("", &[&pressed.nonce, browser.0.bytes(), &id.id]));
        let secret = derive::half(&block);
        ClaimKey::new(&secret, &self.claim_tag(id, &*secret))
    }

    /// Whether qrgate made this claim key for this ticket. Its owner need not be the holder.
    pub fn made_claim_key(&self, id: &TicketId, key: &ClaimKey) -> bool {
        derive::same(key.tag(), &self.claim_tag(id, key.secret()))
    }

    fn claim_tag(&self, id: &TicketId, secret: &[u8]) -> [u8; 16] {
        *derive::half(&derive::sign(&self.0.claim_tag, &derive::join("", &[secret, &id.id])))
    }

    pub fn number_mac(&self, id: &TicketId, claim: &ClaimMac, number: u8) -> NumberMac {
        NumberMac(Mac(*derive::sign(&self.0.check, &derive::join("", &[&id.id, &claim.0.0, &[number]]))))
    }

    /// Covers the chosen length of session, so that it cannot be lengthened in the store.
    pub fn approval_mac(&self, id: &TicketId, claim: &ClaimMac, stay: Option<Stay>) -> ApprovalMac {
        let stay = stay.map(String::from);
        let mut parts: Vec<&[u8]> = vec![&id.id, &claim.0.0];
        parts.extend(stay.as_ref().map(String::as_bytes));
        ApprovalMac(Mac(*derive::sign(&self.0.assent, &derive::join("", &parts))))
    }

    /// The hidden field of a phone's form, 64 characters: proves that this browser was shown this ticket on this
    /// origin. It contains a nonce and differs in each form.
    pub fn form_proof(
        &self,
        id: &TicketId,
        browser: &BrowserId,
        origin: &Origin,
        end: Timestamp,
    ) -> Result<String, NoRandomness> {
        let mut nonce = [0; NONCE];
        fill_random(&mut nonce)?;
        Ok(self.proof_text(id, browser, origin, end, nonce))
    }

    /// The hidden field of the form for typing a code. It does not expire.
    pub fn code_form_proof(&self, browser: &BrowserId, origin: &Origin) -> Result<String, NoRandomness> {
        self.form_proof(&CODE_FORM, browser, origin, Timestamp(0))
    }

    /// Verifies a form's hidden field. `None` unless it was made for this browser, ticket and origin.
    pub fn pressed(
        &self,
        text: &str,
        id: &TicketId,
        browser: &BrowserId,
        origin: &Origin,
        end: Timestamp,
    ) -> Option<Pressed> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let nonce: [u8; NONCE] = bytes.get(..NONCE)?.try_into().ok()?;
        // Comparing the text, not the decoded bytes, accepts only the canonical spelling.
        let right = self.proof_text(id, browser, origin, end, nonce);
        derive::same(text.as_bytes(), right.as_bytes()).then_some(Pressed { nonce })
    }

    fn proof_text(
        &self,
        id: &TicketId,
        browser: &BrowserId,
        origin: &Origin,
        end: Timestamp,
        nonce: [u8; NONCE],
    ) -> String {
        let (origin, end) = (origin.to_string(), end.0.to_be_bytes());
        let parts: [&[u8]; 5] = [browser.0.bytes(), &id.id, origin.as_bytes(), &end, &nonce];
        let mac = derive::sign(&self.0.confirm, &derive::join("", &parts));
        BASE64URL_NOPAD.encode(&[&nonce[..], &mac[..]].concat())
    }

    /// For the facts that the page with the code and its audit events need without the token. The page's view opens
    /// them.
    pub fn for_page(&self, id: &TicketId, view: &View) -> SealingKey<PageFacts> {
        let prk = Prk::extract(&[], &derive::join("", &[self.0.secret.expose(), view.0.bytes()]));
        SealingKey::new(prk.expand(b"qrgate/1 page"), "qrgate/1 page", &[&[id.shard], &id.id])
    }

    /// For the session that a sign-in opened. It is bound to the public origin, and derived from the capability to
    /// approve: the weaker one to view does not open it.
    pub fn for_session(&self, id: &TicketId, desk: &Desk, origin: &Origin) -> SealingKey<NewSession> {
        let prk = Prk::extract(&[], &derive::join("", &[self.0.secret.expose(), desk.0.bytes()]));
        let origin = origin.to_string();
        let context: [&[u8]; 3] = [&[id.shard], &id.id, origin.as_bytes()];
        SealingKey::new(prk.expand(b"qrgate/1 session"), "qrgate/1 session", &context)
    }

    /// For the events of a ticket in the queue. Any process with the ticket secret can open them.
    pub fn for_event(&self, id: &TicketId) -> SealingKey<EventMessage> {
        let key = Prk::extract(&[], self.0.secret.expose()).expand(b"qrgate/1 event");
        SealingKey::new(key, "qrgate/1 event", &[&[id.shard], &id.id])
    }

    pub fn code_hash(&self, code: &TypedCode) -> CodeHash {
        CodeHash(*derive::sign(&self.0.typed, code.0.bytes()))
    }

    /// Seals the token of a code to type, for this public origin.
    pub fn seal_token(&self, code: &TypedCode, token: &Token, origin: &Origin) -> Result<Vec<u8>, NoRandomness> {
        derive::seal(&self.code_key(code), &self.code_context(code, origin), token.text().as_bytes().to_vec())
    }

    /// Opens what [`TicketKey::seal_token`] sealed.
    ///
    /// # Errors
    ///
    /// [`Tampered`] if it was sealed for another code, secret or origin.
    pub fn open_token(&self, code: &TypedCode, sealed: &[u8], origin: &Origin) -> Result<Token, Tampered> {
        let plain = derive::open(&self.code_key(code), &self.code_context(code, origin), sealed)?;
        std::str::from_utf8(&plain).ok().and_then(Token::parse).ok_or(Tampered)
    }

    fn code_key(&self, code: &TypedCode) -> derive::Block {
        Prk::extract(self.0.secret.expose(), code.0.bytes()).expand(b"qrgate/1 typed token")
    }

    fn code_context(&self, code: &TypedCode, origin: &Origin) -> Zeroizing<Vec<u8>> {
        derive::join("qrgate/1 typed", &[&self.code_hash(code).0, origin.to_string().as_bytes()])
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketKey({:02x})", self.id())
    }
}
