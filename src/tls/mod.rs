//! TLS on both sides: the PEM files, the certificate shown to clients, the responses to ACME validations, and
//! connectors to the operator's servers.

mod challenges;
mod client;
mod facts;
mod files;
mod pem;
mod server;

pub use challenges::{ACME_TLS, Challenges};
pub use client::{connector, system_authorities};
pub use facts::Facts;
pub use files::{
    CertificateFiles, ClientTls, TlsFileCause, TlsFileError, certificates, certified_key, private_key, read,
};
pub use server::Certificates;
