//! What checking finds: problems with their places, warnings, and the two things every check needs to know.

use std::path::{Path, PathBuf};

use super::addresses::Complaint;
use super::environment::Environment;
use super::place::{At, Place, Problem};

/// Gathers while the sections are checked.
pub struct Findings<'c> {
    /// The folder of proxy.toml: relative paths begin here.
    pub base: &'c Path,
    /// The whole environment, for secrets that live in a variable.
    pub environment: &'c Environment,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is allowed and should be known. Each sentence begins with the key it is about.
    pub warnings: Vec<String>,
}

impl Findings<'_> {
    /// Notes a problem.
    pub fn refuse(&mut self, place: &Place, complaint: impl Into<Complaint>) {
        let Complaint { message, help } = complaint.into();
        self.problems.push(Problem { place: place.clone(), message, help });
    }

    /// Parses a value; a complaint about it becomes a problem at its place.
    pub fn parse<T>(
        &mut self,
        name: &str,
        at: &At<String>,
        parse: impl FnOnce(&str) -> Result<T, Complaint>,
    ) -> Option<T> {
        match parse(&at.value) {
            Ok(value) => Some(value),
            Err(Complaint { message, help }) => {
                self.refuse(&at.place, Complaint { message: format!("`{name}`: {message}"), help });
                None
            }
        }
    }

    /// Refuses a value that lies outside a range, in the range's own words.
    pub fn within<T: PartialOrd>(&mut self, name: &str, at: At<T>, least: T, most: T, range: &str) -> Option<T> {
        match at.value >= least && at.value <= most {
            true => Some(at.value),
            false => {
                self.refuse(&at.place, format!("`{name}` must be {range}"));
                None
            }
        }
    }

    /// Notes a warning.
    pub fn warn(&mut self, sentence: impl Into<String>) {
        self.warnings.push(sentence.into());
    }

    /// A path, relative to the folder of proxy.toml.
    pub fn path(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }
}
