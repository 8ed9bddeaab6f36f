//! Reads proxy.toml and the variables that override its keys, and collects every problem.
//!
//! A section asks for its keys by name and kind (`values`). Whatever is left in the file or in the environment
//! afterwards names no key and is reported with the nearest name. Reading an empty file gives the list of all keys,
//! from which the schema is made.
//!
//! Reading never stops at a problem: a refused key leaves a stand-in, usually its default or an empty value, and the
//! configuration is discarded in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::complaint::Complaint;
use super::environment::Environment;
use super::keys::{Key, Kind, join, nearest, variable};
use super::place::{At, Place, Problem};
use super::warning::Warning;

/// The file and the environment while they are read, and what was found in them.
pub(super) struct Reader<'t> {
    /// The folder of proxy.toml.
    base: &'t Path,
    environment: &'t Environment,
    /// `QRGATE_…__…` → value, of the keys not read yet.
    overrides: BTreeMap<String, String>,
    /// Every key that a section has read.
    pub keys: Vec<Key>,
    /// Where the value of a key was written, by the key's path.
    places: BTreeMap<String, Place>,
    /// The paths of keys with a problem.
    refused: BTreeSet<String>,
    /// The keys whose list of several values in the file a variable replaces.
    overridden_lists: BTreeSet<String>,
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
    /// Bytes of the file that hold secrets.
    pub secrets: Vec<Range<usize>>,
    /// Bytes of the file that hold the names of sections.
    pub headers: Vec<Range<usize>>,
    /// Names in the file that are not keys: section, name, and its place.
    unknown: Vec<(String, String, Range<usize>)>,
}

impl<'t> Reader<'t> {
    /// Relative paths in the file begin in `base`.
    pub fn new(base: &'t Path, environment: &'t Environment) -> Reader<'t> {
        Reader {
            base,
            environment,
            overrides: environment.overrides().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            keys: Vec::new(),
            places: BTreeMap::new(),
            refused: BTreeSet::new(),
            overridden_lists: BTreeSet::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            secrets: Vec::new(),
            headers: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Reads the whole file with `read`, then reports the names that are not keys.
    pub fn read<T>(&mut self, table: DeTable<'t>, read: impl FnOnce(&mut Section<'_, 't>) -> T) -> T {
        find_secrets(&table, &mut self.secrets);
        let mut root = Section::new(self, String::new(), Some(table), None);
        let value = read(&mut root);
        root.finish();
        self.refuse_unknown();
        value
    }

    fn refuse_unknown(&mut self) {
        for (section, name, span) in std::mem::take(&mut self.unknown) {
            let message = match section.as_str() {
                "" => format!("unknown section or key `{name}`"),
                _ => format!("unknown key `{name}` in [{section}]"),
            };
            let complaint = Complaint { message, help: self.advice(&section, &name) };
            self.problems.push(Problem { place: Place::File(span), complaint });
        }
        for (name, _) in std::mem::take(&mut self.overrides) {
            let known: Vec<String> = self.keys.iter().map(|key| variable(&key.path)).collect();
            let help = nearest(&name, known.iter().map(String::as_str)).map(|near| format!("did you mean {near}?"));
            let place = Place::Variable { name, value: None, part: 0..0 };
            let message = "this variable names no key of proxy.toml".to_owned();
            self.problems.push(Problem { place, complaint: Complaint { message, help } });
        }
    }

    /// The nearest name in the same section, or the section in which this very name is a key.
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
pub(super) enum Found<'t> {
    /// In the file.
    File(DeValue<'t>),
    /// In the variable that overrides the key.
    Variable(String),
}

impl<'t> Found<'t> {
    /// A value in the file, at its place.
    pub fn in_file(value: Spanned<DeValue<'t>>) -> At<Found<'t>> {
        At { place: Place::File(value.span()), value: Found::File(value.into_inner()) }
    }
}

/// A table of the file whose keys are being read, and the variables that override them.
pub(super) struct Section<'r, 't> {
    reader: &'r mut Reader<'t>,
    /// The section's own path: `listen.tls`.
    pub path: String,
    /// What is not read yet.
    entries: DeTable<'t>,
    header: Option<Range<usize>>,
    overridden: bool,
}

impl<'r, 't> Section<'r, 't> {
    fn new(
        reader: &'r mut Reader<'t>,
        path: String,
        table: Option<DeTable<'t>>,
        header: Option<Range<usize>>,
    ) -> Section<'r, 't> {
        reader.headers.extend(header.clone());
        Section { reader, path, entries: table.unwrap_or_default(), header, overridden: false }
    }

    /// Reads a table inside this one, also when the file does not have it.
    pub fn table<T>(&mut self, name: &str, read: impl FnOnce(&mut Section<'_, 't>) -> T) -> T {
        let path = self.path_of(name);
        let (header, value) = self.take_entry(name).unzip();
        let table = value.map(Found::in_file).and_then(|At { value, place }| match value {
            Found::File(DeValue::Table(table)) => Some(table),
            _ => {
                self.refuse_at(name, place, format!("`{name}` is a section: [{path}]"));
                None
            }
        });
        let mut section = Section::new(self.reader, path, table, header);
        let value = read(&mut section);
        section.finish();
        value
    }

    /// Whether the file has this table, or a variable overrides one of the keys read so far.
    pub fn is_given(&self) -> bool {
        self.header.is_some() || self.overridden
    }

    fn finish(self) {
        for (key, value) in self.entries {
            // Perhaps a secret under a misspelt name.
            if key.get_ref().contains("key") {
                self.reader.secrets.push(value.span());
            }
            self.reader.unknown.push((self.path.clone(), key.get_ref().to_string(), key.span()));
        }
    }

    /// Registers the key and takes its value. The environment takes precedence over the file. The place of
    /// a `secret` value does not show it.
    pub fn take(&mut self, name: &str, kind: Kind, default: Option<String>, secret: bool) -> Option<At<Found<'t>>> {
        let path = self.path_of(name);
        let variable = variable(&path);
        self.reader.keys.push(Key { path: path.clone(), kind, default });
        let in_file = self.take_entry(name).map(|(_, value)| value);
        self.reader.secrets.extend(in_file.as_ref().filter(|_| secret).map(Spanned::span));
        let found = match self.reader.overrides.remove(&variable) {
            Some(value) => {
                self.overridden = true;
                if let Some(DeValue::Array(list)) = in_file.as_ref().map(Spanned::get_ref)
                    && list.len() > 1
                {
                    self.reader.overridden_lists.insert(path.clone());
                }
                let value_shown = (!secret).then(|| value.clone());
                let part = 0..value_shown.as_ref().map_or(0, String::len);
                let place = Place::Variable { name: variable, value: value_shown, part };
                At { value: Found::Variable(value), place }
            }
            None => Found::in_file(in_file?),
        };
        self.reader.places.insert(path, found.place.clone());
        Some(found)
    }

    fn take_entry(&mut self, name: &str) -> Option<(Range<usize>, Spanned<DeValue<'t>>)> {
        self.entries.remove_entry(name).map(|(key, value)| (key.span(), value))
    }

    /// The path of a key of this section: `listen.tls.key`.
    pub fn path_of(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// Where the value of a key was written; [`Place::Nowhere`] for a default.
    pub fn place(&self, name: &str) -> Place {
        self.reader.places.get(&self.path_of(name)).cloned().unwrap_or(Place::Nowhere)
    }

    /// Whether the file has a list of several values for this key, and a variable that replaces it.
    pub fn is_overridden_list(&self, name: &str) -> bool {
        self.reader.overridden_lists.contains(&self.path_of(name))
    }

    /// Notes a problem with the value of a key; at the head of the section if the key is not given.
    pub fn refuse(&mut self, name: &str, complaint: impl Into<Complaint>) {
        match self.place(name) {
            Place::Nowhere => self.refuse_section(name, complaint),
            place => self.refuse_at(name, place, complaint),
        }
    }

    /// Notes a problem with a key at the head of the section.
    pub fn refuse_section(&mut self, name: &str, complaint: impl Into<Complaint>) {
        let place = self.header.clone().map_or(Place::Nowhere, Place::File);
        self.refuse_at(name, place, complaint);
    }

    /// Notes a problem with a key at the given place.
    pub fn refuse_at(&mut self, name: &str, place: Place, complaint: impl Into<Complaint>) {
        self.reader.refused.insert(self.path_of(name));
        self.reader.problems.push(Problem { place, complaint: complaint.into() });
    }

    /// Whether the file or a variable has this key, which has been read.
    pub fn is_set(&self, name: &str) -> bool {
        self.place(name) != Place::Nowhere
    }

    /// Whether no problem with this key was found so far.
    pub fn is_sound(&self, name: &str) -> bool {
        !self.reader.refused.contains(&self.path_of(name))
    }

    /// Notes a warning. The sentence follows the path of the key.
    pub fn warn(&mut self, name: &str, sentence: impl Into<String>) {
        self.reader.warnings.push(Warning { key: self.path_of(name), sentence: sentence.into() });
    }

    /// Sets the place of a value that is made of several keys: problems with `name` are shown there.
    pub fn set_place(&mut self, name: &str, place: Place) {
        self.reader.places.insert(self.path_of(name), place);
    }

    /// The folder of proxy.toml, where relative paths begin.
    pub fn base(&self) -> &'t Path {
        self.reader.base
    }

    /// The full path of a file that proxy.toml names.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.reader.base.join(path)
    }

    pub fn environment(&self) -> &'t Environment {
        self.reader.environment
    }

    /// Parses the value of a key. A complaint becomes a problem at the key's place.
    pub fn parse<T>(&mut self, name: &str, text: &str, parse: impl FnOnce(&str) -> Result<T, Complaint>) -> Option<T> {
        let entry = At { value: text.to_owned(), place: self.place(name) };
        self.parse_entry(name, &entry, parse)
    }

    /// Parses one entry of a list.
    pub fn parse_entry<T>(
        &mut self,
        name: &str,
        entry: &At<String>,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        let refuse = |Complaint { message, help }| {
            let complaint = Complaint { message: format!("`{name}`: {message}"), help };
            self.refuse_at(name, entry.place.clone(), complaint);
        };
        parse(&entry.value).map_err(refuse).ok()
    }
}

/// Finds values whose names suggest a secret, in any section.
fn find_secrets(table: &DeTable<'_>, found: &mut Vec<Range<usize>>) {
    for (name, value) in table {
        find_in(name.get_ref(), value, found);
    }
}

fn find_in(name: &str, value: &Spanned<DeValue<'_>>, found: &mut Vec<Range<usize>>) {
    let is_secret = ["secret", "password", "token"].iter().any(|word| name.contains(word)) && !name.ends_with("_file");
    match value.get_ref() {
        DeValue::Table(table) => find_secrets(table, found),
        DeValue::Array(entries) if !is_secret => entries.iter().for_each(|entry| find_in(name, entry, found)),
        _ if is_secret => found.push(value.span()),
        _ => {}
    }
}
