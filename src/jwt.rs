//! Is this cookie a token we believe? JSON Web Tokens in their compact form (RFC 7519, RFC 7515, section 3.1), as
//! strictly as RFC 8725 advises.
//!
//! Form first, then the signature, then times and names. Nothing in a token chooses a key or an algorithm, and nothing
//! is fetched: `kid`, `jku`, `jwk` and `x5u` are not looked at.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// Cookies hold 4 KiB; a longer token came another way.
const LONGEST: usize = 8 * 1024;

/// How far ahead of our clock, in seconds, an issuer's may be.
const AHEAD: f64 = 60.0;

/// Signature algorithms (RFC 7518, section 3.1; RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
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

    /// Whether a key of a set is for this algorithm, and for signatures.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// Not a public key of the algorithm, in PEM form.
    NotPem,
    /// Not a JSON Web Key Set.
    NotJwks,
    /// A JSON Web Key Set without a key for the algorithm.
    NoKey,
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadKey::NotPem => "is not a public key of this algorithm in PEM form",
            BadKey::NotJwks => "is not a JSON Web Key Set",
            BadKey::NoKey => "holds no key for this algorithm",
        })
    }
}

impl std::error::Error for BadKey {}

/// Believes the tokens of one issuer. Clones share the keys.
#[derive(Clone)]
pub struct Verifier {
    algorithm: Algorithm,
    keys: Arc<[DecodingKey]>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Verifier {
    /// With one key: the secret as it stands (HS256), or a public key in PEM form.
    ///
    /// # Errors
    ///
    /// [`BadKey::NotPem`].
    pub fn with_key(algorithm: Algorithm, key: &[u8]) -> Result<Verifier, BadKey> {
        let key = match algorithm {
            Algorithm::Hs256 => Ok(DecodingKey::from_secret(key)),
            Algorithm::Rs256 => DecodingKey::from_rsa_pem(key),
            Algorithm::Es256 => DecodingKey::from_ec_pem(key),
            Algorithm::EdDsa => DecodingKey::from_ed_pem(key),
        };
        Ok(Verifier::new(algorithm, vec![key.map_err(|_| BadKey::NotPem)?]))
    }

    /// With the keys of a JSON Web Key Set (RFC 7517) that are for the algorithm. Each of them is tried.
    ///
    /// # Errors
    ///
    /// [`BadKey::NotJwks`] and [`BadKey::NoKey`].
    pub fn with_jwks(algorithm: Algorithm, set: &str) -> Result<Verifier, BadKey> {
        let set: Value = serde_json::from_str(set).map_err(|_| BadKey::NotJwks)?;
        let listed = set["keys"].as_array().ok_or(BadKey::NotJwks)?;
        // RFC 7517, section 5: keys that are not understood are passed over.
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

    /// Demands this `iss`.
    pub fn from_issuer(self, issuer: Option<String>) -> Verifier {
        Verifier { issuer, ..self }
    }

    /// Demands this `aud`. Without one, tokens that name an audience are meant for somebody else.
    pub fn for_audience(self, audience: Option<String>) -> Verifier {
        Verifier { audience, ..self }
    }

    /// The claims of `token`, if it is believed at `now`. With `ended_too` its `exp` must be there but may have passed.
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

    /// The header names the one algorithm, is of a token, and asks for nothing that we do not do: every `crit` extension
    /// is unknown here (RFC 7515, section 4.1.11).
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

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// `exp` is there and ahead; `nbf` and `iat`, where they are there, have come. Each is a number (RFC 7519, section 4.1).
fn is_current(claims: &Map<String, Value>, now: f64, ended_too: bool) -> bool {
    let time = |name: &str| claims.get(name).map(Value::as_f64);
    let ends = time("exp").flatten().is_some_and(|exp| ended_too || exp > now);
    let begun = |name| match time(name) {
        None => true,
        Some(begin) => begin.is_some_and(|begin| begin <= now + AHEAD),
    };
    ends && begun("nbf") && begun("iat")
}

/// Decodes one part: canonical base64url without padding, a JSON object, no member twice.
fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).ok()?;
    match serde_json::from_slice::<Strict>(&bytes).ok()?.0 {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// JSON in which no object has a member twice: parsers differ on which one counts (RFC 8259, section 4).
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without doubled members")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("doubled member"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::{hmac, signature};
    use proptest::prelude::*;
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
    use serde_json::json;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    type Signer<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

    fn part(text: &str) -> String {
        BASE64URL_NOPAD.encode(text.as_bytes())
    }

    fn signed(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        format!("{message}.{}", BASE64URL_NOPAD.encode(&sign(message.as_bytes())))
    }

    fn by_secret(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        move |message| hmac::sign(&key, message).as_ref().to_vec()
    }

    fn hs256(header: &str, claims: &str) -> String {
        signed(header, claims, by_secret(SECRET))
    }

    fn verifier() -> Verifier {
        Verifier::with_key(Algorithm::Hs256, SECRET).unwrap()
    }

    fn is_believed(token: &str) -> bool {
        verifier().claims(token, NOW, false).is_some()
    }

    const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
    const ANA: &str = r#"{"sub":"ana","exp":1790000060}"#;

    #[test]
    fn a_good_token_gives_its_claims() {
        let claims = verifier().claims(&hs256(HEADER, ANA), NOW, false).unwrap();
        assert_eq!(claims["sub"], "ana");
        assert!(is_believed(&hs256(
            r#"{"alg":"HS256"}"#,
            r#"{"sub":"ana","exp":1790000000.5,"nbf":1,"iat":1790000059}"#
        )));
    }

    #[test]
    fn the_header_chooses_nothing() {
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","b64":false}"#,
            r#"{"alg":"HS256","typ":"dpop+jwt"}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"["HS256"]"#,
        ] {
            assert!(!is_believed(&hs256(header, ANA)), "{header}");
        }
        for ignored in
            [r#"{"alg":"HS256","kid":"../../dev/null"}"#, r#"{"alg":"HS256","jku":"http://169.254.169.254/"}"#]
        {
            assert!(is_believed(&hs256(ignored, ANA)), "{ignored}");
            assert!(!is_believed(&signed(ignored, ANA, by_secret(b""))), "{ignored}");
        }
        let unsigned = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(ANA));
        assert!(!is_believed(&unsigned));
        assert!(!is_believed(&format!("{}.{}.", part(HEADER), part(ANA))));
    }

    #[test]
    fn times_must_fit() {
        for claims in [
            r#"{"sub":"ana"}"#,
            r#"{"sub":"ana","exp":1790000000}"#,
            r#"{"sub":"ana","exp":"1790000060"}"#,
            r#"{"sub":"ana","exp":null}"#,
            r#"{"sub":"ana","exp":1790000060,"nbf":1790000061}"#,
            r#"{"sub":"ana","exp":1790000060,"nbf":"1"}"#,
            r#"{"sub":"ana","exp":1790000060,"iat":1790000061}"#,
            r#"{"sub":"ana","exp":1,"exp":1790000060}"#,
            r#"{"sub":"bob","exp":1790000060,"x":{"a":1,"a":2}}"#,
        ] {
            assert!(!is_believed(&hs256(HEADER, claims)), "{claims}");
        }
    }

    #[test]
    fn at_a_redeem_the_end_may_have_passed() {
        let ended = hs256(HEADER, r#"{"sub":"ana","exp":1}"#);
        assert!(verifier().claims(&ended, NOW, true).is_some());
        assert!(verifier().claims(&hs256(HEADER, r#"{"sub":"ana"}"#), NOW, true).is_none());
    }

    #[test]
    fn issuer_and_audience_must_be_ours() {
        let ours = verifier().from_issuer(Some("https://id".to_owned())).for_audience(Some("shop".to_owned()));
        let token = |iss: Value, aud: Value| {
            hs256(HEADER, &json!({"sub": "ana", "exp": 1_790_000_060, "iss": iss, "aud": aud}).to_string())
        };
        let believed = |iss, aud| ours.claims(&token(iss, aud), NOW, false).is_some();
        assert!(believed(json!("https://id"), json!("shop")));
        assert!(believed(json!("https://id"), json!(["other", "shop"])));
        assert!(!believed(json!("https://id/"), json!("shop")));
        assert!(!believed(json!(["https://id"]), json!("shop")));
        assert!(!believed(json!("https://id"), json!("shopping")));
        assert!(!believed(json!("https://id"), json!(["shop", 1])));
        assert!(!believed(json!("https://id"), json!([])));
        assert!(ours.claims(&hs256(HEADER, ANA), NOW, false).is_none());
        assert!(!is_believed(&token(json!("https://id"), json!("shop"))), "an audience nobody set up");
    }

    #[test]
    fn only_the_canonical_form_is_a_token() {
        let good = hs256(HEADER, ANA);
        let (message, signature) = good.rsplit_once('.').unwrap();
        let (header, claims) = message.split_once('.').unwrap();
        for bad in [
            format!("{good}="),
            format!("{good}."),
            format!(".{good}"),
            format!(" {good}"),
            format!("\"{good}\""),
            format!("{header}.{claims}"),
            format!("{header}.{claims}.{signature}.{signature}"),
            format!("{header}.{claims}\n.{signature}"),
            format!("{header}=.{claims}.{signature}"),
            "..".to_owned(),
            String::new(),
            "a".repeat(LONGEST + 1),
        ] {
            assert!(!is_believed(&bad), "{bad}");
        }
        // The last character of 32 bytes has two spare bits: with them set it is another spelling of the same bytes.
        let last = signature.as_bytes()[signature.len() - 1];
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = letters.iter().position(|letter| *letter == last).unwrap();
        let spelled = format!("{}{}", &good[..good.len() - 1], letters[at + 1] as char);
        assert!(!is_believed(&spelled));
    }

    #[test]
    fn public_keys_verify_and_do_not_serve_as_secrets() {
        let (rsa, ec, ed) = (
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
            KeyPair::generate_for(&PKCS_ED25519).unwrap(),
        );
        let rsa_signer = signature::RsaKeyPair::from_pkcs8(&rsa.serialize_der()).unwrap();
        let by_rsa = |message: &[u8]| {
            let mut bytes = vec![0; rsa_signer.public_modulus_len()];
            rsa_signer.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut bytes).unwrap();
            bytes
        };
        let scheme = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let ec_signer = signature::EcdsaKeyPair::from_pkcs8(scheme, &ec.serialize_der()).unwrap();
        let by_ec = |message: &[u8]| ec_signer.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        let ed_signer = signature::Ed25519KeyPair::from_pkcs8(&ed.serialize_der()).unwrap();
        let by_ed = |message: &[u8]| ed_signer.sign(message).as_ref().to_vec();
        let signers: [(Algorithm, &KeyPair, Signer<'_>); 3] =
            [(Algorithm::Rs256, &rsa, &by_rsa), (Algorithm::Es256, &ec, &by_ec), (Algorithm::EdDsa, &ed, &by_ed)];
        for (algorithm, key, sign) in signers {
            let pem = key.public_key_pem();
            let verifier = Verifier::with_key(algorithm, pem.as_bytes()).unwrap();
            let header = format!(r#"{{"alg":"{}"}}"#, algorithm.name());
            let good = signed(&header, ANA, sign);
            assert!(verifier.claims(&good, NOW, false).is_some(), "{algorithm:?}");
            let confused = signed(HEADER, ANA, by_secret(pem.as_bytes()));
            assert!(verifier.claims(&confused, NOW, false).is_none(), "{algorithm:?}: HS256 with the public key");
            let forged = signed(&header, ANA, by_secret(pem.as_bytes()));
            assert!(verifier.claims(&forged, NOW, false).is_none(), "{algorithm:?}: a MAC instead of a signature");
        }
        for (algorithm, key) in [(Algorithm::Rs256, &ec), (Algorithm::Es256, &ed), (Algorithm::EdDsa, &rsa)] {
            let wrong = Verifier::with_key(algorithm, key.public_key_pem().as_bytes());
            assert_eq!(wrong.err(), Some(BadKey::NotPem), "{algorithm:?}");
        }
    }

    #[test]
    fn of_a_key_set_only_fitting_keys_are_tried() {
        let secret = BASE64URL_NOPAD.encode(SECRET);
        let set = |member: &str, value: &str| {
            let mut key = json!({"kty": "oct", "k": secret, "kid": "1"});
            key[member] = value.into();
            json!({"keys": [{"kty": "new"}, {"kty": "oct", "k": part("another secret")}, key]}).to_string()
        };
        let verifier = Verifier::with_jwks(Algorithm::Hs256, &set("alg", "HS256")).unwrap();
        assert!(verifier.claims(&hs256(r#"{"alg":"HS256","kid":"none of them"}"#, ANA), NOW, false).is_some());
        for (member, value) in [("alg", "HS512"), ("use", "enc"), ("kty", "RSA")] {
            let verifier = Verifier::with_jwks(Algorithm::Hs256, &set(member, value)).unwrap();
            assert!(verifier.claims(&hs256(HEADER, ANA), NOW, false).is_none(), "{member}");
        }
        assert_eq!(Verifier::with_jwks(Algorithm::Rs256, &set("a", "b")).err(), Some(BadKey::NoKey));
        assert_eq!(Verifier::with_jwks(Algorithm::Rs256, "[]").err(), Some(BadKey::NotJwks));
    }

    proptest! {
        #[test]
        fn no_text_is_believed_or_makes_it_panic(text in "[A-Za-z0-9_.=-]{0,120}|.{0,60}") {
            prop_assert!(!is_believed(&text));
        }

        #[test]
        fn a_changed_character_is_not_believed(at in 0usize..100, with in "[A-Za-z0-9_-]") {
            let good = hs256(HEADER, ANA);
            let at = at % good.len();
            let mut changed = good.clone();
            changed.replace_range(at..=at, &with);
            prop_assume!(changed != good);
            prop_assert!(!is_believed(&changed));
        }
    }
}
