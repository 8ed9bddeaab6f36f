//! Signed calls (Standard Webhooks): HMAC-SHA-256 over `id.timestamp.body`, for the hooks and the receiver of events.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::secret::Secret;

/// The media type of calls.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Adds the fields of a signed call with this content, which is JSON. `timestamp` is in seconds since the epoch.
pub fn add_fields(fields: &mut HeaderMap, secrets: &[Secret], id: &str, timestamp: u64, content: &[u8]) {
    fields.insert(header::CONTENT_TYPE, JSON);
    fields.insert(HeaderName::from_static("webhook-timestamp"), HeaderValue::from(timestamp));
    for (name, value) in [("webhook-id", id), ("webhook-signature", &sign(secrets, id, timestamp, content))] {
        // Both are ASCII.
        if let Ok(value) = HeaderValue::from_str(value) {
            fields.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The `webhook-signature` field: one `v1,…` per secret, separated by spaces, so that either side may rotate first.
pub fn sign(secrets: &[Secret], id: &str, timestamp: u64, body: &[u8]) -> String {
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| {
            let tag = hmac::sign(&key(secret), &signed_content(id, timestamp, body));
            format!("v1,{}", BASE64.encode(tag.as_ref()))
        })
        .collect();
    signatures.join(" ")
}

/// Whether one of `signatures` (the field as received) was made with `secret`, compared in constant time.
pub fn verify(secret: &Secret, id: &str, timestamp: u64, body: &[u8], signatures: &str) -> bool {
    signatures.split(' ').filter_map(|each| each.strip_prefix("v1,")).any(|encoded| {
        let Ok(tag) = BASE64.decode(encoded.as_bytes()) else { return false };
        hmac::verify(&key(secret), &signed_content(id, timestamp, body), &tag).is_ok()
    })
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose())
}

fn signed_content(id: &str, timestamp: u64, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the reference libraries' own tests.
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn known_secret() -> Secret {
        Secret::from_bytes(BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap())
    }

    #[test]
    fn the_known_example_comes_out() {
        assert_eq!(sign(&[known_secret()], ID, TIMESTAMP, BODY), SIGNATURE);
        assert!(verify(&known_secret(), ID, TIMESTAMP, BODY, SIGNATURE));
    }

    #[test]
    fn every_secret_signs_while_rotating() {
        let (new, old) = (Secret::random().unwrap(), Secret::random().unwrap());
        let both = sign(&[new.clone(), old.clone()], "id", 7, b"{}");
        assert_eq!(both.split(' ').count(), 2);
        assert!(verify(&new, "id", 7, b"{}", &both));
        assert!(verify(&old, "id", 7, b"{}", &both));
        assert!(!verify(&Secret::random().unwrap(), "id", 7, b"{}", &both));
    }

    #[test]
    fn an_incomplete_or_foreign_signature_is_refused() {
        for bad in ["", "v1,", "v1", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", &SIGNATURE[..20], "v1,!!"] {
            assert!(!verify(&known_secret(), ID, TIMESTAMP, BODY, bad), "{bad}");
        }
        assert!(!verify(&known_secret(), "msg_other", TIMESTAMP, BODY, SIGNATURE));
        assert!(!verify(&known_secret(), ID, TIMESTAMP + 1, BODY, SIGNATURE));
        assert!(!verify(&known_secret(), ID, TIMESTAMP, b"{}", SIGNATURE));
    }

    proptest! {
        #[test]
        fn no_text_passes_for_a_signature(text in "(v1,)?[A-Za-z0-9+/= ]{0,60}") {
            prop_assert!(!verify(&known_secret(), ID, TIMESTAMP, BODY, &text));
        }
    }
}
