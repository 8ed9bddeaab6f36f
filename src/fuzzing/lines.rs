//! Header fields from the lines of an input.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// Parses `name: value` lines. Skips invalid lines.
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

/// Each line as a field value. Skips lines that are not valid values.
pub(super) fn values(data: &[u8]) -> Vec<HeaderValue> {
    data.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect()
}
