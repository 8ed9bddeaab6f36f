//! The languages that are built in, with the texts of their pages.

/// Language tags (RFC 5646) and the files of their texts. The first is the default.
pub const BUILT_IN: [(&str, &str); 7] = [
    ("en", include_str!("../locales/en.toml")),
    ("ru", include_str!("../locales/ru.toml")),
    ("de", include_str!("../locales/de.toml")),
    ("es", include_str!("../locales/es.toml")),
    ("fr", include_str!("../locales/fr.toml")),
    ("zh-Hans", include_str!("../locales/zh-Hans.toml")),
    // The texts of `de` with another form of address: its file has only those that differ.
    ("de-formal", include_str!("../locales/de-formal.toml")),
];
