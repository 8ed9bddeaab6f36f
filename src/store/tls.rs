//! Certificates for Redis over TLS.

use redis::{ClientTlsConfig, ErrorKind, RedisError, RedisResult, TlsCertificates};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::tls::{self, ClientTls};

/// The files of `[store.tls]`. Without `ca`, the system's roots; if it has none, those of Mozilla.
pub(super) fn certificates(files: &ClientTls) -> RedisResult<TlsCertificates> {
    let read = |path| {
        tls::read(path).map_err(|error| RedisError::from((ErrorKind::InvalidClientConfig, "file", error.to_string())))
    };
    let root_cert = match &files.ca {
        Some(file) => Some(read(file)?),
        None => of_the_system(),
    };
    let client_tls = match &files.identity {
        Some(pair) => Some(ClientTlsConfig { client_cert: read(&pair.certificate)?, client_key: read(&pair.key)? }),
        None => None,
    };
    Ok(TlsCertificates { client_tls, root_cert })
}

/// In PEM, which the library requires. Unusable certificates are left out, because one would make it refuse all.
fn of_the_system() -> Option<Vec<u8>> {
    let found = tls::system_authorities();
    let usable = |der: &&CertificateDer<'_>| RootCertStore::empty().add((*der).clone().into_owned()).is_ok();
    let pem: String = found.iter().filter(usable).map(|der| in_pem(der)).collect();
    (!pem.is_empty()).then(|| pem.into_bytes())
}

fn in_pem(der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn a_certificate_is_the_same_in_pem() {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let pem = in_pem(made.cert.der());
        assert_eq!(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(), made.cert.der());
    }
}
