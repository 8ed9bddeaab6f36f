//! Cookies of a request: qrgate's cookies never reach the application, and all others arrive unchanged.

use std::collections::BTreeMap;

use http::header::{self, HeaderMap, HeaderValue};

use super::lines::{trim, values};
use crate::cookies::{Doubled, browser, pairs, remove_own, sessions};

const OWN: [&[u8]; 2] = [b"__Host-qrgate", b"qrgate"];

/// The browser cookie, or a claim cookie: the same name, `-`, and eight hexadecimal digits.
pub(super) fn is_own(name: &[u8]) -> bool {
    let digits = |digits: &[u8]| digits.iter().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit));
    let claim = name.split_last_chunk::<8>().filter(|(_, ticket)| digits(&ticket[..]));
    OWN.contains(&name) || claim.is_some_and(|(before, _)| [&b"__Host-qrgate-"[..], b"qrgate-"].contains(&before))
}

/// The input is `Cookie` lines.
///
/// - qrgate's cookies are removed from every line. All other pairs stay, in order. Lines without qrgate's cookies are
///   unchanged.
/// - The identify hook gets exactly the session cookies, each once, and is not called when one has two values.
/// - The browser cookie counts only if it occurs once.
/// - Several lines have the same meaning as one line joined by `; ` (RFC 9113, section 8.2.3).
pub fn check(data: &[u8]) {
    let mut fields = HeaderMap::new();
    for line in values(data) {
        fields.append(header::COOKIE, line);
    }
    let seen = read(&fields);
    assert_eq!(owned(&fields), seen, "the pairs");
    picking(&fields, &seen);
    binding(&fields, &seen);

    let lines: Vec<HeaderValue> = fields.get_all(header::COOKIE).iter().cloned().collect();
    let joined = lines.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        assert_eq!(read(&HeaderMap::from_iter([(header::COOKIE, joined)])), seen, "one line");
    }

    let mut left = fields.clone();
    remove_own(&mut left);
    let others: Vec<_> = seen.iter().filter(|(name, _)| !is_own(name)).cloned().collect();
    assert_eq!(read(&left), others, "what is left");
    for line in lines {
        let untouched = read(&HeaderMap::from_iter([(header::COOKIE, line.clone())]));
        if untouched.iter().all(|(name, _)| !is_own(name)) {
            assert!(left.get_all(header::COOKIE).iter().any(|kept| kept == line), "{line:?} was touched");
        }
    }
}

fn picking(fields: &HeaderMap, seen: &[Pair]) {
    let mut expected: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    for (name, value) in seen.iter().filter(|(name, _)| name == b"sessionid" || name.starts_with(b"wordpress_")) {
        let known = expected.entry(name).or_default();
        if !known.contains(&value.as_slice()) {
            known.push(value);
        }
    }
    let patterns = ["sessionid".to_owned(), "wordpress_*".to_owned()];
    let picked = sessions(fields, &patterns);
    if expected.values().any(|values| values.len() > 1) {
        assert_eq!(picked, Err(Doubled));
        return;
    }
    let is_text = |name: &[u8], value: &[u8]| std::str::from_utf8(name).is_ok() && std::str::from_utf8(value).is_ok();
    expected.retain(|name, values| is_text(name, values[0]));
    let line = picked.expect("no name has two values");
    let line = line.map(|line| HeaderValue::from_bytes(line.as_bytes()).expect("a field value"));
    let asked = read(&line.map(|line| (header::COOKIE, line)).into_iter().collect());
    let asked: BTreeMap<&[u8], Vec<&[u8]>> =
        asked.iter().map(|(name, value)| (name.as_slice(), vec![value.as_slice()])).collect();
    assert_eq!(asked, expected, "what the hook is asked about");

    // `*` selects every cookie except qrgate's.
    if let Ok(Some(line)) = sessions(fields, &["*".to_owned()]) {
        let line = HeaderValue::from_bytes(line.as_bytes()).expect("a field value");
        let asked = read(&HeaderMap::from_iter([(header::COOKIE, line)]));
        assert!(asked.iter().all(|(name, _)| !is_own(name)), "the hook got a cookie of qrgate");
    }
}

fn binding(fields: &HeaderMap, seen: &[Pair]) {
    for (https, own) in [(true, OWN[0]), (false, OWN[1])] {
        let values: Vec<&[u8]> =
            seen.iter().filter(|(name, _)| name == own).map(|(_, value)| value.as_slice()).collect();
        match browser(fields, https) {
            Ok(Some(value)) => assert_eq!(values, [value.as_bytes()]),
            Ok(None) => assert!(values.is_empty() || values.len() == 1 && std::str::from_utf8(values[0]).is_err()),
            Err(Doubled) => assert!(values.len() > 1),
        }
    }
}

type Pair = (Vec<u8>, Vec<u8>);

fn owned(fields: &HeaderMap) -> Vec<Pair> {
    pairs(fields).map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// The rule, independent of the implementation: split at `;`, trim, split at the first `=`; without `=` the name is
/// empty.
fn read(fields: &HeaderMap) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for line in fields.get_all(header::COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';').map(trim).filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let start = halves.next().unwrap_or_default().to_vec();
            pairs.push(match halves.next() {
                Some(value) => (start, value.to_vec()),
                None => (Vec::new(), start),
            });
        }
    }
    pairs
}
