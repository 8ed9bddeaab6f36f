//! HTTP/1.1 for both sides (RFC 9112): reading from a wire, the fields of a head, the end of content, and sending a
//! message. `application` is the client, `server` the server.

pub mod body_reader;
pub mod fields;
pub mod message_writer;
pub mod reader;

pub use body_reader::{BodyPart, BodyReader};
pub use message_writer::{BodyFraming, Failed, MessageWriter};
pub use reader::Reader;
