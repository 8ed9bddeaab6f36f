//! TLS on both sides: the PEM files, the certificate shown to clients, and connectors to the operator's servers.

mod client;
mod files;
mod pem;
mod server;

pub use client::{connector, system_authorities};
pub use files::{ClientTls, ListenTls, TlsFileCause, TlsFileError, certificates, certified_key, private_key, read};
pub use server::Certificates;
