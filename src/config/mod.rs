//! proxy.toml: from text to finished values, with every problem told at once.
//!
//! `raw` asks for every key, in the file or in the environment; `check` turns what was written into the values of
//! `model`; `place` tells where a problem is. Nothing else of qrgate reads the file or the environment.

mod addresses;
mod check;
mod files;
mod findings;
mod keys;
mod model;
mod place;
mod raw;
mod reader;
mod secrets;
mod units;

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

pub use keys::{Key, Kind, variable};
pub use model::*;
pub use place::ConfigErrors;

use findings::Findings;
use place::{Place, Problem};
use raw::Raw;
use reader::Reader;

/// Reads and checks a configuration file, with the variables `QRGATE_SECTION__KEY` of `environment` in place of its
/// keys. Files that it names are read too; relative paths are relative to its folder.
///
/// # Errors
///
/// [`ConfigErrors`] with every problem, also when the file cannot be read.
pub fn load(path: &Path, environment: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigErrors> {
    let environment: BTreeMap<String, String> = environment.collect();
    let name = path.display().to_string();
    let text = match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => return Err(alone(name, "this is not a text file in UTF-8".to_owned(), None)),
        Err(error) => {
            let help = (error.kind() == std::io::ErrorKind::NotFound)
                .then(|| "write one: qrgate init --application http://127.0.0.1:8000".to_owned());
            return Err(alone(name, format!("the configuration cannot be read: {error}"), help));
        }
    };
    let base = path.parent().unwrap_or(Path::new(""));
    parse(&name, &text, base, &environment)
}

fn alone(file: String, message: String, help: Option<String>) -> ConfigErrors {
    ConfigErrors::new(file, "", &[], vec![Problem { place: Place::Nowhere, message, help }])
}

/// Reads and checks a configuration that is already text. `name` stands before each place; relative paths begin in
/// `base`; `environment` is the whole environment.
///
/// # Errors
///
/// [`ConfigErrors`] with every problem.
pub fn parse(
    name: &str,
    text: &str,
    base: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<Config, ConfigErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: &toml::de::Error| Problem {
            place: error.span().map_or(Place::Nowhere, Place::File),
            message: error.message().to_owned(),
            help: None,
        };
        let problems = errors.iter().map(problem).collect();
        return Err(ConfigErrors::new(name.to_owned(), text, &place::suspicious(text), problems));
    }
    let overrides = environment.iter().filter(|(name, _)| name.starts_with("QRGATE_") && name.contains("__"));
    let mut reader = Reader::new(overrides.map(|(name, value)| (name.clone(), value.clone())).collect());
    let raw = reader.read(table.into_inner(), Raw::read);
    let mut findings = Findings { base, environment, problems: reader.problems, warnings: Vec::new() };
    warn_of_near_misses(&reader.keys, environment, &mut findings);
    match check::config(raw, &mut findings) {
        Some(config) => Ok(config),
        None => Err(ConfigErrors::new(name.to_owned(), text, &reader.secrets, findings.problems)),
    }
}

/// A variable with one underscore where two belong overrides nothing, and looks as if it did.
fn warn_of_near_misses(keys: &[Key], environment: &BTreeMap<String, String>, findings: &mut Findings<'_>) {
    for key in keys {
        let near = variable(&key.path).replace("__", "_");
        if environment.contains_key(&near) && near != variable(&key.path) {
            findings.warn(format!("{} is not overridden by {near}: the name is {}", key.path, variable(&key.path)));
        }
    }
}

/// Reads an application's address, as `application.url` would be read.
///
/// # Errors
///
/// What is wrong with it, and what may have been meant.
pub fn application_url(text: &str) -> Result<ApplicationUrl, String> {
    addresses::application_url(text, Path::new("")).map_err(|complaint| match complaint.help {
        Some(help) => format!("{} ({help})", complaint.message),
        None => complaint.message,
    })
}

/// Every key of proxy.toml, in the order of the sections, with its kind and its default.
pub fn keys() -> Vec<Key> {
    let mut reader = Reader::new(BTreeMap::new());
    reader.read(DeTable::new(), Raw::read);
    reader.keys
}

/// The variables of this process that are text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

#[cfg(test)]
mod tests;
