//! `Set-Cookie` lines of the login hook: in a browser a relayed line has the application's meaning and no other effect.

use http::header::{self, HeaderMap, HeaderValue};

use super::cookies::is_own;
use super::lines::{trim, values};
use crate::clock::Timestamp;
use crate::cookies::{Browser, Jar, deletes, names_own, pairs, relay};
use crate::origin::Origin;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// The input is `Set-Cookie` lines of the login hook or of any response.
///
/// - Each line is relayed, in order, or dropped with a printable reason of limited length.
/// - A relayed line is unchanged; on https a line without `Secure` gets it appended. To a browser, name, value and
///   other attributes are the same.
/// - It has no line break and no foreign `Domain`, and never sets a cookie of qrgate.
/// - Relaying is idempotent, and a deletion stays a deletion.
pub fn check(data: &[u8]) {
    let lines = values(data);
    for origin in ["https://www.app.example", "http://app.example", "https://192.0.2.1:8443"] {
        let origin = Origin::parse(origin).expect("an origin");
        let https = origin.to_string().starts_with("https");
        let relayed = relay(lines.iter(), &origin);
        assert_eq!(relayed.lines.len() + relayed.dropped.len(), lines.len(), "every line is judged");
        for reason in &relayed.dropped {
            let reason = reason.to_string();
            assert!(reason.len() < 120 && reason.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{reason:?}");
        }
        let mut given = lines.iter();
        for line in &relayed.lines {
            let came_from = |given: &&HeaderValue| is_relayed_as(given.as_bytes(), line.as_bytes(), https);
            let from = given.find(came_from).unwrap_or_else(|| panic!("{line:?} was not given, or not in this order"));
            assert_eq!(deletes(from, NOW), deletes(line, NOW), "{line:?}");
            is_harmless(line, &origin);
        }
        assert_eq!(relay(relayed.lines.iter(), &origin).lines, relayed.lines, "relayed twice");
        let jar = Jar::receive(&relayed, &Browser::at(&origin, "/qr/x/", NOW));
        let lost = jar.lost("/_qr/whoami", &["sess*".to_owned()]);
        assert!(lost.len() <= lines.len(), "a line is lost once");
        if let Some(sent) = jar.sent_to("/_qr/whoami") {
            let sent = HeaderValue::from_bytes(sent.as_bytes()).expect("a field value");
            let sent = HeaderMap::from_iter([(header::COOKIE, sent)]);
            assert!(pairs(&sent).all(|(name, _)| !is_own(name)), "a browser would send a cookie of qrgate");
        }
    }
}

fn is_relayed_as(given: &[u8], line: &[u8], https: bool) -> bool {
    let (before, after) = (read(given), read(line));
    if before.attributes.iter().any(|(name, _)| name == b"secure") || !https {
        return given == line;
    }
    let mut expected = before.attributes;
    expected.push((b"secure".to_vec(), Vec::new()));
    (before.name, before.value, expected) == (after.name, after.value, after.attributes) && line.starts_with(given)
}

fn is_harmless(line: &HeaderValue, origin: &Origin) {
    assert!(!line.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    assert!(!names_own(line));
    let cookie = read(line.as_bytes());
    let sent_as = match cookie.name.is_empty() {
        true => trim(cookie.value.split(|byte| *byte == b'=').next().unwrap_or_default()),
        false => &cookie.name,
    };
    assert!(
        !is_own(sent_as) || !cookie.value.contains(&b'=') && cookie.name.is_empty(),
        "{line:?} sets qrgate's cookie"
    );
    for (_, domain) in cookie.attributes.iter().filter(|(name, value)| name == b"domain" && !value.is_empty()) {
        let domain = String::from_utf8_lossy(domain).to_lowercase();
        let domain = domain.strip_prefix('.').unwrap_or(&domain);
        let parent =
            domain.contains('.') && origin.address().is_none() && origin.name().ends_with(&format!(".{domain}"));
        assert!(domain == origin.name() || parent, "{line:?} is for {domain}");
    }
}

struct Read {
    name: Vec<u8>,
    value: Vec<u8>,
    /// Names in lower case.
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// An independent implementation of RFC 6265, section 5.2.
fn read(line: &[u8]) -> Read {
    let halves = |text: &[u8]| {
        let mut halves = text.splitn(2, |byte| *byte == b'=');
        let first = trim(halves.next().unwrap_or_default()).to_vec();
        (first, halves.next().map(|second| trim(second).to_vec()))
    };
    let mut parts = line.split(|byte| *byte == b';');
    let (name, value) = match halves(parts.next().unwrap_or_default()) {
        (name, Some(value)) => (name, value),
        (value, None) => (Vec::new(), value),
    };
    let attributes = parts.map(halves).map(|(name, value)| (name.to_ascii_lowercase(), value.unwrap_or_default()));
    Read { name, value, attributes: attributes.collect() }
}
