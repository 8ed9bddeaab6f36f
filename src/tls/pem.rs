//! Certificates and private keys in PEM (RFC 7468), and the names of other things that such a file may hold.
//!
//! The library skips unknown blocks, so a signing request, an encrypted key and a key store all read as an empty file.
//! The errors here name what was found, and never quote key material.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys};

/// Why a file cannot be used, worded to follow its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemError {
    pub message: String,
    /// What helps.
    pub help: Option<&'static str>,
}

/// Why a certificate and a key cannot be used together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairError {
    /// The certificate cannot be used.
    Certificate(PemError),
    /// The key cannot be used.
    Key(PemError),
    /// It is the key of another certificate.
    NotItsKey,
}

impl std::error::Error for PemError {}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.help {
            Some(help) => write!(f, "{}: {help}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

fn error(message: impl Into<String>, help: &'static str) -> PemError {
    PemError { message: message.into(), help: Some(help) }
}

/// The certificates of a file; at least one.
///
/// # Errors
///
/// [`PemError`]
pub fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    match CertificateDer::pem_slice_iter(file).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(no_pem(file).unwrap_or_else(|| instead(&labels(file), &NO_CERTIFICATE))),
        Err(why) => Err(no_pem(file).unwrap_or_else(|| damaged(&why))),
    }
}

/// The first private key of a file.
///
/// # Errors
///
/// [`PemError`]
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

/// A chain and the key of its first certificate.
///
/// # Errors
///
/// [`PairError`], which says which of the two is at fault.
pub fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, PairError> {
    let key = provider.key_provider.load_private_key(key).map_err(|why| {
        let help = "RSA of at least 2048 bits, ECDSA on a named curve (P-256, P-384, P-521) or Ed25519";
        PairError::Key(error(format!("holds a key that TLS has no use for ({why})"), help))
    })?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Ok(()) => Ok(pair),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => match place_in_chain(&pair.cert, &pair.key) {
            Some(number) => {
                let message = format!("has the certificate of this key in place {number}");
                let help = "the server's own certificate comes first, then those that signed it";
                Err(PairError::Certificate(error(message, help)))
            }
            None => Err(PairError::NotItsKey),
        },
        Err(why) => Err(PairError::Certificate(unusable(pair.cert.first(), &why))),
    }
}

/// The position of the key's certificate in the chain, if it is not the first; counted from 1.
fn place_in_chain(chain: &[CertificateDer<'static>], key: &Arc<dyn SigningKey>) -> Option<usize> {
    let is_its_key =
        |one: &CertificateDer<'static>| CertifiedKey::new(vec![one.clone()], key.clone()).keys_match().is_ok();
    chain.iter().skip(1).position(is_its_key).map(|at| at + 2)
}

/// Why a certificate cannot be used; the library's own reason where nothing better is known.
fn unusable(certificate: Option<&CertificateDer<'static>>, why: &Error) -> PemError {
    if certificate.is_some_and(|der| is_version_1(der)) {
        let help = "TLS needs version 3; a certificate gets that with any extension, such as subjectAltName";
        return error("holds an X.509 version 1 certificate", help);
    }
    PemError { message: format!("holds a certificate that cannot be used ({why})"), help: None }
}

/// A certificate begins with its version, tagged `[0]`; version 1 omits it and begins with the serial number, an
/// integer (RFC 5280, section 4.1).
fn is_version_1(der: &[u8]) -> bool {
    inside(der).and_then(inside).is_some_and(|to_be_signed| to_be_signed.starts_with(&[0x02]))
}

/// The content of a DER sequence.
fn inside(der: &[u8]) -> Option<&[u8]> {
    match der {
        [0x30, 0..=0x7f, rest @ ..] => Some(rest),
        [0x30, length, rest @ ..] => rest.get(usize::from(length & 0x7f)..),
        _ => None,
    }
}

/// What a file without a PEM block is. None if it has one.
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

/// A sequence that begins with the integer 3 (RFC 7292, section 4). A key begins with 0 or 1, a certificate with none.
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

/// What a file without a certificate holds: part of a block's label, message, help. The first match counts.
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
    ("PRIVATE KEY", "holds a private key that TLS has no use for", "RSA, ECDSA or Ed25519"),
    ("CERTIFICATE REQUEST", "holds a certificate request (CSR) and no private key", "the key that it was made with"),
    ("CERTIFICATE", "holds a certificate and no private key", "are the two files swapped?"),
    ("PUBLIC KEY", "holds a public key, not a private one", "the private key it belongs to"),
    ("PARAMETERS", "holds parameters and no private key", "the block -----BEGIN EC PRIVATE KEY----- belongs there too"),
    ("", "holds no private key", "a block that begins with -----BEGIN PRIVATE KEY-----"),
];

fn instead(labels: &[String], table: &[(&str, &str, &'static str)]) -> PemError {
    let row = table.iter().find(|(part, ..)| labels.iter().any(|label| label.contains(part)));
    match row {
        Some((_, message, help)) => error(*message, help),
        None => error("holds nothing of use", "PEM begins with -----BEGIN"),
    }
}

/// Says the kind of damage only: the library's own message may quote a line of the file.
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
mod tests {
    use data_encoding::BASE64;

    use super::*;

    /// Made by `openssl x509 -req` without extensions.
    const VERSION_1: &str = "MIIBJjCBzQIUBwiUCx1+2b+5VPqTx4SVi+FpipswCgYIKoZIzj0EAwIwFTETMBEGA1UEAwwKdjEuZXhhbXBs\
        ZTAgFw0yNjExMzAxMjEzMzdaGA8yMTI2MTEwNjEyMTMzN1owFTETMBEGA1UEAwwKdjEuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\
        BLtko0avwocdn0NDOt6NMMol1qRkh3ov/EQctltWWgpAyPEX88lpwNjZlhdbsExTNA/qtOtFEsmkZ4Yx3gnO35MwCgYIKoZIzj0EAwIDSAAwRQIh\
        AIKytEg0IT8GQ6Q648sCpB58fjYeHQ9EmZ0ASz38INNiAiBvs+K7H5HFMXhw089C9J+SuPMa5kuBGhMTLFEyAZPZVg==";
    /// Its key, as `openssl ecparam -genkey` writes it.
    const ITS_KEY: &str = "MHcCAQEEIMcOVFZCKHm0WeP6dBjdoCCoUQg1lq87rAaUd2UQJXW/oAoGCCqGSM49AwEHoUQDQgAEu2SjRq/Chx2fQ0\
        M63o0wyiXWpGSHei/8RBy2W1ZaCkDI8RfzyWnA2NmWF1uwTFM0D+q060USyaRnhjHeCc7fkw==";

    fn block(label: &str, content: &str) -> String {
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
    }

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn pair(chain: &str, key: &str) -> Result<(), PairError> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let (chain, key) = (certificates(chain.as_bytes()).unwrap(), private_key(key.as_bytes()).unwrap());
        certified_key(chain, key, &provider).map(drop)
    }

    #[test]
    fn a_chain_and_its_key_are_a_pair() {
        let ((one, key), (other, _)) = (made(), made());
        assert_eq!(pair(&one, &key), Ok(()));
        assert_eq!(pair(&format!("{one}{other}"), &format!("comment\n{one}{key}")), Ok(()), "a file of everything");
        assert_eq!(pair(&other, &key), Err(PairError::NotItsKey));
        let Err(PairError::Certificate(why)) = pair(&format!("{other}{other}{one}"), &key) else { panic!() };
        assert!(why.message.contains("the certificate of this key in place 3"), "{why}");
    }

    #[test]
    fn a_certificate_of_version_1_is_called_that() {
        let params = block("EC PARAMETERS", "BggqhkjOPQMBBw==");
        let key = format!("{params}{}", block("EC PRIVATE KEY", ITS_KEY));
        let Err(PairError::Certificate(why)) = pair(&block("CERTIFICATE", VERSION_1), &key) else { panic!() };
        assert!(why.message.contains("X.509 version 1"), "{why}");
        let Err(PairError::Certificate(why)) = pair(&block("CERTIFICATE", "MAMCAQA="), &key) else { panic!() };
        assert!(why.message.contains("cannot be used"), "{why}");
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
            (block("DSA PRIVATE KEY", "SECRET"), "TLS has no use for"),
            (block("PRIVATE KEY", "SECRET%"), "is not base64"),
            ("-----BEGIN PRIVATE KEY-----\nSECRET\n".to_owned(), "is cut off"),
        ] {
            let why = private_key(file.as_bytes()).expect_err(said).to_string();
            assert!(why.contains(said) && !why.contains("SECRET"), "{said}: {why}");
        }
        let der = BASE64.decode(ITS_KEY.as_bytes()).unwrap();
        assert!(private_key(&der).unwrap_err().message.contains("is DER"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..40), as_block: bool) {
            let file = match as_block {
                true => block("CERTIFICATE", &BASE64.encode(&bytes)).into_bytes(),
                false => bytes,
            };
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            let key = || private_key(block("EC PRIVATE KEY", ITS_KEY).as_bytes()).unwrap();
            if let Ok(chain) = certificates(&file) {
                let _ = certified_key(chain, key(), &provider);
            }
            let _ = private_key(&file);
        }
    }
}
