//! Explains hook content that is not JSON because it was encoded.

use http::HeaderValue;

/// The encoding of the content and a remedy, `None` if unknown. `declared` is its `Content-Encoding`. Hooks are called
/// without `Accept-Encoding`, which allows any encoding (RFC 9110, section 12.5.3).
pub fn encoded(content: &[u8], declared: Option<&HeaderValue>) -> Option<String> {
    let declared = declared.and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let seen = match content {
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => "deflate",
        _ => "",
    };
    let is_declared = !declared.is_empty() && !declared.eq_ignore_ascii_case("identity");
    match content {
        [0xef, 0xbb, 0xbf, ..] => Some(
            "JSON after a byte order mark (BOM), which it must not have (RFC 8259, section 8.1): save the hook's file \
             as UTF-8 without a BOM"
                .to_owned(),
        ),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, _, ..] => {
            Some("UTF-16 or UTF-32 text: JSON is UTF-8 (RFC 8259, section 8.1)".to_owned())
        }
        _ if is_declared && is_token(declared) => Some(compressed(&format!("Content-Encoding: {declared}"))),
        _ if !seen.is_empty() => Some(compressed(&format!("{seen} without a Content-Encoding"))),
        _ => None,
    }
}

fn compressed(how: &str) -> String {
    format!("{how}: qrgate asks for no compression and undoes none; switch it off for the hook's path")
}

/// Whether a value may be quoted in the log.
fn is_token(text: &str) -> bool {
    text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_., ".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_recognised_by_its_field_or_its_first_bytes() {
        for (content, declared, said) in [
            (&b"\x1f\x8b\x08"[..], Some("gzip"), "Content-Encoding: gzip"),
            (b"\x1f\x8b\x08", None, "gzip without"),
            (b"\x28\xb5\x2f\xfd", None, "zstd without"),
            (b"\x78\x9c\xab", Some("identity"), "deflate without"),
            (b"\x0b\x02\x80", Some("br"), "Content-Encoding: br"),
            (b"\xef\xbb\xbf{}", None, "byte order mark"),
            (b"\xef\xbb\xbf{}", Some("identity"), "byte order mark"),
            (b"\xff\xfe{\0", None, "UTF-16"),
            (b"{\0}\0", None, "UTF-16"),
        ] {
            let declared = declared.map(HeaderValue::from_static);
            let found = encoded(content, declared.as_ref()).expect(said);
            assert!(found.contains(said), "{said}: {found}");
        }
        for plain in [&b"{"[..], b"", b"no", b"<html>"] {
            assert_eq!(encoded(plain, None), None);
        }
    }
}
