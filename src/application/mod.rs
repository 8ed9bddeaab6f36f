//! The application behind us: connections to it, and calls of its two hooks.

mod client;
mod connect;
mod pool;
mod tls;

pub use client::{Client, ClientError, ClientSettings, without_forbidden_trailers};
pub use tls::TlsError;
