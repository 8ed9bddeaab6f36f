//! What a token opens: the keys derived from it together with its ticket secret.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::capability::{ClaimKey, Token};
use super::derive::{self, Prk};
use super::keys::{ApprovalMac, ClaimMac, Mac, NumberMac, TicketId, TicketKey, TicketSecrets};
use super::sealed::{Record, RedeemResponse, SealingKey};
use crate::origin::Origin;
use crate::secret::NoRandomness;
use crate::stay::Stay;

/// What is derived from a token together with its ticket secret.
#[derive(Clone)]
pub struct Opened {
    id: TicketId,
    key: TicketKey,
    /// Shared because the state of an HMAC is over a kilobyte.
    prk: Arc<Prk>,
}

impl TicketSecrets {
    /// Derives what the token opens. `None` if its key id is not configured.
    pub fn open(&self, token: &Token) -> Option<Opened> {
        self.key(token.key_id()).map(|key| Opened::new(key.clone(), token))
    }
}

impl TicketKey {
    /// Generates a token for the shard of its anchor, with what it opens.
    pub fn mint(&self, shard: u8) -> Result<(Token, Opened), NoRandomness> {
        let token = Token::mint(self.id(), shard)?;
        let opened = Opened::new(self.clone(), &token);
        Ok((token, opened))
    }
}

impl Opened {
    fn new(key: TicketKey, token: &Token) -> Opened {
        // The secret is the salt. With a key from the token alone, an attacker with write access to the store could
        // forge a record for any user.
        let prk = Prk::extract(key.0.secret.expose(), token.material());
        let id = TicketId { shard: token.shard(), id: *prk.expand(b"qrgate/1 id") };
        Opened { id, key, prk: Arc::new(prk) }
    }

    pub fn id(&self) -> TicketId {
        self.id
    }

    pub fn key(&self) -> &TicketKey {
        &self.key
    }

    /// The `webhook-id` of all login calls for this ticket, 22 characters.
    pub fn hook_id(&self) -> String {
        self.key.hook_id(&self.id)
    }

    /// The `webhook-id` of all revoke calls for this ticket, 22 characters.
    pub fn revoke_id(&self) -> String {
        BASE64URL_NOPAD.encode(&*self.prk.expand::<16>(b"qrgate/1 revoke"))
    }

    pub fn claim_mac(&self, key: &ClaimKey) -> ClaimMac {
        ClaimMac(Mac(*derive::sign(&self.key.0.claim, &derive::join("", &[key.0.bytes(), &self.id.id]))))
    }

    /// The number that the phone of this claim shows, from 10 to 99.
    pub fn number(&self, claim: &ClaimMac) -> u8 {
        let bytes = self.prk.expand::<8>(&derive::join("qrgate/1 number", &[&claim.0.0]));
        // The remainder is below 90.
        10 + (u64::from_be_bytes(*bytes) % 90) as u8
    }

    pub fn number_mac(&self, claim: &ClaimMac) -> NumberMac {
        self.key.number_mac(&self.id, claim, self.number(claim))
    }

    pub fn approval_mac(&self, claim: &ClaimMac, stay: Option<Stay>) -> ApprovalMac {
        self.key.approval_mac(&self.id, claim, stay)
    }

    /// For the record. It is bound to the public origin.
    pub fn for_record(&self, origin: &Origin) -> SealingKey<Record> {
        let origin = origin.to_string();
        let context: [&[u8]; 4] = [&[self.key.id()], &[self.id.shard], &self.id.id, origin.as_bytes()];
        SealingKey::new(self.prk.expand(b"qrgate/1 record"), "qrgate/1", &context)
    }

    /// For the response to the holder's `finish`. Only token, ticket secret and claim key together open it.
    pub fn for_response(&self, key: &ClaimKey) -> SealingKey<RedeemResponse> {
        let key = self.prk.expand(&derive::join("qrgate/1 answer", &[key.0.bytes()]));
        SealingKey::new(key, "qrgate/1 answer", &[&[self.id.shard], &self.id.id])
    }
}
