//! Certificates and keys in PEM files, as paths and as what they hold.

use std::path::{Path, PathBuf};
use std::{fs, io};

use rustls::client::VerifierBuilderError;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use zeroize::Zeroizing;

use super::pem::{self, PairError, PemError};

/// The largest file that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// The PEM files of a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

/// TLS towards a server of the operator: the application, or Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM file of the client certificate.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
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
}

/// Whether a file cannot be used because it does not exist.
pub fn is_missing(error: &TlsFileError) -> bool {
    matches!(&error.cause, TlsFileCause::Unreadable(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Reads a file of at most 1 MiB.
///
/// # Errors
///
/// [`TlsFileCause::Unreadable`]
pub fn read(file: &Path) -> Result<Vec<u8>, TlsFileError> {
    read_small(file).map_err(|error| TlsFileError::new(file, error))
}

/// Reads a file of at most 1 MiB. For a larger one, and for a folder, the error is [`io::ErrorKind::FileTooLarge`].
pub fn read_small(file: &Path) -> io::Result<Vec<u8>> {
    let facts = fs::metadata(file)?;
    if !facts.is_file() || facts.len() > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "not a file of at most 1 MiB"));
    }
    fs::read(file)
}

/// The certificates of a PEM file; at least one.
///
/// # Errors
///
/// [`TlsFileCause::Unreadable`], [`TlsFileCause::Unusable`]
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    pem::certificates(&read(file)?).map_err(|why| TlsFileError::new(file, why))
}

/// The private key of a PEM file.
///
/// # Errors
///
/// [`TlsFileCause::Unreadable`], [`TlsFileCause::Unusable`]
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    pem::private_key(&Zeroizing::new(read(file)?)).map_err(|why| TlsFileError::new(file, why))
}

/// Joins a chain and a key that were read from `files`.
///
/// # Errors
///
/// [`TlsFileCause::Unusable`], [`TlsFileCause::NotItsKey`]; the error names the file at fault.
pub fn certified_key(
    files: &ListenTls,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsFileError> {
    pem::certified_key(chain, key, provider).map_err(|why| match why {
        PairError::Certificate(why) => TlsFileError::new(&files.certificate, why),
        PairError::Key(why) => TlsFileError::new(&files.key, why),
        PairError::NotItsKey => TlsFileError::new(&files.key, TlsFileCause::NotItsKey(files.certificate.clone())),
    })
}

#[cfg(test)]
mod tests {
    use std::error::Error;

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
}
