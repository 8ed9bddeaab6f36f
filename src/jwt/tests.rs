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
    assert!(is_believed(&hs256(r#"{"alg":"HS256"}"#, r#"{"sub":"ana","exp":1790000000.5,"nbf":1,"iat":1790000059}"#)));
}

#[test]
fn a_verifier_does_not_print_its_key() {
    let shown = format!("{:?}", verifier());
    assert!(shown.contains("Hs256") && !shown.contains("0123") && !shown.contains("48, 49"), "{shown}");
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
    for ignored in [r#"{"alg":"HS256","kid":"../../dev/null"}"#, r#"{"alg":"HS256","jku":"http://169.254.169.254/"}"#] {
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
fn issuer_and_audience_must_be_the_configured_ones() {
    let configured = verifier().from_issuer(Some("https://id".to_owned())).for_audience(Some("shop".to_owned()));
    let token = |iss: Value, aud: Value| {
        hs256(HEADER, &json!({"sub": "ana", "exp": 1_790_000_060, "iss": iss, "aud": aud}).to_string())
    };
    let believed = |iss, aud| configured.claims(&token(iss, aud), NOW, false).is_some();
    assert!(believed(json!("https://id"), json!("shop")));
    assert!(believed(json!("https://id"), json!(["other", "shop"])));
    assert!(!believed(json!("https://id/"), json!("shop")));
    assert!(!believed(json!(["https://id"]), json!("shop")));
    assert!(!believed(json!("https://id"), json!("shopping")));
    assert!(!believed(json!("https://id"), json!(["shop", 1])));
    assert!(!believed(json!("https://id"), json!([])));
    assert!(configured.claims(&hs256(HEADER, ANA), NOW, false).is_none());
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
