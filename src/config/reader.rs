//! Reads one key after another, from the file or from the environment in place of it.
//!
//! A section is asked for its keys by name and kind. What was asked for is what exists: whatever is left in the file
//! or in the environment afterwards names no key and is told, with the nearest name. The same questions, put to an
//! empty file, give the list of keys from which the schema is made.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, Kind, join, kind_of, nearest, pick, quoted, variable};
use super::model::Rate;
use super::place::{At, Place, Problem};
use super::units;

/// A list that may be missing.
pub type Texts = Option<At<Vec<At<String>>>>;

/// The forms in which a secret `x` may be given: `x`, `x_file`, `x_env`. Each may be a list while rotating.
#[derive(Clone, Debug, Default)]
pub struct SecretForms {
    /// `x`
    pub itself: Texts,
    /// `x_file`
    pub file: Texts,
    /// `x_env`
    pub variable: Texts,
}

/// A table of the file, not yet read.
type Entries<'t> = Vec<(Spanned<String>, Spanned<DeValue<'t>>)>;

/// The file and the environment, while they are read.
pub(super) struct Reader {
    /// `QRGATE_…__…` → value.
    environment: BTreeMap<String, String>,
    /// Every key that was asked for.
    pub keys: Vec<Key>,
    /// What is wrong so far.
    pub problems: Vec<Problem>,
    /// Bytes of the file that hold secrets.
    pub secrets: Vec<Range<usize>>,
    /// Bytes of the file that hold the names of sections.
    pub headers: Vec<Range<usize>>,
    /// Names in the file that nobody asked for: section, name, its place.
    unknown: Vec<(String, String, Range<usize>)>,
}

impl Reader {
    /// `environment` holds the overrides only: names that begin with `QRGATE_` and hold `__`.
    pub fn new(environment: BTreeMap<String, String>) -> Reader {
        Reader {
            environment,
            keys: Vec::new(),
            problems: Vec::new(),
            secrets: Vec::new(),
            headers: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Reads the whole file by `read`; then tells what is left.
    pub fn read<T>(&mut self, table: DeTable<'_>, read: impl FnOnce(&mut Section<'_, '_>) -> T) -> T {
        find_secrets(&table, &mut self.secrets);
        let mut root = Section::new(self, String::new(), Some(table), None);
        let raw = read(&mut root);
        root.finish();
        self.tell_unknown();
        raw
    }

    fn tell_unknown(&mut self) {
        for (section, name, span) in std::mem::take(&mut self.unknown) {
            let message = match section.as_str() {
                "" => format!("unknown section or key `{name}`"),
                _ => format!("unknown key `{name}` in [{section}]"),
            };
            let help = self.advice(&section, &name);
            self.problems.push(Problem { place: Place::File(span), message, help });
        }
        for (name, _) in std::mem::take(&mut self.environment) {
            let known: Vec<String> = self.keys.iter().map(|key| variable(&key.path)).collect();
            let help = nearest(&name, known.iter().map(String::as_str)).map(|near| format!("did you mean {near}?"));
            let place = Place::Variable { name, value: None, part: 0..0 };
            self.problems.push(Problem { place, message: "this variable names no key of proxy.toml".into(), help });
        }
    }

    /// The nearest name in the same section, or the section where this very name belongs.
    fn advice(&self, section: &str, name: &str) -> Option<String> {
        let prefix = if section.is_empty() { String::new() } else { format!("{section}.") };
        let here = self.keys.iter().filter_map(|key| key.path.strip_prefix(&prefix)?.split('.').next());
        let elsewhere = || {
            let mut paths = self.keys.iter().filter_map(|key| key.path.rsplit_once('.'));
            paths.find(|(_, key)| *key == name).map(|(table, _)| format!("`{name}` belongs in [{table}]"))
        };
        nearest(name, here).map(|near| format!("did you mean `{near}`?")).or_else(elsewhere)
    }
}

/// A value as it was found.
enum Found<'t> {
    File(Spanned<DeValue<'t>>),
    Variable { name: String, value: String },
}

/// One table of the file, and the variables that override its keys.
pub(super) struct Section<'r, 't> {
    reader: &'r mut Reader,
    path: String,
    entries: Entries<'t>,
    header: Option<Range<usize>>,
    overridden: bool,
}

impl<'r, 't> Section<'r, 't> {
    fn new(
        reader: &'r mut Reader,
        path: String,
        table: Option<DeTable<'t>>,
        header: Option<Range<usize>>,
    ) -> Section<'r, 't> {
        let entry = |(key, value): (Spanned<toml::de::DeString<'t>>, _)| {
            let span = key.span();
            (Spanned::new(span, key.into_inner().into_owned()), value)
        };
        let entries = table.into_iter().flatten().map(entry).collect();
        reader.headers.extend(header.clone());
        Section { reader, path, entries, header, overridden: false }
    }

    /// Reads a table inside this one, whether it is there or not.
    pub fn table<T>(&mut self, name: &str, read: impl FnOnce(&mut Section<'_, 't>) -> T) -> T {
        let (table, header) = match self.take_entry(name) {
            None => (None, None),
            Some((key, value)) => {
                let span = value.span();
                match value.into_inner() {
                    DeValue::Table(table) => (Some(table), Some(key)),
                    _ => {
                        let message = format!("`{name}` is a section: [{}]", self.path_of(name));
                        self.complain(Place::File(span), message, None);
                        (None, Some(key))
                    }
                }
            }
        };
        let mut section = Section::new(self.reader, join(&self.path, name), table, header);
        let read = read(&mut section);
        section.finish();
        read
    }

    /// Where this table begins, if it was written, or a variable names a key of it.
    pub fn header(&self) -> Option<Place> {
        match &self.header {
            Some(span) => Some(Place::File(span.clone())),
            None => self.overridden.then_some(Place::Nowhere),
        }
    }

    fn finish(self) {
        for (key, value) in self.entries {
            // Perhaps the value of `[login] secret`, under a name of somebody's own.
            if key.get_ref().contains("key") {
                self.reader.secrets.push(value.span());
            }
            self.reader.unknown.push((self.path.clone(), key.get_ref().clone(), key.span()));
        }
    }

    /// A text that has a default.
    pub fn text(&mut self, name: &str, default: &str) -> At<String> {
        self.scalar(name, Kind::Text, default, default.to_owned(), |text| Ok(text.to_owned()))
    }

    /// A text that may be missing.
    pub fn optional(&mut self, name: &str) -> Option<At<String>> {
        let found = self.take(name, Kind::Text, None, false)?;
        self.string(name, found, "a text in quotes")
    }

    /// A text that must be given.
    pub fn required(&mut self, name: &str, example: &str) -> Option<At<String>> {
        let Some(found) = self.take(name, Kind::Text, None, false) else {
            let place = self.header().unwrap_or(Place::Nowhere);
            self.complain(place, format!("`{name}` is missing in [{}]", self.path), Some(example.to_owned()));
            return None;
        };
        self.string(name, found, "a text in quotes")
    }

    /// The three forms of a secret: itself, the file it is in, the variable it is in. Where the environment gives
    /// one, what the file says does not count.
    pub fn secret(&mut self, name: &str) -> SecretForms {
        let itself = self.optional_list(name, true);
        self.secret_forms(name, itself)
    }

    /// The same for one text, commas and all, that has a default.
    pub fn secret_text(&mut self, name: &str, default: &str) -> SecretForms {
        let found = self.take(name, Kind::Text, Some(quoted(default)), true);
        let itself = found.and_then(|found| self.string(name, found, "a text in quotes")).map(At::blind);
        let itself = itself.map(|at| At { place: at.place.clone(), value: vec![at] });
        self.secret_forms(name, itself)
    }

    fn secret_forms(&mut self, name: &str, itself: Texts) -> SecretForms {
        let mut forms = SecretForms {
            itself,
            file: self.optional_list(&format!("{name}_file"), false),
            // Not shown either: somebody may have put the secret itself there.
            variable: self.optional_list(&format!("{name}_env"), true),
        };
        let from_environment = |form: &Texts| matches!(&form, Some(At { place: Place::Variable { .. }, .. }));
        let all = [&mut forms.itself, &mut forms.file, &mut forms.variable];
        if all.iter().any(|form| from_environment(form)) {
            for form in all {
                if !from_environment(form) {
                    *form = None;
                }
            }
        }
        forms
    }

    /// A duration.
    pub fn duration(&mut self, name: &str, default: &str) -> At<Duration> {
        let value = units::duration(default).unwrap_or_default();
        self.scalar(name, Kind::Duration { off: false }, default, value, units::duration)
    }

    /// A duration, or `off`.
    pub fn duration_or_off(&mut self, name: &str, default: &str) -> At<Option<Duration>> {
        let value = units::duration_or_off(default).unwrap_or_default();
        self.scalar(name, Kind::Duration { off: true }, default, value, units::duration_or_off)
    }

    /// A size in bytes.
    pub fn size(&mut self, name: &str, default: &str) -> At<usize> {
        self.scalar(name, Kind::Size, default, units::size(default).unwrap_or_default(), units::size)
    }

    /// A rate.
    pub fn rate(&mut self, name: &str, default: &str) -> At<Rate> {
        let value = units::rate(default).unwrap_or(Rate { count: 1, per: Duration::from_secs(1) });
        self.scalar(name, Kind::Rate, default, value, units::rate)
    }

    /// One of some words; the first is the default.
    pub fn choice<T: Copy, const N: usize>(&mut self, name: &str, words: [(&'static str, T); N]) -> At<T> {
        const { assert!(N > 0) };
        self.scalar(name, kind_of(&words), words[0].0, words[0].1, |text| pick(text, &words))
    }

    /// One of some words, without a default. `Some(None)`: it is written, and is none of them.
    pub fn optional_choice<T: Copy>(&mut self, name: &str, words: &[(&'static str, T)]) -> Option<Option<At<T>>> {
        let found = self.take(name, kind_of(words), None, false)?;
        let text = self.string(name, found, "a text in quotes");
        Some(text.and_then(|text| match pick(&text.value, words) {
            Ok(value) => Some(text.with(value)),
            Err(why) => {
                self.complain(text.place, format!("`{name}` cannot be {}", quoted(&text.value)), Some(why));
                None
            }
        }))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, default: bool) -> At<bool> {
        let fallback = At { value: default, place: Place::Nowhere };
        let Some(found) = self.take(name, Kind::Flag, Some(default.to_string()), false) else { return fallback };
        let (place, value) = match &found {
            Found::File(value) => (Place::File(value.span()), value.get_ref().as_bool()),
            Found::Variable { name, value } => (whole(name, value), value.parse().ok()),
        };
        match value {
            Some(value) => At { value, place },
            None => {
                self.complain(place, format!("`{name}` is true or false"), None);
                fallback
            }
        }
    }

    /// A whole number from 0 on.
    pub fn integer(&mut self, name: &str, default: usize) -> At<usize> {
        let fallback = At { value: default, place: Place::Nowhere };
        let Some(found) = self.take(name, Kind::Integer, Some(default.to_string()), false) else { return fallback };
        let (place, value) = match &found {
            Found::File(value) => {
                let number = value.get_ref().as_integer();
                let number = number.and_then(|n| usize::from_str_radix(&n.as_str().replace('_', ""), n.radix()).ok());
                (Place::File(value.span()), number)
            }
            Found::Variable { name, value } => (whole(name, value), value.trim().parse().ok()),
        };
        match value {
            Some(value) => At { value, place },
            None => {
                self.complain(place, format!("`{name}` is a whole number"), None);
                fallback
            }
        }
    }

    /// A list of texts; one text alone is a list too.
    pub fn list(&mut self, name: &str, default: &[&str]) -> At<Vec<At<String>>> {
        let written = format!("[{}]", default.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "));
        let entry = |text: &&str| At { value: (*text).to_owned(), place: Place::Nowhere };
        let fallback = At { value: default.iter().map(entry).collect(), place: Place::Nowhere };
        let Some(found) = self.take(name, Kind::List, Some(written), false) else { return fallback };
        self.texts(name, found).unwrap_or(fallback)
    }

    /// A list of texts that may be missing; `secret` ones are not shown.
    pub fn optional_list(&mut self, name: &str, secret: bool) -> Texts {
        let found = self.take(name, Kind::List, None, secret)?;
        let mut list = self.texts(name, found)?;
        if secret {
            list.value = list.value.into_iter().map(At::blind).collect();
            list.place = list.place.blind();
        }
        Some(list)
    }

    fn texts(&mut self, name: &str, found: Found<'t>) -> Texts {
        match found {
            Found::Variable { name, value } => {
                Some(At { place: whole(&name, &value), value: split_list(&name, &value) })
            }
            Found::File(value) => {
                let place = Place::File(value.span());
                let entries = match value.into_inner() {
                    DeValue::String(text) => vec![At { value: text.into_owned(), place: place.clone() }],
                    DeValue::Array(entries) => {
                        let read =
                            |entry: Spanned<DeValue<'t>>| self.string(name, Found::File(entry), "a list of texts");
                        entries.into_iter().filter_map(read).collect()
                    }
                    _ => {
                        self.complain(place, format!("`{name}` is a list of texts in quotes"), None);
                        return None;
                    }
                };
                Some(At { value: entries, place })
            }
        }
    }

    /// A list of tables, each of two texts: `[{ text = "Help", url = "/help" }]`. The environment has it as TOML too.
    pub fn pairs(&mut self, name: &str, columns: [&'static str; 2]) -> Vec<[At<String>; 2]> {
        let Some(found) = self.take(name, Kind::Pairs(columns), Some("[]".to_owned()), false) else {
            return Vec::new();
        };
        match found {
            Found::File(value) => self.pairs_in(name, columns, value, Place::File),
            Found::Variable { name: variable, value } => {
                let text = format!("value = {value}");
                let table = DeTable::parse(&text).map(Spanned::into_inner);
                let parsed = table.ok().and_then(|mut table| table.remove("value"));
                let parsed = parsed.unwrap_or_else(|| Spanned::new(0..0, DeValue::Boolean(false)));
                self.pairs_in(name, columns, parsed, |_| whole(&variable, &value))
            }
        }
    }

    fn pairs_in(
        &mut self,
        name: &str,
        columns: [&'static str; 2],
        value: Spanned<DeValue<'_>>,
        place: impl Fn(Range<usize>) -> Place,
    ) -> Vec<[At<String>; 2]> {
        let [first, second] = columns;
        let wrong = format!("`{name}` is a list of tables: [{{ {first} = \"…\", {second} = \"…\" }}]");
        let span = value.span();
        let DeValue::Array(entries) = value.into_inner() else {
            self.complain(place(span), wrong, None);
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
                _ => self.complain(place(entry.span()), wrong.clone(), None),
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
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> At<T> {
        let fallback = At { value, place: Place::Nowhere };
        let expected = match kind {
            Kind::Text => "a text in quotes".to_owned(),
            _ => format!("a text such as {}", quoted(default)),
        };
        let Some(found) = self.take(name, kind, Some(quoted(default)), false) else { return fallback };
        let Some(text) = self.string(name, found, &expected) else { return fallback };
        match parse(&text.value) {
            Ok(value) => text.with(value),
            Err(why) => {
                self.complain(text.place, format!("`{name}` cannot be {}", quoted(&text.value)), Some(why));
                fallback
            }
        }
    }

    fn string(&mut self, name: &str, found: Found<'t>, expected: &str) -> Option<At<String>> {
        match found {
            Found::Variable { name, value } => Some(At { place: whole(&name, &value), value }),
            Found::File(value) => {
                let place = Place::File(value.span());
                match value.into_inner() {
                    DeValue::String(text) => Some(At { value: text.into_owned(), place }),
                    _ => {
                        self.complain(place, format!("`{name}` is {expected}"), None);
                        None
                    }
                }
            }
        }
    }

    /// Notes the key, and takes what was written for it. The environment comes before the file.
    fn take(&mut self, name: &str, kind: Kind, default: Option<String>, secret: bool) -> Option<Found<'t>> {
        let path = self.path_of(name);
        let variable = variable(&path);
        self.reader.keys.push(Key { path, kind, default });
        let in_file = self.take_entry(name).map(|(_, value)| value);
        self.reader.secrets.extend(in_file.as_ref().filter(|_| secret).map(Spanned::span));
        match self.reader.environment.remove(&variable) {
            Some(value) => {
                self.overridden = true;
                Some(Found::Variable { name: variable, value })
            }
            None => in_file.map(Found::File),
        }
    }

    fn take_entry(&mut self, name: &str) -> Option<(Range<usize>, Spanned<DeValue<'t>>)> {
        let at = self.entries.iter().position(|(key, _)| key.get_ref() == name)?;
        let (key, value) = self.entries.remove(at);
        Some((key.span(), value))
    }

    fn path_of(&self, name: &str) -> String {
        join(&self.path, name)
    }

    fn complain(&mut self, place: Place, message: String, help: Option<String>) {
        self.reader.problems.push(Problem { place, message, help });
    }
}

/// Values under names that promise a secret, wherever somebody put them.
fn find_secrets(table: &DeTable<'_>, found: &mut Vec<Range<usize>>) {
    for (name, value) in table {
        find_in(name.get_ref(), value, found);
    }
}

fn find_in(name: &str, value: &Spanned<DeValue<'_>>, found: &mut Vec<Range<usize>>) {
    let promises = ["secret", "password", "token"].iter().any(|word| name.contains(word)) && !name.ends_with("_file");
    match value.get_ref() {
        DeValue::Table(table) => find_secrets(table, found),
        DeValue::Array(entries) if !promises => entries.iter().for_each(|entry| find_in(name, entry, found)),
        _ if promises => found.push(value.span()),
        _ => {}
    }
}

fn whole(name: &str, value: &str) -> Place {
    Place::Variable { name: name.to_owned(), value: Some(value.to_owned()), part: 0..value.len() }
}

/// The parts between commas, blanks around them dropped. An empty value is an empty list.
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
