//! The ways in which applications read a path: everything that one of them is known to do before it looks for a route.
//!
//! For comparison only; nothing here is ever forwarded. Each step takes away or replaces, none joins two segments into
//! one: so a path whose letters are not there before the steps has them in no reading either.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

/// How often a path is decoded.
const ROUNDS: usize = 3;

/// How many bytes all readings of a path may hold together. An ordinary path has two or three readings, and the most
/// devious of a hundred bytes some two hundred; what needs more was made to keep us busy.
const ENOUGH: usize = 128 * 1024;

/// A path had too many readings to try them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

type Step = fn(&[u8]) -> Vec<u8>;

/// The steps that do not decode; any of them may come before any other.
const STEPS: [Step; 9] = [
    shorten_overlong,
    unfold_compatibility,
    backslashes_as_slashes,
    merge_slashes,
    remove_dots,
    remove_encoded_dots,
    cut_parameters,
    cut_short,
    trim_segments,
];

/// Shows `found` every reading of `path`, in every order of the steps, until it finds something.
///
/// # Errors
///
/// [`TooMany`] when nothing was found and not every reading was tried.
pub(super) fn search<T>(path: &str, mut found: impl FnMut(&[u8]) -> Option<T>) -> Result<Option<T>, TooMany> {
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let mut bytes_seen = 0;
    let mut round: Vec<Vec<u8>> = vec![path.as_bytes().to_vec()];
    for _ in 0..=ROUNDS {
        let mut next_round = Vec::new();
        while let Some(reading) = round.pop() {
            if seen.contains(&reading) {
                continue;
            }
            if let Some(what) = found(&reading) {
                return Ok(Some(what));
            }
            bytes_seen += reading.len();
            if bytes_seen > ENOUGH {
                return Err(TooMany);
            }
            round.extend(STEPS.iter().map(|step| step(&reading)).filter(|after| *after != reading));
            next_round.push(decode(&reading));
            seen.insert(reading);
        }
        round = next_round;
    }
    Ok(None)
}

/// Whether some reading of `path` may satisfy `has_letters`, which must be true of a text whenever it is true of the
/// text after a step. Decodes only what holds a `%`.
pub(super) fn may_hold(path: &str, has_letters: impl Fn(&[u8]) -> bool) -> bool {
    if has_letters(path.as_bytes()) {
        return true;
    }
    if !path.contains('%') {
        return false;
    }
    let mut plain = path.as_bytes().to_vec();
    let mut unfolded = plain.clone();
    for _ in 0..ROUNDS {
        if !plain.contains(&b'%') && !unfolded.contains(&b'%') {
            return false;
        }
        let together = plain == unfolded;
        plain = shorten_overlong(&decode(&plain));
        unfolded = match together {
            true => unfold_compatibility(&plain),
            false => unfold_compatibility(&shorten_overlong(&decode(&unfolded))),
        };
        if has_letters(&plain) || (plain != unfolded && has_letters(&unfolded)) {
            return true;
        }
    }
    false
}

/// `%2f` → `/`; what is not two hexadecimal digits stays.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Compatibility forms (`／`, `ｑ`) as the character that they are a form of, in lower case.
fn unfold_compatibility(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_ascii() {
        return bytes.to_vec();
    }
    let folded: String = String::from_utf8_lossy(bytes).nfkc().flat_map(char::to_lowercase).collect();
    // The two letters of Turkish that some case foldings take for an `i`.
    folded.replace('\u{131}', "i").replace("i\u{307}", "i").into_bytes()
}

/// Reads UTF-8 as a careless decoder does: forms of two to four bytes that stand for an ASCII character.
fn shorten_overlong(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_ascii() {
        return bytes.to_vec();
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (length, first) = match bytes[at] {
            byte @ 0xC0..=0xC1 => (2, u32::from(byte & 0x1F)),
            0xE0 => (3, 0),
            0xF0 => (4, 0),
            _ => (1, u32::MAX),
        };
        let tail = bytes.get(at + 1..at + length).unwrap_or(&[]);
        let continued = tail.len() + 1 == length && tail.iter().all(|byte| byte & 0xC0 == 0x80);
        let value = tail.iter().fold(first, |value, byte| value << 6 | u32::from(byte & 0x3F));
        match u8::try_from(value) {
            Ok(ascii) if continued && ascii.is_ascii() => {
                out.push(ascii);
                at += length;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

fn backslashes_as_slashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

fn merge_slashes(path: &[u8]) -> Vec<u8> {
    let mut out = path.to_vec();
    out.dedup_by(|next, last| *next == b'/' && *last == b'/');
    out
}

/// `/a/../b/./c` → `/b/c` (RFC 3986, section 5.2.4).
fn remove_dots(path: &[u8]) -> Vec<u8> {
    remove_segments(path, |segment| match segment {
        b"." => Dots::One,
        b".." => Dots::Two,
        _ => Dots::None,
    })
}

/// The same where `%2e` counts as a dot, as in the URL standard of browsers, which decodes nothing else.
fn remove_encoded_dots(path: &[u8]) -> Vec<u8> {
    remove_segments(path, |segment| {
        let is = |dots: &[u8]| segment.len() <= 6 && decode(segment) == dots;
        match (is(b"."), is(b"..")) {
            (true, _) => Dots::One,
            (_, true) => Dots::Two,
            (false, false) => Dots::None,
        }
    })
}

enum Dots {
    None,
    One,
    Two,
}

fn remove_segments(path: &[u8], dots: impl Fn(&[u8]) -> Dots) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        match dots(segment) {
            Dots::None => kept.push(segment),
            Dots::One => {}
            Dots::Two => drop(kept.pop()),
        }
    }
    [b"/", kept.join(&b'/').as_slice()].concat()
}

/// `/a;x=1/b` → `/a/b`
fn cut_parameters(path: &[u8]) -> Vec<u8> {
    each_segment(path, |segment| segment.split(|byte| *byte == b';').next().unwrap_or(b""))
}

/// Where a NUL, a `?` or a `#` was encoded, some readers end the path.
fn cut_short(path: &[u8]) -> Vec<u8> {
    path.split(|byte| matches!(byte, 0 | b'?' | b'#')).next().unwrap_or(b"").to_vec()
}

/// Blanks and control characters around segments, and dots behind them, as file systems drop them.
fn trim_segments(path: &[u8]) -> Vec<u8> {
    each_segment(path, |segment| {
        let mut rest = segment;
        while let [0..=b' ' | 0x7F, inner @ ..] | [inner @ .., 0..=b' ' | 0x7F] = rest {
            rest = inner;
        }
        let behind = rest.iter().rposition(|byte| *byte != b'.').map_or(rest.len(), |last| last + 1);
        &rest[..behind]
    })
}

fn each_segment(path: &[u8], change: impl Fn(&[u8]) -> &[u8]) -> Vec<u8> {
    let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').map(change).collect();
    segments.join(&b'/')
}
