//! Decides whether a request may mint a code or press a button on the phone, by fields that browsers send and scripts
//! cannot forge.
//!
//! docs/security.md lists which field stops which attack, as measured in browsers.

use http::HeaderMap;
use http::header::{self, HeaderName};
use thiserror::Error;

use crate::origin::Origin;

/// Fields of speculative requests: prefetch, prerender, a service worker's preload. Any value is refused.
const AHEAD: [&str; 4] = ["sec-purpose", "purpose", "x-moz", "service-worker-navigation-preload"];

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GuardRefusal {
    /// `Origin` is missing, repeated, or of another origin.
    #[error("Origin is not the public origin")]
    Origin,
    /// The request is speculative, by this field.
    #[error("made ahead of a person: {0}")]
    Ahead(&'static str),
    /// A service worker forwarded a navigation: destination `empty`, with the other fields of a navigation.
    #[error("a service worker passed the page on")]
    ServiceWorker,
    #[error("{0} is missing or wrong")]
    Metadata(&'static str),
}

/// Checks that a POST under the ticket path is a click in a page of the public origin.
///
/// With `strict` the three fetch-metadata fields are required (docs/security.md, D24); a field that is sent must be
/// right in any case (D25). `Sec-Fetch-User` is not checked: Safari never sends it. `Origin: null` is what a page under
/// `no-referrer` sends, and is accepted beside `Sec-Fetch-Site: same-origin`.
pub fn may_mint(headers: &HeaderMap, origin: &Origin, strict: bool) -> Result<(), GuardRefusal> {
    if let Some(field) = AHEAD.into_iter().find(|field| headers.contains_key(*field)) {
        return Err(GuardRefusal::Ahead(field));
    }
    let field = |name: &'static str| Sent::of(headers, &HeaderName::from_static(name));
    let (dest, mode, site) = (field("sec-fetch-dest"), field("sec-fetch-mode"), field("sec-fetch-site"));
    // Chromium keeps the mode of the navigation. Firefox changes it to `same-origin`, and keeps a field that only
    // navigations have.
    let passed_on = mode.is("navigate") || mode.is("same-origin") && headers.contains_key("upgrade-insecure-requests");
    if dest.is("empty") && passed_on {
        return Err(GuardRefusal::ServiceWorker);
    }
    for (name, sent, right) in [
        ("Sec-Fetch-Dest", &dest, "document"),
        ("Sec-Fetch-Mode", &mode, "navigate"),
        ("Sec-Fetch-Site", &site, "same-origin"),
    ] {
        let missing = matches!(sent, Sent::Nothing);
        if !(sent.is(right) || missing && !strict) {
            return Err(GuardRefusal::Metadata(name));
        }
    }
    match Sent::of(headers, &header::ORIGIN) {
        Sent::Once("null") if site.is("same-origin") => Ok(()),
        Sent::Once(text) if is_origin(text, origin) => Ok(()),
        _ => Err(GuardRefusal::Origin),
    }
}

/// Checks that a POST comes from a page of the public origin, for the phone's buttons.
pub fn same_origin_post(headers: &HeaderMap, origin: &Origin) -> Result<(), GuardRefusal> {
    match Sent::of(headers, &HeaderName::from_static("sec-fetch-site")) {
        Sent::Nothing | Sent::Once("same-origin") => {}
        _ => return Err(GuardRefusal::Metadata("Sec-Fetch-Site")),
    }
    match Sent::of(headers, &header::ORIGIN) {
        Sent::Once(text) if is_origin(text, origin) => Ok(()),
        _ => Err(GuardRefusal::Origin),
    }
}

/// Whether an `Origin` field names this origin. To browsers a name with a final dot is another origin, although as a
/// `Host` it leads to the same place.
fn is_origin(text: &str, origin: &Origin) -> bool {
    let host = text.rsplit_once(':').filter(|(_, port)| !port.starts_with('/')).map_or(text, |(host, _)| host);
    !host.ends_with('.') && Origin::parse(text).as_ref() == Some(origin)
}

/// A field as it was sent.
enum Sent<'a> {
    Nothing,
    Once(&'a str),
    /// Repeated, or not text.
    Unusable,
}

impl<'a> Sent<'a> {
    fn of(headers: &'a HeaderMap, name: &HeaderName) -> Sent<'a> {
        let mut lines = headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Sent::Nothing,
            (Some(line), None) => line.to_str().map_or(Sent::Unusable, Sent::Once),
            (Some(_), Some(_)) => Sent::Unusable,
        }
    }

    fn is(&self, value: &str) -> bool {
        matches!(self, Sent::Once(text) if *text == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const CLICK: [(&str, &str); 4] = [
        ("origin", "https://app.example"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
    ];

    fn judge(change: impl FnOnce(&mut HeaderMap), strict: bool) -> Result<(), GuardRefusal> {
        let mut headers: HeaderMap =
            CLICK.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        change(&mut headers);
        may_mint(&headers, &Origin::parse("https://app.example").unwrap(), strict)
    }

    fn set(name: &'static str, value: &'static str) -> impl FnOnce(&mut HeaderMap) {
        move |headers| drop(headers.insert(name, HeaderValue::from_static(value)))
    }

    #[test]
    fn a_click_in_a_page_of_qrgate_may() {
        assert_eq!(judge(|_| {}, true), Ok(()));
        assert_eq!(judge(set("origin", "null"), true), Ok(()));
        assert_eq!(judge(set("origin", "https://APP.example:443"), true), Ok(()));
    }

    #[test]
    fn anything_else_may_not_and_the_reason_is_named() {
        assert_eq!(judge(set("origin", "https://evil.example"), true), Err(GuardRefusal::Origin));
        for other in ["http://app.example", "https://app.example.", "https://app.example.:443", "https://app.example/"]
        {
            assert_eq!(judge(set("origin", other), true), Err(GuardRefusal::Origin), "{other}");
        }
        assert_eq!(judge(|h| drop(h.remove("origin")), true), Err(GuardRefusal::Origin));
        for (name, value) in CLICK {
            let twice = |headers: &mut HeaderMap| {
                headers.append(name, HeaderValue::from_static(value));
            };
            assert!(judge(twice, false).is_err(), "{name} twice");
        }
        let by_fetch = |headers: &mut HeaderMap| {
            set("sec-fetch-dest", "empty")(headers);
            set("sec-fetch-mode", "cors")(headers);
        };
        assert_eq!(judge(by_fetch, true), Err(GuardRefusal::Metadata("Sec-Fetch-Dest")));
        assert_eq!(judge(set("sec-fetch-dest", "empty"), true), Err(GuardRefusal::ServiceWorker));
        let by_firefox = |headers: &mut HeaderMap| {
            set("sec-fetch-dest", "empty")(headers);
            set("sec-fetch-mode", "same-origin")(headers);
            set("upgrade-insecure-requests", "1")(headers);
        };
        assert_eq!(judge(by_firefox, true), Err(GuardRefusal::ServiceWorker));
        for dest in ["iframe", "object", "embed", "Document", ""] {
            assert_eq!(judge(set("sec-fetch-dest", dest), false), Err(GuardRefusal::Metadata("Sec-Fetch-Dest")));
        }
        for site in ["none", "cross-site", "same-site"] {
            assert_eq!(judge(set("sec-fetch-site", site), false), Err(GuardRefusal::Metadata("Sec-Fetch-Site")));
        }
        for field in AHEAD {
            assert_eq!(judge(set(field, ""), false), Err(GuardRefusal::Ahead(field)));
        }
    }

    #[test]
    fn missing_metadata_is_refused_only_where_it_is_required() {
        let without = |h: &mut HeaderMap| drop(h.remove("sec-fetch-dest"));
        assert_eq!(judge(without, true), Err(GuardRefusal::Metadata("Sec-Fetch-Dest")));
        assert_eq!(judge(without, false), Ok(()));
        let null_alone = |h: &mut HeaderMap| {
            h.clear();
            h.insert("origin", HeaderValue::from_static("null"));
        };
        assert_eq!(judge(null_alone, false), Err(GuardRefusal::Origin));
    }

    #[test]
    fn a_press_on_the_phone_needs_the_origin_and_no_foreign_site() {
        let judge = |fields: &[(&'static str, &'static str)]| {
            let headers: HeaderMap =
                fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
            same_origin_post(&headers, &Origin::parse("https://app.example").unwrap())
        };
        let own = ("origin", "https://app.example");
        assert_eq!(judge(&[own]), Ok(()));
        assert_eq!(judge(&[own, ("sec-fetch-site", "same-origin")]), Ok(()));
        for site in ["none", "same-site", "cross-site", ""] {
            let refused = Err(GuardRefusal::Metadata("Sec-Fetch-Site"));
            assert_eq!(judge(&[own, ("sec-fetch-site", site)]), refused, "{site}");
        }
        for fields in [
            &[][..],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://x.example")],
            &[("origin", "https://app.example.")],
        ] {
            assert_eq!(judge(fields), Err(GuardRefusal::Origin), "{fields:?}");
        }
    }
}
