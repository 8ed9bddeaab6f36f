//! One `Set-Cookie` line as a browser parses it (RFC 6265bis, sections 5.6 and 5.7).
//!
//! A cookie counts only if Chromium and Firefox both keep it. They differ on a tab within a line and on unusual forms of
//! `Max-Age`. `tests/browser/cookies.json` has what they do; `tests/browser/cookies.test.mjs` checks it.

use http::header::HeaderValue;

use crate::clock::Timestamp;
use crate::origin::Origin;

use super::date;
use super::dropped::{DropReason, Prefix};
use super::names::is_own;
use super::pair::{name_and_value, trim};

/// Maximum bytes of name and value together. Browsers drop a longer cookie.
const LONGEST: usize = 4096;
/// Maximum bytes of an attribute's value. Browsers ignore a longer one.
const LONGEST_ATTRIBUTE: usize = 1024;

/// A parsed line, not yet checked.
#[derive(Default)]
pub(super) struct SetCookie<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    /// Every `Domain` that is not empty. The last one counts, but any foreign one is a reason to refuse the line.
    domains: Vec<&'a [u8]>,
    /// The effective `Domain`, `None` for the host alone.
    pub(super) domain: Option<&'a [u8]>,
    pub(super) path: Option<&'a [u8]>,
    pub(super) secure: bool,
    pub(super) partitioned: bool,
    http_only: bool,
    same_site_none: bool,
    /// Whether `Max-Age` is not positive.
    max_age_is_over: Option<bool>,
    /// Seconds since the epoch.
    expires: Option<i64>,
    has_control: bool,
}

impl<'a> SetCookie<'a> {
    /// The last attribute of a name counts, valid or not. An invalid one is as if it were absent.
    pub(super) fn parse(line: &'a [u8]) -> SetCookie<'a> {
        let mut parts = line.split(|byte| *byte == b';');
        let (name, value) = pair_of(parts.next().unwrap_or(b""));
        let has_control = has_control(name) || has_control(value);
        let mut cookie = SetCookie { name, value, has_control, ..SetCookie::default() };
        for part in parts {
            let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            cookie.read(trim(&part[..at]), trim(part.get(at + 1..).unwrap_or(b"")));
        }
        cookie
    }

    fn read(&mut self, attribute: &[u8], value: &'a [u8]) {
        let is = |name: &str| attribute.eq_ignore_ascii_case(name.as_bytes());
        self.has_control |= has_control(attribute) || has_control(value);
        if is("Domain") && !value.is_empty() {
            self.domains.push(value);
        }
        if value.len() > LONGEST_ATTRIBUTE {
            return;
        }
        if is("Domain") {
            self.domain = Some(value).filter(|domain| !domain.is_empty());
        } else if is("Path") {
            self.path = Some(value);
        } else if is("Secure") {
            self.secure = true;
        } else if is("HttpOnly") {
            self.http_only = true;
        } else if is("Partitioned") {
            self.partitioned = true;
        } else if is("SameSite") {
            self.same_site_none = value.eq_ignore_ascii_case(b"None");
        } else if is("Max-Age") {
            self.max_age_is_over = max_age_is_over(value);
        } else if is("Expires") {
            self.expires = date::parse(value);
        }
    }

    /// Whether it names a `Domain` that a browser on `origin` does not accept.
    pub(super) fn is_foreign(&self, origin: &Origin) -> bool {
        !self.domains.iter().all(|domain| domain_fits(domain, origin))
    }

    /// Why a browser on `origin` refuses it, if it does. `path` is the effective path; `trusted` says whether the
    /// browser keeps `Secure` cookies of that origin.
    pub(super) fn refusal(&self, origin: &Origin, path: &[u8], trusted: bool) -> Option<DropReason> {
        let rules = [
            (self.has_control, DropReason::ControlCharacter),
            (self.name.is_empty(), DropReason::Nameless),
            (self.name.len() + self.value.len() > LONGEST, DropReason::TooLong),
            (self.is_foreign(origin), DropReason::ForeignDomain),
            (self.secure && !trusted, DropReason::SecureOnHttp),
            (self.same_site_none && !self.secure, DropReason::SameSiteNone),
            (self.partitioned && !self.secure, DropReason::Partitioned),
        ];
        let broken = rules.into_iter().find(|(is_broken, _)| *is_broken).map(|(_, reason)| reason);
        broken.or_else(|| self.unmet_prefix(path).map(DropReason::Prefix))
    }

    /// The prefix of its name whose conditions it does not meet.
    fn unmet_prefix(&self, path: &[u8]) -> Option<Prefix> {
        let bound_to_host = self.secure && self.domain.is_none() && self.path.is_some() && path == b"/";
        let prefixes = [
            ("__Host-Http-", Prefix::HostHttp, bound_to_host && self.http_only),
            ("__Host-", Prefix::Host, bound_to_host),
            ("__Http-", Prefix::Http, self.secure && self.http_only),
            ("__Secure-", Prefix::Secure, self.secure),
        ];
        let starts_with =
            |text: &str| self.name.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()));
        let (_, prefix, is_met) = prefixes.into_iter().find(|(text, ..)| starts_with(text))?;
        (!is_met).then_some(prefix)
    }

    /// Whether it deletes a cookie instead of setting one. `Max-Age` has precedence over `Expires`.
    pub(super) fn is_deletion(&self, now: Timestamp) -> bool {
        let is_past = |seconds| seconds <= i64::try_from(now.seconds()).unwrap_or(i64::MAX);
        self.max_age_is_over.unwrap_or_else(|| self.expires.is_some_and(is_past))
    }
}

fn pair_of(piece: &[u8]) -> (&[u8], &[u8]) {
    let (name, value) = name_and_value(piece);
    (trim(name), trim(value))
}

/// Whether a browser would send the cookie of this line under a name of qrgate's. A cookie without a name is sent as
/// its bare value, which reads like a pair if it contains a `=` (`Set-Cookie: =name=value`). Only the pair is parsed,
/// since this runs for each forwarded response.
pub fn names_own(line: &HeaderValue) -> bool {
    match pair_of(line.as_bytes().split(|byte| *byte == b';').next().unwrap_or(b"")) {
        (b"", value) => is_own(trim(name_and_value(value).0)),
        (name, _) => is_own(name),
    }
}

/// Whether a browser on `origin` accepts that `Domain` (RFC 6265bis, section 5.1.3): the host, or a parent of at least
/// two labels. Only browsers know which parents are public suffixes (`co.uk`).
fn domain_fits(domain: &[u8], origin: &Origin) -> bool {
    let Ok(domain) = std::str::from_utf8(domain) else { return false };
    let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    let host = origin.name();
    let is_parent = || {
        let above = host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'));
        above && domain.contains('.') && origin.address().is_none()
    };
    domain == host || is_parent()
}

/// Whether a trimmed name or value contains a control character.
fn has_control(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_control)
}

/// Reads digits of any number, after an optional sign. Firefox accepts a minus alone, Chromium a plus.
fn max_age_is_over(text: &[u8]) -> Option<bool> {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let is_negative = text.starts_with(b"-");
    let valid = (is_negative || !digits.is_empty()) && digits.iter().all(u8::is_ascii_digit);
    valid.then_some(is_negative || digits.iter().all(|digit| *digit == b'0'))
}
