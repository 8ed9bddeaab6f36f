//! `[store]`, `[pages]` and `[log]`.

use super::network::{client_tls, timeout};
use crate::config::addresses::Complaint;
use crate::config::files;
use crate::config::findings::Findings;
use crate::config::model::{Log, PageLink, Pages, Store, StoreUrl};
use crate::config::place::{At, Place};
use crate::config::raw;
use crate::config::reader::SecretForms;
use crate::config::secrets::{self, Wanted};
use crate::config::store_address;
use crate::return_path::ReturnPath;

/// The languages that are built in.
const LANGUAGES: [&str; 6] = ["en", "ru", "de", "es", "fr", "zh-Hans"];

/// `[store]`
pub fn store(raw: raw::Store, findings: &mut Findings<'_>) -> Option<Store> {
    let raw::Store { url, prefix, timeout: patience, tls } = raw;
    let url = store_url(url, findings);
    let url = url.and_then(|url| findings.parse("url", &url, store_address::store_url));
    let speaks_tls = url.as_ref().is_none_or(|url| matches!(url, StoreUrl::Redis(address) if address.tls));
    let prefix = findings.parse("prefix", &prefix, key_prefix);
    let patience = timeout("timeout", patience, findings);
    let tls = client_tls(tls, speaks_tls, findings);
    Some(Store { url: url?, prefix: prefix?, timeout: patience?, tls: tls? })
}

/// The address with its password, which may lie in a file of its own.
fn store_url(forms: SecretForms, findings: &mut Findings<'_>) -> Option<At<String>> {
    if !secrets::is_given(&forms) {
        return Some(At { value: "memory:".to_owned(), place: Place::Nowhere });
    }
    let url = secrets::read_text(forms, &Wanted { path: "store.url", name: "url", is_ours: false }, findings)?;
    Some(url.with(url.value.trim().to_owned()))
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
    let raw::Pages { site, templates, language, accent, logo, logo_dark, links } = raw;
    let site = findings.parse("site", &site, site_name);
    let templates = templates_folder(&templates, findings);
    let translated = matches!(templates, Some(Some(_)));
    let language = findings.parse("language", &language, |text| language_tag(text, translated));
    let accent = findings.parse("accent", &accent, colour);
    let base = findings.base;
    if logo.value.is_empty() && !logo_dark.value.is_empty() {
        findings.refuse(&logo_dark.place, "`logo_dark` is used beside `logo`, which is missing");
    }
    let logo = findings.parse("logo", &logo, |text| files::logo(text, base));
    let logo_dark = findings.parse("logo_dark", &logo_dark, |text| files::logo(text, base));
    let links: Vec<_> = links.into_iter().map(|link| page_link(&link, findings)).collect();
    Some(Pages {
        site: site?,
        templates: templates?,
        language: language?,
        accent: accent?,
        logo: logo?,
        logo_dark: logo_dark?,
        links: links.into_iter().collect::<Option<_>>()?,
    })
}

fn page_link([text, url]: &[At<String>; 2], findings: &mut Findings<'_>) -> Option<PageLink> {
    let (text, url) = (findings.parse("text", text, link_text), findings.parse("url", url, link_url));
    Some(PageLink { text: text?, url: url? })
}

fn link_text(text: &str) -> Result<String, Complaint> {
    let text = text.trim();
    match (1..=60).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err("a text of 1 to 60 characters is needed".into()),
    }
}

fn link_url(text: &str) -> Result<String, Complaint> {
    let is_web =
        |text: &str| text.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    let is_mail = |text: &str| text.bytes().all(|b| b.is_ascii_graphic()) && text.contains('@');
    let is_link = match text.split_once(':') {
        Some(("https" | "http", _)) => is_web(text),
        Some(("mailto", address)) => is_mail(address),
        _ => ReturnPath::parse(text, "").is_some(),
    };
    match is_link {
        true => Ok(text.to_owned()),
        false => Err(Complaint::with_help("this is not a link", "https://…, mailto:…, or a path such as /help")),
    }
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

/// `auto`, a language that is built in, or any tag (RFC 5646) where a folder of templates may bring its texts.
fn language_tag(text: &str, translated: bool) -> Result<Option<String>, Complaint> {
    if text == "auto" {
        return Ok(None);
    }
    let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    match LANGUAGES.iter().find(|tag| tag.eq_ignore_ascii_case(text)) {
        Some(tag) => Ok(Some((*tag).to_owned())),
        None if translated && text.split('-').all(subtag) => Ok(Some(text.to_owned())),
        None => Err(Complaint::with_help("this language is not built in", format!("auto, {}", LANGUAGES.join(", ")))),
    }
}

fn colour(text: &str) -> Result<String, Complaint> {
    let digits = text.strip_prefix('#').filter(|digits| matches!(digits.len(), 3 | 6));
    match digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit())) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(Complaint::with_help("a colour has the form #rrggbb", "such as \"#0b57d0\"")),
    }
}

/// `[log]`
pub fn log(raw: raw::Log) -> Log {
    let raw::Log { format, access, level } = raw;
    Log { format: format.value, access: access.value, level: level.value }
}
