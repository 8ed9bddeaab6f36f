//! Cookies: picking pairs out of requests, and judging `Set-Cookie` lines before they are relayed (RFC 6265).
//!
//! Names are compared as raw bytes: no trimming but for blanks around a pair, no quoting, no legacy syntax. What is
//! relayed is relayed byte for byte; nothing is parsed and printed again.

use http::header::{self, HeaderMap, HeaderValue};

use crate::clock::Timestamp;
use crate::origin::{Origin, Scheme};

/// Our own cookie: this browser, and nothing else. The first on https, the second on plain http.
pub const BROWSER_COOKIES: [&str; 2] = ["__Host-qrgate", "qrgate"];

/// A cookie that must be one came twice, with different values: one of them was planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubled;

/// Every pair of every `Cookie` line, in order, as raw bytes. A pair without `=` has an empty name.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.get_all(header::COOKIE).iter().flat_map(|line| pairs_of(line.as_bytes()))
}

fn pairs_of(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').map(trim).filter(|pair| !pair.is_empty()).map(name_and_value)
}

fn name_and_value(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (b"", pair),
    }
}

/// Drops blanks and tabs at both ends.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
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
    let joined: Vec<Vec<u8>> = picked.iter().map(|(name, value)| [*name, b"=", *value].concat()).collect();
    // What is not text cannot be a session that an application made.
    Ok(Some(joined.join(&b"; "[..])).filter(|line| !line.is_empty()).and_then(|line| String::from_utf8(line).ok()))
}

/// Whether `name` fits a pattern in which `*` stands for any bytes.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| fits(rest, &name[at..])),
        Some((byte, rest)) => name.first() == Some(byte) && fits(rest, &name[1..]),
    }
}

fn is_ours(name: &[u8]) -> bool {
    BROWSER_COOKIES.iter().any(|ours| ours.as_bytes() == name)
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
    let joined = kept.join(&b"; "[..]);
    (!joined.is_empty()).then(|| HeaderValue::from_bytes(&joined).ok()).flatten()
}

/// The browser cookie's value on an origin of that kind.
///
/// # Errors
///
/// [`Doubled`] when it comes more than once: which one is the browser's own cannot be told (threat I3).
pub fn browser(headers: &HeaderMap, https: bool) -> Result<Option<&str>, Doubled> {
    let wanted = BROWSER_COOKIES[usize::from(!https)].as_bytes();
    let mut values = pairs(headers).filter(|(name, _)| *name == wanted).map(|(_, value)| value);
    let first = values.next();
    match values.next() {
        Some(_) => Err(Doubled),
        None => Ok(first.and_then(|value| std::str::from_utf8(value).ok())),
    }
}

/// Whether a `Set-Cookie` line would set our own cookie.
pub fn names_ours(line: &HeaderValue) -> bool {
    let pair = line.as_bytes().split(|byte| *byte == b';').next().unwrap_or(b"");
    is_ours(trim(name_and_value(pair).0))
}

/// What became of the login hook's `Set-Cookie` lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Those to relay, in order, as they came but for an added `Secure`.
    pub lines: Vec<HeaderValue>,
    /// One sentence for each that was dropped. Names only, no values.
    pub dropped: Vec<String>,
}

/// Judges lines for a browser on `origin`: ours and those of a foreign `Domain` are dropped, `Secure` is added on https.
pub fn relay<'a>(lines: impl Iterator<Item = &'a HeaderValue>, origin: &Origin) -> Relayed {
    let mut relayed = Relayed::default();
    for line in lines {
        match judge(line, origin) {
            Ok(line) => relayed.lines.push(line),
            Err(reason) => {
                let name = SetCookie::parse(line.as_bytes()).name.escape_ascii().to_string();
                relayed.dropped.push(format!("{name}: {reason}"));
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
    if is_ours(cookie.name) {
        return Err("is qrgate's own name");
    }
    if cookie.domain.is_some_and(|domain| !domain_fits(domain, origin)) {
        return Err("is for a foreign Domain");
    }
    if origin.scheme() == Scheme::Https && !cookie.secure {
        return HeaderValue::from_bytes(&[bytes, b"; Secure"].concat()).map_err(|_| "does not fit a field");
    }
    Ok(line.clone())
}

/// Whether a browser on `origin` accepts that `Domain` (RFC 6265, section 5.1.3): its host, or a parent of at least two
/// labels. An empty one is no `Domain`.
fn domain_fits(domain: &[u8], origin: &Origin) -> bool {
    let Ok(domain) = std::str::from_utf8(domain) else { return false };
    let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    let host = origin.name();
    let parent = || {
        let above = host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'));
        above && domain.contains('.') && origin.address().is_none()
    };
    domain.is_empty() || domain == host || parent()
}

/// The `Cookie` value that a browser would send to `path` after it received these lines, in order, at the address
/// `received_at`; none if there would be no cookie.
///
/// The last line of a name and Path wins; `Max-Age` and `Expires` delete; `Secure` needs https (RFC 6265, section 5.3).
pub fn apply(lines: &[HeaderValue], origin: &Origin, received_at: &str, path: &str, now: Timestamp) -> Option<String> {
    let https = origin.scheme() == Scheme::Https;
    let mut jar: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = Vec::new();
    for line in lines {
        let cookie = SetCookie::parse(line.as_bytes());
        let cookie_path = match cookie.path {
            Some(path) if path.starts_with(b"/") => path.to_vec(),
            _ => default_path(received_at).into_bytes(),
        };
        if cookie.is_refused(https, &cookie_path) {
            continue;
        }
        jar.retain(|(name, at, _)| !(name == cookie.name && *at == cookie_path));
        if !cookie.is_deletion(now) {
            jar.push((cookie.name.to_vec(), cookie_path, cookie.value.to_vec()));
        }
    }
    jar.retain(|(_, at, _)| path_fits(at, path.as_bytes()));
    // Longer paths come first (RFC 6265, section 5.4); a second of one name is another cookie all the same.
    jar.sort_by_key(|(_, at, _)| std::cmp::Reverse(at.len()));
    let mut seen: Vec<&[u8]> = Vec::new();
    let mut sent = Vec::new();
    for (name, _, value) in &jar {
        if !seen.contains(&name.as_slice()) {
            seen.push(name);
            sent.push([name.as_slice(), b"=", value].concat());
        }
    }
    Some(sent.join(&b"; "[..])).filter(|line| !line.is_empty()).and_then(|line| String::from_utf8(line).ok())
}

/// RFC 6265, section 5.1.4: the directory of the address.
fn default_path(address: &str) -> String {
    match address.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(at) => address[..at].to_owned(),
    }
}

fn path_fits(cookie: &[u8], path: &[u8]) -> bool {
    path.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || cookie.ends_with(b"/"))
}

/// A `Set-Cookie` line, as far as a browser's decision depends on it.
struct SetCookie<'a> {
    name: &'a [u8],
    value: &'a [u8],
    domain: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    max_age: Option<&'a [u8]>,
    expires: Option<&'a [u8]>,
    secure: bool,
}

impl<'a> SetCookie<'a> {
    fn parse(line: &'a [u8]) -> SetCookie<'a> {
        let mut parts = line.split(|byte| *byte == b';');
        let (name, value) = name_and_value(parts.next().unwrap_or(b""));
        let mut cookie = SetCookie {
            name: trim(name),
            value: trim(value),
            domain: None,
            path: None,
            max_age: None,
            expires: None,
            secure: false,
        };
        for part in parts {
            let part = trim(part);
            let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            let (name, value) = (trim(&part[..at]), trim(part.get(at + 1..).unwrap_or(b"")));
            // The last attribute of a name counts.
            match name.to_ascii_lowercase().as_slice() {
                b"domain" => cookie.domain = Some(value),
                b"path" => cookie.path = Some(value),
                b"max-age" => cookie.max_age = Some(value),
                b"expires" => cookie.expires = Some(value),
                b"secure" => cookie.secure = true,
                _ => {}
            }
        }
        cookie
    }

    /// Whether a browser drops it: no name, `Secure` on plain http, or a prefix whose conditions are not met.
    fn is_refused(&self, https: bool, path: &[u8]) -> bool {
        let prefixed = |prefix: &str| {
            self.name.len() >= prefix.len() && self.name[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes())
        };
        let secure = self.secure && https;
        let host_prefix = prefixed("__Host-") && !(secure && self.domain.is_none() && path == b"/");
        self.name.is_empty() || self.secure && !https || prefixed("__Secure-") && !secure || host_prefix
    }

    fn is_deletion(&self, now: Timestamp) -> bool {
        if let Some(age) = self.max_age.and_then(|text| std::str::from_utf8(text).ok()?.parse::<i64>().ok()) {
            return age <= 0;
        }
        let date = self.expires.and_then(|text| std::str::from_utf8(text).ok());
        date.and_then(expiry).is_some_and(|seconds| seconds <= i64::try_from(now.seconds()).unwrap_or(i64::MAX))
    }
}

/// A cookie date (RFC 6265, section 5.1.1), in seconds since the epoch.
fn expiry(date: &str) -> Option<i64> {
    let parsed = cookie::Cookie::parse(format!("x=; Expires={date}")).ok()?;
    parsed.expires_datetime().map(|date| date.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    fn lines(lines: &[&str]) -> Vec<HeaderValue> {
        lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect()
    }

    fn https() -> Origin {
        Origin::parse("https://www.app.example").unwrap()
    }

    #[test]
    fn session_cookies_are_found_by_name_and_glob() {
        let patterns = ["sessionid".to_owned(), "wordpress_*".to_owned()];
        let found = |h: &[&str]| sessions(&headers(h), &patterns);
        assert_eq!(
            found(&["a=1; sessionid=x%3A; wordpress_a=2"]),
            Ok(Some("sessionid=x%3A; wordpress_a=2".to_owned()))
        );
        assert_eq!(found(&["a=1", "sessionid=x"]), Ok(Some("sessionid=x".to_owned())));
        assert_eq!(found(&["Sessionid=x; sessionidx=1; xsessionid=2"]), Ok(None));
        assert_eq!(found(&["sessionid=x; sessionid=x"]), Ok(Some("sessionid=x".to_owned())));
        assert_eq!(found(&["sessionid=x; sessionid=y"]), Err(Doubled));
        assert_eq!(found(&["sessionid=x", "sessionid=y"]), Err(Doubled));
        assert_eq!(sessions(&headers(&["qrgate=a; b=c"]), &["*".to_owned()]), Ok(Some("b=c".to_owned())));
    }

    #[test]
    fn disguised_names_are_not_ours() {
        let mut map = headers(&["$Version=1; __Host-qrgate=x; a=1", "b=2"]);
        assert_eq!(browser(&map, true), Ok(Some("x")));
        remove_ours(&mut map);
        let left: Vec<_> = map.get_all(header::COOKIE).iter().collect();
        assert_eq!(left, ["$Version=1; a=1", "b=2"]);
        assert_eq!(browser(&headers(&["\"__Host-qrgate\"=x; __host-qrgate=y"]), true), Ok(None));
        assert_eq!(browser(&headers(&["qrgate=x; qrgate=x"]), false), Err(Doubled));
        assert_eq!(browser(&headers(&["qrgate=x"]), true), Ok(None));
    }

    #[test]
    fn lines_are_relayed_as_they_came_but_for_secure() {
        let given = lines(&[
            "sessionid=a; Expires=Fri, 31 Dec 2100 23:59:59 GMT; Path=/; secure",
            "b=\"x,y\"; HttpOnly",
            "c=1; Domain=.app.example; Secure",
            "d=1; Domain=evil.example",
            "e=1; Domain=example",
            "__Host-qrgate=x; Secure; Path=/",
        ]);
        let relayed = relay(given.iter(), &https());
        assert_eq!(relayed.lines[0], given[0]);
        assert_eq!(relayed.lines[1], "b=\"x,y\"; HttpOnly; Secure");
        assert_eq!(relayed.lines[2], given[2]);
        assert_eq!(relayed.lines.len(), 3);
        assert_eq!(relayed.dropped.len(), 3);
    }

    #[test]
    fn lines_are_applied_as_a_browser_does() {
        let sent = |given: &[&str], origin: &str| {
            apply(&lines(given), &Origin::parse(origin).unwrap(), "/qr/x/", "/_qr/whoami", Timestamp(1_700_000_000_000))
        };
        assert_eq!(sent(&["a=1; Path=/", "a=2; Path=/"], "https://a.example").as_deref(), Some("a=2"));
        assert_eq!(sent(&["a=1; Path=/", "a=; Path=/; Max-Age=0"], "https://a.example"), None);
        assert_eq!(sent(&["a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "https://a.example"), None);
        assert_eq!(
            sent(&["a=1; Path=/; Expires=Fri, 31 Dec 2100 23:59:59 GMT"], "https://a.example").as_deref(),
            Some("a=1")
        );
        assert_eq!(sent(&["a=1; Path=/admin", "b=2"], "https://a.example"), None);
        assert_eq!(sent(&["a=1; Path=/_qr", "a=2; Path=/"], "https://a.example").as_deref(), Some("a=1"));
        assert_eq!(sent(&["a=1; Path=/; Secure"], "http://a.example"), None);
        assert_eq!(sent(&["__Host-a=1; Path=/"], "https://a.example"), None);
        assert_eq!(sent(&["__Host-a=1; Path=/; Secure"], "https://a.example").as_deref(), Some("__Host-a=1"));
    }

    proptest! {
        #[test]
        fn taking_ours_out_leaves_every_other_pair(line in "[ -~&&[^\r\n]]{0,60}") {
            let mut map = headers(&[&line]);
            let before: Vec<_> = pairs(&map).filter(|(n, _)| !is_ours(n)).map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            remove_ours(&mut map);
            let after: Vec<_> = pairs(&map).map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(before, after);
        }

        #[test]
        fn no_line_of_bytes_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let all = [value];
                let relayed = relay(all.iter(), &https());
                prop_assert!(relayed.lines.len() + relayed.dropped.len() == 1);
                apply(&relayed.lines, &https(), "/qr/x/", "/_qr/whoami", Timestamp(0));
            }
        }
    }
}
