//! Certificates and keys in PEM files: their paths, and their content.

use std::path::{Path, PathBuf};
use std::{fs, io};

use rustls::InconsistentKeys;
use rustls::client::VerifierBuilderError;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use zeroize::Zeroizing;

use super::pem::{self, PemError};

/// The largest file that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// The PEM files of a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the certificate of the key first.
    pub certificate: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

/// TLS settings for connections to one of the operator's servers: the application, Redis, or the receiver of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client certificate.
    pub identity: Option<CertificateFiles>,
    /// The name that the server's certificate must carry, if not the host of the URL.
    pub server_name: Option<String>,
}

/// A TLS file, or a server name, that cannot be used.
#[derive(Debug, Error)]
#[error("{}: {cause}", file.display())]
pub struct TlsFileError {
    /// The path; for [`TlsFileCause::Name`], the server name.
    pub file: PathBuf,
    #[source]
    pub cause: TlsFileCause,
}

/// Why a TLS file cannot be used.
#[derive(Debug, Error)]
pub enum TlsFileCause {
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// It does not hold what it should, or holds something that TLS cannot use.
    #[error("{0}")]
    Unusable(#[from] PemError),
    /// The key is not that of the certificate in the named file.
    #[error("is not the key of {}", .0.display())]
    NotItsKey(PathBuf),
    /// Not a DNS name or IP address.
    #[error("{0}")]
    Name(#[from] InvalidDnsNameError),
    /// The TLS library refuses it.
    #[error("{0}")]
    Refused(#[from] rustls::Error),
    /// No verifier can be built from these authorities.
    #[error("{0}")]
    Authorities(#[from] VerifierBuilderError),
}

impl TlsFileError {
    pub(super) fn new(file: &Path, cause: impl Into<TlsFileCause>) -> TlsFileError {
        TlsFileError { file: file.to_owned(), cause: cause.into() }
    }

    /// Whether the file does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(&self.cause, TlsFileCause::Unreadable(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a file of at most 1 MiB. For a larger one, and for a folder, the error is [`io::ErrorKind::FileTooLarge`].
pub fn read(file: &Path) -> Result<Vec<u8>, TlsFileError> {
    let content = fs::metadata(file).and_then(|facts| match facts.is_file() && facts.len() <= MAX_FILE {
        true => fs::read(file),
        false => Err(io::Error::new(io::ErrorKind::FileTooLarge, "not a file of at most 1 MiB")),
    });
    content.map_err(|error| TlsFileError::new(file, error))
}

/// The certificates of a PEM file; at least one.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    pem::certificates(&read(file)?).map_err(|why| TlsFileError::new(file, why))
}

/// The private key of a PEM file.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    pem::private_key(&Zeroizing::new(read(file)?)).map_err(|why| TlsFileError::new(file, why))
}

/// Joins a chain and a key that were read from `files`. An error names the file at fault.
pub fn certified_key(
    files: &CertificateFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, TlsFileError> {
    let key = any_supported_type(&key).map_err(|why| {
        let help = "RSA of at least 2048 bits, ECDSA on a named curve (P-256, P-384, P-521) or Ed25519";
        TlsFileError::new(&files.key, pem::error(format!("holds a key that TLS cannot use ({why})"), help))
    })?;
    let pair = CertifiedKey::new(chain, key);
    let Err(why) = pair.keys_match() else { return Ok(pair) };
    Err(match (&why, place_in_chain(&pair)) {
        (rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch), Some(number)) => {
            let message = format!("has the certificate of this key in place {number}");
            let help = "the server's own certificate comes first, then those that signed it";
            TlsFileError::new(&files.certificate, pem::error(message, help))
        }
        (rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch), None) => {
            TlsFileError::new(&files.key, TlsFileCause::NotItsKey(files.certificate.clone()))
        }
        _ => TlsFileError::new(&files.certificate, unusable(pair.cert.first(), &why)),
    })
}

/// The position of the key's certificate in the chain, if it is not the first; counted from 1.
fn place_in_chain(pair: &CertifiedKey) -> Option<usize> {
    let is_its_key =
        |one: &CertificateDer<'static>| CertifiedKey::new(vec![one.clone()], pair.key.clone()).keys_match().is_ok();
    pair.cert.iter().skip(1).position(is_its_key).map(|at| at + 2)
}

/// Why a certificate cannot be used; the library's own reason where nothing better is known.
fn unusable(certificate: Option<&CertificateDer<'static>>, why: &rustls::Error) -> PemError {
    if certificate.is_some_and(|der| is_version_1(der)) {
        let help = "TLS needs version 3; a certificate gets that with any extension, such as subjectAltName";
        return pem::error("holds an X.509 version 1 certificate", help);
    }
    PemError { message: format!("holds a certificate that cannot be used ({why})"), help: None }
}

/// A certificate begins with its version, tagged `[0]`; version 1 omits it and begins with the serial number, an
/// integer (RFC 5280, section 4.1).
fn is_version_1(der: &[u8]) -> bool {
    pem::inside(der).and_then(pem::inside).is_some_and(|to_be_signed| to_be_signed.starts_with(&[0x02]))
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::super::pem::tests::{EC_KEY, block, made};
    use super::*;

    #[test]
    fn an_error_names_the_file_and_keeps_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let (missing, other) = (folder.path().join("missing.pem"), folder.path().join("other.pem"));
        fs::write(&other, "no PEM").unwrap();
        for (file, kind) in [(&missing, Some(io::ErrorKind::NotFound)), (&other, None)] {
            let error = certificates(file).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{}: ", file.display())), "{error}");
            let source = error.cause.source().unwrap();
            assert_eq!(source.downcast_ref::<io::Error>().map(io::Error::kind), kind);
            assert_eq!(source.is::<PemError>(), kind.is_none());
        }
        assert!(read(folder.path()).is_err(), "a folder");
    }

    /// Made by `openssl x509 -req` without extensions.
    const VERSION_1: &str = "MIIBJjCBzQIUBwiUCx1+2b+5VPqTx4SVi+FpipswCgYIKoZIzj0EAwIwFTETMBEGA1UEAwwKdjEuZXhhbXBs\
        ZTAgFw0yNjExMzAxMjEzMzdaGA8yMTI2MTEwNjEyMTMzN1owFTETMBEGA1UEAwwKdjEuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\
        BLtko0avwocdn0NDOt6NMMol1qRkh3ov/EQctltWWgpAyPEX88lpwNjZlhdbsExTNA/qtOtFEsmkZ4Yx3gnO35MwCgYIKoZIzj0EAwIDSAAwRQIh\
        AIKytEg0IT8GQ6Q648sCpB58fjYeHQ9EmZ0ASz38INNiAiBvs+K7H5HFMXhw089C9J+SuPMa5kuBGhMTLFEyAZPZVg==";

    fn pair(chain: &str, key: &str) -> Result<CertifiedKey, TlsFileError> {
        let (chain, key) = (pem::certificates(chain.as_bytes()).unwrap(), pem::private_key(key.as_bytes()).unwrap());
        certified_key(&CertificateFiles { certificate: "c.pem".into(), key: "k.pem".into() }, chain, key)
    }

    fn refused(chain: &str, key: &str) -> String {
        pair(chain, key).unwrap_err().to_string()
    }

    #[test]
    fn a_chain_and_its_key_are_a_pair() {
        let ((one, key), (other, _)) = (made(), made());
        assert!(pair(&one, &key).is_ok());
        assert!(pair(&format!("{one}{other}"), &format!("comment\n{one}{key}")).is_ok(), "a file of everything");
        assert_eq!(refused(&other, &key), "k.pem: is not the key of c.pem");
        let said = refused(&format!("{other}{other}{one}"), &key);
        assert!(said.starts_with("c.pem: has the certificate of this key in place 3"), "{said}");
    }

    #[test]
    fn a_certificate_of_version_1_is_called_that() {
        let params = block("EC PARAMETERS", "BggqhkjOPQMBBw==");
        let key = format!("{params}{}", block("EC PRIVATE KEY", EC_KEY));
        let said = refused(&block("CERTIFICATE", VERSION_1), &key);
        assert!(said.starts_with("c.pem: holds an X.509 version 1 certificate"), "{said}");
        let said = refused(&block("CERTIFICATE", "MAMCAQA="), &key);
        assert!(said.starts_with("c.pem: holds a certificate that cannot be used"), "{said}");
    }

    proptest::proptest! {
        #[test]
        fn no_certificate_makes_it_panic(der in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let _ = pair(&block("CERTIFICATE", &data_encoding::BASE64.encode(&der)), &block("EC PRIVATE KEY", EC_KEY));
        }
    }
}
