//! HTTP/1.1 for both sides (RFC 9112): the read buffer, header fields, the framing of content, and sending a message.
//! `application` is the client, `server` the server.

pub mod body_reader;
pub mod fields;
pub mod head_buffers;
pub mod message_writer;
pub mod reader;

pub use body_reader::{BodyPart, BodyReader};
pub use message_writer::{BodyFraming, Failed, MessageWriter};
pub use reader::Reader;
