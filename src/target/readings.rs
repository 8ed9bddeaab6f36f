//! The ways in which applications read a path: everything that one of them is known to do before it looks up a route.
//!
//! For comparison only; nothing here is ever forwarded. A step replaces single characters or removes something, and
//! none joins two segments. So only the steps that replace can add letters to a text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use memchr::{memchr3, memrchr};
use percent_encoding::percent_decode;
use unicode_normalization::UnicodeNormalization;

use super::work::{TooMuchWork, Work};

/// How often a path is decoded.
const ROUNDS: usize = 3;

/// The costs of the steps, in the units of [`Work`]. Each is an upper bound, measured with the most expensive text for
/// its step.
mod cost {
    /// A reading, whatever its length: its memory, and its place among those seen.
    pub const READING: usize = 2000;
    /// A byte of a reading: its hash, and the search for steps that may change it.
    pub const BYTE: usize = 9;
    /// A byte that a step copies or compares one by one.
    pub const CHANGED: usize = 15;
    /// A segment of a path that is taken apart at its slashes.
    pub const SEGMENT: usize = 50;
    /// A run of characters that is normalised.
    pub const RUN: usize = 450;
    /// A byte of it: combining characters are sorted first.
    pub const SORTED: usize = 100;
    /// A character of its result. One character may become eighteen.
    pub const NORMALISED: usize = 150;
}

/// One way to read a path: the features of which the step needs one to change anything, and the text after the step.
pub(super) type Step = (u16, fn(&[u8], &mut Work) -> Result<Vec<u8>, TooMuchWork>);

/// The steps that do not decode percent-encoding; any of them may come before any other.
pub(super) const ALL: &[Step] = &[
    (holds::WIDE, decode_wide),
    (holds::OVERLONG, shorten_overlong),
    (holds::BEYOND_ASCII, unfold_compatibility),
    (holds::BACKSLASH, backslashes_as_slashes),
    (holds::SLASHES, merge_slashes),
    (holds::DOTS, remove_dots),
    (holds::ENCODED_DOTS, remove_encoded_dots),
    (holds::SEMICOLON, cut_parameters),
    (holds::END, cut_short),
    (holds::BLANK | holds::DOT_BEHIND, trim_segments),
];

/// The steps that can add letters to a text: the first three of [`ALL`].
pub(super) const REPLACING: &[Step] = ALL.split_at(3).0;

/// Features of a text that some step changes.
mod holds {
    use memchr::memmem;

    pub const BEYOND_ASCII: u16 = 1;
    pub const OVERLONG: u16 = 1 << 1;
    pub const PERCENT: u16 = 1 << 2;
    pub const BACKSLASH: u16 = 1 << 3;
    pub const SEMICOLON: u16 = 1 << 4;
    /// A NUL, `?` or `#`.
    pub const END: u16 = 1 << 5;
    pub const BLANK: u16 = 1 << 6;
    const DOT: u16 = 1 << 7;
    /// `%u`
    pub const WIDE: u16 = 1 << 8;
    /// `//`
    pub const SLASHES: u16 = 1 << 9;
    /// `/.`
    pub const DOTS: u16 = 1 << 10;
    /// `%2e`
    pub const ENCODED_DOTS: u16 = 1 << 11;
    /// `./`, and a dot at the end.
    pub const DOT_BEHIND: u16 = 1 << 12;

    const OF_BYTE: [u16; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = match byte {
                0 => BLANK | END,
                1..=0x20 | 0x7F => BLANK,
                0x23 | 0x3F => END,
                0x25 => PERCENT,
                0x2E => DOT,
                0x3B => SEMICOLON,
                0x5C => BACKSLASH,
                0xC0 | 0xC1 | 0xE0 | 0xF0 => BEYOND_ASCII | OVERLONG,
                0x80.. => BEYOND_ASCII,
                _ => 0,
            };
            byte += 1;
        }
        table
    };

    pub fn of(text: &[u8]) -> u16 {
        let found = |pair: &[u8]| memmem::find(text, pair).is_some();
        let mut holds = text.iter().fold(0, |holds, byte| holds | OF_BYTE[usize::from(*byte)]);
        if found(b"//") {
            holds |= SLASHES;
        }
        if holds & DOT != 0 && found(b"/.") {
            holds |= DOTS;
        }
        if holds & DOT != 0 && (text.ends_with(b".") || found(b"./")) {
            holds |= DOT_BEHIND;
        }
        if holds & PERCENT != 0 && (found(b"%u") || found(b"%U")) {
            holds |= WIDE;
        }
        if holds & PERCENT != 0 && (found(b"%2e") || found(b"%2E")) {
            holds |= ENCODED_DOTS;
        }
        holds
    }
}

/// Calls `found` with every reading of `path` by these steps, in every order, until it returns something.
pub(super) fn search<T>(
    path: Vec<u8>,
    steps: &[Step],
    work: &mut Work,
    mut found: impl FnMut(&[u8], &mut Work) -> Result<Option<T>, TooMuchWork>,
) -> Result<Option<T>, TooMuchWork> {
    // Keyed hashes of 64 bits instead of the texts: an attacker cannot construct a collision.
    let (hasher, mut seen) = (RandomState::new(), HashSet::new());
    let mut round = vec![path];
    for _ in 0..=ROUNDS {
        let mut next_round = Vec::new();
        while let Some(reading) = round.pop() {
            work.spend(cost::READING + cost::BYTE * reading.len())?;
            if !seen.insert(hasher.hash_one(&reading)) {
                continue;
            }
            if let Some(what) = found(&reading, work)? {
                return Ok(Some(what));
            }
            let holds = holds::of(&reading);
            for (_, step) in steps.iter().filter(|(needs, _)| holds & needs != 0) {
                round.push(step(&reading, work)?);
            }
            if holds & holds::PERCENT != 0 {
                next_round.push(decode(&reading, work)?);
            }
        }
        round = next_round;
    }
    Ok(None)
}

/// `%2f` → `/`; a `%` without two hexadecimal digits stays.
fn decode(bytes: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    work.spend(cost::CHANGED * bytes.len())?;
    Ok(percent_decode(bytes).collect())
}

/// `%u002f` → `/`, as IIS, classic ASP and JavaScript's `unescape` read it. An unpaired surrogate stays.
fn decode_wide(bytes: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    work.spend(2 * cost::CHANGED * bytes.len())?;
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, behind @ ..] = rest {
        rest = behind;
        if let (b'%', [b'u' | b'U', behind @ ..]) = (first, behind)
            && let Some((digits, behind)) = behind.split_first_chunk::<4>()
            && let Some(c) = wide_character(*digits)
        {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = behind;
        } else {
            out.push(*first);
        }
    }
    Ok(out)
}

fn wide_character(digits: [u8; 4]) -> Option<char> {
    let mut value = 0;
    for digit in digits {
        value = value << 4 | char::from(digit).to_digit(16)?;
    }
    char::from_u32(value)
}

/// Replaces compatibility forms (`／`, `ｑ`) by the character that they are a form of (NFKC).
///
/// ASCII characters normalise to themselves and do not combine with what precedes them. So each run between them is
/// normalised by itself, together with the one character before it, which it may change.
fn unfold_compatibility(bytes: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    work.spend(2 * cost::CHANGED * bytes.len())?;
    let text = String::from_utf8_lossy(bytes);
    if let Cow::Owned(_) = text {
        // A text that is not UTF-8 is copied in pieces.
        work.spend(4 * cost::CHANGED * bytes.len())?;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(first) = rest.bytes().position(|byte| !byte.is_ascii()) {
        let begin = first.saturating_sub(1);
        let length = rest[first..].bytes().position(|byte| byte.is_ascii());
        let end = length.map_or(rest.len(), |length| first + length);
        if rest[first..end].chars().all(|c| stays_beyond_ascii(c) || is_fullwidth(c)) {
            out.push_str(&rest[..first]);
            out.extend(rest[first..end].chars().map(|c| if is_fullwidth(c) { narrow(c) } else { c }));
        } else {
            out.push_str(&rest[..begin]);
            work.spend(cost::RUN + cost::SORTED * (end - begin))?;
            for c in rest[begin..end].nfkc() {
                work.spend(cost::NORMALISED)?;
                push_folded(&mut out, c);
            }
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    Ok(out.into_bytes())
}

/// Whether normalisation never turns this character into ASCII, whatever precedes it. Covers the most common scripts:
/// normalising them takes ten times as long, and the result has no effect here.
pub(super) fn stays_beyond_ascii(c: char) -> bool {
    matches!(c,
        '\u{386}'..='\u{1D2B}' // Greek, Cyrillic, Hebrew, Arabic, the scripts of India, Thai, Georgian …
        | '\u{3001}'..='\u{309A}' | '\u{309D}'..='\u{31FF}' | '\u{3400}'..='\u{A7F0}' | '\u{AC00}'..='\u{D7FF}' // CJK
        | '\u{C0}'..='\u{DE}' | '\u{E0}'..='\u{12F}' | '\u{141}'..='\u{148}' | '\u{14A}'..='\u{17E}' // Latin
        | '\u{1F300}'..='\u{1FAFF}' | '\u{FFFD}' // pictographs, and the replacement for invalid UTF-8
    )
}

/// The forms of ASCII that are as wide as a Chinese character, the most common ones by far.
fn is_fullwidth(c: char) -> bool {
    ('\u{FF01}'..='\u{FF5E}').contains(&c)
}

fn narrow(c: char) -> char {
    char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c)
}

/// Folds the characters beyond ASCII that case folding turns into ASCII letters.
fn push_folded(out: &mut String, c: char) {
    match c {
        // Turkish: dotted İ, dotless ı, and the combining dot behind an i.
        '\u{130}' | '\u{131}' => out.push('i'),
        '\u{307}' if out.ends_with(['i', 'I']) => {}
        'ß' | 'ẞ' => out.push_str("ss"),
        c => out.push(c),
    }
}

/// Reads UTF-8 as a careless decoder does: forms of two to four bytes that stand for an ASCII character.
fn shorten_overlong(bytes: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    work.spend(2 * cost::CHANGED * bytes.len())?;
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, behind @ ..] = rest {
        let (value, behind) = match (first, behind) {
            (0xC0..=0xC1, [a @ 0x80..=0xBF, behind @ ..]) => ((first & 1) << 6 | (a & 0x3F), behind),
            (0xE0, [a @ 0x80..=0x81, b @ 0x80..=0xBF, behind @ ..]) => ((a & 1) << 6 | (b & 0x3F), behind),
            (0xF0, [0x80, a @ 0x80..=0x81, b @ 0x80..=0xBF, behind @ ..]) => ((a & 1) << 6 | (b & 0x3F), behind),
            _ => (*first, behind),
        };
        out.push(value);
        rest = behind;
    }
    Ok(out)
}

fn backslashes_as_slashes(path: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    work.spend(cost::CHANGED * path.len())?;
    Ok(path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect())
}

fn merge_slashes(path: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    work.spend(cost::CHANGED * path.len())?;
    let mut out = path.to_vec();
    out.dedup_by(|next, last| *next == b'/' && *last == b'/');
    Ok(out)
}

/// `/a/../b/./c` → `/b/c` (RFC 3986, section 5.2.4).
fn remove_dots(path: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    remove_segments(path, work, |segment| match segment {
        b"." => 1,
        b".." => 2,
        _ => 0,
    })
}

/// Like [`remove_dots`], but `%2e` counts as a dot, as in the WHATWG URL Standard, which decodes nothing else here.
fn remove_encoded_dots(path: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    remove_segments(path, work, |segment| match without_dot(segment) {
        Some([]) => 1,
        Some(rest) if without_dot(rest).is_some_and(<[u8]>::is_empty) => 2,
        _ => 0,
    })
}

/// What follows a dot, plain or encoded.
fn without_dot(segment: &[u8]) -> Option<&[u8]> {
    match segment {
        [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// `dots`: of how many dots, and nothing else, a segment consists; 0 for any other segment.
fn remove_segments(path: &[u8], work: &mut Work, dots: impl Fn(&[u8]) -> usize) -> Result<Vec<u8>, TooMuchWork> {
    pay_for_segments(path, work)?;
    let mut out = Vec::with_capacity(path.len());
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        match dots(segment) {
            0 => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
            1 => {}
            _ => out.truncate(memrchr(b'/', &out).unwrap_or(0)),
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    Ok(out)
}

/// `/a;x=1/b` → `/a/b`
fn cut_parameters(path: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    each_segment(path, work, |segment| segment.split(|byte| *byte == b';').next().unwrap_or(b""))
}

/// Ends the path at a NUL, `?` or `#` that was encoded, as some readers do.
fn cut_short(path: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    let end = memchr3(0, b'?', b'#', path).unwrap_or(path.len());
    work.spend(end)?;
    Ok(path[..end].to_vec())
}

/// Drops spaces and control characters around segments, and dots behind them, as file systems do.
fn trim_segments(path: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
    each_segment(path, work, |segment| {
        let mut rest = segment;
        while let [0..=b' ' | 0x7F, inner @ ..] | [inner @ .., 0..=b' ' | 0x7F] = rest {
            rest = inner;
        }
        let behind = rest.iter().rposition(|byte| *byte != b'.').map_or(rest.len(), |last| last + 1);
        &rest[..behind]
    })
}

fn each_segment(path: &[u8], work: &mut Work, change: impl Fn(&[u8]) -> &[u8]) -> Result<Vec<u8>, TooMuchWork> {
    pay_for_segments(path, work)?;
    let mut out = Vec::with_capacity(path.len() + 1);
    for segment in path.split(|byte| *byte == b'/') {
        out.extend_from_slice(change(segment));
        out.push(b'/');
    }
    out.pop();
    Ok(out)
}

fn pay_for_segments(path: &[u8], work: &mut Work) -> Result<(), TooMuchWork> {
    let slashes = path.iter().filter(|byte| **byte == b'/').count();
    work.spend(cost::CHANGED * path.len() + cost::SEGMENT * (slashes + 1))
}

#[cfg(test)]
mod tests {
    use unicode_normalization::char::{canonical_combining_class, compose};

    use super::*;

    #[test]
    fn what_stays_beyond_ascii_does_so_alone_and_behind_a_letter() {
        for c in ('\0'..=char::MAX).filter(|c| stays_beyond_ascii(*c)) {
            let mut folded = String::new();
            [c].into_iter().nfkc().for_each(|c| push_folded(&mut folded, c));
            assert!(!folded.bytes().any(|byte| byte.is_ascii()), "{c:?}");
            if canonical_combining_class(c) != 0 {
                assert!(('\0'..='\x7F').all(|before| compose(before, c).is_none()), "{c:?}");
            }
        }
        for c in ('\0'..=char::MAX).filter(|c| is_fullwidth(*c)) {
            assert!([c].into_iter().nfkc().eq([narrow(c)]), "{c:?}");
        }
    }

    #[test]
    fn the_ascii_of_a_text_is_that_of_its_compatibility_form() {
        let ascii = |text: &str| -> Vec<String> {
            text.split(|c: char| !c.is_ascii()).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        for text in
            ["a\u{301}／b", "ＡＢ/e\u{323}\u{302}x", "Ж／a", "\u{301}a／\u{301}", "ﷺ/ﷺa", "中文／\u{1100}\u{1161}a"]
        {
            let unfolded = unfold_compatibility(text.as_bytes(), &mut Work::new()).unwrap();
            let expected: String = text.nfkc().collect();
            assert_eq!(ascii(&String::from_utf8(unfolded).unwrap()), ascii(&expected), "{text:?}");
        }
    }
}
