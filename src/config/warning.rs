//! A setting that is allowed, but that an operator should know about.

use std::fmt;

/// A warning about one key. `Display` joins key and sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The path of the key: `public.url`.
    pub key: String,
    /// Worded to follow the key.
    pub sentence: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.sentence)
    }
}
