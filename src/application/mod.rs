//! The application behind us: connections to it, and calls of its two hooks.

mod client;
mod connect;
mod error;
mod hooks;
pub(crate) mod identity;
mod pool;
pub(crate) mod sign_in;
mod tls;
pub mod webhook;

pub use client::{Client, ClientSettings, without_forbidden_trailers};
pub use error::ClientError;
pub use hooks::{Hooks, IdentifyCall, LoginCall};
pub use identity::{HookError, Identity, Person};
pub use sign_in::LoginOutcome;
pub use tls::TlsError;
