//! `qrgate schema`: the JSON Schema of proxy.toml, generated from the keys that `config` reads. The descriptions are
//! the comments in the example proxy.toml.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::exit::Outcome;
use super::{reference, terminal};
use crate::config::{self, Key, Kind};

/// The arguments of `qrgate schema`.
#[derive(Args)]
pub struct Schema {
    /// Print the reference in Markdown instead: docs/configuration.md
    #[arg(long)]
    markdown: bool,
}

/// Prints the schema or the reference.
pub fn schema(arguments: &Schema) -> Outcome {
    match arguments.markdown {
        true => terminal::say(reference::page(&comments()).trim_end()),
        false => terminal::say(&format!("{:#}", whole())),
    }
    Ok(())
}

fn whole() -> Value {
    let comments = comments();
    let mut root = table();
    for key in config::keys() {
        let (sections, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        let mut here = &mut root;
        for section in sections.split('.') {
            here = &mut here["properties"][section];
            if here.is_null() {
                *here = table();
            }
        }
        here["properties"][name] = property(&key, comments.get(&key.path));
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("proxy.toml of qrgate");
    root["required"] = json!(["application"]);
    root["properties"]["application"]["required"] = json!(["url"]);
    root
}

fn table() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

fn property(key: &Key, comment: Option<&String>) -> Value {
    let mut property = match &key.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::List => json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] }),
        Kind::Pairs(names) => pairs(names),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Integer => json!({ "type": "integer", "minimum": 0 }),
        Kind::Duration { off: false } => json!({ "type": "string", "pattern": "^[0-9]+ *(ms|s|m|h|d)$" }),
        Kind::Duration { off: true } => json!({ "type": "string", "pattern": "^([0-9]+ *(ms|s|m|h|d)|off)$" }),
        Kind::Size => json!({ "type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|kB|KB|MB)$" }),
        Kind::Rate => json!({ "type": "string", "pattern": "^[0-9]+ */ *[0-9]+ *(ms|s|m|h|d)$" }),
        Kind::Choice(words) => json!({ "enum": words }),
    };
    if let Some(comment) = comment {
        property["description"] = json!(comment);
    }
    if let Some(default) = key.default.as_deref().and_then(value) {
        property["default"] = default;
    }
    property
}

fn pairs([first, second]: &[&'static str; 2]) -> Value {
    let mut entry = table();
    entry["properties"] = json!({ *first: { "type": "string" }, *second: { "type": "string" } });
    entry["required"] = json!([first, second]);
    json!({ "type": "array", "items": entry })
}

/// A TOML value as JSON.
fn value(text: &str) -> Option<Value> {
    let table: toml::Table = toml::from_str(&format!("x = {text}")).ok()?;
    serde_json::to_value(table.get("x")?).ok()
}

/// The description of each key: path → the comment above it in the example.
pub fn comments() -> BTreeMap<String, String> {
    let example = super::init::TEMPLATE;
    let mut found = BTreeMap::new();
    let (mut section, mut comment) = (String::new(), String::new());
    for line in example.lines() {
        if let Some(words) = line.strip_prefix("# ") {
            comment = format!("{comment} {words}");
            continue;
        }
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            found.insert(format!("{section}.{key}"), comment.trim().to_owned());
        }
        comment.clear();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_described() {
        let comments = comments();
        for key in config::keys() {
            let comment = comments.get(&key.path).map(String::as_str).unwrap_or_default();
            assert!(!comment.is_empty(), "{}", key.path);
        }
    }

    #[test]
    fn the_schema_knows_kinds_and_defaults() {
        let schema = whole();
        let at = |path: &str| schema.pointer(path).cloned().unwrap_or_default();
        assert_eq!(at("/properties/tickets/properties/lifetime/default"), json!("2m"));
        assert_eq!(at("/properties/tickets/properties/approval/enum"), json!(["number", "phone"]));
        assert_eq!(at("/properties/listen/properties/tls/properties/key/type"), json!("string"));
        assert_eq!(at("/properties/application/required"), json!(["url"]));
        assert_eq!(at("/additionalProperties"), json!(false));
    }
}
