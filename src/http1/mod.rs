//! HTTP/1.1 as both our sides speak it (RFC 9112): reading from a wire, the fields of a head, where a content ends, and
//! sending a message. Who is client and who is server is known to `application` and `server` alone.

pub mod body_reader;
pub mod fields;
pub mod message_writer;
pub mod reader;

pub use body_reader::{BodyPart, BodyReader};
pub use message_writer::{BodyFraming, Failed, MessageWriter};
pub use reader::Reader;
