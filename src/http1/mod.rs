//! HTTP/1.1 as both our sides speak it (RFC 9112): reading from a wire, the fields of a head, where a content ends, and
//! sending a message. Who is client and who is server is known to `application` and `server` alone.

pub mod fields;
pub mod framing;
pub mod reader;
pub mod sending;

pub use framing::{Framing, Next};
pub use reader::Reader;
pub use sending::{Failed, Rest, Sending};
