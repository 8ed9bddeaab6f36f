//! Cookies: picking pairs out of requests, and checking `Set-Cookie` lines before they are relayed (RFC 6265bis).
//!
//! Names are compared as raw bytes: no trimming except of whitespace around a pair, no quoting, no legacy syntax. Lines
//! are relayed byte for byte, never reserialised.

use std::collections::HashMap;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use names::fits;
use pair::{cookie_field, name_and_value, pairs_of, trim};

pub use date::parse as parse_date;
pub use dropped::{DropReason, Dropped, list};
pub use jar::{Browser, Jar};
pub use names::{browser_name, claim_name, is_own};
pub use relay::{Relayed, deletes, relay};
pub use set_cookie::names_own;

mod date;
mod dropped;
mod jar;
mod names;
mod pair;
mod relay;
mod set_cookie;
#[cfg(test)]
mod tests;

/// Maximum claim cookies of one ticket that are read. One is qrgate's; any other was planted.
const MAX_CLAIM_COOKIES: usize = 8;

/// A cookie was sent twice, with different values: one of them was planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubled;

/// Every pair of every `Cookie` line, in order, as raw bytes. A pair without `=` has an empty name.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(header::COOKIE).iter().flat_map(|line| pairs_of(line.as_bytes()))
}

/// The session cookies of a request, as one `Cookie` value for the identify hook. `None` if there is none.
///
/// # Errors
///
/// [`Doubled`] if a name has two values (docs/security.md, C13): neither the first nor the last wins.
pub fn sessions(headers: &HeaderMap, patterns: &[String]) -> Result<Option<String>, Doubled> {
    sessions_among(pairs(headers), patterns)
}

/// Like [`sessions`], for a `Cookie` value.
pub fn sessions_in(line: &str, patterns: &[String]) -> Result<Option<String>, Doubled> {
    sessions_among(pairs_of(line.as_bytes()), patterns)
}

fn sessions_among<'a>(
    pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    patterns: &[String],
) -> Result<Option<String>, Doubled> {
    let mut picked: Vec<(&[u8], &[u8])> = Vec::new();
    // A map, since a pattern can match as many names as a request has room for.
    let mut known: HashMap<&[u8], &[u8]> = HashMap::new();
    for (name, value) in pairs {
        if name.is_empty() || is_own(name) || !patterns.iter().any(|pattern| fits(pattern.as_bytes(), name)) {
            continue;
        }
        match known.insert(name, value) {
            Some(other) if other != value => return Err(Doubled),
            Some(_) => {}
            None => picked.push((name, value)),
        }
    }
    Ok(cookie_field(picked.into_iter()))
}

/// The names of the cookies in a request that are not qrgate's, for the log: at most 20, each at most 64 bytes.
pub fn foreign_names(headers: &HeaderMap) -> Vec<String> {
    let names = pairs(headers).map(|(name, _)| name).filter(|name| !name.is_empty() && !is_own(name));
    names.take(20).map(|name| String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned()).collect()
}

/// Removes qrgate's cookies from every `Cookie` line. Lines without them are unchanged; an emptied line is removed.
pub fn remove_own(headers: &mut HeaderMap) {
    if pairs(headers).any(|(name, _)| is_own(name)) {
        replace_lines(headers, &header::COOKIE, without_own);
    }
}

/// Removes the `Set-Cookie` lines that would set qrgate's cookies (docs/conformance.md, I6).
pub fn remove_own_set_cookies(headers: &mut HeaderMap) {
    // Most responses have none: a pass over the names costs less than a look-up.
    if headers.keys().any(|name| *name == header::SET_COOKIE)
        && headers.get_all(header::SET_COOKIE).iter().any(names_own)
    {
        replace_lines(headers, &header::SET_COOKIE, |line| (!names_own(line)).then(|| line.clone()));
    }
}

fn replace_lines(headers: &mut HeaderMap, name: &HeaderName, edit: impl Fn(&HeaderValue) -> Option<HeaderValue>) {
    let lines: Vec<HeaderValue> = headers.get_all(name).iter().filter_map(edit).collect();
    headers.remove(name);
    headers.extend(lines.into_iter().map(|line| (name.clone(), line)));
}

fn without_own(line: &HeaderValue) -> Option<HeaderValue> {
    if !pairs_of(line.as_bytes()).any(|(name, _)| is_own(name)) {
        return Some(line.clone());
    }
    let kept: Vec<&[u8]> =
        line.as_bytes().split(|byte| *byte == b';').map(trim).filter(|pair| !is_own(name_and_value(pair).0)).collect();
    if kept.iter().all(|pair| pair.is_empty()) {
        return None;
    }
    HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok()
}

/// The browser cookie's value on an origin of that kind.
///
/// # Errors
///
/// [`Doubled`] if it was sent more than once: which one is the browser's own is unknown (docs/conformance.md, I3).
pub fn browser(headers: &HeaderMap, https: bool) -> Result<Option<&str>, Doubled> {
    let wanted = browser_name(https).as_bytes();
    let mut values = pairs(headers).filter(|(name, _)| *name == wanted).map(|(_, value)| value);
    let first = values.next();
    match values.next() {
        Some(_) => Err(Doubled),
        None => Ok(first.and_then(|value| std::str::from_utf8(value).ok())),
    }
}

/// The values of the claim cookies of that name, in order. Several, if one was planted: the caller checks each.
pub fn claims<'a>(headers: &'a HeaderMap, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    pairs(headers)
        .filter(move |(name, _)| *name == wanted.as_bytes())
        .filter_map(|(_, value)| std::str::from_utf8(value).ok())
        .take(MAX_CLAIM_COOKIES)
}
