//! `next`: an accepted value resolves to the same origin in every browser.

use super::lines::percent_decoded;
use crate::return_path::ReturnPath;

/// The input is a value of `next`.
///
/// - An accepted value is unchanged, at most 1024 bytes of the allowed characters, and under the sub-path.
/// - It has no empty segment and no dot segment, not even an encoded one, so it resolves to this origin.
/// - Its first segment, decoded once, has no separator and no control character.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for sub_path in ["", "/shop"] {
        let Some(kept) = ReturnPath::parse(text, sub_path) else { continue };
        assert_eq!(kept.as_str(), text);
        assert!(text.len() <= 1024);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~!$&'()*+,;=:@%/?-".contains(&byte)));
        assert!(text.starts_with(&format!("{sub_path}/")), "{text} is not under {sub_path}");
        let (path, _) = text.split_once('?').unwrap_or((text, ""));
        for (index, segment) in path[1..].split('/').enumerate() {
            let decoded = percent_decoded(segment);
            assert!(!matches!(decoded.as_slice(), b"." | b".."), "{text} has a dot segment");
            let hides = |byte: &u8| byte.is_ascii_control() || matches!(byte, b'/' | b'\\');
            assert!(index > 0 || !decoded.iter().any(hides), "{text} hides a separator");
        }
        assert!(!text.contains("//"), "{text} has an empty segment");
    }
    // A value that is accepted under a sub-path is accepted without one.
    assert!(ReturnPath::parse(text, "/shop").is_none() || ReturnPath::parse(text, "").is_some());
}
