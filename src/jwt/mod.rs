//! Verifies JSON Web Tokens in compact form (RFC 7519; RFC 7515, section 3.1), as strictly as RFC 8725 advises.
//!
//! Checks the syntax, then the signature, then times and names. A token cannot choose a key or an algorithm, and
//! nothing is fetched: `kid`, `jku`, `jwk` and `x5u` are ignored.

mod strict_json;

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::clock::Timestamp;

use strict_json::Strict;

/// Maximum length of a token, in bytes. Browsers limit cookies to 4 KiB.
const LONGEST: usize = 8 * 1024;

/// Allowed lead of the issuer's clock, in seconds.
const AHEAD: f64 = 60.0;

/// Signature algorithms (RFC 7518, section 3.1; RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::Hs256 => "HS256",
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
            Algorithm::EdDsa => "EdDSA",
        }
    }

    fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    /// Whether a key of a set is for signatures with this algorithm.
    fn fits(self, jwk: &Jwk) -> bool {
        let kind = match (&jwk.algorithm, self) {
            (AlgorithmParameters::OctetKey(_), Algorithm::Hs256) => true,
            (AlgorithmParameters::RSA(_), Algorithm::Rs256) => true,
            (AlgorithmParameters::EllipticCurve(key), Algorithm::Es256) => key.curve == EllipticCurve::P256,
            (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDsa) => key.curve == EllipticCurve::Ed25519,
            _ => false,
        };
        let named = jwk.common.key_algorithm.is_none_or(|named| named.to_string() == self.name());
        let signs = jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        kind && named && signs
    }
}

/// Key material that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadKey {
    #[error("is not a public key of this algorithm in PEM form")]
    NotPem,
    #[error("is not a JSON Web Key Set")]
    NotJwks,
    #[error("holds no key for this algorithm")]
    NoKey,
}

/// Verifies tokens of one issuer. Clones share the keys, which `Debug` does not show.
#[derive(Clone, Debug)]
pub struct Verifier {
    algorithm: Algorithm,
    keys: Arc<[DecodingKey]>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Verifier {
    /// With one key: the secret's bytes (HS256), or a public key in PEM.
    pub fn with_key(algorithm: Algorithm, key: &[u8]) -> Result<Verifier, BadKey> {
        let key = match algorithm {
            Algorithm::Hs256 => Ok(DecodingKey::from_secret(key)),
            Algorithm::Rs256 => DecodingKey::from_rsa_pem(key),
            Algorithm::Es256 => DecodingKey::from_ec_pem(key),
            Algorithm::EdDsa => DecodingKey::from_ed_pem(key),
        };
        Ok(Verifier::new(algorithm, vec![key.map_err(|_| BadKey::NotPem)?]))
    }

    /// With the keys of a JSON Web Key Set (RFC 7517) for the algorithm. Each is tried.
    pub fn with_jwks(algorithm: Algorithm, set: &str) -> Result<Verifier, BadKey> {
        let set: Value = serde_json::from_str(set).map_err(|_| BadKey::NotJwks)?;
        let listed = set["keys"].as_array().ok_or(BadKey::NotJwks)?;
        // RFC 7517, section 5: unknown keys are ignored.
        let keys: Vec<DecodingKey> = listed
            .iter()
            .filter_map(|key| Jwk::deserialize(key).ok())
            .filter(|key| algorithm.fits(key))
            .filter_map(|key| DecodingKey::from_jwk(&key).ok())
            .collect();
        if keys.is_empty() { Err(BadKey::NoKey) } else { Ok(Verifier::new(algorithm, keys)) }
    }

    fn new(algorithm: Algorithm, keys: Vec<DecodingKey>) -> Verifier {
        Verifier { algorithm, keys: keys.into(), issuer: None, audience: None }
    }

    pub fn from_issuer(self, issuer: Option<String>) -> Verifier {
        Verifier { issuer, ..self }
    }

    /// Requires this `aud`. Without one, tokens with an `aud` are refused.
    pub fn for_audience(self, audience: Option<String>) -> Verifier {
        Verifier { audience, ..self }
    }

    /// The claims of `token`, if it is valid at `now`. With `ended_too`, its `exp` is required but may have passed.
    pub fn claims(&self, token: &str, now: Timestamp, ended_too: bool) -> Option<Value> {
        if token.len() > LONGEST {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header = object(header)?;
        let claims = object(claims)?;
        BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        let believed = self.is_fit(&header)
            && self.is_signed(message, signature)
            && is_current(&claims, now.seconds() as f64, ended_too)
            && self.is_for_us(&claims);
        believed.then_some(Value::Object(claims))
    }

    /// Checks algorithm and type, and that there is no `crit`: no extension is supported (RFC 7515, section 4.1.11).
    fn is_fit(&self, header: &Map<String, Value>) -> bool {
        let typed = |typ: &Value| typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("JWT"));
        header.get("alg").is_some_and(|alg| alg == self.algorithm.name())
            && header.get("typ").is_none_or(typed)
            && !["crit", "b64", "zip", "enc"].iter().any(|name| header.contains_key(*name))
    }

    fn is_signed(&self, message: &str, signature: &str) -> bool {
        let algorithm = self.algorithm.of_library();
        let verify = |key| jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm);
        self.keys.iter().any(|key| verify(key).unwrap_or(false))
    }

    fn is_for_us(&self, claims: &Map<String, Value>) -> bool {
        let issued = self.issuer.as_ref().is_none_or(|issuer| claims.get("iss").is_some_and(|iss| iss == issuer));
        let meant = match (&self.audience, claims.get("aud")) {
            (None, aud) => aud.is_none(),
            (Some(audience), Some(Value::String(aud))) => aud == audience,
            (Some(audience), Some(Value::Array(all))) => {
                all.iter().all(Value::is_string) && all.iter().any(|aud| aud == audience)
            }
            (Some(_), _) => false,
        };
        issued && meant
    }
}

/// Checks `exp`, which is required, and `nbf` and `iat`, which are optional (RFC 7519, section 4.1).
fn is_current(claims: &Map<String, Value>, now: f64, ended_too: bool) -> bool {
    let time = |name: &str| claims.get(name).map(Value::as_f64);
    let ends = time("exp").flatten().is_some_and(|exp| ended_too || exp > now);
    let begun = |name| match time(name) {
        None => true,
        Some(begin) => begin.is_some_and(|begin| begin <= now + AHEAD),
    };
    ends && begun("nbf") && begun("iat")
}

/// Decodes one part: canonical base64url without padding of a JSON object without duplicate members.
fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).ok()?;
    match serde_json::from_slice::<Strict>(&bytes).ok()?.0 {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
