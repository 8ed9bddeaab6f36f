//! TLS as a client of the operator's servers: which authorities are trusted, and the client certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::files::{self, CertificateFiles, ClientTls, TlsFileError};

/// Makes a connector that trusts `settings.ca`, else the system's authorities, else those compiled in. `host` has no
/// brackets. The error names a file of `settings`, or a host that no certificate can carry.
pub fn connector(host: &str, settings: &ClientTls) -> Result<(TlsConnector, ServerName<'static>), TlsFileError> {
    let named = settings.server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(named.to_owned()).map_err(|error| TlsFileError::new(Path::new(named), error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFileError::new(Path::new(named), error))?;
    let builder = match &settings.ca {
        Some(ca) => {
            let verifier = ListedOrIssued::new(ca, files::certificates(ca)?, provider)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        None => builder.with_root_certificates(known_authorities()),
    };
    let mut config = match &settings.identity {
        Some(CertificateFiles { certificate, key }) => {
            let (chain, private) = (files::certificates(certificate)?, files::private_key(key)?);
            builder.with_client_auth_cert(chain, private).map_err(|error| TlsFileError::new(certificate, error))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// The certificates that the operating system trusts; none where it has no certificate store.
pub fn system_authorities() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// The system's authorities, else those compiled in.
fn known_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system_authorities());
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// Trusts what the listed authorities issued, and a server whose own certificate is listed. The latter admits
/// self-signed certificates: most tools mark them as authorities, and webpki refuses an authority as a server
/// certificate.
#[derive(Debug)]
struct ListedOrIssued {
    listed: Vec<CertificateDer<'static>>,
    issued: Arc<WebPkiServerVerifier>,
}

impl ListedOrIssued {
    fn new(
        file: &Path,
        listed: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<ListedOrIssued, TlsFileError> {
        let mut roots = RootCertStore::empty();
        for certificate in &listed {
            roots.add(certificate.clone()).map_err(|error| TlsFileError::new(file, error))?;
        }
        let issued = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(ListedOrIssued { listed, issued: issued.map_err(|error| TlsFileError::new(file, error))? })
    }
}

impl ServerCertVerifier for ListedOrIssued {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.issued.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verdict {
            // Expired, not yet valid and unreadable certificates fail earlier, with other errors. The list says that
            // this one may be used here.
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if self.listed.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::*;

    /// A self-signed certificate for `name`, an authority as `openssl req -x509` makes it.
    fn self_signed(name: &str) -> CertificateDer<'static> {
        let mut made = CertificateParams::new([name.to_owned()]).unwrap();
        made.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        made.not_before = date_time_ymd(2026, 1, 1);
        made.not_after = date_time_ymd(2027, 1, 1);
        made.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_self_signed_certificate_is_trusted_where_it_is_listed() {
        let (listed, other) = (self_signed("app.internal"), self_signed("app.internal"));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = ListedOrIssued::new(Path::new("ca.pem"), vec![listed.clone()], provider).unwrap();
        let trusted = |certificate: &CertificateDer<'_>, name: &str, unix: u64| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let now = UnixTime::since_unix_epoch(Duration::from_secs(unix));
            verifier.verify_server_cert(certificate, &[], &name, &[], now).is_ok()
        };
        let (before, within, after) = (1_700_000_000, 1_780_000_000, 1_900_000_000);
        assert!(trusted(&listed, "app.internal", within));
        assert!(!trusted(&other, "app.internal", within), "another of the same name");
        assert!(!trusted(&listed, "app.elsewhere", within));
        assert!(!trusted(&listed, "app.internal", before) && !trusted(&listed, "app.internal", after));
    }
}
