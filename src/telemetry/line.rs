//! Formats one log line: escaping, numbers and times.

use std::cell::Cell;
use std::io::Write;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::Timestamp;
use crate::config::Level;
use crate::excerpt::boundary;

/// Maximum bytes of one value; a longer one is cut and ends in `…`.
const LONGEST_VALUE: usize = 1024;

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

    /// Like [`Line::time`], but reuses the text of the `last` line within the same second.
    pub(super) fn time_after(&mut self, now: Timestamp, last: &Cell<Second>) {
        if self.json {
            self.bytes.extend_from_slice(b"{\"time\":\"");
        }
        if last.get().seconds != now.seconds() || now.seconds() == 0 {
            last.set(Second::of(now.seconds()));
        }
        self.bytes.extend_from_slice(&last.get().text);
        push_three_digits(&mut self.bytes, now.0);
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

    /// An untrusted value, escaped; without its name in text.
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

    /// Milliseconds with three decimals.
    pub(super) fn millis(&mut self, name: &str, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.name(name);
        push_number(&mut self.bytes, micros / 1000);
        self.bytes.push(b'.');
        push_three_digits(&mut self.bytes, micros);
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

/// Whether a value would be ambiguous in text without quotes.
fn needs_quotes(value: &str) -> bool {
    value.is_empty()
        || value.len() > LONGEST_VALUE
        || value.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'"' | b'\\' | b'='))
}

/// Writes `value`, cut to [`LONGEST_VALUE`]. Escapes as JSON does: control characters (C0, DEL, C1), characters that
/// reverse or hide text (bidirectional controls, zero width, line and paragraph separators, the byte order mark) and,
/// within quotes, `"` and `\`.
fn push_escaped(bytes: &mut Vec<u8>, value: &str, quoted: bool) {
    let cut = value.len() > LONGEST_VALUE;
    let value = if cut { &value[..boundary(value, LONGEST_VALUE)] } else { value };
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
        // Writing to memory cannot fail.
        let _ = write!(bytes, "\\u{unit:04x}");
    }
}

fn push_number(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The last three decimal digits of `value`.
fn push_three_digits(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend([100, 10, 1].map(|place| b'0' + (value / place % 10) as u8));
}

/// A second as text, up to the point before the milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Second {
    seconds: u64,
    text: [u8; 20],
}

impl Second {
    fn of(seconds: u64) -> Second {
        let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        let mut text = [0; 20];
        // It fits: the crate supports no year of more than four digits.
        let _ = time.unwrap_or(OffsetDateTime::UNIX_EPOCH).format_into(&mut &mut text[..], &Rfc3339);
        text[19] = b'.';
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
        line.millis("ms", Duration::from_micros(12_034));
        assert_eq!(String::from_utf8(line.bytes).unwrap(), ",\"n\":18446744073709551615,\"ms\":12.034");
    }
}
