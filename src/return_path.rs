//! The `next` parameter: the local path that the phone is sent to.

/// Maximum bytes.
const LONGEST: usize = 1024;

/// A path that every browser resolves to the public origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPath(String);

impl ReturnPath {
    /// Accepts a path and query of at most 1024 bytes under `sub_path` that every browser resolves to the same origin:
    /// of the characters of a path and query, without `//`, dot segments, and encoded control characters, slashes or
    /// backslashes in the first segment.
    pub fn parse(text: &str, sub_path: &str) -> Option<ReturnPath> {
        if text.len() > LONGEST || !text.bytes().all(is_allowed) {
            return None;
        }
        let path = text.split('?').next().unwrap_or(text);
        let under = path.strip_prefix(sub_path).is_some_and(|rest| rest.starts_with('/'));
        let tidy = !text.contains("//") && !path.split('/').any(is_dot_segment);
        let first_segment = path.strip_prefix('/')?.split('/').next().unwrap_or("");
        (under && tidy && !hides_a_separator(first_segment)).then(|| ReturnPath(text.to_owned()))
    }

    /// The path, unchanged.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._~!$&'()*+,;=:@%/?-".contains(&byte)
}

/// `.` and `..`, plain or encoded (the URL standard reads `%2e` as a dot).
fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// Whether it has an encoded control character, slash or backslash, which some recipients decode before they parse.
fn hides_a_separator(segment: &str) -> bool {
    let hidden = |high: u8, low: u8| {
        matches!(
            (high, low.to_ascii_lowercase()),
            (b'0' | b'1', b'0'..=b'9' | b'a'..=b'f') | (b'7' | b'2', b'f') | (b'5', b'c')
        )
    };
    segment.as_bytes().windows(3).any(|window| window[0] == b'%' && hidden(window[1], window[2]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_paths_are_kept_as_they_are() {
        for path in
            ["/", "/basket?item=7&x=%2F", "/a/b-c_d/~e", "/a%20b", "/a/%2fb", "/%zz", "/%+f", "/...", "/?x=%0d%0a"]
        {
            assert_eq!(ReturnPath::parse(path, "").map(|path| path.0).as_deref(), Some(path));
        }
    }

    #[test]
    fn the_ways_to_another_origin_are_refused() {
        for path in [
            "",
            "x",
            "//e",
            "///e",
            "/\\e",
            "\\e",
            "https:e",
            "https://e",
            "/%5ce",
            "/%2fe",
            "/%5Ce",
            "javascript:alert(1)",
            "/\r\ne",
            "/a//e",
            "/..//e",
            "/a/../b",
            "/./e",
            "/%2e%2e/e",
            "/.%2E/e",
            "/%09/e",
            "/%0d%0aSet-Cookie:x",
            "/#x",
            "/\u{e4}",
            "\u{e4}",
            "\u{20ac}/",
            "/%7f/e",
            "/%1F/e",
            "/a/%2e%2e",
            "?x",
            "/ e",
            "/a?b=//c",
        ] {
            assert_eq!(ReturnPath::parse(path, ""), None, "{path:?}");
        }
        assert_eq!(ReturnPath::parse(&format!("/{}", "a".repeat(1024)), ""), None);
    }

    #[test]
    fn with_a_sub_path_it_must_lie_under_it() {
        assert!(ReturnPath::parse("/shop/basket", "/shop").is_some());
        for path in ["/basket", "/shopping", "/shop"] {
            assert_eq!(ReturnPath::parse(path, "/shop"), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_kept_is_plain(text in "\\PC{0,20}", sub_path in "(/[a-z]{1,3})?") {
            if let Some(path) = ReturnPath::parse(&text, &sub_path) {
                prop_assert_eq!(path.as_str(), text.as_str());
                prop_assert!(text.starts_with('/') && text.is_ascii());
            }
        }

        #[test]
        fn what_is_accepted_is_one_local_path(text in "[/\\\\%.:a-f0-9?#@ ]{0,24}") {
            if let Some(path) = ReturnPath::parse(&text, "") {
                let path = path.as_str();
                prop_assert!(path.starts_with('/') && !path[1..].starts_with(['/', '\\']));
                prop_assert!(!path.contains(['\\', '#', ' ', '\r', '\n']));
            }
        }
    }
}
