//! TLS for clients: versions 1.2 and 1.3, session resumption, and certificates that are swapped while connections live.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::config::pem::{self, PairError};

/// Where a certificate chain and its key are, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A TLS file that cannot be used.
#[derive(Debug)]
pub struct TlsFilesError {
    file: PathBuf,
    cause: String,
}

impl fmt::Display for TlsFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.cause)
    }
}

impl std::error::Error for TlsFilesError {}

/// What TLS is spoken with. The certificate can be replaced; sessions can still be resumed after that.
pub struct Certificates {
    acceptor: TlsAcceptor,
    present: Arc<Present>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
struct Present(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Present {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`TlsFilesError`], which names the file.
    pub fn read(files: &TlsFiles) -> Result<Certificates, TlsFilesError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let present = Arc::new(Present(ArcSwap::new(certified(files, &provider)?)));
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&files.certificate, &error))?
            .with_no_client_auth()
            .with_cert_resolver(present.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if let Ok(ticketer) = rustls::crypto::aws_lc_rs::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Ok(Certificates { acceptor: TlsAcceptor::from(Arc::new(config)), present, provider })
    }

    /// Reads the files again and uses them from the next handshake on. On error the present ones stay.
    ///
    /// # Errors
    ///
    /// [`TlsFilesError`], which names the file.
    pub fn reload(&self, files: &TlsFiles) -> Result<(), TlsFilesError> {
        self.present.0.store(certified(files, &self.provider)?);
        Ok(())
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

fn certified(files: &TlsFiles, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsFilesError> {
    let read = |file: &Path| std::fs::read(file).map_err(|error| failed(file, &error));
    let chain = pem::certificates(&read(&files.certificate)?).map_err(|why| failed(&files.certificate, &why))?;
    let key = Zeroizing::new(read(&files.key)?);
    let key = pem::private_key(&key).map_err(|why| failed(&files.key, &why))?;
    match pem::certified_key(chain, key, provider) {
        Ok(certified) => Ok(Arc::new(certified)),
        Err(PairError::Certificate(why)) => Err(failed(&files.certificate, &why)),
        Err(PairError::Key(why)) => Err(failed(&files.key, &why)),
        Err(PairError::NotItsKey) => Err(failed(&files.key, &"is not the key of the certificate")),
    }
}

fn failed(file: &Path, cause: &dyn fmt::Display) -> TlsFilesError {
    TlsFilesError { file: file.to_owned(), cause: cause.to_string() }
}
