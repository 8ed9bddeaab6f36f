//! Pending ACME challenges: files in a folder that every process with the same certificate reads. Whichever process the
//! authority connects to can respond.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::files;

/// The protocol of a TLS-ALPN-01 validation (RFC 8737, section 6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// The longest token for which a file is looked up. Authorities use 43 bytes.
const LONGEST_TOKEN: usize = 128;

/// The folder of the pending challenges.
#[derive(Clone, Debug)]
pub struct Challenges {
    folder: PathBuf,
}

impl Challenges {
    pub fn new(folder: PathBuf) -> Challenges {
        Challenges { folder }
    }

    /// The file of a TLS-ALPN-01 challenge: the validation certificate and its key, in PEM.
    pub fn certificate_file(&self, domain: &str) -> PathBuf {
        self.folder.join(format!("{domain}.pem"))
    }

    /// The file of an HTTP-01 challenge: the key authorization. `None` if it is malformed (RFC 8555, section 8.3).
    pub fn token_file(&self, token: &str) -> Option<PathBuf> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_sound = !token.is_empty() && token.len() <= LONGEST_TOKEN && token.bytes().all(is_token);
        is_sound.then(|| self.folder.join(token))
    }

    /// The validation certificate for a name, if its validation is pending.
    pub fn certificate(&self, server_name: &str) -> Option<Arc<CertifiedKey>> {
        let domain = server_name.to_ascii_lowercase();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if domain.starts_with('.') || !domain.bytes().all(is_name) {
            return None;
        }
        let file = self.certificate_file(&domain);
        let (chain, key) = (files::certificates(&file).ok()?, files::private_key(&file).ok()?);
        // Not checked as a pair: webpki refuses the critical extension that makes it a validation certificate.
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).ok()?;
        Some(Arc::new(CertifiedKey::new(chain, key)))
    }

    /// The content for `/.well-known/acme-challenge/<token>`, if its validation is pending.
    pub fn key_authorization(&self, token: &str) -> Option<Vec<u8>> {
        files::read(&self.token_file(token)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pending_challenges_are_found_and_no_name_leaves_the_folder() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("challenges");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(outer.path().join("account"), "secret").unwrap();
        std::fs::write(folder.join("to-k_en"), "to-k_en.thumbprint").unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(&[7; 32])];
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = key.serialize_pem() + &params.self_signed(&key).unwrap().pem();
        std::fs::write(folder.join("a.example.pem"), &pem).unwrap();
        std::fs::write(outer.path().join("b.pem"), pem).unwrap();
        let challenges = Challenges::new(folder);
        assert_eq!(challenges.key_authorization("to-k_en").unwrap(), b"to-k_en.thumbprint");
        assert!(challenges.certificate("A.example").is_some());
        for token in ["", ".", "..", "../account", "%2e", "a.example.pem", "other", &"a".repeat(129)] {
            assert_eq!(challenges.key_authorization(token), None, "{token}");
        }
        for name in ["", ".", "../b", "b.example", "to-k_en"] {
            assert!(challenges.certificate(name).is_none(), "{name}");
        }
    }
}
