//! The keys of proxy.toml: their names in the file and in the environment, their kinds and defaults, and the nearest
//! key to a misspelt name.

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A string, or a list of strings.
    List,
    /// A list of tables, each with these two strings.
    Pairs([&'static str; 2]),
    /// `true` or `false`
    Flag,
    Integer,
    /// `"90s"`
    Duration {
        /// Whether `"off"` is allowed.
        off: bool,
    },
    /// `"16KiB"`
    Size,
    /// `"20/15m"`
    Rate,
    /// One of these words.
    Choice(Vec<&'static str>),
}

#[derive(Clone, Debug)]
pub struct Key {
    /// Its sections and its name: `listen.tls.key`
    pub path: String,
    pub kind: Kind,
    /// The default, as TOML.
    pub default: Option<String>,
}

/// The name of the variable that overrides a key.
pub fn variable(path: &str) -> String {
    format!("QRGATE_{}", path.replace('.', "__").to_uppercase())
}

/// The known name that is nearest to `name`, if at most a third of its characters differ.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
    let (near, away) = known.map(|known| (known, distance(known))).min_by_key(|(_, away)| *away)?;
    (away <= name.chars().count().max(3) / 3).then_some(near)
}

/// The kind of a key that takes one of these words.
pub(super) fn kind_of<T>(words: &[(&'static str, T)]) -> Kind {
    Kind::Choice(words.iter().map(|(word, _)| *word).collect())
}

/// The value that belongs to a word.
pub(super) fn pick<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| match nearest(text, words.iter().map(|(word, _)| *word)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => {
            let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("it is one of {}", all.join(", "))
        }
    })
}

/// A string in TOML syntax.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The path of `name` in the section `path`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
