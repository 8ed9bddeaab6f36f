//! Certificates made by the tests, and clients that trust them.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::http::TIMEOUT;

/// An authority, and a folder for what it issues.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// The paths of a certificate and its key, PEM.
#[derive(Clone)]
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        // Issued certificates need another name, or OpenSSL would take them for self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let folder = tempfile::tempdir().expect("tempdir");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("write ca.pem");
        Authority { issuer, folder }
    }

    /// Its own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for these names, in files that begin with `name`.
    pub fn issue(&self, name: &str, names: &[&str]) -> Files {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |end: &str| self.folder.path().join(format!("{name}-{end}.pem"));
        let files = Files { certificate: path("certificate"), key: path("key") };
        std::fs::write(&files.key, key.serialize_pem()).expect("write the key");
        std::fs::write(&files.certificate, certificate.pem()).expect("write the certificate");
        files
    }

    /// A client that trusts this authority, and presents `own` if the server asks for a certificate.
    pub fn client(&self, protocols: &[&str], own: Option<&Files>) -> ClientConfig {
        self.client_of(rustls::ALL_VERSIONS, protocols, own)
    }

    /// The same, with these versions of TLS.
    pub fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
        own: Option<&Files>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let builder = builder.expect("versions").with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(files) => builder.with_client_auth_cert(chain(&files.certificate), key(&files.key)).expect("a key"),
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }
}

impl Files {
    /// The sections that make a gate speak TLS.
    pub fn settings(&self) -> String {
        format!("[listen.tls]\ncertificate = {:?}\nkey = {:?}\n", self.certificate, self.key)
    }
}

/// A certificate and its chain.
pub fn chain(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).expect("read").collect::<Result<_, _>>().expect("PEM")
}

pub fn key(file: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(file).expect("a key in PEM")
}

pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Connects and shakes hands, asking for `localhost`.
pub fn connect(address: SocketAddr, config: ClientConfig) -> std::io::Result<TlsStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}
