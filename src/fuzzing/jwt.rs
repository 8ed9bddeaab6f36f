//! JSON Web Tokens in a cookie: accepted only with a valid signature and a supported header and claims.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::jwt::{Algorithm, Verifier};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The input is read twice: as a token, and as header and claims on two lines, which are then signed.
///
/// - A token is accepted only if it has three canonical parts, and the last is the HMAC of the others.
/// - A signed token is accepted only if its header names the configured algorithm and no extension, and its times,
///   issuer and audience are valid.
/// - It is refused under another key, with a second `exp`, or with a changed end.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let verifier = Verifier::with_key(Algorithm::Hs256, SECRET).expect("a secret is a key");
    if verifier.claims(text, NOW, false).is_some() {
        let (message, signature) = text.rsplit_once('.').expect("three parts");
        assert_eq!(signature, sign(message, SECRET), "believed unsigned");
        assert_eq!(message.matches('.').count(), 1);
    }

    let (header, claims) = text.split_once('\n').unwrap_or(("{\"alg\":\"HS256\"}", text));
    let token = token(header, claims, SECRET);
    let shop = verifier.clone().from_issuer(Some("https://id".to_owned())).for_audience(Some("shop".to_owned()));
    for (verifier, ended_too) in [(&verifier, false), (&verifier, true), (&shop, false)] {
        let Some(believed) = verifier.claims(&token, NOW, ended_too) else { continue };
        let header: Value = serde_json::from_str(header).expect("believed though no JSON");
        let read: Value = serde_json::from_str(claims).expect("believed though no JSON");
        assert_eq!(read, believed, "the claims");
        assert_eq!(header["alg"], "HS256");
        assert!(["crit", "b64", "zip", "enc"].iter().all(|name| header.get(name).is_none()), "an extension");
        assert!(header.get("typ").is_none_or(|typ| typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("jwt"))));
        let exp = read["exp"].as_f64().expect("an end");
        assert!(ended_too || exp > NOW.seconds() as f64, "ended");
        for begin in ["nbf", "iat"] {
            assert!(read.get(begin).is_none_or(|at| at.as_f64().is_some_and(|at| at <= NOW.seconds() as f64 + 60.0)));
        }
        if std::ptr::eq(verifier, &shop) {
            let for_shop =
                read["aud"] == "shop" || read["aud"].as_array().is_some_and(|all| all.contains(&"shop".into()));
            assert!(read["iss"] == "https://id" && for_shop, "not for us");
        } else {
            assert!(read.get("aud").is_none(), "for another audience");
        }
        spoiled(verifier, header.to_string().as_str(), claims, &token, ended_too);
    }
}

fn spoiled(verifier: &Verifier, header: &str, claims: &str, good: &str, ended_too: bool) {
    let believed = |token: &str| verifier.claims(token, NOW, ended_too).is_some();
    assert!(!believed(&token(header, claims, b"another secret, also of 32 bytes")), "another key");
    let doubled = claims.trim_start().strip_prefix('{').map(|rest| format!("{{\"exp\":99999999999,{rest}"));
    assert!(!believed(&token(header, &doubled.expect("an object"), SECRET)), "a doubled member");
    for changed in [format!("{good}A"), format!("{good}="), format!("{good}."), good[..good.len() - 1].to_owned()] {
        assert!(!believed(&changed), "a changed end");
    }
}

fn token(header: &str, claims: &str, secret: &[u8]) -> String {
    let message =
        format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()));
    let signature = sign(&message, secret);
    format!("{message}.{signature}")
}

fn sign(message: &str, secret: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    BASE64URL_NOPAD.encode(tag.as_ref())
}
