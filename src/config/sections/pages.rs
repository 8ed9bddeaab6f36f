//! `[pages]`

use std::path::PathBuf;

use crate::config::complaint::{Complaint, accept};
use crate::config::files;
use crate::config::reader::Section;
use crate::locales::BUILT_IN;
use crate::return_path::ReturnPath;

#[derive(Clone, Debug)]
pub struct Pages {
    pub site: String,
    /// The folder with templates that replace the built-in ones.
    pub templates: Option<PathBuf>,
    /// A language tag (RFC 5646); `None`: chosen from Accept-Language.
    pub language: Option<String>,
    /// `#rrggbb` or `#rgb`
    pub accent: String,
    /// A `data:` URL, or empty.
    pub logo: String,
    /// The same for dark pages. Empty: `logo` is used there too.
    pub logo_dark: String,
    /// Links at the foot of every page.
    pub links: Vec<PageLink>,
    /// The page of the application that shows the devices of an account: `https:`, `http:`, or a path of the public
    /// origin without the sub-path. Empty: there is none.
    pub devices_url: String,
}

/// One of `pages.links`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageLink {
    pub text: String,
    /// `https:`, `http:` or `mailto:`, or a path of the public origin, without the sub-path.
    pub url: String,
}

impl Pages {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Pages {
        let base = section.base();
        let site = section.parsed("site", "Example", site_name);
        let templates = templates_folder(section);
        let is_translated = templates.is_some();
        let pages = Pages {
            site,
            templates,
            language: section.parsed("language", "auto", |text| language_tag(text, is_translated)),
            accent: section.parsed("accent", "#0b57d0", colour),
            logo: section.parsed("logo", "", |text| files::logo(text, base)),
            logo_dark: section.parsed("logo_dark", "", |text| files::logo(text, base)),
            links: links(section),
            devices_url: section.parsed("devices_url", "", devices_url),
        };
        if pages.logo.is_empty() && section.is_sound("logo") && !pages.logo_dark.is_empty() {
            section.refuse("logo_dark", "`logo_dark` is used beside `logo`, which is missing");
        }
        pages
    }
}

fn links(section: &mut Section<'_, '_>) -> Vec<PageLink> {
    let mut links = Vec::new();
    for [text, url] in section.pairs("links", ["text", "url"]) {
        let (text, url) = (section.parse_entry("text", &text, link_text), section.parse_entry("url", &url, link_url));
        links.extend(text.zip(url).map(|(text, url)| PageLink { text, url }));
    }
    links
}

fn link_text(text: &str) -> Result<String, Complaint> {
    accept(text.trim(), is_line(text.trim(), 60), "a text of 1 to 60 characters is needed")
}

fn site_name(text: &str) -> Result<String, Complaint> {
    accept(text.trim(), is_line(text.trim(), 100), "a name of 1 to 100 characters is needed")
}

/// Whether a text has 1 to `most` characters, without line breaks and other control characters.
fn is_line(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn devices_url(text: &str) -> Result<String, Complaint> {
    let is_page = text.is_empty() || (!text.starts_with("mailto:") && link_url(text).is_ok());
    let help = "https://…, or a path such as /account/devices";
    accept(text, is_page, Complaint::with_help("this is not a page", help))
}

fn link_url(text: &str) -> Result<String, Complaint> {
    let is_link = match text.split_once(':') {
        Some(("https" | "http", _)) => {
            text.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()))
        }
        Some(("mailto", address)) => address.bytes().all(|b| b.is_ascii_graphic()) && address.contains('@'),
        _ => ReturnPath::parse(text, "").is_some(),
    };
    let help = "https://…, mailto:…, or a path such as /help";
    accept(text, is_link, Complaint::with_help("this is not a link", help))
}

fn templates_folder(section: &mut Section<'_, '_>) -> Option<PathBuf> {
    let base = section.base();
    section.parsed_unless_empty("templates", |text| match base.join(text) {
        path if path.is_dir() => Ok(path),
        _ => Err(format!("{text} is not a folder").into()),
    })
}

/// `auto`, a built-in language, or any tag (RFC 5646) when a folder of templates may have its texts.
fn language_tag(text: &str, is_translated: bool) -> Result<Option<String>, Complaint> {
    if text == "auto" {
        return Ok(None);
    }
    let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let built_in = BUILT_IN.map(|(tag, _)| tag);
    match built_in.iter().find(|tag| tag.eq_ignore_ascii_case(text)) {
        Some(tag) => Ok(Some((*tag).to_owned())),
        None if is_translated && text.split('-').all(subtag) => Ok(Some(text.to_owned())),
        None => Err(Complaint::with_help("this language is not built in", format!("auto, {}", built_in.join(", ")))),
    }
}

fn colour(text: &str) -> Result<String, Complaint> {
    let digits = text.strip_prefix('#').filter(|digits| matches!(digits.len(), 3 | 6));
    let is_valid = digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let complaint = Complaint::with_help("a colour has the form #rrggbb", "such as \"#0b57d0\"");
    accept(&text.to_ascii_lowercase(), is_valid, complaint)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::tests::{LEAST, read, read_in, refused};

    #[test]
    fn any_language_may_come_with_templates() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("t")).unwrap();
        let pages =
            |text: &str| read_in(folder.path(), &format!("{LEAST}[pages]\n{text}"), &[]).map(|config| config.pages);
        assert_eq!(pages("language = \"zh-hans\"").unwrap().language.as_deref(), Some("zh-Hans"));
        assert_eq!(pages("language = \"tlh\"\ntemplates = \"t\"").unwrap().language.as_deref(), Some("tlh"));
        assert!(pages("templates = \"nowhere\"").is_err());
        assert!(pages("language = \"a_b\"\ntemplates = \"t\"").is_err());
    }

    #[test]
    fn links_come_from_the_file_or_as_toml_from_the_environment() {
        let links = r#"[{ text = "Help", url = "/help" }, { url = "mailto:help@example.com", text = " Mail us " }]"#;
        let from_file = read(&format!("{LEAST}[pages]\nlinks = {links}"), &[]).unwrap().pages.links;
        let pairs: Vec<_> = from_file.iter().map(|link| (link.text.as_str(), link.url.as_str())).collect();
        assert_eq!(pairs, [("Help", "/help"), ("Mail us", "mailto:help@example.com")]);
        assert_eq!(read(LEAST, &[("QRGATE_PAGES__LINKS", links)]).unwrap().pages.links, from_file);
        let said = read(LEAST, &[("QRGATE_PAGES__LINKS", "Help /help")]).unwrap_err().to_string();
        assert!(said.starts_with("QRGATE_PAGES__LINKS: `links` is a list of tables: "), "{said}");
        let said = refused("[pages]\nlinks = [{ text = \"Help\", url = \"help\" }]");
        assert!(said.contains("^^^^^^ https://…, mailto:…, or a path such as /help"), "{said}");
    }
}
