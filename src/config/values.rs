//! The kinds of values that a key may hold, and how each is written in the file and in a variable.

use std::ops::{Range, RangeBounds};
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

const DAY: Duration = Duration::from_secs(86_400);

impl<'t> Section<'_, 't> {
    /// A text that has a default.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.scalar(name, Kind::Text, default, default.to_owned(), |text| Ok(text.to_owned()))
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

    /// A text that may be missing.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        let found = self.take(name, Kind::Text, None, false)?;
        self.string(name, found, "a text in quotes").map(|text| text.value)
    }

    /// A text that must be given.
    pub fn required(&mut self, name: &str, example: &str) -> Option<String> {
        let Some(found) = self.take(name, Kind::Text, None, false) else {
            let message = format!("`{name}` is missing in [{}]", self.path());
            self.refuse_missing(name, Complaint::with_help(message, example));
            return None;
        };
        self.string(name, found, "a text in quotes").map(|text| text.value)
    }

    /// One text that holds a secret.
    pub fn secret_text(&mut self, name: &str, default: &str) -> Texts {
        let found = self.take(name, Kind::Text, Some(quoted(default)), true)?;
        let text = self.string(name, found, "a text in quotes")?.blind();
        Some(At { place: text.place.clone(), value: vec![text] })
    }

    /// A duration within `range`, which `words` describe: "between 30s and 10m".
    pub fn duration(&mut self, name: &str, default: &str, range: impl RangeBounds<Duration>, words: &str) -> Duration {
        let value = units::duration(default).unwrap_or_default();
        let value = self.scalar(name, Kind::Duration { off: false }, default, value, units::duration);
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
        let value = units::duration_or_off(default).unwrap_or_default();
        let value = self.scalar(name, Kind::Duration { off: true }, default, value, units::duration_or_off)?;
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
        let value = self.scalar(name, Kind::Size, default, units::size(default).unwrap_or_default(), units::size);
        self.within(name, value, range, words)
    }

    pub fn rate(&mut self, name: &str, default: &str) -> Rate {
        let value = units::rate(default).unwrap_or(Rate { count: 1, per: Duration::from_secs(1) });
        self.scalar(name, Kind::Rate, default, value, units::rate)
    }

    /// One of several words; the first is the default.
    pub fn choice<T: Copy, const N: usize>(&mut self, name: &str, words: [(&'static str, T); N]) -> T {
        const { assert!(N > 0) };
        self.scalar(name, kind_of(&words), words[0].0, words[0].1, |text| pick(text, &words))
    }

    /// One of several words, without a default.
    pub fn optional_choice<T: Copy>(&mut self, name: &str, words: &[(&'static str, T)]) -> Option<T> {
        let found = self.take(name, kind_of(words), None, false)?;
        let text = self.string(name, found, "a text in quotes")?;
        pick(&text.value, words).map_err(|why| self.refuse_value(name, &text.value, why)).ok()
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        let value = match self.take(name, Kind::Flag, Some(default.to_string()), false) {
            None => Some(default),
            Some(Found::File(value)) => value.get_ref().as_bool(),
            Some(Found::Variable { value, .. }) => value.parse().ok(),
        };
        value.unwrap_or_else(|| {
            self.refuse(name, format!("`{name}` is true or false"));
            default
        })
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, name: &str, default: usize, range: impl RangeBounds<usize>, words: &str) -> usize {
        let value = match self.take(name, Kind::Integer, Some(default.to_string()), false) {
            None => Some(default),
            Some(Found::File(value)) => value
                .get_ref()
                .as_integer()
                .and_then(|n| usize::from_str_radix(&n.as_str().replace('_', ""), n.radix()).ok()),
            Some(Found::Variable { value, .. }) => value.trim().parse().ok(),
        };
        let value = value.unwrap_or_else(|| {
            self.refuse(name, format!("`{name}` is a whole number"));
            default
        });
        self.within(name, value, range, words)
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

    /// A list of texts that may be missing; those that are `secret` are never shown.
    pub fn optional_list(&mut self, name: &str, secret: bool) -> Texts {
        let found = self.take(name, Kind::List, None, secret)?;
        let list = self.texts(name, found)?;
        if !secret {
            return Some(list);
        }
        Some(At { place: list.place.blind(), value: list.value.into_iter().map(At::blind).collect() })
    }

    fn texts(&mut self, name: &str, found: Found<'t>) -> Texts {
        let value = match found {
            Found::Variable { name, value } => {
                return Some(At { place: Place::whole(&name, &value), value: split_list(&name, &value) });
            }
            Found::File(value) => value,
        };
        let place = Place::File(value.span());
        let value = match value.into_inner() {
            DeValue::String(text) => vec![At { value: text.into_owned(), place: place.clone() }],
            DeValue::Array(entries) => {
                let read = |entry: Spanned<DeValue<'t>>| self.string(name, Found::File(entry), "a list of texts");
                entries.into_iter().filter_map(read).collect()
            }
            _ => {
                self.refuse(name, format!("`{name}` is a list of texts in quotes"));
                return None;
            }
        };
        Some(At { value, place })
    }

    /// A list of tables, each of two texts: `[{ text = "Help", url = "/help" }]`. A variable holds the same TOML.
    pub fn pairs(&mut self, name: &str, columns: [&'static str; 2]) -> Vec<[At<String>; 2]> {
        match self.take(name, Kind::Pairs(columns), Some("[]".to_owned()), false) {
            None => Vec::new(),
            Some(Found::File(value)) => self.pairs_in(name, columns, value, Place::File),
            Some(Found::Variable { name: variable, value }) => {
                let text = format!("value = {value}");
                let table = DeTable::parse(&text).map(Spanned::into_inner);
                let parsed = table.ok().and_then(|mut table| table.remove("value"));
                let parsed = parsed.unwrap_or_else(|| Spanned::new(0..0, DeValue::Boolean(false)));
                self.pairs_in(name, columns, parsed, |_| Place::whole(&variable, &value))
            }
        }
    }

    fn pairs_in(
        &mut self,
        name: &str,
        [first, second]: [&'static str; 2],
        value: Spanned<DeValue<'_>>,
        place: impl Fn(Range<usize>) -> Place,
    ) -> Vec<[At<String>; 2]> {
        let wrong = format!("`{name}` is a list of tables: [{{ {first} = \"…\", {second} = \"…\" }}]");
        let span = value.span();
        let DeValue::Array(entries) = value.into_inner() else {
            self.refuse_at(name, place(span), wrong);
            return Vec::new();
        };
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

    fn scalar<T>(
        &mut self,
        name: &str,
        kind: Kind,
        default: &str,
        value: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let expected = match kind {
            Kind::Text => "a text in quotes".to_owned(),
            _ => format!("a text such as {}", quoted(default)),
        };
        let Some(found) = self.take(name, kind, Some(quoted(default)), false) else { return value };
        let Some(text) = self.string(name, found, &expected) else { return value };
        parse(&text.value).unwrap_or_else(|why| {
            self.refuse_value(name, &text.value, why);
            value
        })
    }

    fn string(&mut self, name: &str, found: Found<'t>, expected: &str) -> Option<At<String>> {
        let value = match found {
            Found::Variable { name, value } => return Some(At { place: Place::whole(&name, &value), value }),
            Found::File(value) => value,
        };
        let place = Place::File(value.span());
        match value.into_inner() {
            DeValue::String(text) => Some(At { value: text.into_owned(), place }),
            _ => {
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
fn split_list(name: &str, value: &str) -> Vec<At<String>> {
    if value.trim().is_empty() {
        return Vec::new();
    }
    let mut start = 0;
    let mut parts = Vec::new();
    for part in value.split(',') {
        let trimmed = part.trim();
        let begin = start + (part.len() - part.trim_start().len());
        let place = Place::Variable {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            part: begin..begin + trimmed.len(),
        };
        parts.push(At { value: trimmed.to_owned(), place });
        start += part.len() + 1;
    }
    parts
}
