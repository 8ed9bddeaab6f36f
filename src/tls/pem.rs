//! Certificates and private keys in PEM (RFC 7468), and the names of other things that such a file may hold.
//!
//! The library skips unknown blocks, so a signing request, an encrypted key and a key store all read as an empty file.
//! The errors here name what was found, and never quote key material.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// Why a file cannot be used, worded to follow its name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}{}", .help.map_or(String::new(), |help| format!(": {help}")))]
pub struct PemError {
    pub message: String,
    /// What to do about it.
    pub help: Option<&'static str>,
}

pub(super) fn error(message: impl Into<String>, help: &'static str) -> PemError {
    PemError { message: message.into(), help: Some(help) }
}

/// The certificates of a file; at least one.
pub fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    match CertificateDer::pem_slice_iter(file).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(no_pem(file).unwrap_or_else(|| instead(&labels(file), &NO_CERTIFICATE))),
        Err(why) => Err(no_pem(file).unwrap_or_else(|| damaged(&why))),
    }
}

/// The first private key of a file.
pub fn private_key(file: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    if is_encrypted(file) {
        let help = "qrgate asks for no passphrase: openssl pkey -in FILE -out OTHER writes it without one, mode 0600";
        return Err(error("holds an encrypted private key", help));
    }
    PrivateKeyDer::from_pem_slice(file).map_err(|why| {
        no_pem(file).unwrap_or_else(|| match why {
            pem::Error::NoItemsFound => instead(&labels(file), &NO_KEY),
            why => damaged(&why),
        })
    })
}

/// The content of a DER sequence.
pub(super) fn inside(der: &[u8]) -> Option<&[u8]> {
    match der {
        [0x30, 0..=0x7f, rest @ ..] => Some(rest),
        [0x30, length, rest @ ..] => rest.get(usize::from(length & 0x7f)..),
        _ => None,
    }
}

/// What a file without a PEM block is. `None` if it has one.
fn no_pem(file: &[u8]) -> Option<PemError> {
    if file.starts_with(b"\xef\xbb\xbf") {
        return Some(error("starts with a byte order mark (BOM)", "save it as UTF-8 without a BOM"));
    }
    if !labels(file).is_empty() {
        return None;
    }
    Some(match file {
        [] => error("is empty", "PEM begins with -----BEGIN"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => error("is UTF-16 text", "save it as UTF-8 without a BOM"),
        [0xfe, 0xed, 0xfe, 0xed, ..] => {
            error("is a Java key store", "keytool -importkeystore to PKCS#12, then openssl pkcs12")
        }
        [0x30, ..] if is_pkcs12(file) => error(
            "is PKCS#12 (.p12, .pfx), not PEM",
            "openssl pkcs12 -in FILE -nokeys writes the certificates, -nocerts -nodes the key",
        ),
        [0x30, ..] => error(
            "is DER, not PEM",
            "openssl x509 -inform der -in FILE for a certificate, openssl pkey -inform der -in FILE for a key",
        ),
        _ => error("is not PEM", "PEM begins with -----BEGIN"),
    })
}

/// Whether this is a sequence that begins with the integer 3 (RFC 7292, section 4). A key begins with 0 or 1, a
/// certificate with a sequence.
fn is_pkcs12(der: &[u8]) -> bool {
    inside(der).is_some_and(|content| content.starts_with(&[0x02, 0x01, 0x03]))
}

/// The labels of the blocks that begin in a file.
fn labels(file: &[u8]) -> Vec<String> {
    let label = |line: &[u8]| {
        let line = line.trim_ascii();
        let label = line.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")?;
        Some(String::from_utf8_lossy(label).into_owned())
    };
    file.split(|byte| matches!(byte, b'\n' | b'\r')).filter_map(label).collect()
}

fn is_encrypted(file: &[u8]) -> bool {
    let lines = || file.split(|byte| matches!(byte, b'\n' | b'\r'));
    labels(file).iter().any(|label| label == "ENCRYPTED PRIVATE KEY")
        || lines().any(|line| line.starts_with(b"Proc-Type:") && line.trim_ascii_end().ends_with(b"ENCRYPTED"))
}

/// What a file without a certificate holds: part of a block's label, message, help. The first match is used.
const NO_CERTIFICATE: [(&str, &str, &str); 6] = [
    (
        "CERTIFICATE REQUEST",
        "holds a certificate request (CSR) and no certificate",
        "the certificate that was made of it",
    ),
    ("PRIVATE KEY", "holds a private key and no certificate", "are the two files swapped?"),
    ("PKCS7", "is PKCS#7, not a certificate", "openssl pkcs7 -print_certs -in FILE"),
    ("CMS", "is PKCS#7, not a certificate", "openssl pkcs7 -print_certs -in FILE"),
    ("CERTIFICATE", "holds a certificate in a form of OpenSSL's own", "openssl x509 -in FILE -out OTHER"),
    ("", "holds no certificate", "a block that begins with -----BEGIN CERTIFICATE-----"),
];

/// The same for a private key.
const NO_KEY: [(&str, &str, &str); 7] = [
    ("OPENSSH PRIVATE KEY", "holds a key for SSH, not for TLS", "openssl genpkey makes one for TLS"),
    ("PRIVATE KEY", "holds a private key that TLS cannot use", "RSA, ECDSA or Ed25519"),
    ("CERTIFICATE REQUEST", "holds a certificate request (CSR) and no private key", "the key that it was made with"),
    ("CERTIFICATE", "holds a certificate and no private key", "are the two files swapped?"),
    ("PUBLIC KEY", "holds a public key, not a private one", "the private key it belongs to"),
    ("PARAMETERS", "holds parameters and no private key", "the block -----BEGIN EC PRIVATE KEY----- belongs there too"),
    ("", "holds no private key", "a block that begins with -----BEGIN PRIVATE KEY-----"),
];

fn instead(labels: &[String], table: &[(&str, &str, &'static str)]) -> PemError {
    let is_held = |part: &str| labels.iter().any(|label| label.contains(part));
    let row = table.iter().find(|(part, ..)| is_held(part));
    let (_, message, help) = row.unwrap_or(&("", "holds nothing of use", "PEM begins with -----BEGIN"));
    error(*message, help)
}

/// Names the kind of damage only: the library's own message may quote a line of the file.
fn damaged(why: &pem::Error) -> PemError {
    let message = match why {
        pem::Error::MissingSectionEnd { .. } => "is cut off: a block has no -----END line",
        pem::Error::IllegalSectionStart { .. } => "is damaged: a -----BEGIN line is not whole",
        pem::Error::Base64Decode(_) => "is damaged: a block is not base64",
        _ => "cannot be read as PEM",
    };
    PemError { message: message.to_owned(), help: None }
}

#[cfg(test)]
pub(super) mod tests {
    use data_encoding::BASE64;

    use super::*;

    /// The key of the certificate in the tests of `files`, as `openssl ecparam -genkey` writes it.
    pub const EC_KEY: &str = "MHcCAQEEIMcOVFZCKHm0WeP6dBjdoCCoUQg1lq87rAaUd2UQJXW/oAoGCCqGSM49AwEHoUQDQgAEu2SjRq/Chx2fQ0\
        M63o0wyiXWpGSHei/8RBy2W1ZaCkDI8RfzyWnA2NmWF1uwTFM0D+q060USyaRnhjHeCc7fkw==";

    pub fn block(label: &str, content: &str) -> String {
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
    }

    pub fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn what_holds_no_certificate_is_called_by_its_name() {
        let (certificate, key) = made();
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let pkcs12 = [&[0x30, 0x82, 0x04, 0x00, 0x02, 0x01, 0x03][..], &[0; 32]].concat();
        for (file, said) in [
            (Vec::new(), "is empty"),
            (b"hello".to_vec(), "is not PEM"),
            (der.to_vec(), "is DER"),
            (pkcs12, "is PKCS#12"),
            (vec![0xfe, 0xed, 0xfe, 0xed, 0], "Java key store"),
            (b"\xff\xfe-\0".to_vec(), "UTF-16"),
            (format!("\u{feff}{certificate}").into_bytes(), "byte order mark"),
            (key.into_bytes(), "private key and no certificate"),
            (block("CERTIFICATE REQUEST", "AAAA").into_bytes(), "request (CSR)"),
            (block("NEW CERTIFICATE REQUEST", "AAAA").into_bytes(), "request (CSR)"),
            (block("PKCS7", "AAAA").into_bytes(), "PKCS#7"),
            (block("TRUSTED CERTIFICATE", "AAAA").into_bytes(), "a form of OpenSSL's own"),
            (block("X509 CRL", "AAAA").into_bytes(), "holds no certificate"),
            (certificate.as_bytes()[..certificate.len() / 2].to_vec(), "is cut off"),
            (block("CERTIFICATE", "%%%%").into_bytes(), "is not base64"),
        ] {
            let why = certificates(&file).expect_err(said).to_string();
            assert!(why.contains(said), "{said}: {why}");
        }
    }

    #[test]
    fn what_holds_no_key_is_called_by_its_name_and_not_shown() {
        let (certificate, _) = made();
        let old = block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nSECRET");
        for (file, said) in [
            (block("ENCRYPTED PRIVATE KEY", "SECRET"), "an encrypted private key"),
            (old, "an encrypted private key"),
            (certificate, "certificate and no private key"),
            (block("CERTIFICATE REQUEST", "AAAA"), "request (CSR) and no private key"),
            (block("PUBLIC KEY", "AAAA"), "a public key"),
            (block("EC PARAMETERS", "BggqhkjOPQMBBw=="), "holds parameters"),
            (block("OPENSSH PRIVATE KEY", "SECRET"), "a key for SSH"),
            (block("DSA PRIVATE KEY", "SECRET"), "TLS cannot use"),
            (block("PRIVATE KEY", "SECRET%"), "is not base64"),
            ("-----BEGIN PRIVATE KEY-----\nSECRET\n".to_owned(), "is cut off"),
        ] {
            let why = private_key(file.as_bytes()).expect_err(said).to_string();
            assert!(why.contains(said) && !why.contains("SECRET"), "{said}: {why}");
        }
        let der = BASE64.decode(EC_KEY.as_bytes()).unwrap();
        assert!(private_key(&der).unwrap_err().message.contains("is DER"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40), as_block: bool) {
            let file = match as_block {
                true => block("CERTIFICATE", &BASE64.encode(&bytes)).into_bytes(),
                false => bytes,
            };
            let _ = certificates(&file);
            let _ = private_key(&file);
        }
    }
}
