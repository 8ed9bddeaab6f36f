//! docs/configuration.md: the reference of all keys, in Markdown.

use std::collections::BTreeMap;

use crate::config::{self, Key, Kind};

const HEAD: &str = "# Configuration

Every key of `proxy.toml`, by section. Made by `qrgate schema --markdown` from what `qrgate schema` prints for editors; a
test compares the two, so do not edit this page.

Only `application.url` is required. Every key can come from the environment instead: `tickets.lifetime` is
`QRGATE_TICKETS__LIFETIME`, lists are comma-separated. A secret is given as `secret`, `secret_file` or `secret_env` (the name
of a variable): one of the three. Relative paths begin in the file's folder. A duration is `ms`, `s`, `m`, `h` or `d`;
`qrgate check --offline` checks a file.
";

/// The page. `comments` are the descriptions of the keys, by path.
pub fn page(comments: &BTreeMap<String, String>) -> String {
    let mut page = HEAD.to_owned();
    let mut section = String::new();
    for key in config::keys() {
        let (here, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        if here != section {
            here.clone_into(&mut section);
            page.push_str(&format!("\n## [{section}]\n\n| key | type | default | meaning |\n|---|---|---|---|\n"));
        }
        let comment = comments.get(&key.path).map(String::as_str).unwrap_or_default();
        let row = [format!("`{name}`"), type_of(&key.kind), default(&key), comment.to_owned()];
        page.push_str(&format!("| {} |\n", row.map(|cell| cell.replace('|', "\\|")).join(" | ")));
    }
    page
}

fn type_of(kind: &Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::List => "text, or a list of texts".to_owned(),
        Kind::Pairs([first, second]) => format!("list of `{{ {first} = \"…\", {second} = \"…\" }}`"),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Integer => "whole number".to_owned(),
        Kind::Duration { off: false } => "duration".to_owned(),
        Kind::Duration { off: true } => "duration, or `\"off\"`".to_owned(),
        Kind::Size => "size: `\"16KiB\"`".to_owned(),
        Kind::Rate => "number in a time: `\"20/15m\"`".to_owned(),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(", ")
        }
    }
}

fn default(key: &Key) -> String {
    match (&key.default, key.path.as_str()) {
        (Some(default), _) => format!("`{default}`"),
        (None, "application.url") => "required".to_owned(),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_what_the_program_reads() {
        let page = page(&crate::cli::schema::comments());
        let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md")).unwrap();
        assert!(page == kept, "renew it: cargo run -- schema --markdown > docs/configuration.md");
    }
}
