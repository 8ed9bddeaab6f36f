//! Formats one log line: escaping, numbers and times.

use std::cell::Cell;
use std::io::Write;

use time::OffsetDateTime;

use crate::clock::Timestamp;
use crate::config::Level;

/// Maximum bytes of one value; a longer one is cut and ends in `…`.
const LONGEST_VALUE: usize = 1024;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The bytes of a line. The order of calls is the order of fields; time is first.
pub(super) struct Line {
    bytes: Vec<u8>,
    json: bool,
}

impl Line {
    pub(super) fn new(json: bool) -> Line {
        Line { bytes: Vec::with_capacity(256), json }
    }

    /// Continues in a buffer with earlier lines.
    pub(super) fn within(bytes: Vec<u8>, json: bool) -> Line {
        Line { bytes, json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// RFC 3339, UTC, with milliseconds.
    pub(super) fn time(&mut self, now: Timestamp) {
        self.time_after(now, &Cell::default());
    }

    /// The same, for many lines a second: reuses the text of the last line within the same second.
    pub(super) fn time_after(&mut self, now: Timestamp, last: &Cell<Second>) {
        if self.json {
            self.bytes.extend_from_slice(b"{\"time\":\"");
        }
        if last.get().seconds != now.seconds() || now.seconds() == 0 {
            last.set(Second::of(now.seconds()));
        }
        self.bytes.extend_from_slice(&last.get().text);
        push_padded(&mut self.bytes, now.0 % 1000, 3);
        self.bytes.push(b'Z');
        if self.json {
            self.bytes.push(b'"');
        }
    }

    pub(super) fn level(&mut self, level: Level) {
        let (json, text) = match level {
            Level::Trace => ("trace", " TRACE"),
            Level::Debug => ("debug", " DEBUG"),
            Level::Info => ("info", " INFO "),
            Level::Warn => ("warn", " WARN "),
            Level::Error => ("error", " ERROR"),
        };
        match self.json {
            true => self.word("level", json),
            false => self.bytes.extend_from_slice(text.as_bytes()),
        }
    }

    /// The message; in text it has no name.
    pub(super) fn message(&mut self, message: &str) {
        if self.json {
            return self.text("message", message);
        }
        self.bytes.push(b' ');
        push_escaped(&mut self.bytes, message, false);
    }

    /// An untrusted value, escaped.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        if self.json || needs_quotes(value) {
            self.bytes.push(b'"');
            push_escaped(&mut self.bytes, value, true);
            self.bytes.push(b'"');
        } else {
            self.bytes.extend_from_slice(value.as_bytes());
        }
    }

    /// An untrusted value, escaped; in text it has no name.
    pub(super) fn bare_text(&mut self, name: &str, value: &str) {
        if self.json {
            return self.text(name, value);
        }
        self.bytes.push(b' ');
        push_escaped(&mut self.bytes, value, false);
    }

    /// A trusted value, not escaped.
    pub(super) fn word(&mut self, name: &str, value: &str) {
        self.name(name);
        if self.json {
            self.bytes.push(b'"');
        }
        self.bytes.extend_from_slice(value.as_bytes());
        if self.json {
            self.bytes.push(b'"');
        }
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.name(name);
        push_number(&mut self.bytes, value);
    }

    /// Milliseconds with three decimals, from microseconds.
    pub(super) fn millis(&mut self, name: &str, micros: u64) {
        self.name(name);
        push_number(&mut self.bytes, micros / 1000);
        self.bytes.push(b'.');
        push_padded(&mut self.bytes, micros % 1000, 3);
    }

    /// An unknown value: `null` in JSON, omitted in text.
    pub(super) fn nothing(&mut self, name: &str) {
        if self.json {
            self.name(name);
            self.bytes.extend_from_slice(b"null");
        }
    }

    /// The bytes of the finished line.
    pub(super) fn end(mut self) -> Vec<u8> {
        if self.json {
            self.bytes.push(b'}');
        }
        self.bytes.push(b'\n');
        self.bytes
    }

    #[inline]
    fn name(&mut self, name: &str) {
        if self.json {
            self.bytes.extend_from_slice(b",\"");
            self.bytes.extend_from_slice(name.as_bytes());
            self.bytes.extend_from_slice(b"\":");
        } else {
            self.bytes.push(b' ');
            self.bytes.extend_from_slice(name.as_bytes());
            self.bytes.push(b'=');
        }
    }
}

/// Whether a value needs quotes in text, because it would be ambiguous without.
fn needs_quotes(value: &str) -> bool {
    value.is_empty()
        || value.len() > LONGEST_VALUE
        || value.bytes().any(|b| !(b.is_ascii_graphic()) || matches!(b, b'"' | b'\\' | b'='))
}

/// Writes `value`, cut to its maximum. Control characters (C0, DEL, C1), characters that reverse or hide text
/// (bidirectional controls, zero width, line and paragraph separators, the byte order mark) and, within quotes, the
/// quote are escaped as in JSON; all else is unchanged.
fn push_escaped(bytes: &mut Vec<u8>, value: &str, quoted: bool) {
    let (value, cut) = bounded(value);
    // Without an early exit the compiler vectorises it.
    let plain = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
    if !cut && value.bytes().fold(true, |all, byte| all & plain(byte)) {
        return bytes.extend_from_slice(value.as_bytes());
    }
    let mut plain = 0;
    for (at, letter) in value.char_indices() {
        let escape = match letter {
            '"' | '\\' => quoted,
            ' '..='~' => false,
            _ => is_treacherous(letter),
        };
        if escape {
            bytes.extend_from_slice(&value.as_bytes()[plain..at]);
            plain = at + letter.len_utf8();
            push_escape(bytes, letter);
        }
    }
    bytes.extend_from_slice(&value.as_bytes()[plain..]);
    if cut {
        bytes.extend_from_slice("…".as_bytes());
    }
}

fn bounded(value: &str) -> (&str, bool) {
    if value.len() <= LONGEST_VALUE {
        return (value, false);
    }
    let mut end = LONGEST_VALUE;
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    (&value[..end], true)
}

fn is_treacherous(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn push_escape(bytes: &mut Vec<u8>, letter: char) {
    match letter {
        '"' => return bytes.extend_from_slice(b"\\\""),
        '\\' => return bytes.extend_from_slice(b"\\\\"),
        '\n' => return bytes.extend_from_slice(b"\\n"),
        '\r' => return bytes.extend_from_slice(b"\\r"),
        '\t' => return bytes.extend_from_slice(b"\\t"),
        _ => {}
    }
    for unit in letter.encode_utf16(&mut [0; 2]) {
        bytes.extend_from_slice(b"\\u");
        for shift in [12, 8, 4, 0] {
            bytes.push(DIGITS[usize::from(*unit >> shift & 0xf)]);
        }
    }
}

fn push_number(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn push_padded(bytes: &mut Vec<u8>, value: u64, width: u32) {
    for place in (0..width).rev() {
        bytes.push(DIGITS[(value / 10u64.pow(place) % 10) as usize]);
    }
}

/// The text of a second, up to the point before the milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Second {
    seconds: u64,
    text: [u8; 20],
}

impl Second {
    fn of(seconds: u64) -> Second {
        let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, (hour, minute, second)) = (time.date(), time.to_hms());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let mut text = [0; 20];
        // It fits: the crate supports no year of more than four digits.
        let _ = write!(&mut text[..], "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.");
        Second { seconds, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(value: &str) -> String {
        let mut line = Line::new(false);
        line.text("v", value);
        String::from_utf8(line.bytes).unwrap()
    }

    #[test]
    fn no_value_begins_another_line() {
        assert_eq!(escaped("a\r\nb"), " v=\"a\\r\\nb\"");
        assert_eq!(escaped("\u{1b}[31mred"), " v=\"\\u001b[31mred\"");
        assert_eq!(escaped("abc\u{202e}cba"), " v=\"abc\\u202ecba\"");
        assert_eq!(escaped("\u{9b}31m\u{7f}"), " v=\"\\u009b31m\\u007f\"");
        assert_eq!(escaped("say \"hi\" \\"), " v=\"say \\\"hi\\\" \\\\\"");
        assert_eq!(escaped("ключ"), " v=\"ключ\"");
        assert_eq!(escaped("a=b"), " v=\"a=b\"");
        assert_eq!(escaped(""), " v=\"\"");
    }

    #[test]
    fn json_reads_back_what_was_written() {
        for value in ["a\r\nb", "\u{1b}[31m", "\u{202e}", "\"", "\\", "\u{e0041}", "plain", "日本"] {
            let mut line = Line::new(true);
            line.time(Timestamp(0));
            line.text("v", value);
            let read: serde_json::Value = serde_json::from_slice(&line.end()).unwrap();
            assert_eq!(read["v"], value);
        }
    }

    #[test]
    fn a_long_value_is_cut_between_letters() {
        let long = "ä".repeat(LONGEST_VALUE);
        let cut = escaped(&long);
        assert!(cut.len() < LONGEST_VALUE + 16);
        assert!(cut.ends_with("…\""));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let written = |seconds: u64| {
            let mut line = Line::new(false);
            line.time(Timestamp(seconds * 1000 + 7));
            String::from_utf8(line.bytes).unwrap()
        };
        assert_eq!(written(0), "1970-01-01T00:00:00.007Z");
        assert_eq!(written(951_782_399), "2000-02-28T23:59:59.007Z");
        assert_eq!(written(951_782_400), "2000-02-29T00:00:00.007Z");
        assert_eq!(written(4_107_542_400), "2100-03-01T00:00:00.007Z");
        assert_eq!(written(1_790_000_000), "2026-09-21T14:13:20.007Z");
    }

    #[test]
    fn numbers_are_written_whole() {
        let mut line = Line::new(true);
        line.number("n", u64::MAX);
        line.millis("ms", 12_034);
        assert_eq!(String::from_utf8(line.bytes).unwrap(), ",\"n\":18446744073709551615,\"ms\":12.034");
    }
}
