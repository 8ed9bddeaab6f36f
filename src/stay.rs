//! How long the new session should last: the person chooses, and the application applies it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A length of session, written `browser`, `30m`, `8h` or `14d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Stay {
    /// Until the browser closes.
    Browser,
    Minutes(u32),
    Hours(u32),
    Days(u32),
}

/// The length in a form was not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOffered;

impl Stay {
    /// Reads the canonical form: no whitespace, signs or leading zeros.
    pub fn parse(text: &str) -> Option<Stay> {
        if text == "browser" {
            return Some(Stay::Browser);
        }
        let length = |unit: fn(u32) -> Stay, letter| {
            let count = text.strip_suffix(letter)?.parse().ok()?;
            Some(unit(count)).filter(|stay| stay.to_string() == text)
        };
        length(Stay::Minutes, 'm').or_else(|| length(Stay::Hours, 'h')).or_else(|| length(Stay::Days, 'd'))
    }

    /// `None` for [`Stay::Browser`].
    pub fn seconds(self) -> Option<u64> {
        match self {
            Stay::Browser => None,
            Stay::Minutes(count) => Some(u64::from(count) * 60),
            Stay::Hours(count) => Some(u64::from(count) * 3_600),
            Stay::Days(count) => Some(u64::from(count) * 86_400),
        }
    }

    /// The length named in a form, or the first of `offered` for an empty text.
    ///
    /// # Errors
    ///
    /// [`NotOffered`] for any other text.
    pub fn chosen(offered: &[Stay], named: &str) -> Result<Option<Stay>, NotOffered> {
        match named {
            "" => Ok(offered.first().copied()),
            _ => Stay::parse(named).filter(|stay| offered.contains(stay)).map(Some).ok_or(NotOffered),
        }
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stay::Browser => f.write_str("browser"),
            Stay::Minutes(count) => write!(f, "{count}m"),
            Stay::Hours(count) => write!(f, "{count}h"),
            Stay::Days(count) => write!(f, "{count}d"),
        }
    }
}

impl From<Stay> for String {
    fn from(stay: Stay) -> String {
        stay.to_string()
    }
}

impl TryFrom<String> for Stay {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Stay, &'static str> {
        Stay::parse(&text).ok_or("not a length of session")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_one_spelling_and_a_number_of_seconds() {
        for (text, stay, seconds) in [
            ("browser", Stay::Browser, None),
            ("30m", Stay::Minutes(30), Some(1_800)),
            ("8h", Stay::Hours(8), Some(28_800)),
            ("14d", Stay::Days(14), Some(1_209_600)),
        ] {
            assert_eq!((Stay::parse(text), stay.seconds()), (Some(stay), seconds), "{text}");
            assert_eq!(serde_json::from_str(&serde_json::to_string(&stay).unwrap()).ok(), Some(stay));
        }
        for text in
            ["", "8", "h", "08h", "+8h", "-8h", " 8h", "8 h", "8H", "8hh", "1.5h", "4294967296d", "Browser", "２h"]
        {
            assert_eq!(Stay::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_form_chooses_among_what_was_offered() {
        let offered = [Stay::Hours(8), Stay::Browser];
        assert_eq!(Stay::chosen(&offered, ""), Ok(Some(Stay::Hours(8))), "the first is the default");
        assert_eq!(Stay::chosen(&offered, "browser"), Ok(Some(Stay::Browser)));
        for other in ["480m", "14d", "8", "08h", " "] {
            assert_eq!(Stay::chosen(&offered, other), Err(NotOffered), "{other}");
        }
        assert_eq!((Stay::chosen(&[], ""), Stay::chosen(&[], "8h")), (Ok(None), Err(NotOffered)));
    }
}
