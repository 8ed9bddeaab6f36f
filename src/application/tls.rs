//! TLS towards a server of the operator's: whom we believe, and how we prove who we are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::config::ClientTls;

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
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(Path::new(named), &error))?
        .with_root_certificates(roots(settings)?);
    let mut config = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
            let chain = certificates(certificate)?;
            builder.with_client_auth_cert(chain, private).map_err(|error| failed(certificate, &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn roots(settings: &ClientTls) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(ca) = &settings.ca {
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|error| failed(ca, &error))?;
        }
        return Ok(roots);
    }
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => {
            Err(TlsError { file: file.to_owned(), cause: "holds no certificate".to_owned() })
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(failed(file, &error)),
    }
}

fn failed(file: &Path, error: &dyn fmt::Display) -> TlsError {
    TlsError { file: file.to_owned(), cause: error.to_string() }
}
