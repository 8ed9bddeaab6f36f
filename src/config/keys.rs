//! What a key of proxy.toml is: its name in the file and in the environment, what it holds, and its nearest neighbour
//! where somebody wrote another.

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text, or a list of texts.
    List,
    /// A list of tables with these two texts.
    Pairs([&'static str; 2]),
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer,
    /// `"90s"`; with `off` where that is allowed.
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

/// A key of proxy.toml.
#[derive(Clone, Debug)]
pub struct Key {
    /// With its sections: `listen.tls.key`.
    pub path: String,
    /// What it holds.
    pub kind: Kind,
    /// What holds without it, as TOML; none where there is no default.
    pub default: Option<String>,
}

/// The name of the variable that overrides a key.
pub fn variable(path: &str) -> String {
    format!("QRGATE_{}", path.replace('.', "__").to_uppercase())
}

/// The name that somebody may have meant: at most a third of its letters away.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
    let (near, away) = known.map(|known| (known, distance(known))).min_by_key(|(_, away)| *away)?;
    (away <= name.chars().count().max(3) / 3).then_some(near)
}

/// The kind of a key that is one of some words.
pub(super) fn kind_of<T>(words: &[(&'static str, T)]) -> Kind {
    Kind::Choice(words.iter().map(|(word, _)| *word).collect())
}

/// The value of a word.
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

/// A text as TOML writes it.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The path of `name` in the section `path`.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
