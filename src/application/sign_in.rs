//! What responses of the login hook mean (a session, a refusal, or an error), and those of the revoke hook.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::encoding::encoded;
use super::hook_error::{HookError, NotJson};
use super::identity::same_path;

/// The longest message of the application that is shown, in characters.
const LONGEST_MESSAGE: usize = 200;
/// The longest name of a session, in characters.
const LONGEST_NAME: usize = 128;

/// The result of one call of the login hook.
#[derive(Debug)]
pub enum LoginOutcome {
    /// The application created a session: its `Set-Cookie` lines, raw and in order, at least one. They are not judged
    /// yet.
    Session {
        cookies: Vec<HeaderValue>,
        /// The application's name for the session, by which the revoke hook ends it.
        name: Option<String>,
    },
    /// The application refused; the ticket is declined.
    Refused {
        /// Its reason, plain text of bounded length. It must be escaped like any other text.
        message: Option<String>,
    },
    /// A failed call, unless [`HookError::nothing_sent`].
    Failed(HookError),
}

impl LoginOutcome {
    /// The `outcome` label of `qrgate_hook_duration_seconds`.
    pub(super) fn label(&self) -> &'static str {
        match self {
            LoginOutcome::Session { .. } => "session",
            LoginOutcome::Refused { .. } => "refused",
            LoginOutcome::Failed(error) => error.outcome(),
        }
    }
}

/// Judges status and fields. `None`: the content decides, see [`judge_refusal`].
pub fn judge_head(status: StatusCode, headers: &HeaderMap, path: &str, sub_path: &str) -> Option<LoginOutcome> {
    let code = status.as_u16();
    match code {
        200..=299 if !headers.contains_key(header::SET_COOKIE) => Some(LoginOutcome::Failed(HookError::NoCookie(code))),
        200..=299 => {
            let cookies = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
            Some(LoginOutcome::Session { cookies, name: None })
        }
        403 | 404 | 409 | 410 | 422 | 423 => None,
        300..=399 => Some(LoginOutcome::Failed(redirect(code, headers, path, sub_path))),
        _ => Some(LoginOutcome::Failed(HookError::Status(code, likely_cause(code)))),
    }
}

fn redirect(code: u16, headers: &HeaderMap, path: &str, sub_path: &str) -> HookError {
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    match location.and_then(|location| same_path(location, path, sub_path)) {
        Some(same) => HookError::SamePath(code, same),
        None => HookError::Redirect(code),
    }
}

/// Judges a response of the revoke hook: any 2xx means that the session has ended.
pub fn judge_revocation(status: StatusCode, headers: &HeaderMap, path: &str, sub_path: &str) -> Result<(), HookError> {
    let code = status.as_u16();
    match code {
        200..=299 => Ok(()),
        300..=399 => Err(redirect(code, headers, path, sub_path)),
        _ => Err(HookError::Status(code, likely_cause(code))),
    }
}

/// Judges the content of a response that may be a refusal: it is one if the content is a JSON object, whatever its
/// `Content-Type`. Missing routes and CSRF errors are HTML. `encoding` is its `Content-Encoding`.
pub fn judge_refusal(status: StatusCode, content: &[u8], encoding: Option<&HeaderValue>) -> LoginOutcome {
    match serde_json::from_slice::<Value>(content) {
        Ok(Value::Object(members)) => {
            LoginOutcome::Refused { message: members.get("message").and_then(Value::as_str).and_then(plain) }
        }
        _ => {
            let code = status.as_u16();
            let content = encoded(content, encoding).map(NotJson::Encoded);
            LoginOutcome::Failed(HookError::NotJson(
                code,
                content.unwrap_or_else(|| NotJson::NotAnObject(likely_cause(code))),
            ))
        }
    }
}

fn likely_cause(code: u16) -> &'static str {
    match code {
        400 | 403 | 419 | 422 => {
            "CSRF protection, or a Host that is not allowed (Django ALLOWED_HOSTS, Rails config.hosts); exempt the \
             login hook's path from CSRF checks"
        }
        401 => "the signature was not accepted: another secret, clocks apart, a changed body, or a replay",
        404 | 405 => "the application has no such route for POST",
        413 | 415 => "something in front of the hook does not accept its JSON",
        400..=499 => "not a status that a hook gives",
        _ => "the hook failed; see the application's own log",
    }
}

/// The name of the session in the content of a 200, if it has one.
///
/// # Errors
///
/// Why the content is ignored, for the log. The sign-in succeeds nevertheless.
pub fn session_name(content: &[u8], encoding: Option<&HeaderValue>) -> Result<Option<String>, String> {
    if content.is_empty() {
        return Ok(None);
    }
    let Ok(Value::Object(mut members)) = serde_json::from_slice(content) else {
        return Err(encoded(content, encoding)
            .map_or_else(|| "the content is not a JSON object".to_owned(), |how| format!("the content has {how}")));
    };
    match members.remove("session") {
        None => Ok(None),
        Some(Value::String(name)) if name.chars().any(char::is_control) => {
            Err("`session` contains control characters".to_owned())
        }
        Some(Value::String(name)) if (1..=LONGEST_NAME).contains(&name.chars().count()) => Ok(Some(name)),
        Some(Value::String(_)) => Err(format!("`session` is not 1 to {LONGEST_NAME} characters long")),
        Some(_) => Err("`session` is not a string".to_owned()),
    }
}

/// The application's text without control and direction characters, cut to the longest message. `None` if nothing is
/// left.
fn plain(message: &str) -> Option<String> {
    let is_hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = message.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !is_hidden(*c));
    let shown: String = shown.take(LONGEST_MESSAGE).collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(status: u16, fields: &[(&'static str, &str)]) -> Option<LoginOutcome> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        judge_head(StatusCode::from_u16(status).unwrap(), &headers, "/_qr/login", "")
    }

    fn refusal(status: u16, content: &str) -> LoginOutcome {
        judge_refusal(StatusCode::from_u16(status).unwrap(), content.as_bytes(), None)
    }

    #[test]
    fn cookies_make_a_session_all_of_them_in_order() {
        let outcome = head(204, &[("set-cookie", "b=2"), ("set-cookie", "a=1")]);
        assert!(matches!(outcome, Some(LoginOutcome::Session { cookies, .. }) if cookies == ["b=2", "a=1"]));
    }

    #[test]
    fn success_without_a_cookie_is_a_wrong_set_up() {
        for (status, fields) in [
            (200, [("content-type", "text/html")]),
            (204, [("x", "y")]),
            (302, [("location", "/login")]),
            (302, [("set-cookie", "a=1")]),
        ] {
            assert_eq!(head(status, &fields).unwrap().label(), "misconfigured", "{status}");
        }
    }

    #[test]
    fn a_json_object_refuses_and_html_does_not() {
        for status in [403, 404, 409, 410, 422, 423] {
            assert!(head(status, &[]).is_none());
            let refused = refusal(status, r#"{"message":"No."}"#);
            assert!(matches!(refused, LoginOutcome::Refused { message: Some(message) } if message == "No."));
            assert!(matches!(refusal(status, "{}"), LoginOutcome::Refused { message: None }));
            for page in ["<html>", "", "[]", "\"no\"", "null"] {
                assert_eq!(refusal(status, page).label(), "misconfigured", "{page}");
            }
        }
    }

    #[test]
    fn other_statuses_are_wrong_set_ups_or_failures() {
        for status in [400, 401, 405, 413, 419, 429] {
            assert_eq!(head(status, &[]).unwrap().label(), "misconfigured", "{status}");
        }
        for status in [500, 502, 503, 999] {
            let outcome = head(status, &[("set-cookie", "a=1")]).unwrap();
            assert!(matches!(&outcome, LoginOutcome::Failed(error) if !error.nothing_sent()), "{status}");
            assert_eq!(outcome.label(), "failed", "{status}");
        }
    }

    #[test]
    fn a_session_is_named_by_1_to_128_printable_characters() {
        let named = |name: serde_json::Value| {
            session_name(serde_json::json!({ "session": name, "more": [1] }).to_string().as_bytes(), None)
        };
        for name in ["7", "ä b", &"ä".repeat(128)] {
            assert_eq!(named(name.into()), Ok(Some(name.to_owned())));
        }
        for name in ["", "a\nb", "a\u{0}", "\u{85}", &"a".repeat(129)] {
            assert!(named(name.into()).is_err(), "{name:?}");
        }
        for other in [7.into(), serde_json::Value::Null, serde_json::json!(["7"])] {
            assert_eq!(named(other), Err("`session` is not a string".to_owned()));
        }
        for content in ["<html>", "[]", "\"7\"", "{\"session\":", "\u{feff}{}"] {
            assert!(session_name(content.as_bytes(), None).is_err(), "{content}");
        }
        assert_eq!(session_name(b"", None), Ok(None));
        assert_eq!(session_name(b"{}", None), Ok(None));
    }

    #[test]
    fn a_session_has_ended_after_any_success_and_nothing_else() {
        let judged = |status: u16| {
            judge_revocation(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), "/_qr/revoke", "").is_ok()
        };
        for status in 200..300 {
            assert!(judged(status), "{status}");
        }
        for status in [301, 302, 400, 401, 403, 404, 409, 410, 429, 500, 503, 999] {
            assert!(!judged(status), "{status}");
        }
    }

    #[test]
    fn a_message_is_plain_text_of_bounded_length() {
        let message = |text: &str| match refusal(403, &serde_json::json!({ "message": text }).to_string()) {
            LoginOutcome::Refused { message } => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(message(" a\r\nb\u{202e} ").as_deref(), Some("a  b"));
        assert_eq!(message("\n").as_deref(), None);
        assert_eq!(message(&"ä".repeat(5000)).map(|text| text.chars().count()), Some(LONGEST_MESSAGE));
    }

    proptest! {
        #[test]
        fn no_content_names_a_session_beyond_the_bounds(content in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(Some(name)) = session_name(&content, None) {
                prop_assert!((1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control));
            }
        }

        #[test]
        fn only_success_with_a_cookie_is_a_session(status in 100u16..1000, cookie in any::<bool>()) {
            let fields: &[(&str, &str)] = if cookie { &[("set-cookie", "s=1")] } else { &[] };
            let session = matches!(head(status, fields), Some(LoginOutcome::Session { .. }));
            prop_assert_eq!(session, cookie && (200..300).contains(&status));
        }
    }
}
