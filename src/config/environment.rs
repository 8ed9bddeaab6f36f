//! Environment variables that override keys or hold secrets. One that is not UTF-8 is an error where it is used,
//! because ignoring it would silently bring back the value in the file.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// The environment variables of a process.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Name → value, decoded lossily.
    texts: BTreeMap<String, String>,
    /// The names of variables whose name or value is not UTF-8.
    unreadable: BTreeSet<String>,
}

impl Environment {
    pub fn of_this_process() -> Environment {
        std::env::vars_os().collect()
    }

    /// Whether the variable is set, UTF-8 or not.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }

    /// Whether the variable is set and not UTF-8.
    pub(super) fn is_unreadable(&self, name: &str) -> bool {
        self.unreadable.contains(name)
    }

    /// The value of a variable that is UTF-8.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        if self.is_unreadable(name) { None } else { self.texts.get(name).map(String::as_str) }
    }

    /// The variables that override keys: `QRGATE_…__…`.
    pub(super) fn overrides(&self) -> BTreeMap<String, String> {
        let all = self.texts.iter().filter(|(name, _)| is_override(name));
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The names among them that are not UTF-8, or whose value is not.
    pub(super) fn unreadable_overrides(&self) -> impl Iterator<Item = &str> {
        self.unreadable.iter().map(String::as_str).filter(|name| is_override(name))
    }
}

fn is_override(name: &str) -> bool {
    name.starts_with("QRGATE_") && name.contains("__")
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Environment {
        let mut environment = Environment::default();
        for (name, value) in variables {
            let (name, value): (OsString, OsString) = (name.into(), value.into());
            let text = name.to_string_lossy().into_owned();
            if name.to_str().is_none() || value.to_str().is_none() {
                environment.unreadable.insert(text.clone());
            }
            environment.texts.insert(text, value.to_string_lossy().into_owned());
        }
        environment
    }
}
