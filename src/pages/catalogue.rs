//! The texts of the pages, one catalogue per language, and language negotiation.
//!
//! A catalogue is a TOML file of sentences with `{variables}`. English is the reference: every other language has the
//! same texts with the same variables. A text with a number (`{n}`) may be a table of its language's plural forms.

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderValue;
use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};

use crate::device::Devices;

/// Suffix of a formal variant, which only `pages.language` selects. Its file has only the texts that differ.
const FORMAL: &str = "-formal";

/// Languages written from right to left, by primary subtag.
const RIGHT_TO_LEFT: [&str; 10] = ["ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"];

/// The plural forms of CLDR.
const PLURALS: [&str; 4] = ["one", "few", "many", "other"];

/// All texts of one language.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    tag: String,
    texts: BTreeMap<String, String>,
}

/// An error in a file of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadTexts {
    /// The offset of the error, if it has one.
    pub(super) offset: Option<usize>,
    pub(super) message: String,
}

impl Catalogue {
    /// Reads one built-in file. The language of a formal variant (`de-formal`) is among `known`.
    pub(super) fn parse(tag: &str, source: &str, known: &[Catalogue]) -> Result<Catalogue, BadTexts> {
        let informal = known.iter().find(|language| tag.strip_suffix(FORMAL) == Some(language.tag()));
        let mut texts = informal.map(|language| language.texts.clone()).unwrap_or_default();
        texts.extend(flatten(source)?);
        Ok(Catalogue { tag: tag.to_owned(), texts })
    }

    /// The same texts under another tag, as the start of a new language.
    pub(super) fn as_language(&self, tag: &str) -> Catalogue {
        Catalogue { tag: tag.to_owned(), texts: self.texts.clone() }
    }

    /// The texts of a sign-in between these devices. If no computer shows the code, `shown_on.other.<key>` and
    /// `shown_on.<kind>.<key>` replace the text of `<key>`; if no phone reads it, `read_on.other.<key>` and so on.
    pub(super) fn between(&self, devices: Devices) -> Catalogue {
        let mut catalogue = self.clone();
        for prefix in prefixes(devices) {
            let of_kind = self.texts.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
            let changed = of_kind.map(|(key, text)| (key[prefix.len()..].to_owned(), text.clone()));
            catalogue.texts.extend(changed);
        }
        catalogue
    }

    /// Replaces texts by an operator's. `reference` is English. A text replaces those for single kinds of device too,
    /// unless the file has them.
    pub(super) fn replace(&mut self, source: &str, reference: &Catalogue) -> Result<(), BadTexts> {
        let texts = flatten(source)?;
        let written: BTreeSet<String> = texts.keys().cloned().collect();
        for (key, text) in texts {
            let fail = |message| BadTexts { offset: place_of(source, &key), message };
            let wanted = reference.variables(&key).ok_or_else(|| fail(format!("`{key}` is no text of these pages")))?;
            if let Some(name) = placeholders(&text).find(|name| !wanted.contains(name)) {
                return Err(fail(format!("`{key}` knows no variable {{{name}}}")));
            }
            // An unchanged text of an exported file.
            if self.texts.get(&key) == Some(&text) {
                continue;
            }
            let of_a_kind = self.texts.iter_mut().filter(|(known, _)| is_of_a_kind(known, &key));
            let of_a_kind = of_a_kind.filter(|(known, _)| !written.contains(*known));
            of_a_kind.for_each(|(_, of_kind)| of_kind.clone_from(&text));
            // A text without plural forms replaces all of them, and one form replaces the plain text.
            if strip_plural(&key) == key {
                for form in PLURALS {
                    self.texts.remove(&format!("{key}.{form}"));
                }
            } else {
                self.texts.remove(strip_plural(&key));
            }
            self.texts.insert(key, text);
        }
        Ok(())
    }

    /// The language tag for documents (RFC 5646).
    pub(super) fn lang(&self) -> &str {
        self.tag.strip_suffix(FORMAL).unwrap_or(&self.tag)
    }

    /// The name in `pages.language` and of the file.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// `ltr` or `rtl`.
    pub(super) fn direction(&self) -> &'static str {
        if RIGHT_TO_LEFT.contains(&primary(&self.tag)) { "rtl" } else { "ltr" }
    }

    /// The variables of a text in any of its forms. `None` if there is no such text.
    fn variables(&self, key: &str) -> Option<Vec<&str>> {
        let stem = strip_plural(key);
        let forms = PLURALS.iter().map(|form| format!("{stem}.{form}")).chain([stem.to_owned()]);
        let texts: Vec<&String> = forms.filter_map(|form| self.texts.get(&form)).collect();
        (!texts.is_empty()).then(|| texts.into_iter().flat_map(|text| placeholders(text)).collect())
    }

    /// The text of `key` as markup: escaped, with each variable in `<bdi>`, so that a name in another script does not
    /// change the direction of the sentence. Variables that are markup are inserted verbatim.
    pub(super) fn markup(&self, key: &str, variables: &Kwargs) -> Result<Value, Error> {
        self.fill(key, variables, true).map(Value::from_safe_string)
    }

    /// The text of `key` for titles and attributes, not escaped.
    pub(super) fn plain(&self, key: &str, variables: &Kwargs) -> Result<String, Error> {
        self.fill(key, variables, false)
    }

    /// The keys of the texts without variables.
    pub(super) fn fixed_keys(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().filter(|(_, text)| placeholders(text).next().is_none()).map(|(key, _)| key.as_str())
    }

    fn find(&self, key: &str, variables: &Kwargs) -> Result<&str, Error> {
        if let Some(text) = self.texts.get(key) {
            return Ok(text);
        }
        let form = variables.peek::<u64>("n").map_or("other", |n| plural_form(primary(&self.tag), n));
        let found = [form, "other"].iter().find_map(|form| self.texts.get(&format!("{key}.{form}")));
        found
            .map(String::as_str)
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("`{key}` is no text of these pages")))
    }

    fn fill(&self, key: &str, variables: &Kwargs, is_markup: bool) -> Result<String, Error> {
        let text = self.find(key, variables)?;
        let mut out = String::with_capacity(text.len() + 64);
        for (literal, name) in pieces(text) {
            match is_markup {
                true => escape_into(literal, &mut out),
                false => out.push_str(literal),
            }
            let Some(name) = name else { continue };
            let value: Value = variables.get(name).map_err(|cause| {
                let message = format!("the text `{key}` needs the variable `{name}`");
                Error::new(ErrorKind::MissingArgument, message).with_source(cause)
            })?;
            if is_markup && !value.is_safe() {
                out.push_str("<bdi>");
                escape_into(&value.to_string(), &mut out);
                out.push_str("</bdi>");
            } else {
                out.push_str(&value.to_string());
            }
        }
        Ok(out)
    }
}

/// Splits a text at its `{variables}`: literal text, and the variable after it. Any other brace is literal.
fn pieces(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let name = rest[open + 1..].split_once('}').map(|(name, _)| name).filter(is_name);
        let end = open + 1 + name.map_or(0, |name| name.len() + 1);
        pieces.push((&rest[..if name.is_some() { open } else { end }], name));
        rest = &rest[end..];
    }
    pieces.push((rest, None));
    pieces
}

fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|(_, name)| name)
}

/// `a.b.one` without its plural form: `a.b`.
fn strip_plural(key: &str) -> &str {
    match key.rsplit_once('.') {
        Some((stem, form)) if PLURALS.contains(&form) => stem,
        _ => key,
    }
}

/// The prefixes of the keys for these devices, the most specific last.
fn prefixes(devices: Devices) -> impl Iterator<Item = String> {
    let usual = Devices::default();
    let places = [("shown_on", devices.shown_on, usual.shown_on), ("read_on", devices.read_on, usual.read_on)];
    let unusual = places.into_iter().filter(|(_, kind, usual)| kind != usual);
    unusual.flat_map(|(place, kind, _)| [format!("{place}.other."), format!("{place}.{}.", kind.as_str())])
}

/// Whether the text of `known` replaces that of `key` for some kind of device.
fn is_of_a_kind(known: &str, key: &str) -> bool {
    let behind = known.strip_prefix("shown_on.").or_else(|| known.strip_prefix("read_on."));
    behind.and_then(|rest| rest.split_once('.')).is_some_and(|(_, place)| place == key)
}

/// The plural form of a whole number (CLDR, cardinal). Other languages use `other`.
fn plural_form(language: &str, n: u64) -> &'static str {
    let (tens, ones) = (n / 10 % 10, n % 10);
    match language {
        "en" | "de" | "es" if n == 1 => "one",
        "fr" if n <= 1 => "one",
        "ru" if tens != 1 && ones == 1 => "one",
        "ru" if tens != 1 && (2..=4).contains(&ones) => "few",
        "ru" => "many",
        _ => "other",
    }
}

/// `[a.b] c = "…"` as `a.b.c`.
fn flatten(source: &str) -> Result<BTreeMap<String, String>, BadTexts> {
    let table: toml::Table = toml::from_str(source)
        .map_err(|e| BadTexts { offset: e.span().map(|span| span.start), message: e.message().to_owned() })?;
    let mut texts = BTreeMap::new();
    flatten_into("", table, &mut texts)
        .map_err(|key| BadTexts { offset: place_of(source, &key), message: format!("`{key}` must be a text") })?;
    Ok(texts)
}

fn flatten_into(prefix: &str, table: toml::Table, texts: &mut BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::String(text) => {
                texts.insert(key, text);
            }
            toml::Value::Table(table) => flatten_into(&key, table, texts)?,
            _ => return Err(key),
        }
    }
    Ok(())
}

/// The offset of a key: of the first line below the header of its table that starts with its last part.
fn place_of(source: &str, key: &str) -> Option<usize> {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let from = source.find(&format!("[{table}]")).unwrap_or(0);
    let starts = source[from..].match_indices(name).map(|(at, _)| from + at);
    starts.into_iter().find(|&at| source[..at].rsplit('\n').next().is_some_and(|before| before.trim().is_empty()))
}

fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// The best of `tags` for an Accept-Language field, by lookup (RFC 4647, section 3.4): ranges are shortened from the
/// end until one matches. `None` if none does.
pub(crate) fn negotiate<'a>(field: &HeaderValue, tags: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    let mut ranges: Vec<(u16, &str)> = field.to_str().ok()?.split(',').take(32).filter_map(range).collect();
    ranges.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    ranges.into_iter().find_map(|(_, range)| lookup(range, tags.clone()))
}

/// `de-CH;q=0.8` as (800, `de-CH`). `None` for weight 0 and malformed ranges (RFC 9110, section 12.5.4).
fn range(item: &str) -> Option<(u16, &str)> {
    let (range, weight) = match item.split_once(';') {
        Some((range, weight)) => (range, weight.trim().trim_start_matches(['q', 'Q']).trim_start_matches('=')),
        None => (item, "1"),
    };
    let weight: f32 = weight.trim().parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
    let range = range.trim();
    let is_tag = !range.is_empty() && range.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let quality = (weight * 1000.0) as u16;
    (is_tag && quality > 0).then_some((quality, range))
}

/// The language for a range or tag. `zh` in any region finds `zh-Hans`, except where people write `zh-Hant` and it
/// exists.
pub(super) fn lookup<'a>(range: &str, tags: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    let find = |wanted: &str| tags.clone().position(|tag| tag.eq_ignore_ascii_case(wanted));
    let writes_hant = ["zh-TW", "zh-HK", "zh-MO"].iter().any(|tag| tag.eq_ignore_ascii_case(range));
    let ever_shorter = std::iter::successors(Some(range), |range| range.rsplit_once('-').map(|(shorter, _)| shorter));
    let mut wanted = writes_hant.then_some("zh-Hant").into_iter().chain(ever_shorter);
    // A range may be less specific than a language: `zh` finds `zh-Hans`.
    let by_primary = || tags.clone().position(|tag| primary(tag).eq_ignore_ascii_case(primary(range)));
    wanted.find_map(find).or_else(by_primary)
}

/// Escapes text for HTML content and attribute values.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(text, &mut out);
    out
}

/// A value in an HTML element, which is empty for an undefined value.
pub(super) fn element(name: &str, value: &Value) -> Value {
    let text = if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() };
    Value::from_safe_string(format!("<{name}><bdi>{}</bdi></{name}>", escape(&text)))
}

/// An address as an HTML element.
pub(super) fn address(text: &str) -> Value {
    Value::from_safe_string(format!("<bdi>{}</bdi>", escape_address(text)))
}

/// Characters of an address that fit into a line on the narrowest screen, 320 px.
const FITS: usize = 24;

/// An address as markup. A long one may wrap after a separator, but not within a word.
fn escape_address(address: &str) -> String {
    if address.chars().count() <= FITS {
        return escape(address);
    }
    let ends = |at: usize| {
        let separates = |at: usize| address.as_bytes().get(at).is_some_and(|byte| b"/.?&:=".contains(byte));
        separates(at) && !separates(at + 1) && at + 1 < address.len()
    };
    let mut out = String::with_capacity(address.len() + 64);
    let mut written = 0;
    for at in (0..address.len()).filter(|at| ends(*at)) {
        escape_into(&address[written..=at], &mut out);
        out.push_str("<wbr>");
        written = at + 1;
    }
    escape_into(&address[written..], &mut out);
    out
}

pub(super) fn escape_into(text: &str, out: &mut String) {
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let entity = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            _ => continue,
        };
        out.push_str(&text[written..at]);
        out.push_str(entity);
        written = at + 1;
    }
    out.push_str(&text[written..]);
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
