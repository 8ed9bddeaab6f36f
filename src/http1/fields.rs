//! The head of a message: where it ends, and its fields (RFC 9112, section 5).

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::body::Cause;

/// Where the empty line after a head ends. A line may end in LF alone (RFC 9112, section 2.2).
pub fn end_of_head(read: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', read).find_map(|at| match &read[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Puts a field that was parsed out of `head` into a map, sharing its bytes.
///
/// # Errors
///
/// When the field cannot be one, or the map is full.
pub fn append(map: &mut HeaderMap, name: HeaderName, value: &[u8], head: &Bytes) -> Result<(), Cause> {
    map.try_append(name, HeaderValue::from_maybe_shared(head.slice_ref(value))?)?;
    Ok(())
}

/// Whether a comma-separated list names an option.
pub fn lists(options: &[u8], option: &[u8]) -> bool {
    options.split(|byte| *byte == b',').any(|said| said.trim_ascii().eq_ignore_ascii_case(option))
}

/// Writes a field's line.
pub fn push(buffer: &mut Vec<u8>, name: &str, value: &[u8]) {
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b": ");
    buffer.extend_from_slice(value);
    buffer.extend_from_slice(b"\r\n");
}
