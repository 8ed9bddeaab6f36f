//! Parts of an input: header fields, and text without blanks or percent-encoding.

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

/// The text without the spaces and tabs around it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let first = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let last = text.iter().rposition(|byte| !is_blank(byte)).map_or(first, |last| last + 1);
    &text[first..last]
}

/// The text with each `%XX` decoded, once.
pub(super) fn percent_decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::new();
    while let [first, after @ ..] = rest {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let pair = pair.filter(|pair| *first == b'%' && pair.bytes().all(|b| b.is_ascii_hexdigit()));
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => (decoded.push(byte), rest = &after[2..]),
            None => (decoded.push(*first), rest = after),
        };
    }
    decoded
}
