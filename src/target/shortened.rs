//! Replaces the parts of a path that cannot be part of a reserved path in any reading with one placeholder each.
//!
//! A reading matches a reserved path only letter by letter. So the search need not distinguish words with a letter that
//! occurs in no reserved path, nor runs of Chinese characters. Ordinary long paths consist mostly of such parts. The
//! search reads the shortened path, with the same result as for the original.

use super::readings::stays_beyond_ascii;
use super::root::{Root, SCRIPTS, is_name_byte};
use super::work::{TooMuchWork, Work};

/// A byte that begins no escape and is removed by no step.
const PLAIN: u8 = 1;
/// A byte of a reserved path.
const RESERVED: u8 = 1 << 1;
/// A byte of a script's ending.
const SCRIPT: u8 = 1 << 2;
/// A digit of an escape such as `%2f` or `%u002f`, or its `u`.
const DIGIT: u8 = 1 << 3;

/// Costs in the units of [`Work`].
mod cost {
    /// A single byte.
    pub const SINGLE: usize = 40;
    /// A word or an escape, and each byte of it.
    pub const PIECE: usize = 100;
    pub const BYTE: usize = 8;
}

/// The bytes that may be part of a reserved path, and the placeholders.
#[derive(Clone, Debug)]
pub(super) struct Shortener {
    kinds: [u8; 256],
    /// Placeholder of a word.
    word: u8,
    /// Placeholder of anything else.
    mark: u8,
}

impl Shortener {
    /// `None` if the reserved paths use every possible placeholder.
    pub(super) fn new<'a>(roots: impl Iterator<Item = &'a Root>) -> Option<Shortener> {
        let mut kinds = [0; 256];
        for byte in b'!'..=b'~' {
            let is_read = matches!(byte, b'/' | b'\\' | b'.' | b';' | b'%' | b'?' | b'#');
            kinds[usize::from(byte)] |= if is_read { 0 } else { PLAIN };
        }
        for byte in *b"0123456789abcdefuABCDEFU" {
            kinds[usize::from(byte)] |= DIGIT;
        }
        let mut mark_as = |text: &[u8], kind: u8| {
            for byte in text {
                kinds[usize::from(byte.to_ascii_lowercase())] |= kind;
                kinds[usize::from(byte.to_ascii_uppercase())] |= kind;
            }
        };
        roots.for_each(|root| mark_as(&root.path, RESERVED));
        SCRIPTS.iter().for_each(|script| mark_as(script.as_bytes(), SCRIPT));
        mark_as(b"0123456789", SCRIPT);
        let free = |byte: &u8| kinds[usize::from(*byte)] == PLAIN;
        let word = b"zjkqvwxnoirsl-_".iter().copied().find(free)?;
        let mark = b"~!,=+:@$&*()".iter().copied().find(free)?;
        Some(Shortener { kinds, word, mark })
    }

    /// The path with a placeholder for each part that no reserved path can contain.
    pub(super) fn shorten(&self, path: &[u8], work: &mut Work) -> Result<Vec<u8>, TooMuchWork> {
        let mut out = Vec::with_capacity(path.len());
        let mut rest = path;
        while let [first, behind @ ..] = rest {
            let left = if *first == b'%' {
                self.escape(&mut out, rest)
            } else if is_name_byte(first) {
                let is_ending = out.last() == Some(&b'.');
                self.word(&mut out, rest, is_ending)
            } else {
                match self.is(first, PLAIN) && !self.is(first, RESERVED) {
                    true => self.stand_in(&mut out, self.mark),
                    false => out.push(*first),
                }
                behind
            };
            let taken = rest.len() - left.len();
            work.spend(if taken == 1 { cost::SINGLE } else { cost::PIECE + cost::BYTE * taken })?;
            rest = left;
        }
        Ok(out)
    }

    /// Consumes the escape at the beginning of `rest`, and returns what follows.
    fn escape<'a>(&self, out: &mut Vec<u8>, rest: &'a [u8]) -> &'a [u8] {
        let idle = self.idle_escape(rest);
        if idle > 0 {
            self.stand_in(out, self.mark);
            return &rest[idle..];
        }
        // Whatever digits follow may be read as a part of this escape, now or after another decoding.
        let digits = rest[1..].iter().take_while(|byte| self.is(byte, DIGIT)).count();
        let (escape, behind) = rest.split_at(1 + digits);
        out.extend_from_slice(escape);
        match behind.first() {
            Some(first) if is_name_byte(first) => self.word(out, behind, true),
            _ => behind,
        }
    }

    /// Consumes the word at the beginning of `rest`, and returns what follows.
    fn word<'a>(&self, out: &mut Vec<u8>, rest: &'a [u8], may_end_script: bool) -> &'a [u8] {
        let (word, behind) = rest.split_at(rest.iter().take_while(|byte| is_name_byte(byte)).count());
        let before_escape = behind.first() == Some(&b'%');
        let kinds = if may_end_script || before_escape { RESERVED | SCRIPT } else { RESERVED };
        // A character that is encoded behind the last letter may change that letter: `n` and U+0301 are one.
        let counted = word.len().saturating_sub(usize::from(before_escape));
        if word[..counted].iter().all(|byte| self.is(byte, kinds)) {
            out.extend_from_slice(word);
        } else {
            self.stand_in(out, self.word);
        }
        behind
    }

    /// Adds a placeholder, unless the one before it can stand for both.
    fn stand_in(&self, out: &mut Vec<u8>, byte: u8) {
        if !out.last().is_some_and(|last| *last == self.word || *last == self.mark) {
            out.push(byte);
        }
    }

    /// The length of the escapes at the beginning, if they are one character that no reading turns into another and
    /// that is not part of a word; else 0.
    fn idle_escape(&self, text: &[u8]) -> usize {
        let Some(first) = escaped(text) else { return 0 };
        let length = match first {
            b'!'..=b'~' if !is_name_byte(&first) && self.kinds[usize::from(first)] == PLAIN => return 3,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => return 0,
        };
        let mut bytes = [first, 0, 0, 0];
        for (at, byte) in bytes[..length].iter_mut().enumerate().skip(1) {
            *byte = text.get(3 * at..).and_then(escaped).unwrap_or_default();
        }
        let character = std::str::from_utf8(&bytes[..length]).ok().and_then(|text| text.chars().next());
        if character.is_some_and(stays_beyond_ascii) { 3 * length } else { 0 }
    }

    fn is(&self, byte: &u8, kind: u8) -> bool {
        self.kinds[usize::from(*byte)] & kind != 0
    }
}

/// The byte of the escape at the beginning.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    u8::try_from(char::from(*high).to_digit(16)? << 4 | char::from(*low).to_digit(16)?).ok()
}
