//! TLS as a server: versions 1.2 and 1.3, session resumption, and certificates that are replaced while connections live.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::files::{self, ListenTls, TlsFileError};

/// The certificate shown to clients. It can be replaced; TLS sessions can still be resumed afterwards.
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
    /// [`TlsFileError`], which names the file.
    pub fn read(files: &ListenTls) -> Result<Certificates, TlsFileError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let present = Arc::new(Present(ArcSwap::new(certified(files, &provider)?)));
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsFileError::new(&files.certificate, error))?
            .with_no_client_auth()
            .with_cert_resolver(present.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if let Ok(ticketer) = rustls::crypto::aws_lc_rs::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Ok(Certificates { acceptor: TlsAcceptor::from(Arc::new(config)), present, provider })
    }

    /// Reads the files again and uses them from the next handshake on. On error the present certificate stays.
    ///
    /// # Errors
    ///
    /// [`TlsFileError`], which names the file.
    pub fn reload(&self, files: &ListenTls) -> Result<(), TlsFileError> {
        self.present.0.store(certified(files, &self.provider)?);
        Ok(())
    }

    /// Performs handshakes with the present certificate.
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

fn certified(files: &ListenTls, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsFileError> {
    let (chain, key) = (files::certificates(&files.certificate)?, files::private_key(&files.key)?);
    files::certified_key(files, chain, key, provider).map(Arc::new)
}
