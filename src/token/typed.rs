//! The code to type: a short stand-in for the link, for devices without a camera.
//!
//! Eight letters of the alphabet that RFC 8628, section 6.1, recommends: consonants only, so a code spells no word and
//! holds no digit that looks like a letter. 20^8 codes are 34.5 bits, too few to withstand guessing on their own: the
//! limits on tries are in `limits`, and docs/security.md computes what they leave.

use zeroize::Zeroizing;

use super::capability::Hidden;
use crate::secret::{NoRandomness, fill_random};

const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;
/// Letters in each of the two groups of the displayed form.
const GROUP: usize = 4;

/// A code to type. It does not print itself: `Debug` shows the type only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedCode(pub(super) Hidden<LENGTH>);

impl TypedCode {
    /// Draws a code, each with the same probability.
    pub fn random() -> Result<TypedCode, NoRandomness> {
        let mut letters = Zeroizing::new([0; LENGTH]);
        let mut drawn = Zeroizing::new([0; 2 * LENGTH]);
        let mut filled = 0;
        while filled < LENGTH {
            fill_random(&mut *drawn)?;
            // 240 is a multiple of 20: a byte from there on would favor the first 16 letters.
            for byte in drawn.iter().filter(|byte| **byte < 240).take(LENGTH - filled) {
                letters[filled] = ALPHABET[usize::from(byte % 20)];
                filled += 1;
            }
        }
        Ok(TypedCode(Hidden(letters)))
    }

    /// Reads what a person typed. Letter case, blanks, hyphens and invisible marks do not matter, and full-width
    /// letters count as their ASCII counterparts. `None` for any other character, and for more or fewer than eight
    /// letters.
    pub fn parse(text: &str) -> Option<TypedCode> {
        let mut letters = Zeroizing::new([0; LENGTH]);
        let mut read = 0;
        for character in text.chars().filter(|character| !is_ignored(*character)) {
            *letters.get_mut(read)? = letter(character)?;
            read += 1;
        }
        (read == LENGTH).then_some(TypedCode(Hidden(letters)))
    }

    /// The displayed form, such as `BCDF-GHJK`. Callers must not log it.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LENGTH + 1));
        for (place, letter) in self.0.bytes().iter().enumerate() {
            if place == GROUP {
                text.push('-');
            }
            text.push(char::from(*letter));
        }
        text
    }
}

/// Blanks, hyphens and dashes, and the marks without width that copying from a page can add.
fn is_ignored(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
                | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// The letter of the alphabet that a character stands for.
fn letter(character: char) -> Option<u8> {
    let ascii = match character {
        // Full-width letters lie 0xFEE0 above ASCII (Unicode, Halfwidth and Fullwidth Forms).
        '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => u8::try_from(u32::from(character) - 0xfee0).ok()?,
        _ => u8::try_from(character).ok()?,
    };
    let upper = ascii.to_ascii_uppercase();
    ALPHABET.contains(&upper).then_some(upper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<String> {
        TypedCode::parse(text).map(|code| code.text().to_string())
    }

    #[test]
    fn a_code_is_read_however_a_person_writes_it() {
        for text in [
            "BCDF-GHJK",
            "bcdfghjk",
            "BcDf gHjK",
            "  bcdf   ghjk\t\n",
            "b-c-d-f-g-h-j-k",
            "BCDF\u{2011}GHJK",
            "BCDF\u{2013}GHJK",
            "ＢＣＤＦ－ＧＨＪＫ",
            "ｂｃｄｆ\u{3000}ｇｈｊｋ",
            "\u{feff}\u{200f}BCDF\u{a0}\u{202c}GHJK\u{200b}",
            "\u{2066}BCDF-GHJK\u{2069}",
        ] {
            assert_eq!(read(text).as_deref(), Some("BCDF-GHJK"), "{text:?}");
        }
    }

    #[test]
    fn other_letters_digits_and_lengths_are_malformed() {
        for text in [
            "",
            "-",
            "BCDFGHJ",
            "BCDFGHJKL",
            "BCDF-GHJA",
            "BCDF-GHJ0",
            "BCDF-GHJ1",
            "BCDF_GHJK",
            "BCDF.GHJK",
            "BCDFGHJ\u{0}",
            "BCDFGHJÉ",
            "БСДФГХЖК",
            "BCDFGHJ\u{212a}",
            "BCDFGHJ\u{ff11}",
            "BCDFGHJ\u{1f110}",
            "BCDFGHJK;",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn drawn_codes_use_every_letter_and_differ() {
        let drawn: Vec<String> = (0..400).map(|_| TypedCode::random().unwrap().text().to_string()).collect();
        for letter in ALPHABET {
            assert!(drawn.iter().any(|code| code.contains(char::from(*letter))), "{}", char::from(*letter));
        }
        let distinct: std::collections::HashSet<&String> = drawn.iter().collect();
        assert_eq!(distinct.len(), drawn.len());
        assert_eq!(format!("{:?}", TypedCode::random().unwrap()), "TypedCode(..)");
    }

    proptest! {
        #[test]
        fn a_drawn_code_is_read_back_in_any_case_with_any_separators(
            places in proptest::collection::vec((0usize..10, "[-\\s\u{200b}\u{2010}\u{3000}]"), 0..6),
            lower in any::<bool>(),
        ) {
            let code = TypedCode::random().unwrap();
            let mut text: Vec<char> = code.text().chars().collect();
            for (place, separator) in places {
                let at = place.min(text.len());
                text.splice(at..at, separator.chars());
            }
            let text: String = text.into_iter().collect();
            let text = if lower { text.to_lowercase() } else { text };
            prop_assert_eq!(TypedCode::parse(&text), Some(code));
        }

        #[test]
        fn any_text_is_a_code_of_eight_letters_or_malformed(text in "\\PC{0,20}|[a-zA-Z0-9 -]{0,14}") {
            if let Some(code) = TypedCode::parse(&text) {
                let shown = code.text();
                prop_assert_eq!(shown.len(), 9);
                prop_assert!(shown.bytes().all(|byte| byte == b'-' || ALPHABET.contains(&byte)));
                prop_assert_eq!(TypedCode::parse(&shown), Some(code));
            }
        }
    }
}
