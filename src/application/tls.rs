//! TLS towards a server of the operator's: whom we believe, and how we prove who we are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::config::{ClientTls, pem};

/// A TLS file that cannot be used, or a name that is none.
#[derive(Debug)]
pub struct TlsError {
    file: PathBuf,
    cause: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.cause)
    }
}

impl std::error::Error for TlsError {}

/// Makes a connector that believes `settings.ca`, else the system's authorities, else those compiled in.
///
/// # Errors
///
/// [`TlsError`], which names the file.
pub fn connector(host: &str, settings: &ClientTls) -> Result<(TlsConnector, ServerName<'static>), TlsError> {
    let named = settings.server_name.as_deref().unwrap_or(host.trim_start_matches('[').trim_end_matches(']'));
    let name = ServerName::try_from(named.to_owned()).map_err(|error| failed(Path::new(named), &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(Path::new(named), &error))?;
    let builder = match &settings.ca {
        Some(ca) => {
            let verifier = ListedOrIssued::new(certificates(ca)?, provider).map_err(|error| failed(ca, &error))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        None => builder.with_root_certificates(known_authorities()),
    };
    let mut config = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            let private = pem::private_key(&Zeroizing::new(read(key)?)).map_err(|why| failed(key, &why))?;
            let chain = certificates(certificate)?;
            builder.with_client_auth_cert(chain, private).map_err(|error| failed(certificate, &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsConnector::from(Arc::new(config)), name))
}

/// The system's authorities, else those compiled in.
fn known_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// Believes what the listed authorities issued, and a server whose very certificate is listed. The latter is how a
/// certificate that signed itself is given: most tools call it an authority, and as such webpki lets it serve nobody.
#[derive(Debug)]
struct ListedOrIssued {
    listed: Vec<CertificateDer<'static>>,
    issued: Arc<WebPkiServerVerifier>,
}

impl ListedOrIssued {
    fn new(listed: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<ListedOrIssued, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &listed {
            roots.add(certificate.clone()).map_err(|error| error.to_string())?;
        }
        let issued = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(ListedOrIssued { listed, issued: issued.map_err(|error| error.to_string())? })
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
            // A certificate that has expired, is not valid yet or cannot be read has an error of its own, found before
            // this one; what it may be used for, its being listed says.
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

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    pem::certificates(&read(file)?).map_err(|why| failed(file, &why))
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| failed(file, &error))
}

fn failed(file: &Path, error: &dyn fmt::Display) -> TlsError {
    TlsError { file: file.to_owned(), cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate for `name` that signed itself, as `openssl req -x509` makes it: an authority.
    fn signed_itself(name: &str) -> CertificateDer<'static> {
        let mut made = CertificateParams::new([name.to_owned()]).unwrap();
        made.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        made.not_before = date_time_ymd(2026, 1, 1);
        made.not_after = date_time_ymd(2027, 1, 1);
        made.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_that_signed_itself_is_believed_where_it_is_listed() {
        let (listed, other) = (signed_itself("app.internal"), signed_itself("app.internal"));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = ListedOrIssued::new(vec![listed.clone()], provider).unwrap();
        let believed = |certificate: &CertificateDer<'_>, name: &str, unix: u64| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            let now = UnixTime::since_unix_epoch(Duration::from_secs(unix));
            verifier.verify_server_cert(certificate, &[], &name, &[], now).is_ok()
        };
        let (before, within, after) = (1_700_000_000, 1_780_000_000, 1_900_000_000);
        assert!(believed(&listed, "app.internal", within));
        assert!(!believed(&other, "app.internal", within), "another of the same name");
        assert!(!believed(&listed, "app.elsewhere", within));
        assert!(!believed(&listed, "app.internal", before) && !believed(&listed, "app.internal", after));
    }
}
