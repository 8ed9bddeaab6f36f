//! Secret bytes, which are not printed and are wiped from memory when dropped.

use std::fmt;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, DecodeKind};
use thiserror::Error;
use zeroize::Zeroizing;

/// Minimum length of a secret, in bytes.
pub const LEAST_BYTES: usize = 32;
/// Prefix of a secret's text (Standard Webhooks).
const PREFIX: &str = "whsec_";
/// The base64 of [`PREFIX`].
const PREFIX_IN_BASE64: &str = "d2hzZWNf";

/// Secret bytes. `Debug` shows the type only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why a text is not a secret. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// Only whitespace.
    #[error("is empty")]
    Empty,
    /// A secret inside the syntax of another file format.
    #[error("{0}")]
    Wrapped(Wrapping),
    #[error("does not start with `whsec_`")]
    NoPrefix,
    #[error("starts with `whsec_` in other letters")]
    PrefixCase,
    #[error("starts with `whsec_` twice")]
    PrefixTwice,
    /// The base64 of a text that starts with `whsec_`.
    #[error("is in base64 twice")]
    EncodedTwice,
    #[error("has white space or a line break inside")]
    WhiteSpace,
    #[error("has an invisible character inside (U+{:04X})", u32::from(*.0))]
    Invisible(char),
    /// It contains `-` or `_` of base64url (RFC 4648, section 5). Some decoders skip them and get another key.
    #[error("is base64url after `whsec_`, with - or _; the application decodes plain base64")]
    UrlSafe,
    #[error("is not base64 after `whsec_`: an = stands where none belongs")]
    AfterPadding,
    #[error("is not base64 after `whsec_`: it holds other characters")]
    Symbol,
    /// Its length or last character is not that of base64.
    #[error("is not base64 after `whsec_`: the end is missing")]
    CutOff,
    #[error("holds {0} bytes, at least {least} are needed", least = LEAST_BYTES)]
    TooShort(usize),
}

/// Syntax of other file formats around a value, in a file that must contain the value alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Wrapping {
    /// U+FEFF at the start.
    #[error("starts with a byte order mark (BOM)")]
    ByteOrderMark,
    /// Quotes at one end or both.
    #[error("is in quotes")]
    Quotes,
    /// `NAME=` or `NAME:` in front.
    #[error("has a name in front, as in NAME=value")]
    Name,
}

impl Wrapping {
    /// The syntax around the value in `text`. A well-formed value starts with `start`.
    pub fn of(text: &str, start: &str) -> Option<Wrapping> {
        let is_quote = |c: char| matches!(c, '"' | '\'' | '`' | '\u{ab}' | '\u{bb}' | '\u{2018}'..='\u{201f}');
        let text = text.trim();
        if text.starts_with('\u{feff}') {
            return Some(Wrapping::ByteOrderMark);
        }
        if text.starts_with(is_quote) || (text.starts_with(start) && text.ends_with(is_quote)) {
            return Some(Wrapping::Quotes);
        }
        let (name, _) = text.split_once(start)?;
        let name = name.trim_end_matches(|c: char| is_quote(c) || c.is_whitespace());
        name.ends_with(['=', ':']).then_some(Wrapping::Name)
    }

    pub fn advice(self) -> &'static str {
        match self {
            Wrapping::ByteOrderMark => "save it as UTF-8 without a BOM",
            Wrapping::Quotes => "remove the quotes: what is around the value is part of it here",
            Wrapping::Name => "the value alone, without a name",
        }
    }
}

impl Secret {
    /// Parses `whsec_` and base64 (RFC 4648, section 4; the padding may be missing), with whitespace at both ends
    /// trimmed. Any other text is refused: the application decodes the same text and might get another key.
    pub fn parse(text: &str) -> Result<Secret, SecretError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if let Some(wrapping) = Wrapping::of(text, PREFIX) {
            return Err(SecretError::Wrapped(wrapping));
        }
        let encoded = text.strip_prefix(PREFIX).ok_or_else(|| without_prefix(text))?;
        let bytes =
            BASE64_NOPAD.decode(unpadded(encoded).as_bytes()).map_err(|error| not_base64(encoded, error.kind))?;
        if bytes.len() < LEAST_BYTES {
            return Err(SecretError::TooShort(bytes.len()));
        }
        Ok(Secret::from_bytes(bytes))
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// A random secret of 32 bytes.
    pub fn random() -> Result<Secret, NoRandomness> {
        let mut bytes = vec![0; LEAST_BYTES];
        fill_random(&mut bytes)?;
        Ok(Secret::from_bytes(bytes))
    }

    /// The secret bytes. Callers must not log them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The text for a file: `whsec_<base64>`.
    pub fn to_whsec(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", BASE64.encode(&self.0)))
    }
}

/// Strips valid padding. Any other `=` stays, and is refused.
fn unpadded(encoded: &str) -> &str {
    let without = encoded.trim_end_matches('=');
    match encoded.len().is_multiple_of(4) && encoded.len() - without.len() <= 2 {
        true => without,
        false => encoded,
    }
}

fn without_prefix(text: &str) -> SecretError {
    match text.get(..PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(PREFIX) => SecretError::PrefixCase,
        _ if text.starts_with(PREFIX_IN_BASE64) => SecretError::EncodedTwice,
        _ => SecretError::NoPrefix,
    }
}

/// The most specific error for the part after the prefix.
fn not_base64(encoded: &str, kind: DecodeKind) -> SecretError {
    let is_invisible = |c: &char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if encoded.starts_with(PREFIX) {
        return SecretError::PrefixTwice;
    }
    if encoded.contains(|c: char| c.is_whitespace()) {
        return SecretError::WhiteSpace;
    }
    if let Some(invisible) = encoded.chars().find(is_invisible) {
        return SecretError::Invisible(invisible);
    }
    let is_symbol = |b: u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b);
    match kind {
        _ if !encoded.bytes().all(is_symbol) => SecretError::Symbol,
        _ if encoded.contains(['-', '_']) => SecretError::UrlSafe,
        _ if unpadded(encoded).contains('=') => SecretError::AfterPadding,
        DecodeKind::Symbol | DecodeKind::Padding => SecretError::Symbol,
        DecodeKind::Length | DecodeKind::Trailing => SecretError::CutOff,
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl SecretError {
    /// What to do about it. `None` if only a new secret helps.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            SecretError::Wrapped(wrapping) => Some(wrapping.advice()),
            SecretError::NoPrefix => {
                Some("whsec_ and base64, as qrgate secret prints it; the application reads the same")
            }
            SecretError::PrefixCase => Some("whsec_ in small letters"),
            SecretError::PrefixTwice => Some("whsec_ once"),
            SecretError::EncodedTwice => Some("decode it once: what is meant starts with whsec_"),
            SecretError::WhiteSpace => Some("one secret on one line, and nothing else in the file"),
            SecretError::Invisible(_) => Some("type or copy it again"),
            SecretError::UrlSafe => Some("write + for - and / for _, on both sides"),
            SecretError::AfterPadding => Some("nothing follows the secret"),
            SecretError::Empty | SecretError::Symbol | SecretError::CutOff | SecretError::TooShort(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// Fills `bytes` from the operating system's random number generator.
pub fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| NoRandomness)
}

/// A random name that no other process draws: 16 characters of base64url.
pub fn random_name() -> Result<String, NoRandomness> {
    let mut bytes = [0; 12];
    fill_random(&mut bytes)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// A random number from 0 to 1, to spread what many processes would do at once; 0 if there is no randomness.
pub fn random_fraction() -> f64 {
    let mut bytes = [0; 4];
    let _ = fill_random(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
