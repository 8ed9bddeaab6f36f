//! The variables that override keys or hold secrets. One that is not text is an error where it is used: leaving it out
//! would silently bring the file's value back.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// The environment of a process.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Name → value; what is not UTF-8 is replaced.
    texts: BTreeMap<String, String>,
    /// Those whose name or value is not UTF-8.
    unreadable: BTreeSet<String>,
}

impl Environment {
    /// That of this process.
    pub fn of_this_process() -> Environment {
        std::env::vars_os().collect()
    }

    /// Whether the variable is set, readable or not.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }

    /// Whether the variable is set to something that is not text.
    pub(super) fn is_unreadable(&self, name: &str) -> bool {
        self.unreadable.contains(name)
    }

    /// The value of a variable that is text.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        if self.is_unreadable(name) { None } else { self.texts.get(name).map(String::as_str) }
    }

    /// The variables that are meant for keys, with their values as far as these are text.
    pub(super) fn overrides(&self) -> BTreeMap<String, String> {
        let all = self.texts.iter().filter(|(name, _)| is_override(name));
        all.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Those among them that are not text.
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
