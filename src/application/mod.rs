//! The application behind us: connections to it, calls of its hooks, and the receiver of events.

mod client;
mod connect;
mod content;
mod encoding;
mod error;
mod hook_address;
mod hook_error;
mod hooks;
pub(crate) mod http1;
mod http2;
pub(crate) mod identity;
mod lent;
mod pool;
mod private;
mod receiver;
mod schemes;
pub(crate) mod sign_in;
mod streams;
pub mod webhook;

pub use client::{Client, ClientSettings, ServerResponse};
pub use encoding::encoded;
pub use error::ClientError;
pub use hook_address::{IdentifyCall, LoginCall, RevokeCall};
pub use hook_error::{HookError, SamePath};
pub use hooks::Hooks;
pub use identity::{Identity, Person, same_path};
pub use receiver::{Call, LONGEST as LONGEST_CALL, Receiver, Undelivered};
pub use sign_in::{LoginOutcome, session_name};
