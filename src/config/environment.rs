//! Environment variables that override keys or hold secrets. One that is not UTF-8 is an error where it is used,
//! because ignoring it would silently bring back the value in the file.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The environment variables of a process.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, Variable>);

#[derive(Clone, Debug)]
struct Variable {
    /// The value, decoded lossily.
    value: String,
    /// Whether name or value is not UTF-8.
    is_unreadable: bool,
}

impl Environment {
    pub fn of_this_process() -> Environment {
        std::env::vars_os().collect()
    }

    /// Whether the variable is set, UTF-8 or not.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether the variable is set and not UTF-8.
    pub(super) fn is_unreadable(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|variable| variable.is_unreadable)
    }

    /// The value of a variable that is UTF-8.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).filter(|variable| !variable.is_unreadable).map(|variable| variable.value.as_str())
    }

    /// The variables that override keys, `QRGATE_…__…`, also those that are not UTF-8.
    pub(super) fn overrides(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, variable)| (name.as_str(), variable.value.as_str()));
        all.filter(|(name, _)| name.starts_with("QRGATE_") && name.contains("__"))
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Environment {
        let variables = variables.into_iter().map(|(name, value)| {
            let (name, value): (OsString, OsString) = (name.into(), value.into());
            let is_unreadable = name.to_str().is_none() || value.to_str().is_none();
            let value = value.to_string_lossy().into_owned();
            (name.to_string_lossy().into_owned(), Variable { value, is_unreadable })
        });
        Environment(variables.collect())
    }
}
