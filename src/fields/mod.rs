//! Rules for the header fields between clients and the application: what must not pass is dropped, what qrgate knows is
//! set.
//!
//! Malformed messages are refused first. Then connection-specific fields are dropped, then every spelling of a managed
//! name, then qrgate's own cookies. qrgate's fields are set last, so that nothing a client names in `Connection` can
//! remove them.

mod connection;
mod edit;
mod framing;
mod managed;
mod request_id;
mod response;
mod rules;

#[cfg(test)]
mod tests;

pub use connection::asks_for_upgrade;
pub use edit::{Edit, ManagedFields};
pub use framing::{
    BadResponse, Length, Malformed, check_framing, check_trailers, has_tokens_for_names, request_length,
    response_length,
};
pub use request_id::{X_REQUEST_ID, kept_request_id};
pub use response::{prepare_request_trailers, prepare_response, prepare_trailers, prepare_upgrade_response};
pub use rules::{FieldRules, proxy_header};
