//! One `Set-Cookie` line as a browser reads it (RFC 6265, section 5.2), as far as its decisions depend on it.

use crate::clock::Timestamp;

use super::date;
use super::pair::{name_and_value, trim};

/// Browsers drop a cookie whose name and value are longer together.
const LONGEST: usize = 4096;

/// A line, taken apart and not yet judged.
pub(super) struct SetCookie<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    /// Every `Domain` that is not empty: the last counts, but a foreign one anywhere is worth a refusal.
    pub(super) domains: Vec<&'a [u8]>,
    pub(super) path: Option<&'a [u8]>,
    pub(super) secure: bool,
    max_age: Option<MaxAge>,
    /// Seconds since the epoch.
    expires: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum MaxAge {
    Over,
    Running,
}

impl<'a> SetCookie<'a> {
    /// The last valid attribute of a name counts; what is not valid is as if it were not there.
    pub(super) fn parse(line: &'a [u8]) -> SetCookie<'a> {
        let mut parts = line.split(|byte| *byte == b';');
        let (name, value) = name_and_value(parts.next().unwrap_or(b""));
        let (name, value) = (trim(name), trim(value));
        let mut cookie =
            SetCookie { name, value, domains: Vec::new(), path: None, secure: false, max_age: None, expires: None };
        for part in parts {
            let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            cookie.read(trim(&part[..at]), trim(part.get(at + 1..).unwrap_or(b"")));
        }
        cookie
    }

    fn read(&mut self, attribute: &[u8], value: &'a [u8]) {
        let is = |name: &str| attribute.eq_ignore_ascii_case(name.as_bytes());
        if is("Domain") && !value.is_empty() {
            self.domains.push(value);
        } else if is("Path") {
            self.path = Some(value);
        } else if is("Secure") {
            self.secure = true;
        } else if is("Max-Age") {
            self.max_age = max_age(value).or(self.max_age);
        } else if is("Expires") {
            self.expires = date::parse(value).or(self.expires);
        }
    }

    /// Whether a browser would send this cookie under such a name. One without a name is sent as its bare value, which
    /// reads like a pair if it holds a `=` (`Set-Cookie: =name=value`).
    pub(super) fn is_sent_as(&self, such: impl Fn(&[u8]) -> bool) -> bool {
        match self.name {
            b"" => such(trim(name_and_value(self.value).0)),
            name => such(name),
        }
    }

    /// Whether a browser drops it: no name, too long, `Secure` on plain http, or a prefix whose conditions are not met.
    pub(super) fn is_refused(&self, https: bool, path: &[u8]) -> bool {
        let prefixed =
            |prefix: &[u8]| self.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let secure = self.secure && https;
        let bound_to_host = secure && self.domains.is_empty() && self.path.is_some() && path == b"/";
        self.name.is_empty()
            || self.name.len() + self.value.len() > LONGEST
            || (self.secure && !https)
            || (prefixed(b"__Secure-") && !secure)
            || (prefixed(b"__Host-") && !bound_to_host)
    }

    /// Whether it ends a cookie instead of setting one. `Max-Age` goes before `Expires`.
    pub(super) fn is_deletion(&self, now: Timestamp) -> bool {
        match (self.max_age, self.expires) {
            (Some(age), _) => age == MaxAge::Over,
            (None, Some(seconds)) => seconds <= i64::try_from(now.seconds()).unwrap_or(i64::MAX),
            (None, None) => false,
        }
    }
}

/// Digits, perhaps after a minus: of any length, so nothing is counted.
fn max_age(text: &[u8]) -> Option<MaxAge> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let over = text.starts_with(b"-") || digits.iter().all(|digit| *digit == b'0');
    valid.then_some(if over { MaxAge::Over } else { MaxAge::Running })
}
