//! Cookies: picking pairs out of requests, and judging `Set-Cookie` lines before they are relayed (RFC 6265).
//!
//! Names are compared as raw bytes: no trimming but for blanks around a pair, no quoting, no legacy syntax. What is
//! relayed is relayed byte for byte; nothing is parsed and printed again.

use http::header::{self, HeaderMap, HeaderValue};

use crate::clock::Timestamp;
use crate::origin::{Origin, Scheme};

use pair::{name_and_value, pairs_of, trim};
use set_cookie::SetCookie;

mod date;
mod pair;
mod set_cookie;
#[cfg(test)]
mod tests;

/// The browser cookie: this browser, and nothing else. The first on https, the second on plain http. A claim cookie
/// has the same name with `-` and the ticket's short id behind it.
const BROWSER_COOKIES: [&str; 2] = ["__Host-qrgate", "qrgate"];

/// How many claim cookies of one ticket are looked at. One is qrgate's, further ones were planted.
const MOST_CLAIM_COOKIES: usize = 8;

/// A cookie that must be one came twice, with different values: one of them was planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubled;

/// Every pair of every `Cookie` line, in order, as raw bytes. A pair without `=` has an empty name.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(header::COOKIE).iter().flat_map(|line| pairs_of(line.as_bytes()))
}

/// The session cookies of a request, as one `Cookie` value for the identify hook; none if there are none.
///
/// # Errors
///
/// [`Doubled`] when one name comes with two values (threat C13): neither the first nor the last wins.
pub fn sessions(headers: &HeaderMap, patterns: &[String]) -> Result<Option<String>, Doubled> {
    let mut picked: Vec<(&[u8], &[u8])> = Vec::new();
    for (name, value) in pairs(headers) {
        if name.is_empty() || is_ours(name) || !patterns.iter().any(|pattern| fits(pattern.as_bytes(), name)) {
            continue;
        }
        match picked.iter().find(|(known, _)| *known == name) {
            Some((_, other)) if *other != value => return Err(Doubled),
            Some(_) => {}
            None => picked.push((name, value)),
        }
    }
    Ok(cookie_field(picked.into_iter()))
}

/// One `Cookie` value of these pairs. What is not text is left out: no application makes such a session.
fn cookie_field<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<String> {
    let mut line = String::new();
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) {
            let between = if line.is_empty() { "" } else { "; " };
            line.extend([between, name, "=", value]);
        }
    }
    Some(line).filter(|line| !line.is_empty())
}

/// Whether `name` fits a pattern in which `*` stands for any bytes. Takes time in proportion to both, also for names
/// that an attacker chose: only the last `*` is ever gone back to.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut in_pattern, mut in_name) = (0, 0);
    let mut star = None;
    while in_name < name.len() {
        match (pattern.get(in_pattern), star) {
            (Some(b'*'), _) => {
                in_pattern += 1;
                star = Some((in_pattern, in_name));
            }
            (Some(byte), _) if *byte == name[in_name] => {
                in_pattern += 1;
                in_name += 1;
            }
            (_, Some((after, from))) => {
                (in_pattern, in_name) = (after, from + 1);
                star = Some((after, from + 1));
            }
            (_, None) => return false,
        }
    }
    pattern[in_pattern..].iter().all(|byte| *byte == b'*')
}

/// Whether a cookie of this name is qrgate's own: the browser cookie or a claim cookie.
pub fn is_ours(name: &[u8]) -> bool {
    let behind = |ours: &&str| name.strip_prefix(ours.as_bytes());
    BROWSER_COOKIES.iter().find_map(behind).is_some_and(|rest| matches!(rest, [] | [b'-', ..]))
}

/// The name of the browser cookie on an origin of that kind.
pub fn browser_name(https: bool) -> &'static str {
    BROWSER_COOKIES[usize::from(!https)]
}

/// The name of the claim cookie of the ticket with this short id, on an origin of that kind.
pub fn claim_name(https: bool, ticket: &str) -> String {
    format!("{}-{ticket}", browser_name(https))
}

/// Takes our own cookies out of every `Cookie` line. Lines without them stay as they are; an emptied line goes.
pub fn remove_ours(headers: &mut HeaderMap) {
    let touched = pairs(headers).any(|(name, _)| is_ours(name));
    if !touched {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().filter_map(without_ours).collect();
    headers.remove(header::COOKIE);
    for line in lines {
        headers.append(header::COOKIE, line);
    }
}

fn without_ours(line: &HeaderValue) -> Option<HeaderValue> {
    if !pairs_of(line.as_bytes()).any(|(name, _)| is_ours(name)) {
        return Some(line.clone());
    }
    let kept: Vec<&[u8]> =
        line.as_bytes().split(|byte| *byte == b';').map(trim).filter(|pair| !is_ours(name_and_value(pair).0)).collect();
    if kept.iter().all(|pair| pair.is_empty()) {
        return None;
    }
    HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok()
}

/// The browser cookie's value on an origin of that kind.
///
/// # Errors
///
/// [`Doubled`] when it comes more than once: which one is the browser's own cannot be told (threat I3).
pub fn browser(headers: &HeaderMap, https: bool) -> Result<Option<&str>, Doubled> {
    let wanted = browser_name(https).as_bytes();
    let mut values = pairs(headers).filter(|(name, _)| *name == wanted).map(|(_, value)| value);
    let first = values.next();
    match values.next() {
        Some(_) => Err(Doubled),
        None => Ok(first.and_then(|value| std::str::from_utf8(value).ok())),
    }
}

/// The values of the claim cookies of that name, in order. Several come where somebody planted one: each has to be
/// judged.
pub fn claims<'a>(headers: &'a HeaderMap, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    pairs(headers)
        .filter(move |(name, _)| *name == wanted.as_bytes())
        .filter_map(|(_, value)| std::str::from_utf8(value).ok())
        .take(MOST_CLAIM_COOKIES)
}

/// Whether a `Set-Cookie` line would set our own cookie.
pub fn names_ours(line: &HeaderValue) -> bool {
    SetCookie::parse(line.as_bytes()).is_sent_as(is_ours)
}

/// What became of the login hook's `Set-Cookie` lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Those to relay, in order, as they came but for an added `Secure`.
    pub lines: Vec<HeaderValue>,
    /// One sentence for each that was dropped. Names only, no values.
    pub dropped: Vec<String>,
}

/// A date as HTTP and cookies write it, in seconds since the epoch; none for what is no date.
pub fn date_of(text: &[u8]) -> Option<i64> {
    date::parse(text)
}

/// Judges lines for a browser on `origin`: ours and those of a foreign `Domain` are dropped, `Secure` is added on https.
/// Deletions are relayed like any other line.
pub fn relay<'a>(lines: impl Iterator<Item = &'a HeaderValue>, origin: &Origin) -> Relayed {
    let mut relayed = Relayed::default();
    for line in lines {
        match judge(line, origin) {
            Ok(line) => relayed.lines.push(line),
            Err(reason) => {
                let name = SetCookie::parse(line.as_bytes()).name.escape_ascii().take(64).map(char::from);
                relayed.dropped.push(format!("{}: {reason}", name.collect::<String>()));
            }
        }
    }
    relayed
}

fn judge(line: &HeaderValue, origin: &Origin) -> Result<HeaderValue, &'static str> {
    let bytes = line.as_bytes();
    if bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err("holds a forbidden byte");
    }
    let cookie = SetCookie::parse(bytes);
    if cookie.is_sent_as(is_ours) {
        return Err("is qrgate's own name");
    }
    if !cookie.domains.iter().all(|domain| domain_fits(domain, origin)) {
        return Err("is for a foreign Domain");
    }
    if origin.scheme() == Scheme::Https && !cookie.secure {
        return HeaderValue::from_bytes(&[bytes, b"; Secure"].concat()).map_err(|_| "does not fit a field");
    }
    Ok(line.clone())
}

/// Whether a browser on `origin` accepts that `Domain` (RFC 6265, section 5.1.3): its host, or a parent of at least two
/// labels. Which parents are public suffixes (`co.uk`) only the browser knows.
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

/// Whether a `Set-Cookie` line takes a cookie away.
pub fn deletes(line: &HeaderValue, now: Timestamp) -> bool {
    SetCookie::parse(line.as_bytes()).is_deletion(now)
}

/// The `Cookie` value that a browser would send to `path` after it received these lines, in order, at the address
/// `received_at`; none if there would be no cookie.
///
/// The last line of a name, Domain and Path wins, `Max-Age` and `Expires` delete, `Secure` needs https (RFC 6265,
/// section 5.3); two cookies of one name are both sent (section 5.4), the one of the longer path first.
pub fn apply(lines: &[HeaderValue], origin: &Origin, received_at: &str, path: &str, now: Timestamp) -> Option<String> {
    let mut jar = jar(lines, origin, received_at, now);
    jar.retain(|kept| path_fits(&kept.path, path.as_bytes()));
    jar.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
    cookie_field(jar.iter().map(|kept| (kept.name, kept.value)))
}

/// Whether a browser would have any cookie after these lines, for whatever path.
pub fn leaves_any(lines: &[HeaderValue], origin: &Origin, received_at: &str, now: Timestamp) -> bool {
    !jar(lines, origin, received_at, now).is_empty()
}

/// What an empty jar holds after these lines.
fn jar<'a>(lines: &'a [HeaderValue], origin: &Origin, received_at: &str, now: Timestamp) -> Vec<Kept<'a>> {
    let mut jar: Vec<Kept> = Vec::new();
    for line in lines {
        let cookie = SetCookie::parse(line.as_bytes());
        let kept = Kept::new(&cookie, received_at);
        let foreign = !cookie.domains.iter().all(|domain| domain_fits(domain, origin));
        if foreign || cookie.is_refused(origin.scheme() == Scheme::Https, &kept.path) {
            continue;
        }
        let known = jar.iter().position(|other| other.is_replaced_by(&kept));
        match (known, cookie.is_deletion(now)) {
            (Some(at), true) => drop(jar.remove(at)),
            (None, true) => {}
            // A cookie that is replaced keeps its place (section 5.3, step 11).
            (Some(at), false) => jar[at] = kept,
            (None, false) => jar.push(kept),
        }
    }
    jar
}

/// A cookie in a browser's jar.
struct Kept<'a> {
    name: &'a [u8],
    value: &'a [u8],
    domain: Option<Vec<u8>>,
    path: Vec<u8>,
}

impl<'a> Kept<'a> {
    fn new(cookie: &SetCookie<'a>, received_at: &str) -> Kept<'a> {
        let path = match cookie.path {
            Some(path) if path.starts_with(b"/") => path.to_vec(),
            _ => default_path(received_at).as_bytes().to_vec(),
        };
        let domain = cookie.domains.last().map(|domain| domain.strip_prefix(b".").unwrap_or(domain));
        Kept { name: cookie.name, value: cookie.value, domain: domain.map(<[u8]>::to_ascii_lowercase), path }
    }

    fn is_replaced_by(&self, other: &Kept<'_>) -> bool {
        self.name == other.name && self.domain == other.domain && self.path == other.path
    }
}

/// RFC 6265, section 5.1.4: the directory of the address.
fn default_path(address: &str) -> &str {
    match address.rfind('/') {
        Some(at) if at > 0 && address.starts_with('/') => &address[..at],
        _ => "/",
    }
}

/// RFC 6265, section 5.1.4: the same path, or one above it that ends at a slash.
fn path_fits(cookie: &[u8], path: &[u8]) -> bool {
    path.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || cookie.ends_with(b"/"))
}
