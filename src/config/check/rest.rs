//! `[store]`, `[pages]` and `[log]`.

use super::network::{client_tls, timeout};
use crate::config::addresses::{self, Complaint};
use crate::config::files;
use crate::config::findings::Findings;
use crate::config::model::{Log, Pages, Store, StoreUrl};
use crate::config::place::At;
use crate::config::raw;

/// The languages that are built in.
const LANGUAGES: [&str; 6] = ["en", "ru", "de", "es", "fr", "zh-Hans"];

/// `[store]`
pub fn store(raw: raw::Store, findings: &mut Findings<'_>) -> Option<Store> {
    let raw::Store { url, prefix, timeout: patience, tls } = raw;
    let speaks_tls = url.value.starts_with("rediss");
    let url = findings.parse("url", &url, addresses::store_url);
    let prefix = findings.parse("prefix", &prefix, key_prefix);
    let patience = timeout("timeout", patience, findings);
    let tls = client_tls(tls, speaks_tls, findings);
    let url: StoreUrl = url?;
    Some(Store { url, prefix: prefix?, timeout: patience?, tls: tls? })
}

/// Braces in a key choose its slot in a cluster; they are ours to set.
fn key_prefix(text: &str) -> Result<String, Complaint> {
    match text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'{' | b'}')) {
        true => Ok(text.to_owned()),
        false => Err("at most 64 visible ASCII characters without braces go in front of a key".into()),
    }
}

/// `[pages]`
pub fn pages(raw: raw::Pages, findings: &mut Findings<'_>) -> Option<Pages> {
    let raw::Pages { site, templates, language, accent, logo } = raw;
    let site = findings.parse("site", &site, site_name);
    let templates = templates_folder(&templates, findings);
    let language = findings.parse("language", &language, language_tag);
    let accent = accent_colour(&accent, findings);
    let base = findings.base;
    let logo = findings.parse("logo", &logo, |text| files::logo(text, base));
    Some(Pages { site: site?, templates: templates?, language: language?, accent: accent?, logo: logo? })
}

fn site_name(text: &str) -> Result<String, Complaint> {
    let text = text.trim();
    match (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err("a name of 1 to 100 characters is needed".into()),
    }
}

fn templates_folder(at: &At<String>, findings: &mut Findings<'_>) -> Option<Option<std::path::PathBuf>> {
    if at.value.is_empty() {
        return Some(None);
    }
    let path = findings.path(&at.value);
    if !path.is_dir() {
        findings.refuse(&at.place, format!("`templates`: {} is not a folder", at.value));
        return None;
    }
    Some(Some(path))
}

fn language_tag(text: &str) -> Result<Option<String>, Complaint> {
    let known = LANGUAGES.iter().find(|tag| tag.eq_ignore_ascii_case(text));
    match (text, known) {
        ("auto", _) => Ok(None),
        (_, Some(tag)) => Ok(Some((*tag).to_owned())),
        (_, None) => {
            Err(Complaint::with_help("this language is not built in", format!("auto, {}", LANGUAGES.join(", "))))
        }
    }
}

/// White text stands on the accent, so white is what it is measured against (WCAG 2.2, 1.4.3). An accent that fails
/// is left empty: pages then use the colour of their text.
fn accent_colour(at: &At<String>, findings: &mut Findings<'_>) -> Option<String> {
    let Some(colour) = rgb(&at.value) else {
        let message = "`accent`: a colour has the form #rrggbb";
        findings.refuse(&at.place, Complaint::with_help(message, "such as \"#0b57d0\""));
        return None;
    };
    let contrast = 1.05 / (luminance(colour) + 0.05);
    if contrast >= 4.5 {
        return Some(at.value.to_ascii_lowercase());
    }
    findings.warn(format!(
        "pages.accent {} is too light for white text (contrast {contrast:.1}, 4.5 is needed): the colour of the text \
         is used instead",
        at.value
    ));
    Some(String::new())
}

fn rgb(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some([part(0)?, part(2)?, part(4)?])
}

/// Relative luminance as WCAG 2.2 defines it.
fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// `[log]`
pub fn log(raw: raw::Log) -> Log {
    let raw::Log { format, access, level } = raw;
    Log { format: format.value, access: access.value, level: level.value }
}
