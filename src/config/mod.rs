//! proxy.toml: from text to checked values, with every problem reported at once.
//!
//! `reader` and `values` read keys from the file or the environment; each file of `sections` asks for those of its
//! section and returns checked values; `together` checks the sections against each other; `place` shows
//! problems. Nothing else in qrgate reads the file or the environment.

mod addresses;
mod complaint;
mod environment;
mod files;
mod keys;
mod place;
mod reader;
mod secrets;
mod sections;
mod sign_in_url;
mod store_address;
mod together;
mod units;
mod values;
mod warning;

use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

pub use addresses::{application_url, public_url};
pub use environment::Environment;
pub use keys::{Key, Kind, variable};
pub use place::ConfigErrors;
pub use sections::*;
pub use sign_in_url::SignInUrl;
pub use store_address::{StoreAddress, StoreKind, StoreUrl, store_url};
pub use units::Rate;
pub use warning::Warning;

use complaint::Complaint;
use place::{Place, Problem};
use reader::Reader;

/// Reads and checks a configuration file, with the variables `QRGATE_SECTION__KEY` of `environment` in place of its
/// keys. Files that it names are read too; relative paths are relative to its folder. The error has every problem.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, ConfigErrors> {
    let name = path.display().to_string();
    let alone = |complaint: Complaint| {
        let problem = Problem { place: Place::Nowhere, complaint };
        ConfigErrors::new(name.clone(), "", &[], vec![problem])
    };
    let bytes = std::fs::read(path).map_err(|error| {
        let is_missing = error.kind() == std::io::ErrorKind::NotFound;
        let help = is_missing.then(|| "write one: qrgate init --application http://127.0.0.1:8000".to_owned());
        alone(Complaint { message: format!("the configuration cannot be read: {error}"), help })
    })?;
    let text = String::from_utf8(bytes).map_err(|_| alone("this is not a text file in UTF-8".into()))?;
    let base = path.parent().unwrap_or(Path::new(""));
    parse(&name, &text, base, environment)
}

/// Reads and checks the text of a configuration. `name` is the file's name in messages; relative paths are relative to
/// `base`; `environment` is the whole environment, of which only overrides and named secrets are read.
pub fn parse(name: &str, text: &str, base: &Path, environment: &Environment) -> Result<Config, ConfigErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(base, environment);
    let mut config = reader.read(table.into_inner(), |file| {
        let config = Config::read(file);
        together::check(&config, file);
        config
    });
    warn_of_near_misses(environment, &mut reader);
    refuse_unreadable(environment, &mut reader.problems);
    if !errors.is_empty() {
        reader.problems.retain(|problem| is_certain(problem, text, &errors, &reader.headers));
        reader.problems.extend(errors.iter().map(syntax_problem));
        reader.secrets.extend(place::suspicious(text));
    }
    if !reader.problems.is_empty() {
        return Err(ConfigErrors::new(name.to_owned(), text, &reader.secrets, reader.problems));
    }
    config.warnings = reader.warnings;
    Ok(config)
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    let place = error.span().map_or(Place::Nowhere, Place::File);
    let complaint = match error.message() {
        message @ "duplicate key" => Complaint::with_help(message, "may occur once: change the one above"),
        message => message.into(),
    };
    Problem { place, complaint }
}

/// Whether a problem would remain without the syntax errors: it is not on a broken line, and not about a missing key,
/// which a broken line may contain.
fn is_certain(problem: &Problem, text: &str, errors: &[toml::de::Error], headers: &[Range<usize>]) -> bool {
    match &problem.place {
        Place::File(span) => {
            let own = lines(text, span);
            let broken = errors.iter().filter_map(toml::de::Error::span).map(|span| broken_lines(text, &span));
            let on_one = broken.into_iter().any(|broken| broken.start <= own.end && own.start <= broken.end);
            !on_one && !headers.contains(span)
        }
        Place::Variable { .. } => true,
        Place::Nowhere => false,
    }
}

/// The first and the last line of a place, counted from 0.
fn lines(text: &str, span: &Range<usize>) -> Range<usize> {
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    line(span.start)..line(span.end)
}

/// The lines that a syntax error makes uncertain: after a broken section header, all keys up to the next header.
fn broken_lines(text: &str, span: &Range<usize>) -> Range<usize> {
    let lines = lines(text, span);
    let is_header = |line: &&str| line.trim_start().starts_with('[');
    let opened = text.lines().nth(lines.start).filter(is_header).is_some_and(|line| !line.contains(']'));
    let rest = || text.lines().skip(lines.start + 1).take_while(|line| !is_header(line)).count();
    lines.start..if opened { lines.start + rest() } else { lines.end }
}

/// Reports variables that are not UTF-8, instead of any other problem with them.
fn refuse_unreadable(environment: &Environment, problems: &mut Vec<Problem>) {
    for (name, _) in environment.overrides().filter(|(name, _)| environment.is_unreadable(name)) {
        problems.retain(|problem| !matches!(&problem.place, Place::Variable { name: about, .. } if about == name));
        let place = Place::Variable { name: name.to_owned(), value: None, part: 0..0 };
        problems.push(Problem { place, complaint: "this variable is not text in UTF-8".into() });
    }
}

/// Warns of a variable with one underscore between section and key. It overrides nothing, but looks as if it did.
fn warn_of_near_misses(environment: &Environment, reader: &mut Reader<'_>) {
    for Key { path, .. } in &reader.keys {
        let (wanted, near) = (variable(path), variable(path).replace("__", "_"));
        if near != wanted && environment.is_set(&near) {
            let sentence = format!("is not overridden by {near}: the name is {wanted}");
            reader.warnings.push(Warning { key: path.clone(), sentence });
        }
    }
}

/// Every key of proxy.toml, in the order of the sections, with its kind and its default.
pub fn keys() -> Vec<Key> {
    let environment = Environment::default();
    let mut reader = Reader::new(Path::new(""), &environment);
    reader.read(DeTable::new(), Config::read);
    reader.keys
}

#[cfg(test)]
mod tests;
