//! What a response of the identify hook means: signed in, signed out, or an error.
//!
//! Only the forms that docs/recipes lists mean "signed in" or "signed out". Everything else is an error with its likely
//! cause, never "signed in".

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::encoding::encoded;
use super::hook_error::{HookError, NotJson, SamePath};
use crate::clock::Timestamp;

/// The longest user id and display name, in bytes.
const LONGEST_NAME: usize = 256;

/// Tolerance, in seconds, for an application's clock that is fast. A later `auth_time` is ignored: it may be in
/// milliseconds, and would never be too old.
const AHEAD: u64 = 300;

/// The owner of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// No user is signed in with this session.
    SignedOut,
    SignedIn(Person),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user id, byte for byte as the application gave it; an integer in decimal.
    pub user: String,
    pub name: Option<String>,
    /// A name of the account that is shown to its owner only.
    pub account_hint: Option<String>,
    /// Whether this session may sign a phone in.
    pub allowed: bool,
    /// When the person last authenticated, in seconds since the epoch.
    pub auth_time: Option<u64>,
}

/// Where the response holds each value: JSON pointers (RFC 6901). An empty one means that the response does not hold
/// it.
#[derive(Clone, Debug)]
pub struct Pointers {
    pub user_id: String,
    pub name: String,
    pub allowed: String,
    pub auth_time: String,
}

/// Judges status and fields. `Ok(None)`: the content decides, see [`judge_content`].
///
/// # Errors
///
/// [`HookError`] for a response that means neither signed in nor signed out.
pub fn judge_head(
    status: StatusCode,
    headers: &HeaderMap,
    path: &str,
    sub_path: &str,
) -> Result<Option<Identity>, HookError> {
    match status.as_u16() {
        200 => Ok(None),
        401 | 403 | 204 => Ok(Some(Identity::SignedOut)),
        code @ (301 | 302 | 303 | 307 | 308) => judge_redirect(code, headers, path, sub_path).map(Some),
        code => Err(HookError::Status(code, likely_cause(code))),
    }
}

fn likely_cause(code: u16) -> &'static str {
    match code {
        400 => "the application may not allow this Host (Django ALLOWED_HOSTS)",
        404 => "the application has no such route",
        500..=599 => "see the application's own log",
        _ => "this means neither signed in nor signed out",
    }
}

/// A redirect elsewhere is a login wall. One to the hook's own path would repeat without end, and the person would be
/// sent back and forth between the ticket path and the sign-in page.
fn judge_redirect(code: u16, headers: &HeaderMap, path: &str, sub_path: &str) -> Result<Identity, HookError> {
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    match same_path(location.ok_or(HookError::NoLocation(code))?, path, sub_path) {
        None => Ok(Identity::SignedOut),
        Some(same) => Err(HookError::SamePath(code, same)),
    }
}

/// Whether `location` names `path` again, whatever its scheme, host or query, and whether the last slash differs.
pub fn same_path(location: &str, path: &str, sub_path: &str) -> Option<SamePath> {
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
    let path = path.split('?').next().unwrap_or_default();
    let bare = |text: &str| text.trim_end_matches('/').to_owned();
    // A location without a path (`?x`, or empty) is relative to the path that was called.
    if target.is_empty() {
        return (after_scheme.is_none() || bare(path).is_empty()).then_some(SamePath::Same);
    }
    let same = bare(target) == bare(path) || bare(target) == bare(&format!("{sub_path}{path}"));
    let slash = target.ends_with('/') != path.ends_with('/');
    same.then_some(if slash { SamePath::Slash } else { SamePath::Same })
}

/// Judges the content of a 200. `encoding` is its `Content-Encoding`.
///
/// # Errors
///
/// [`HookError`] if it is not JSON, or if the user id is neither an id nor one of the ways to say "signed out".
pub fn judge_content(
    content: &[u8],
    encoding: Option<&HeaderValue>,
    pointers: &Pointers,
    now: Timestamp,
) -> Result<Identity, HookError> {
    let json: Value = serde_json::from_slice(content)
        .map_err(|error| HookError::NotJson(200, not_json(content, encoding, &error)))?;
    judge_json(&json, pointers, now)
}

/// Judges JSON: content of a hook's response, or the claims of a token.
///
/// # Errors
///
/// [`HookError::UserId`]
pub fn judge_json(json: &Value, pointers: &Pointers, now: Timestamp) -> Result<Identity, HookError> {
    let user = match json.pointer(&pointers.user_id) {
        None | Some(Value::Null | Value::Bool(false)) => return Ok(Identity::SignedOut),
        Some(Value::String(text)) if text.is_empty() || text == "0" => return Ok(Identity::SignedOut),
        Some(Value::Number(number)) if number.as_u64() == Some(0) => return Ok(Identity::SignedOut),
        Some(Value::String(text)) if is_printable(text) => text.clone(),
        Some(Value::String(_)) => {
            return Err(HookError::UserId("the user id is over 256 bytes long or holds control characters"));
        }
        Some(Value::Number(number)) if number.is_u64() || number.is_i64() => number.to_string(),
        Some(Value::Number(number)) => return Err(HookError::UserId(odd_number(number))),
        Some(_) => return Err(HookError::UserId("the user id is neither a string nor an integer")),
    };
    let name = |found: Option<&Value>| {
        found.and_then(Value::as_str).filter(|name| !name.is_empty() && is_printable(name)).map(str::to_owned)
    };
    Ok(Identity::SignedIn(Person {
        user,
        name: name(find(json, &pointers.name)),
        account_hint: name(json.get("account_hint")),
        allowed: find(json, &pointers.allowed).is_none_or(|allowed| *allowed == Value::Bool(true)),
        auth_time: find(json, &pointers.auth_time).and_then(seconds).filter(|at| *at <= now.seconds() + AHEAD),
    }))
}

fn find<'a>(json: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.is_empty() { None } else { json.pointer(pointer) }
}

/// An integer, or a number with a fraction, as languages without integers write it.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|at| *at >= 0.0).map(|at| at as u64))
}

/// Up to 256 bytes without control characters and line separators.
fn is_printable(text: &str) -> bool {
    text.len() <= LONGEST_NAME && !text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Why a number is not a user id.
fn odd_number(number: &serde_json::Number) -> &'static str {
    match number.as_f64() {
        Some(value) if value.abs() >= 9_223_372_036_854_775_808.0 => {
            "the user id is a number of more than 64 bits, which JSON does not carry exactly: send it as a string"
        }
        _ => "the user id is a number with a fraction or an exponent: send an integer, or a string",
    }
}

fn not_json(content: &[u8], encoding: Option<&HeaderValue>, error: &serde_json::Error) -> NotJson {
    match (encoded(content, encoding), content.trim_ascii_start().first()) {
        (Some(how), _) => NotJson::Encoded(how),
        (None, Some(b'<')) => NotJson::Page,
        (None, None) => NotJson::Empty,
        // The line only: the error's own text may quote the content.
        (None, Some(_)) => NotJson::Syntax(error.line()),
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
    fn every_way_to_name_no_user_is_signed_out() {
        for no_user in [json!(null), json!(""), json!(0), json!("0"), json!(false)] {
            assert_eq!(judge(&json!({ "user_id": no_user })).unwrap(), Identity::SignedOut);
        }
        assert_eq!(judge(&json!({})).unwrap(), Identity::SignedOut);
        assert_eq!(judge(&json!([])).unwrap(), Identity::SignedOut);
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
            judge_content(content, encoding.as_ref(), &pointers(), NOW).unwrap_err().to_string()
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
            assert_eq!(judge(elsewhere).unwrap(), Some(Identity::SignedOut), "{elsewhere}");
        }
        for (itself, how) in [
            ("https://app.example/_qr/whoami", SamePath::Same),
            ("/_qr/whoami/", SamePath::Slash),
            ("//app.example:8443/_qr/whoami?x=1", SamePath::Same),
            ("https://app.example/app/_qr/whoami", SamePath::Same),
            ("web+app://app.example/_qr/whoami", SamePath::Same),
            ("?again", SamePath::Same),
        ] {
            assert!(matches!(judge(itself), Err(HookError::SamePath(302, same)) if same == how), "{itself}");
        }
        assert!(judge_head(StatusCode::FOUND, &HeaderMap::new(), "/_qr/whoami", "").is_err());
    }

    #[test]
    fn statuses_say_signed_out_or_are_errors() {
        let judge = |status: u16| judge_head(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), "/w", "");
        for status in [401, 403, 204] {
            assert_eq!(judge(status).unwrap(), Some(Identity::SignedOut));
        }
        for status in [201, 202, 206, 300, 304, 400, 404, 405, 410, 418, 429, 500, 502, 503] {
            assert!(judge(status).is_err(), "{status}");
        }
        assert_eq!(judge(200).unwrap(), None);
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
        fn no_user_is_signed_in_unless_the_rule_holds(id in any_json()) {
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
            let _ = same_path(&location, "/_qr/whoami", "/app");
        }
    }
}
