//! The operator's brand on every page: monogram, icon and links.

use std::collections::BTreeMap;

use minijinja::value::Value;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::catalogue::escape;
use super::theme;
use crate::config::{PageLink, Pages};

/// Characters that are encoded in a `data:` URL within a quoted attribute.
const IN_A_DATA_URL: &AsciiSet = &CONTROLS.add(b'"').add(b'#').add(b'%').add(b'&').add(b'<').add(b'>');

/// The first letter or digit of the site's name, in upper case, in place of a logo.
pub(super) fn monogram(site: &str) -> String {
    let first = site.chars().find(|c| c.is_alphanumeric()).or_else(|| site.chars().next());
    first.map(|c| c.to_uppercase().collect()).unwrap_or_default()
}

/// The tab's icon as a `data:` URL: the logo, or else the monogram on the accent colour.
pub(super) fn icon(settings: &Pages) -> Value {
    match settings.logo.as_str() {
        "" => Value::from_safe_string(tile(&settings.site, &settings.accent)),
        logo => logo.into(),
    }
}

/// The monogram of `site` on the accent colour, as a `data:` URL that needs no escapes in a double-quoted attribute.
pub fn tile(site: &str, accent: &str) -> String {
    let (fill, text) = theme::tile(accent);
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='7' fill='{fill}'/>\
         <text x='16' y='23' fill='{text}' font-family='system-ui' font-size='20' font-weight='700' text-anchor='middle'>{}</text></svg>",
        escape(&monogram(site))
    );
    format!("data:image/svg+xml,{}", percent_encode(svg.as_bytes(), IN_A_DATA_URL))
}

pub(super) fn links(links: &[PageLink]) -> Value {
    let link = |link: &PageLink| BTreeMap::from([("text", link.text.clone()), ("url", link.url.clone())]);
    Value::from(links.iter().map(link).map(Value::from).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;

    use super::*;

    #[test]
    fn a_monogram_is_the_first_letter_or_digit() {
        for (site, expected) in [
            ("Northwind", "N"),
            ("éclair", "É"),
            ("\u{201e}Notes\u{201c}", "N"),
            ("1st Bank", "1"),
            ("\u{4e2d}\u{6587}", "\u{4e2d}"),
            ("&", "&"),
            ("ßa", "SS"),
        ] {
            assert_eq!(monogram(site), expected, "{site}");
        }
    }

    #[test]
    fn the_icon_is_the_logo_or_the_monogram_on_the_accent() {
        let mut settings = Pages {
            site: "Fünf & Söhne".to_owned(),
            templates: None,
            language: None,
            accent: "#ffc400".to_owned(),
            logo: "data:image/png;base64,AA==".to_owned(),
            logo_dark: String::new(),
            links: Vec::new(),
            devices_url: String::new(),
        };
        assert_eq!(icon(&settings).as_str(), Some(settings.logo.as_str()));
        settings.logo.clear();
        let drawn = |settings: &Pages| {
            let icon = icon(settings);
            assert!(icon.is_safe());
            let svg = icon.as_str().unwrap().strip_prefix("data:image/svg+xml,").unwrap();
            assert!(!svg.contains(['"', '#', '<', '>', '&']) && svg.is_ascii(), "{svg}");
            percent_decode_str(svg).decode_utf8().unwrap().into_owned()
        };
        let svg = drawn(&settings);
        assert!(
            svg.contains("fill='#ffc400'/>") && svg.contains("fill='#000000'") && svg.ends_with(">F</text></svg>"),
            "{svg}"
        );
        settings.site = "&".to_owned();
        assert!(drawn(&settings).ends_with(">&amp;</text></svg>"));
    }
}
