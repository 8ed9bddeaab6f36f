//! One pair of a cookie line, as raw bytes.

/// The pairs of a line in order, without empty ones.
pub(super) fn pairs_of(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').map(trim).filter(|pair| !pair.is_empty()).map(name_and_value)
}

/// Splits at the first `=`. Without one the whole text is the value, as in browsers.
pub(super) fn name_and_value(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (b"", pair),
    }
}

/// Trims spaces and tabs at both ends.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// One `Cookie` value of these pairs. Pairs that are not UTF-8 are left out: no application makes such a session.
pub(super) fn cookie_field<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<String> {
    let mut line = String::new();
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) {
            let between = if line.is_empty() { "" } else { "; " };
            line.extend([between, name, "=", value]);
        }
    }
    Some(line).filter(|line| !line.is_empty())
}
