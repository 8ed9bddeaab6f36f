//! Reserved paths, and the search for them in a text.

use memchr::{memchr, memchr2_iter, memrchr};

use super::readings;
use super::work::{TooMuchWork, Work};

/// A reserved path without its final slash, in lower case.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) path: Vec<u8>,
    /// Its segments, the longest first: a text that lacks one cannot become this path by a removal.
    pub(super) segments: Vec<Vec<u8>>,
    /// The bytes of all segments.
    pub(super) bytes_used: ByteSet,
}

/// A set of the bytes of a text, ignoring case. Two bytes may share a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteSet(u32);

impl ByteSet {
    pub(super) fn of(text: &[u8]) -> ByteSet {
        ByteSet(text.iter().fold(0, |set, byte| set | 1 << (byte & 31)))
    }

    pub(super) fn has_all_of(self, other: ByteSet) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Root {
    pub(super) fn new(path: &[u8]) -> Root {
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let path = path[..end].to_ascii_lowercase();
        let mut segments: Vec<Vec<u8>> = path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        segments.retain(|segment| !segment.is_empty());
        segments.sort_by_key(|segment| std::cmp::Reverse(segment.len()));
        Root { path, bytes_used: ByteSet::of(&segments.concat()), segments }
    }

    /// The roots of a hook's path, which may itself contain encoded letters or dots: it is hidden in each of its
    /// readings. A script is hidden without its extension too: Apache (MultiViews) and nginx (`try_files $uri.php`) add
    /// it.
    pub(super) fn of_hook(path: &str) -> Vec<Root> {
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let mut roots: Vec<Root> = Vec::new();
        let collect = |reading: &[u8], _: &mut Work| {
            let root = Root::new(reading);
            roots.extend(without_script_ending(&root.path).map(Root::new));
            roots.push(root);
            Ok(None::<()>)
        };
        // If the budget ends first, the roots so far are the path itself and its closest readings.
        let _ = readings::search(path.as_bytes().to_vec(), readings::ALL, &mut Work::new(), collect);
        roots.retain(|root| !root.path.is_empty());
        roots
    }

    pub(super) fn is_above(&self, reading: &[u8]) -> bool {
        matches!(strip_prefix(reading, &self.path), Some([] | [b'/', ..]))
    }

    pub(super) fn has_segments_in(&self, text: &[u8], work: &mut Work) -> Result<bool, TooMuchWork> {
        for segment in &self.segments {
            if !names_segment(text, segment, work)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The length of the common prefix of `text` and `path` (lower case), ignoring case.
pub(super) fn matched(text: &[u8], path: &[u8]) -> usize {
    text.iter().zip(path).take_while(|(byte, expected)| byte.to_ascii_lowercase() == **expected).count()
}

/// Whether a segment of `text` is `name` (lower case, not empty), ignoring case, surrounding whitespace and anything
/// after the name.
fn names_segment(text: &[u8], name: &[u8], work: &mut Work) -> Result<bool, TooMuchWork> {
    let first = name.first().copied().unwrap_or_default();
    work.spend(text.len() / 4)?;
    for at in memchr2_iter(first, first.to_ascii_uppercase(), text) {
        let begins = at.checked_sub(1).is_none_or(|before| matches!(text[before], 0..=b' ' | 0x7F | b'/' | b'\\'));
        let matched = if begins { matched(&text[at..], name) } else { 0 };
        work.spend(90 + 8 * matched)?;
        if matched == name.len() && !text.get(at + matched).is_some_and(is_name_byte) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a name continues with this byte.
pub(super) fn is_name_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The path after a script's name, if `text` starts with the name's extension: `php/_qr/login`.
pub(super) fn behind_script(text: &[u8]) -> Option<&[u8]> {
    let longest = &text[..text.len().min(6)];
    let (ending, _) = text.split_at(memchr(b'/', longest)?);
    is_script(ending).then(|| &text[ending.len()..])
}

/// `/_qr/login.php` → `/_qr/login`
fn without_script_ending(path: &[u8]) -> Option<&[u8]> {
    let dot = memrchr(b'.', path)?;
    let (bare, ending) = (&path[..dot], &path[dot + 1..]);
    (is_script(ending) && !bare.ends_with(b"/")).then_some(bare)
}

/// Extensions of files that servers run with the rest of the path (CGI's `PATH_INFO`, RFC 3875); also `php7` and the
/// like.
pub(super) const SCRIPTS: [&str; 11] = ["php", "phtml", "pht", "phar", "cgi", "fcgi", "pl", "py", "asp", "aspx", "cfm"];

fn is_script(ending: &[u8]) -> bool {
    matches!(strip_prefix(ending, b"php"), Some([b'0'..=b'9']))
        || SCRIPTS.iter().any(|script| ending.eq_ignore_ascii_case(script.as_bytes()))
}

/// The rest of `text` after `prefix` (lower case), ignoring case.
fn strip_prefix<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
