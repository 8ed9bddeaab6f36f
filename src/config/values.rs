//! The kinds of values that a key may hold, and how each is written in the file and in a variable.

use std::fmt::Display;
use std::ops::RangeBounds;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::complaint::Complaint;
use super::keys::{Kind, kind_of, pick, quoted};
use super::place::{At, Place};
use super::reader::{Found, Section};
use super::units::{self, Rate};

/// A list that may be missing.
pub(super) type Texts = Option<At<Vec<At<String>>>>;

pub(super) const DAY: Duration = Duration::from_secs(86_400);

impl<'t> Section<'_, 't> {
    /// A text that has a default.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.scalar(name, Kind::Text, default, |text| Ok(text.to_owned())).unwrap_or_default()
    }

    /// A text that has a default, parsed. A refused one leaves the default of its type.
    pub fn parsed<T: Default>(
        &mut self,
        name: &str,
        default: &str,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> T {
        let text = self.text(name, default);
        self.parse(name, &text, parse).unwrap_or_default()
    }

    /// A text that is empty by default, parsed. An empty or refused one is `None`.
    pub fn parsed_unless_empty<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        let text = self.text(name, "");
        if text.is_empty() { None } else { self.parse(name, &text, parse) }
    }

    /// A text that may be missing.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        let found = self.take(name, Kind::Text, None, false)?;
        self.string(name, found, "a text in quotes").map(|text| text.value)
    }

    /// A text that must be given.
    pub fn required(&mut self, name: &str, example: &str) -> Option<String> {
        let text = self.optional(name);
        if !self.is_set(name) {
            let message = format!("`{name}` is missing in [{}]", self.path);
            self.refuse(name, Complaint::with_help(message, example));
        }
        text
    }

    /// One text that holds a secret.
    pub fn secret_text(&mut self, name: &str, default: &str) -> Texts {
        let found = self.take(name, Kind::Text, Some(quoted(default)), true)?;
        let text = self.string(name, found, "a text in quotes")?;
        Some(At { place: text.place.clone(), value: vec![text] })
    }

    /// A duration within `range`, which `words` describe: "between 30s and 10m".
    pub fn duration(&mut self, name: &str, default: &str, range: impl RangeBounds<Duration>, words: &str) -> Duration {
        let value = self.scalar(name, Kind::Duration { off: false }, default, units::duration).unwrap_or_default();
        self.within(name, value, range, words)
    }

    /// A duration that may be switched `off`.
    pub fn duration_or_off(
        &mut self,
        name: &str,
        default: &str,
        range: impl RangeBounds<Duration>,
        words: &str,
    ) -> Option<Duration> {
        let value =
            self.scalar(name, Kind::Duration { off: true }, default, units::duration_or_off).unwrap_or_default()?;
        Some(self.within(name, value, range, words))
    }

    /// A duration of 1 ms to 1 day.
    pub fn timeout(&mut self, name: &str, default: &str) -> Duration {
        self.duration(name, default, Duration::from_millis(1)..=DAY, "between 1ms and 1d")
    }

    /// A duration of 1 ms to 1 day that may be switched `off`.
    pub fn timeout_or_off(&mut self, name: &str, default: &str) -> Option<Duration> {
        self.duration_or_off(name, default, Duration::from_millis(1)..=DAY, "between 1ms and 1d")
    }

    /// A size in bytes, within `range`.
    pub fn size(&mut self, name: &str, default: &str, range: impl RangeBounds<usize>, words: &str) -> usize {
        let value = self.scalar(name, Kind::Size, default, units::size).unwrap_or_default();
        self.within(name, value, range, words)
    }

    pub fn rate(&mut self, name: &str, default: &str) -> Rate {
        self.scalar(name, Kind::Rate, default, units::rate).unwrap_or_default()
    }

    /// One of several words; the first is the default.
    pub fn choice<T: Copy, const N: usize>(&mut self, name: &str, words: [(&'static str, T); N]) -> T {
        const { assert!(N > 0) };
        self.scalar(name, kind_of(&words), words[0].0, |text| pick(text, &words)).unwrap_or(words[0].1)
    }

    /// One of several words, without a default.
    pub fn optional_choice<T: Copy>(&mut self, name: &str, words: &[(&'static str, T)]) -> Option<T> {
        let found = self.take(name, kind_of(words), None, false)?;
        let text = self.string(name, found, "a text in quotes")?;
        pick(&text.value, words).map_err(|why| self.refuse_value(name, &text.value, why)).ok()
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.unquoted(name, Kind::Flag, default, DeValue::as_bool, "true or false")
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, name: &str, default: usize, range: impl RangeBounds<usize>, words: &str) -> usize {
        let read = |value: &DeValue<'_>| {
            let number = value.as_integer()?;
            usize::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
        };
        let value = self.unquoted(name, Kind::Integer, default, read, "a whole number");
        self.within(name, value, range, words)
    }

    fn unquoted<T: Copy + Display + FromStr>(
        &mut self,
        name: &str,
        kind: Kind,
        default: T,
        read: impl FnOnce(&DeValue<'t>) -> Option<T>,
        words: &str,
    ) -> T {
        let Some(found) = self.take(name, kind, Some(default.to_string()), false) else { return default };
        let value = match found.value {
            Found::File(value) => read(&value),
            Found::Variable(text) => text.trim().parse().ok(),
        };
        value.unwrap_or_else(|| {
            self.refuse(name, format!("`{name}` is {words}"));
            default
        })
    }

    /// A list of texts; one text alone is a list too.
    pub fn list(&mut self, name: &str, default: &[&str]) -> Vec<At<String>> {
        let written = format!("[{}]", default.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "));
        let found = self.take(name, Kind::List, Some(written), false);
        match found.and_then(|found| self.texts(name, found)) {
            Some(list) => list.value,
            None => default.iter().map(|text| At { value: (*text).to_owned(), place: Place::Nowhere }).collect(),
        }
    }

    /// A list of texts, empty by default, each of them parsed. Refused ones are left out.
    pub fn each<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Complaint>) -> Vec<T> {
        let list = self.list(name, &[]);
        list.iter().filter_map(|entry| self.parse_entry(name, entry, &parse)).collect()
    }

    /// A list of texts that may be missing. The places of `secret` ones do not show them.
    pub fn optional_list(&mut self, name: &str, secret: bool) -> Texts {
        let found = self.take(name, Kind::List, None, secret)?;
        self.texts(name, found)
    }

    fn texts(&mut self, name: &str, At { value, place }: At<Found<'t>>) -> Texts {
        let value = match value {
            Found::Variable(text) => split_list(&text, &place),
            Found::File(DeValue::String(text)) => vec![At { value: text.into_owned(), place: place.clone() }],
            Found::File(DeValue::Array(entries)) => {
                let read = |entry| self.string(name, Found::in_file(entry), "a list of texts");
                entries.into_iter().filter_map(read).collect()
            }
            Found::File(_) => {
                self.refuse(name, format!("`{name}` is a list of texts in quotes"));
                return None;
            }
        };
        Some(At { value, place })
    }

    /// A list of tables, each of two texts: `[{ text = "Help", url = "/help" }]`. A variable holds the same TOML.
    pub fn pairs(&mut self, name: &str, columns: [&'static str; 2]) -> Vec<[At<String>; 2]> {
        let [first, second] = columns;
        let Some(found) = self.take(name, Kind::Pairs(columns), Some("[]".to_owned()), false) else {
            return Vec::new();
        };
        let toml;
        let value = match found.value {
            Found::File(value) => Some(value),
            Found::Variable(text) => {
                toml = format!("value = {text}");
                let table = DeTable::parse(&toml).map(Spanned::into_inner);
                table.ok().and_then(|mut table| table.remove("value")).map(Spanned::into_inner)
            }
        };
        let wrong = format!("`{name}` is a list of tables: [{{ {first} = \"…\", {second} = \"…\" }}]");
        let Some(DeValue::Array(entries)) = value else {
            self.refuse(name, wrong);
            return Vec::new();
        };
        let place = |span| if let Place::File(_) = found.place { Place::File(span) } else { found.place.clone() };
        let mut pairs = Vec::new();
        for entry in entries {
            let text = |column| {
                let table = entry.get_ref().as_table().filter(|table| table.len() == 2)?;
                let value = table.get(column)?;
                Some(At { value: value.get_ref().as_str()?.to_owned(), place: place(value.span()) })
            };
            match (text(first), text(second)) {
                (Some(first), Some(second)) => pairs.push([first, second]),
                _ => self.refuse_at(name, place(entry.span()), wrong.clone()),
            }
        }
        pairs
    }

    /// A value that is written as a text, parsed. A missing or refused one is the default, parsed.
    fn scalar<T>(
        &mut self,
        name: &str,
        kind: Kind,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        let expected = match kind {
            Kind::Text => "a text in quotes".to_owned(),
            _ => format!("a text such as {}", quoted(default)),
        };
        let found = self.take(name, kind, Some(quoted(default)), false);
        if let Some(text) = found.and_then(|found| self.string(name, found, &expected)) {
            match parse(&text.value) {
                Ok(value) => return Ok(value),
                Err(why) => self.refuse_value(name, &text.value, why),
            }
        }
        parse(default)
    }

    fn string(&mut self, name: &str, At { value, place }: At<Found<'t>>, expected: &str) -> Option<At<String>> {
        match value {
            Found::Variable(value) => Some(At { value, place }),
            Found::File(DeValue::String(text)) => Some(At { value: text.into_owned(), place }),
            Found::File(_) => {
                self.refuse_at(name, place, format!("`{name}` is {expected}"));
                None
            }
        }
    }

    fn refuse_value(&mut self, name: &str, text: &str, why: String) {
        self.refuse(name, Complaint::with_help(format!("`{name}` cannot be {}", quoted(text)), why));
    }

    fn within<T: PartialOrd>(&mut self, name: &str, value: T, range: impl RangeBounds<T>, words: &str) -> T {
        if !range.contains(&value) {
            self.refuse(name, format!("`{name}` must be {words}"));
        }
        value
    }
}

/// The parts between commas, without the whitespace around them. An empty value is an empty list.
fn split_list(text: &str, place: &Place) -> Vec<At<String>> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    let mut start = 0;
    let mut parts = Vec::new();
    for part in text.split(',') {
        let trimmed = part.trim();
        let begin = start + (part.len() - part.trim_start().len());
        parts.push(At { value: trimmed.to_owned(), place: place.part(begin..begin + trimmed.len()) });
        start += part.len() + 1;
    }
    parts
}
