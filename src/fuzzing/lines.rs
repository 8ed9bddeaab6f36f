//! Header fields made of the lines of an input.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// The field lines of a head, `name: value`, one a line; a line that is none is left out.
pub(super) fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    fields
}

/// Lines, as they would stand in one field each; a line that no field may hold is left out.
pub(super) fn values(data: &[u8]) -> Vec<HeaderValue> {
    data.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect()
}
