//! A line of a text with a part of it underlined, as compilers show where an error is.

use std::ops::Range;

/// One line, and the characters of it that are marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Counted from 1.
    pub number: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    line: String,
    marked: usize,
}

impl Excerpt {
    /// The line in which `part` begins, marked up to the end of `part` or of the line. `part` is a range of bytes; it
    /// may lie beyond the end of the text or begin inside a character.
    pub fn of(text: &str, part: Range<usize>) -> Excerpt {
        let start = boundary(text, part.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let end = boundary(line, part.end.saturating_sub(line_start));
        let marked = line.get(start - line_start..end).map_or(0, |marked| marked.chars().count());
        Excerpt {
            number: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            line: printable(line),
            marked: marked.max(1),
        }
    }

    /// Three lines, without a line break at the end: carets are under the marked characters, and `help` follows them.
    pub fn draw(&self, numbered: bool, help: Option<&str>, colour: bool) -> String {
        let number = if numbered { self.number.to_string() } else { String::new() };
        let gutter = " ".repeat(number.len().max(2));
        let before = " ".repeat(self.column - 1);
        let help = help.map_or(String::new(), |help| format!(" {help}"));
        let carets = painted("31", &format!("{}{help}", "^".repeat(self.marked)), colour);
        format!("{gutter} |\n{number:>2} | {}\n{gutter} | {before}{carets}", self.line)
    }
}

/// The last character boundary at or before `at`.
pub fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// A text in a terminal colour (ECMA-48, SGR), or unchanged.
pub fn painted(code: &str, text: &str, colour: bool) -> String {
    match colour {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    }
}

/// A text that is safe on a terminal: each character that moves the cursor or changes the direction is replaced by one
/// other.
pub fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => ' ',
        c if c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            '\u{fffd}'
        }
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_the_marked_characters() {
        let excerpt = Excerpt::of("x\na = \"é\" # y\r\n", 11..12);
        assert_eq!((excerpt.number, excerpt.column), (2, 9));
        assert_eq!(excerpt.draw(true, Some("why"), false), "   |\n 2 | a = \"é\" # y\n   |         ^ why");
        assert_eq!(excerpt.draw(false, None, true), "   |\n   | a = \"é\" # y\n   |         \u{1b}[31m^\u{1b}[0m");
    }

    #[test]
    fn a_mark_ends_with_its_line() {
        assert!(Excerpt::of("ab\ncd", 1..5).draw(true, None, false).ends_with("|  ^"));
    }

    proptest::proptest! {
        #[test]
        fn any_place_in_any_text_can_be_shown(text in "[a\u{e9}\u{1b}\t\r\n]{0,12}", start in 0..16usize, end in 0..16usize) {
            let excerpt = Excerpt::of(&text, start..end);
            let shown = excerpt.draw(true, None, false);
            proptest::prop_assert_eq!(shown.lines().count(), 3);
            proptest::prop_assert!(!shown.contains(['\u{1b}', '\r']), "{}", shown);
            proptest::prop_assert!((1..=text.split('\n').count()).contains(&excerpt.number));
        }
    }
}
