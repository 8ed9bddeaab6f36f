//! TLS as a server: versions 1.2 and 1.3, session resumption, and certificates that can be replaced at runtime.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::challenges::{ACME_TLS, Challenges};
use super::facts::Facts;
use super::files::{self, CertificateFiles, TlsFileError};
use crate::clock::Timestamp;

/// The certificate shown to clients. It can be replaced; TLS sessions can still be resumed afterwards.
pub struct Certificates {
    acceptor: TlsAcceptor,
    present: Arc<Present>,
}

/// What a client is shown: the certificate, or the response to the validation of a pending ACME challenge.
#[derive(Debug)]
struct Present {
    certificate: ArcSwapOption<CertifiedKey>,
    challenges: Option<ArcSwap<Challenges>>,
}

impl ResolvesServerCert for Present {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match &self.challenges {
            Some(challenges) if is_validation(&hello) => challenges.load().certificate(hello.server_name()?),
            _ => self.certificate.load_full(),
        }
    }
}

/// Whether the handshake will negotiate `acme-tls/1`.
fn is_validation(hello: &ClientHello<'_>) -> bool {
    let offers = |protocol: &[u8]| hello.alpn().is_some_and(|mut offered| offered.any(|each| each == protocol));
    offers(ACME_TLS) && !HTTP.iter().any(|protocol| offers(protocol))
}

/// HTTP/2 and HTTP/1.1, in the order of preference.
const HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

impl Certificates {
    pub fn read(files: &CertificateFiles) -> Result<Certificates, TlsFileError> {
        let certificates = Certificates::new(None).map_err(|error| TlsFileError::new(&files.certificate, error))?;
        certificates.reload(files)?;
        Ok(certificates)
    }

    /// No certificate yet: handshakes fail until [`Certificates::reload`], except validations of pending challenges.
    pub fn awaited(challenges: Challenges) -> Result<Certificates, rustls::Error> {
        Certificates::new(Some(challenges))
    }

    fn new(challenges: Option<Challenges>) -> Result<Certificates, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut protocols = HTTP.to_vec();
        protocols.extend(challenges.is_some().then_some(ACME_TLS));
        let challenges = challenges.map(ArcSwap::from_pointee);
        let present = Arc::new(Present { certificate: ArcSwapOption::empty(), challenges });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(present.clone());
        config.alpn_protocols = protocols.into_iter().map(<[u8]>::to_vec).collect();
        if let Ok(ticketer) = rustls::crypto::aws_lc_rs::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Ok(Certificates { acceptor: TlsAcceptor::from(Arc::new(config)), present })
    }

    /// Reads the files again and uses them from the next handshake on. On error the present certificate stays.
    pub fn reload(&self, files: &CertificateFiles) -> Result<(), TlsFileError> {
        let (chain, key) = (files::certificates(&files.certificate)?, files::private_key(&files.key)?);
        self.present.certificate.store(Some(Arc::new(files::certified_key(files, chain, key)?)));
        Ok(())
    }

    /// Looks for pending challenges in another folder from now on.
    pub fn look_in(&self, challenges: Challenges) {
        if let Some(present) = &self.present.challenges {
            present.store(Arc::new(challenges));
        }
    }

    /// Whether there is a certificate to show.
    pub fn is_present(&self) -> bool {
        self.present.certificate.load().is_some()
    }

    /// When the present certificate expires. `None` if there is none.
    pub fn expiry(&self) -> Option<Timestamp> {
        let present = self.present.certificate.load();
        Facts::of(present.as_ref()?.cert.first()?).map(|facts| facts.not_after)
    }

    /// Performs handshakes with the present certificate. A connection that negotiates [`ACME_TLS`] ends with its
    /// handshake: nothing may be sent or read.
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}
