//! What the identify hook's answer says: signed in as somebody, signed out, or nothing that can be believed.
//!
//! Whatever is not plainly one of the first two is an error with its likely cause, never "signed in" (product contract,
//! section 8).

use std::fmt;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::encoding::encoded;
use crate::clock::Timestamp;

/// The most bytes of an answer that are read.
pub const LARGEST_ANSWER: usize = 64 * 1024;

/// The longest user id and display name, in bytes.
const LONGEST_NAME: usize = 256;

/// How far ahead of our clock, in seconds, an application's may be. A later `auth_time` is not believed: it may be in
/// milliseconds, and would never grow old.
const AHEAD: u64 = 300;

/// Who owns a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nobody.
    SignedOut,
    /// Somebody.
    SignedIn(Person),
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user id, byte for byte as the application gave it; an integer in decimal.
    pub user: String,
    /// The display name.
    pub name: Option<String>,
    /// Whether this session may sign a phone in.
    pub allowed: bool,
    /// When the person last proved who they are, in seconds since the epoch.
    pub auth_time: Option<u64>,
}

/// An application could not be asked, or what it said is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookError {
    /// What was seen and the likely cause, for the operator.
    pub cause: String,
}

impl HookError {
    pub(super) fn new(cause: impl Into<String>) -> HookError {
        HookError { cause: cause.into() }
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for HookError {}

/// Where in the answer things are: JSON pointers (RFC 6901), an empty one for "nowhere".
#[derive(Clone, Debug)]
pub struct Pointers {
    /// The user id.
    pub user_id: String,
    /// The display name.
    pub name: String,
    /// The permission.
    pub allowed: String,
    /// The time of the last proof.
    pub auth_time: String,
}

/// Judges status and fields. `Ok(None)`: the content has to be read and given to [`judge_content`].
///
/// # Errors
///
/// For every answer that says neither who is signed in nor that nobody is.
pub fn judge_head(
    status: StatusCode,
    headers: &HeaderMap,
    path: &str,
    sub_path: &str,
) -> Result<Option<Identity>, HookError> {
    match status.as_u16() {
        200 => Ok(None),
        401 | 403 | 204 => Ok(Some(Identity::SignedOut)),
        301 | 302 | 303 | 307 | 308 => judge_redirect(status, headers, path, sub_path).map(Some),
        400 => Err(HookError::new("answered 400: the application may not allow this Host (Django ALLOWED_HOSTS)")),
        404 => Err(HookError::new(format!("answered 404: the application has no route {path}"))),
        500..=599 => Err(HookError::new(format!("answered {status}: see the application's own log"))),
        other => Err(HookError::new(format!("answered {other}, which says neither yes nor no"))),
    }
}

/// A redirect elsewhere is a login wall. One to the hook's own path would come again for ever, and the person would be
/// sent to and fro between the ticket path and the login page.
fn judge_redirect(status: StatusCode, headers: &HeaderMap, path: &str, sub_path: &str) -> Result<Identity, HookError> {
    let Some(location) = headers.get(header::LOCATION).and_then(|value| value.to_str().ok()) else {
        return Err(HookError::new(format!("answered {} without a Location", status.as_u16())));
    };
    match leads_to(location, path, sub_path) {
        false => Ok(Identity::SignedOut),
        true => Err(HookError::new(format!("redirects {} to its own path: {SAME_PATH}", status.as_u16()))),
    }
}

/// Why an application redirects a hook to where it was called.
pub(super) const SAME_PATH: &str = "it does not believe X-Forwarded-Proto or Host (Django SECURE_PROXY_SSL_HEADER, \
    gunicorn and uvicorn --forwarded-allow-ips, Express trust proxy), or the route differs by its last slash";

/// Whether `location` names `path` again, whatever its scheme, host, query or last slash.
pub(super) fn leads_to(location: &str, path: &str, sub_path: &str) -> bool {
    let location = location.trim();
    let after_scheme = match location.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) => Some(rest),
        _ => location.strip_prefix("//"),
    };
    let local = match after_scheme {
        Some(rest) => rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]),
        None => location,
    };
    let target = local.split(['?', '#']).next().unwrap_or_default();
    let bare = |text: &str| text.trim_end_matches('/').to_owned();
    let path = path.split('?').next().unwrap_or_default();
    // A location without a path (`?x`, or nothing) is relative to the path that was called.
    if target.is_empty() {
        return after_scheme.is_none() || bare(path).is_empty();
    }
    bare(target) == bare(path) || bare(target) == bare(&format!("{sub_path}{path}"))
}

/// Judges the content of a 200. `encoding` is its `Content-Encoding`.
///
/// # Errors
///
/// If it is not JSON, or if what stands where the user id should is neither an id nor one of the ways to say nobody.
pub fn judge_content(
    content: &[u8],
    encoding: Option<&HeaderValue>,
    pointers: &Pointers,
    now: Timestamp,
) -> Result<Identity, HookError> {
    let answer: Value = serde_json::from_slice(content).map_err(|error| not_json(content, encoding, &error))?;
    judge_answer(&answer, pointers, now)
}

/// Judges JSON: a hook's answer, or the claims of a token.
///
/// # Errors
///
/// As [`judge_content`].
pub fn judge_answer(answer: &Value, pointers: &Pointers, now: Timestamp) -> Result<Identity, HookError> {
    let user = match answer.pointer(&pointers.user_id) {
        None | Some(Value::Null | Value::Bool(false)) => return Ok(Identity::SignedOut),
        Some(Value::String(text)) if text.is_empty() || text == "0" => return Ok(Identity::SignedOut),
        Some(Value::Number(number)) if number.as_u64() == Some(0) => return Ok(Identity::SignedOut),
        Some(Value::String(text)) if is_printable(text) => text.clone(),
        Some(Value::String(_)) => {
            return Err(HookError::new("the user id is over 256 bytes long or holds control characters"));
        }
        Some(Value::Number(number)) if number.is_u64() || number.is_i64() => number.to_string(),
        Some(Value::Number(number)) => return Err(HookError::new(odd_number(number))),
        Some(_) => return Err(HookError::new("the user id is neither a string nor an integer")),
    };
    Ok(Identity::SignedIn(Person {
        user,
        name: find(answer, &pointers.name).and_then(Value::as_str).filter(|name| is_name(name)).map(str::to_owned),
        allowed: find(answer, &pointers.allowed).is_none_or(|allowed| *allowed == Value::Bool(true)),
        auth_time: find(answer, &pointers.auth_time).and_then(seconds).filter(|at| *at <= now.seconds() + AHEAD),
    }))
}

fn find<'a>(answer: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.is_empty() { None } else { answer.pointer(pointer) }
}

/// An integer, or a number with a fraction, as languages without integers write the time.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|at| *at >= 0.0).map(|at| at as u64))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && is_printable(text)
}

/// Up to 256 bytes without control characters and line separators.
pub(super) fn is_printable(text: &str) -> bool {
    text.len() <= LONGEST_NAME && !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Why a number is no user id.
fn odd_number(number: &serde_json::Number) -> &'static str {
    match number.as_f64() {
        Some(value) if value.abs() >= 9_223_372_036_854_775_808.0 => {
            "the user id is a number of more than 64 bits, which JSON does not carry exactly: send it as a string"
        }
        _ => "the user id is a number with a fraction or an exponent: send an integer, or a string",
    }
}

fn not_json(content: &[u8], encoding: Option<&HeaderValue>, error: &serde_json::Error) -> HookError {
    if let Some(how) = encoded(content, encoding) {
        return HookError::new(format!("answered 200 with {how}"));
    }
    let start = content.trim_ascii_start();
    match start.first() {
        Some(b'<') => HookError::new("answered 200 with a page instead of JSON: the path does not reach the hook"),
        None => HookError::new("answered 200 without content"),
        // Not the error's own text, which may quote the answer.
        Some(_) => HookError::new(format!("answered 200 but not JSON (line {})", error.line())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn pointers() -> Pointers {
        let own = str::to_owned;
        Pointers { user_id: own("/user_id"), name: own("/name"), allowed: own("/allow"), auth_time: own("/auth_time") }
    }

    fn judge(answer: &Value) -> Result<Identity, HookError> {
        judge_content(answer.to_string().as_bytes(), None, &pointers(), NOW)
    }

    fn user(answer: &Value) -> Option<String> {
        match judge(answer) {
            Ok(Identity::SignedIn(person)) => Some(person.user),
            _ => None,
        }
    }

    #[test]
    fn a_string_or_an_integer_is_a_user() {
        assert_eq!(user(&json!({"user_id": "42"})).as_deref(), Some("42"));
        assert_eq!(user(&json!({"user_id": 42})).as_deref(), Some("42"));
        assert_eq!(user(&json!({"user_id": -1})).as_deref(), Some("-1"));
        assert_eq!(user(&json!({"user_id": "a@evil@corp "})).as_deref(), Some("a@evil@corp "), "never trimmed");
        assert_eq!(user(&json!({"user_id": "00"})).as_deref(), Some("00"));
    }

    #[test]
    fn the_ways_to_say_nobody_are_signed_out() {
        for nobody in [json!(null), json!(""), json!(0), json!("0"), json!(false)] {
            assert_eq!(judge(&json!({ "user_id": nobody })), Ok(Identity::SignedOut));
        }
        assert_eq!(judge(&json!({})), Ok(Identity::SignedOut));
        assert_eq!(judge(&json!([])), Ok(Identity::SignedOut));
    }

    #[test]
    fn anything_else_there_is_an_error() {
        for odd in
            [json!({}), json!([]), json!(true), json!(1.5), json!("a\n"), json!("\u{9b}"), json!("x".repeat(257))]
        {
            assert!(judge(&json!({ "user_id": odd })).is_err(), "{odd}");
        }
        for content in ["<!doctype html>", "", "{", "{\"user_id\": 1e2}", "{\"user_id\":-0}", "{\"user_id\":1} x"] {
            assert!(judge_content(content.as_bytes(), None, &pointers(), NOW).is_err(), "{content}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_number_or_with_the_content_is_named() {
        let cause = |content: &[u8], encoding: Option<&'static str>| {
            let encoding = encoding.map(HeaderValue::from_static);
            judge_content(content, encoding.as_ref(), &pointers(), NOW).unwrap_err().cause
        };
        for number in ["18446744073709551616", "-9223372036854775809", "1e30"] {
            let content = format!("{{\"user_id\": {number}}}");
            assert!(cause(content.as_bytes(), None).contains("more than 64 bits"), "{number}");
        }
        for number in ["1.5", "1e2", "-0"] {
            let content = format!("{{\"user_id\": {number}}}");
            assert!(cause(content.as_bytes(), None).contains("a fraction or an exponent"), "{number}");
        }
        let largest = judge_content(b"{\"user_id\": 18446744073709551615}", None, &pointers(), NOW);
        assert!(matches!(largest, Ok(Identity::SignedIn(person)) if person.user == "18446744073709551615"));
        assert!(cause(b"\x1f\x8b\x08\0", Some("gzip")).contains("switch it off for the hook's path"));
        assert!(cause(b"\xef\xbb\xbf{\"user_id\": 1}", None).contains("byte order mark"));
        assert!(cause(b"{,", None).contains("not JSON (line 1)"));
        let declared = HeaderValue::from_static("gzip");
        assert!(judge_content(b"{\"user_id\": 1}", Some(&declared), &pointers(), NOW).is_ok(), "it can be read");
    }

    #[test]
    fn only_true_allows_once_the_member_is_there() {
        let allowed = |answer: &Value| match judge(answer) {
            Ok(Identity::SignedIn(person)) => person.allowed,
            _ => panic!("signed in"),
        };
        assert!(allowed(&json!({"user_id": 1})));
        assert!(allowed(&json!({"user_id": 1, "allow": true})));
        for not in [json!(false), json!(null), json!(1), json!("true"), json!({})] {
            assert!(!allowed(&json!({"user_id": 1, "allow": not})), "{not}");
        }
    }

    #[test]
    fn an_auth_time_is_seconds_that_have_passed() {
        let at = |value: Value| match judge(&json!({"user_id": 1, "auth_time": value})) {
            Ok(Identity::SignedIn(person)) => person.auth_time,
            _ => panic!("signed in"),
        };
        assert_eq!(at(json!(1_789_999_000)), Some(1_789_999_000));
        assert_eq!(at(json!(1_789_999_000.75)), Some(1_789_999_000));
        assert_eq!(at(json!(1_789_999_000_000_u64)), None, "milliseconds would never grow old");
        assert_eq!(at(json!("1789999000")), None);
        assert_eq!(at(json!(-5)), None);
    }

    #[test]
    fn a_redirect_elsewhere_is_a_login_wall_and_one_to_itself_an_error() {
        let judge = |location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, location.parse().unwrap());
            judge_head(StatusCode::FOUND, &headers, "/_qr/whoami", "/app")
        };
        for elsewhere in ["/login?next=/_qr/whoami", "https://sso.example/_qr/", "https://sso.example", "login"] {
            assert_eq!(judge(elsewhere), Ok(Some(Identity::SignedOut)), "{elsewhere}");
        }
        for itself in [
            "https://app.example/_qr/whoami",
            "/_qr/whoami/",
            "//app.example:8443/_qr/whoami?x=1",
            "https://app.example/app/_qr/whoami",
            "web+app://app.example/_qr/whoami",
            "?again",
        ] {
            assert!(judge(itself).unwrap_err().cause.contains("own path"), "{itself}");
        }
        assert!(judge_head(StatusCode::FOUND, &HeaderMap::new(), "/_qr/whoami", "").is_err());
    }

    #[test]
    fn statuses_say_signed_out_or_are_errors() {
        let judge = |status: u16| judge_head(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), "/w", "");
        for status in [401, 403, 204] {
            assert_eq!(judge(status), Ok(Some(Identity::SignedOut)));
        }
        for status in [201, 202, 206, 300, 304, 400, 404, 405, 410, 418, 429, 500, 502, 503] {
            assert!(judge(status).is_err(), "{status}");
        }
        assert_eq!(judge(200), Ok(None));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::hash_map("(user_id|name|x)", inner, 0..3)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn nobody_is_signed_in_unless_the_rule_holds(id in any_json()) {
            let rule = match &id {
                Value::String(text) => !text.is_empty() && text != "0" && text.len() <= 256
                    && !text.chars().any(|c| c.is_control() || c == '\u{2028}' || c == '\u{2029}'),
                Value::Number(number) => (number.is_i64() || number.is_u64()) && number.as_i64() != Some(0),
                _ => false,
            };
            prop_assert_eq!(user(&json!({ "user_id": id })).is_some(), rule);
        }

        #[test]
        fn no_bytes_make_it_panic(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = judge_content(&content, None, &pointers(), NOW);
        }

        #[test]
        fn no_location_makes_it_panic(location in ".{0,60}") {
            let _ = leads_to(&location, "/_qr/whoami", "/app");
        }
    }
}
