//! The ticket secret and what is derived from it: alone ([`TicketKey`]), and together with a token ([`Opened`]).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::capability::{BrowserId, ClaimKey, Token, View};
use super::derive::{self, Prk, Tampered};
use super::sealed::{self, PageFacts, Record, RedeemResponse};
use super::typed::TypedCode;
use crate::clock::Timestamp;
use crate::origin::Origin;
use crate::secret::{NoRandomness, Secret, fill_random};

/// What the store calls a ticket. Derived: whoever reads it learns no token from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketId {
    /// Which of the 256 shards it lives in.
    pub shard: u8,
    pub id: [u8; 16],
}

impl TicketId {
    /// The first 8 hexadecimal digits: enough to join log lines, too little for anything else.
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.id[..4])
    }
}

/// Names the one live ticket of a user in a browser; its first byte is the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AnchorKey(#[serde(with = "super::text")] pub [u8; 32]);

impl AnchorKey {
    /// Where everything of this anchor lives.
    pub fn shard(&self) -> u8 {
        self.0[0]
    }
}

/// Names a user to the counter of `codes_per_user`; the store cannot tell whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserHash(pub [u8; 16]);

/// What the store calls a code to type: a keyed hash, so that the store can test no guess. Its first byte is the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeHash(pub [u8; 32]);

impl CodeHash {
    /// Which of the 256 shards its row lives in.
    pub fn shard(&self) -> u8 {
        self.0[0]
    }
}

/// A keyed proof, compared in constant time and never printed.
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

/// Says which browser claimed which ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimMac(pub Mac);

impl ClaimMac {
    /// A short public name, 8 characters: tells claims of one ticket apart and opens nothing.
    pub fn name(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0.0[..6])
    }
}

/// A confirm form that came back from the browser and for the ticket it was made for. It decides the claim key of a
/// press of Continue: the same form pressed twice gives the same key, and another form another one.
pub struct Pressed {
    nonce: [u8; NONCE],
}

/// What the form of the page for typing a code is bound to, in place of a ticket. No ticket has this name: the names of
/// tickets are derived.
const CODE_FORM: TicketId = TicketId { shard: 0, id: *b"form of /qr/code" };

/// Length in bytes of the random value that every form carries.
const NONCE: usize = 16;

/// Stored at the claim in place of the number, which could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberMac(pub Mac);

/// Stored at the approval: a holder of the ticket secret approved exactly this claim of exactly this ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalMac(pub Mac);

/// Two ticket secrets share a key id: tokens could not tell them apart. One of them must be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SameKeyId;

impl fmt::Display for SameKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two ticket secrets have the same key id: make one of them anew")
    }
}

impl std::error::Error for SameKeyId {}

/// The ticket secrets, newest first: the first one mints, all of them open.
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
    /// [`SameKeyId`] when two of them share their key id (one pair in 256 does), or there is none at all.
    pub fn new(secrets: Vec<Secret>) -> Result<TicketSecrets, SameKeyId> {
        let mut keys: Vec<TicketKey> = Vec::with_capacity(secrets.len());
        for secret in secrets {
            let key = TicketKey::new(secret);
            if keys.iter().any(|known| known.id() == key.id()) {
                return Err(SameKeyId);
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let newest = keys.next().ok_or(SameKeyId)?;
        Ok(TicketSecrets { newest, older: keys.collect() })
    }

    /// One fresh secret, for the in-memory store.
    pub fn random() -> Result<TicketSecrets, NoRandomness> {
        Ok(TicketSecrets { newest: TicketKey::new(Secret::random()?), older: Arc::new([]) })
    }

    /// The secret that mints.
    pub fn newest(&self) -> &TicketKey {
        &self.newest
    }

    /// The secret with this key id, if it is still known.
    pub fn key(&self, id: u8) -> Option<&TicketKey> {
        self.keys().find(|key| key.id() == id)
    }

    /// All secrets, newest first.
    pub fn keys(&self) -> impl Iterator<Item = &TicketKey> {
        std::iter::once(&self.newest).chain(self.older.iter())
    }

    /// Whether a text is the hidden field of a form for typing a code, made for this browser on this origin.
    pub fn made_code_form(&self, text: &str, browser: &BrowserId, origin: &Origin) -> bool {
        self.keys().any(|key| key.pressed(text, &CODE_FORM, browser, origin, Timestamp(0)).is_some())
    }

    /// Derives what the token opens; nothing for a key id that is not known (any more).
    pub fn open(&self, token: &Token) -> Option<Opened> {
        self.key(token.key_id()).map(|key| Opened::new(key.clone(), token))
    }
}

/// One ticket secret, with the keys that follow from it alone. Cheap to clone.
#[derive(Clone)]
pub struct TicketKey(Arc<Keys>);

struct Keys {
    secret: Secret,
    id: u8,
    anchor: hmac::Key,
    user: hmac::Key,
    claim: hmac::Key,
    claim_key: hmac::Key,
    claim_tag: hmac::Key,
    confirm: hmac::Key,
    check: hmac::Key,
    assent: hmac::Key,
    typed: hmac::Key,
}

impl TicketKey {
    fn new(secret: Secret) -> TicketKey {
        let prk = Prk::extract(&[], secret.expose());
        let id = prk.expand::<1>(b"qrgate/1 kid")[0];
        let anchor = prk.expand_mac(b"qrgate/1 anchor");
        let user = prk.expand_mac(b"qrgate/1 user");
        let claim = prk.expand_mac(b"qrgate/1 claim");
        let claim_key = prk.expand_mac(b"qrgate/1 claim key");
        let claim_tag = prk.expand_mac(b"qrgate/1 claim tag");
        let confirm = prk.expand_mac(b"qrgate/1 confirm");
        let check = prk.expand_mac(b"qrgate/1 check");
        let assent = prk.expand_mac(b"qrgate/1 assent");
        let typed = prk.expand_mac(b"qrgate/1 typed");
        TicketKey(Arc::new(Keys {
            secret,
            id,
            anchor,
            user,
            claim,
            claim_key,
            claim_tag,
            confirm,
            check,
            assent,
            typed,
        }))
    }

    /// One byte that names this secret in tokens and rows.
    pub fn id(&self) -> u8 {
        self.0.id
    }

    /// Draws a token for the shard of its anchor, with what it opens.
    pub fn mint(&self, shard: u8) -> Result<(Token, Opened), NoRandomness> {
        let token = Token::mint(self.id(), shard)?;
        let opened = Opened::new(self.clone(), &token);
        Ok((token, opened))
    }

    /// The anchor of a user in a browser: there is one live ticket for it.
    pub fn anchor(&self, user: &str, browser: &BrowserId) -> AnchorKey {
        AnchorKey(*derive::sign(&self.0.anchor, &derive::join("", &[user.as_bytes(), browser.bytes()])))
    }

    /// The user's name at the counter of `codes_per_user`.
    pub fn user_hash(&self, user: &str) -> UserHash {
        let block = derive::sign(&self.0.user, user.as_bytes());
        let mut hash = [0; 16];
        hash.copy_from_slice(&block[..16]);
        UserHash(hash)
    }

    /// Derives the key with which a press of Continue claims a ticket. The client chooses none of it: the nonce came
    /// in a form that qrgate made, and a planted browser cookie does not give it away.
    pub fn claim_key(&self, id: &TicketId, browser: &BrowserId, pressed: &Pressed) -> ClaimKey {
        let block = derive::sign(&self.0.claim_key, &derive::join("", &[&pressed.nonce, browser.bytes(), &id.id]));
        let mut secret = Zeroizing::new([0; 16]);
        secret.copy_from_slice(&block[..16]);
        ClaimKey::new(&secret, &self.claim_tag(id, &*secret))
    }

    /// Whether qrgate made this claim key, and for this ticket. Says nothing about who holds the ticket now.
    pub fn made_claim_key(&self, id: &TicketId, key: &ClaimKey) -> bool {
        derive::same(key.tag(), &self.claim_tag(id, key.secret()))
    }

    fn claim_tag(&self, id: &TicketId, secret: &[u8]) -> [u8; 16] {
        let block = derive::sign(&self.0.claim_tag, &derive::join("", &[secret, &id.id]));
        let mut tag = [0; 16];
        tag.copy_from_slice(&block[..16]);
        tag
    }

    /// What a ticket keeps of the key that claims it.
    pub fn claim_mac(&self, id: &TicketId, key: &ClaimKey) -> ClaimMac {
        ClaimMac(Mac(*derive::sign(&self.0.claim, &derive::join("", &[key.bytes(), &id.id]))))
    }

    /// What a ticket keeps of its number.
    pub fn number_mac(&self, id: &TicketId, claim: &ClaimMac, number: u8) -> NumberMac {
        NumberMac(Mac(*derive::sign(&self.0.check, &derive::join("", &[&id.id, &claim.0.0, &[number]]))))
    }

    /// The proof that this claim of this ticket was approved.
    pub fn approval_mac(&self, id: &TicketId, claim: &ClaimMac) -> ApprovalMac {
        ApprovalMac(Mac(*derive::sign(&self.0.assent, &derive::join("", &[&id.id, &claim.0.0]))))
    }

    /// The value of the hidden field in a phone's form: this browser was shown this ticket on this origin. Each form
    /// carries a nonce of its own. 64 characters.
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

    /// The value of the hidden field in the form for typing a code. It does not expire.
    pub fn code_form_proof(&self, browser: &BrowserId, origin: &Origin) -> Result<String, NoRandomness> {
        self.form_proof(&CODE_FORM, browser, origin, Timestamp(0))
    }

    /// Reads a form's hidden field; none unless it was given to this browser for this ticket on this origin.
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
        // The text is compared, not what it decodes to: one spelling only.
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
        let parts: [&[u8]; 5] = [browser.bytes(), &id.id, origin.as_bytes(), &end, &nonce];
        let mac = derive::sign(&self.0.confirm, &derive::join("", &parts));
        BASE64URL_NOPAD.encode(&[&nonce[..], &mac[..]].concat())
    }

    /// Seals what the page with the code, and its audit events, need without the token.
    pub fn seal_page(&self, id: &TicketId, view: &View, facts: &PageFacts) -> Result<Vec<u8>, NoRandomness> {
        derive::seal(&self.page_key(view), &page_place(id), sealed::to_bytes(facts))
    }

    /// Opens what [`TicketKey::seal_page`] sealed.
    ///
    /// # Errors
    ///
    /// [`Tampered`] when the view is not this ticket's, or somebody wrote into the store.
    pub fn open_page(&self, id: &TicketId, view: &View, sealed: &[u8]) -> Result<PageFacts, Tampered> {
        sealed::from_bytes(&derive::open(&self.page_key(view), &page_place(id), sealed)?)
    }

    /// The store's name for a code to type.
    pub fn code_hash(&self, code: &TypedCode) -> CodeHash {
        CodeHash(*derive::sign(&self.0.typed, code.bytes()))
    }

    /// Seals the token that a code to type stands for, on this public origin.
    pub fn seal_token(&self, code: &TypedCode, token: &Token, origin: &Origin) -> Result<Vec<u8>, NoRandomness> {
        derive::seal(&self.code_key(code), &self.code_place(code, origin), token.as_str().as_bytes().to_vec())
    }

    /// Opens what [`TicketKey::seal_token`] sealed.
    ///
    /// # Errors
    ///
    /// [`Tampered`] when it was sealed for another code, another secret or another origin.
    pub fn open_token(&self, code: &TypedCode, sealed: &[u8], origin: &Origin) -> Result<Token, Tampered> {
        let plain = derive::open(&self.code_key(code), &self.code_place(code, origin), sealed)?;
        std::str::from_utf8(&plain).ok().and_then(Token::parse).ok_or(Tampered)
    }

    fn code_key(&self, code: &TypedCode) -> derive::Block {
        Prk::extract(self.0.secret.expose(), code.bytes()).expand(b"qrgate/1 typed token")
    }

    fn code_place(&self, code: &TypedCode, origin: &Origin) -> Zeroizing<Vec<u8>> {
        derive::join("qrgate/1 typed", &[&self.code_hash(code).0, origin.to_string().as_bytes()])
    }

    fn page_key(&self, view: &View) -> derive::Block {
        Prk::extract(&[], &derive::join("", &[self.0.secret.expose(), view.bytes()])).expand(b"qrgate/1 page")
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TicketKey({:02x})", self.id())
    }
}

fn page_place(id: &TicketId) -> zeroize::Zeroizing<Vec<u8>> {
    derive::join("qrgate/1 page", &[&[id.shard], &id.id])
}

/// What a token opens together with its ticket secret.
#[derive(Clone)]
pub struct Opened {
    id: TicketId,
    key: TicketKey,
    /// Shared: the state of an HMAC is over a kilobyte, and this goes from hand to hand.
    prk: Arc<Prk>,
}

impl Opened {
    fn new(key: TicketKey, token: &Token) -> Opened {
        // The secret is the salt: with a key from the token alone, whoever writes to the store could forge any user.
        let prk = Prk::extract(key.0.secret.expose(), token.material());
        let id = TicketId { shard: token.shard(), id: *prk.expand(b"qrgate/1 id") };
        Opened { id, key, prk: Arc::new(prk) }
    }

    /// What the store calls the ticket.
    pub fn id(&self) -> TicketId {
        self.id
    }

    /// The secret that the token was made under.
    pub fn key(&self) -> &TicketKey {
        &self.key
    }

    /// The `webhook-id` of every login call for this ticket: 22 characters, the same over retries.
    pub fn hook_id(&self) -> String {
        BASE64URL_NOPAD.encode(&*self.prk.expand::<16>(b"qrgate/1 hook"))
    }

    /// What the ticket keeps of the key that claims it.
    pub fn claim_mac(&self, key: &ClaimKey) -> ClaimMac {
        self.key.claim_mac(&self.id, key)
    }

    /// The two digits that the phone of this claim shows: 10 to 99.
    pub fn number(&self, claim: &ClaimMac) -> u8 {
        let bytes = self.prk.expand::<8>(&derive::join("qrgate/1 number", &[&claim.0.0]));
        // The remainder is below 90.
        10 + (u64::from_be_bytes(*bytes) % 90) as u8
    }

    /// What the ticket keeps of that number.
    pub fn number_mac(&self, claim: &ClaimMac) -> NumberMac {
        self.key.number_mac(&self.id, claim, self.number(claim))
    }

    /// The proof of an approval of that claim.
    pub fn approval_mac(&self, claim: &ClaimMac) -> ApprovalMac {
        self.key.approval_mac(&self.id, claim)
    }

    /// Seals the record for this ticket on this public origin.
    pub fn seal_record(&self, record: &Record, origin: &Origin) -> Result<Vec<u8>, NoRandomness> {
        derive::seal(&self.prk.expand(b"qrgate/1 record"), &self.record_place(origin), sealed::to_bytes(record))
    }

    /// Opens the record.
    ///
    /// # Errors
    ///
    /// [`Tampered`] when it belongs to another ticket, another origin or nobody at all.
    pub fn open_record(&self, sealed: &[u8], origin: &Origin) -> Result<Record, Tampered> {
        sealed::from_bytes(&derive::open(&self.prk.expand(b"qrgate/1 record"), &self.record_place(origin), sealed)?)
    }

    fn record_place(&self, origin: &Origin) -> zeroize::Zeroizing<Vec<u8>> {
        let origin = origin.to_string();
        derive::join("qrgate/1", &[&[self.key.id()], &[self.id.shard], &self.id.id, origin.as_bytes()])
    }

    /// Seals what the holder's `finish` is answered with for a minute: token, secret and claim key open it together.
    pub fn seal_response(&self, answer: &RedeemResponse, key: &ClaimKey) -> Result<Vec<u8>, NoRandomness> {
        derive::seal(&self.response_key(key), &self.response_place(), sealed::to_bytes(answer))
    }

    /// Opens that answer.
    ///
    /// # Errors
    ///
    /// [`Tampered`] for another claim key, another ticket, or a value that somebody wrote into the store.
    pub fn open_response(&self, sealed: &[u8], key: &ClaimKey) -> Result<RedeemResponse, Tampered> {
        sealed::from_bytes(&derive::open(&self.response_key(key), &self.response_place(), sealed)?)
    }

    fn response_key(&self, key: &ClaimKey) -> derive::Block {
        self.prk.expand(&derive::join("qrgate/1 answer", &[key.bytes()]))
    }

    fn response_place(&self) -> zeroize::Zeroizing<Vec<u8>> {
        derive::join("qrgate/1 answer", &[&[self.id.shard], &self.id.id])
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({})", self.id.short())
    }
}
