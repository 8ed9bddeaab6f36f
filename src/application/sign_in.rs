//! What the login hook's answer says: here is a session, no, or nothing that can be believed.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::encoding::encoded;
use super::identity::{SAME_PATH, leads_to};

/// The most characters of the application's own message that are shown.
const LONGEST_MESSAGE: usize = 200;

/// What came of one call of the login hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The application made a session: its `Set-Cookie` lines, raw and in order, at least one. They are not judged yet.
    Session {
        /// The lines.
        cookies: Vec<HeaderValue>,
    },
    /// The application said no; the ticket is over.
    Refused {
        /// Its reason, plain text of bounded length. It must be escaped like any other text.
        message: Option<String>,
    },
    /// The answer is not one that a hook gives: a failed call.
    Misconfigured {
        /// What was seen and its likely cause, for the log.
        cause: String,
    },
    /// No answer, or a server error: a failed call, unless nothing can have been sent.
    Failed {
        /// Whether the application cannot have seen the call.
        nothing_sent: bool,
        /// What happened, for the log.
        cause: String,
    },
}

impl LoginOutcome {
    /// The `outcome` label of `qrgate_hook_duration_seconds`.
    pub(super) fn label(&self) -> &'static str {
        match self {
            LoginOutcome::Session { .. } => "session",
            LoginOutcome::Refused { .. } => "refused",
            LoginOutcome::Misconfigured { .. } => "misconfigured",
            LoginOutcome::Failed { .. } => "failed",
        }
    }

    fn misconfigured(cause: impl Into<String>) -> LoginOutcome {
        LoginOutcome::Misconfigured { cause: cause.into() }
    }
}

/// Judges status and fields. None: the content has to be read and given to [`judge_refusal`].
pub fn judge_head(status: StatusCode, headers: &HeaderMap, path: &str, sub_path: &str) -> Option<LoginOutcome> {
    let code = status.as_u16();
    match code {
        200..=299 => Some(session(code, headers)),
        403 | 404 | 409 | 410 | 422 | 423 => None,
        300..=399 => Some(LoginOutcome::misconfigured(redirect(code, headers, path, sub_path))),
        400..=499 => Some(LoginOutcome::misconfigured(format!("answered {code}: {}", client_error(code)))),
        _ => Some(LoginOutcome::Failed { nothing_sent: false, cause: server_error(code) }),
    }
}

fn session(code: u16, headers: &HeaderMap) -> LoginOutcome {
    let cookies: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    match cookies.is_empty() {
        false => LoginOutcome::Session { cookies },
        true => LoginOutcome::misconfigured(format!(
            "answered {code} but no Set-Cookie: either the path does not reach the hook, or the application holds the \
             request for plain http and keeps back a Secure session cookie (Express trust proxy)"
        )),
    }
}

fn redirect(code: u16, headers: &HeaderMap, path: &str, sub_path: &str) -> String {
    match headers.get(header::LOCATION).and_then(|value| value.to_str().ok()) {
        Some(location) if leads_to(location, path, sub_path) => {
            format!("redirects {code} to its own path: {SAME_PATH}")
        }
        _ => format!("redirects {code} elsewhere: a login wall stands in front of the hook; exempt its path"),
    }
}

/// Judges the content of an answer that may be a refusal: it is one if the content is a JSON object, whatever its
/// Content-Type. A missing route and a CSRF page answer in HTML.
/// `encoding` is its Content-Encoding.
pub fn judge_refusal(status: StatusCode, content: &[u8], encoding: Option<&HeaderValue>) -> LoginOutcome {
    match serde_json::from_slice::<Value>(content) {
        Ok(Value::Object(members)) => {
            LoginOutcome::Refused { message: members.get("message").and_then(Value::as_str).and_then(plain) }
        }
        _ => {
            let code = status.as_u16();
            LoginOutcome::misconfigured(match encoded(content, encoding) {
                Some(how) => format!("answered {code} with {how}"),
                None => format!("answered {code} without a JSON object: {}", client_error(code)),
            })
        }
    }
}

fn client_error(code: u16) -> &'static str {
    match code {
        400 | 403 | 419 | 422 => {
            "CSRF protection, or a Host that is not allowed (Django ALLOWED_HOSTS, Rails config.hosts); exempt the \
             login hook's path from CSRF checks"
        }
        401 => "the signature was not accepted: another secret, clocks apart, a changed body, or a replay",
        404 | 405 => "the application has no such route for POST",
        413 | 415 => "something in front of the hook does not take its JSON",
        _ => "not an answer of a hook",
    }
}

fn server_error(code: u16) -> String {
    format!("answered {code}: the hook failed, or a body parser ran before it; see the application's own log")
}

/// The application's text without control and direction characters, cut to its bound; none if nothing is left.
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
        let cookies = vec![HeaderValue::from_static("b=2"), HeaderValue::from_static("a=1")];
        assert_eq!(outcome, Some(LoginOutcome::Session { cookies }));
    }

    #[test]
    fn success_without_a_cookie_is_a_wrong_set_up() {
        for (status, fields) in [
            (200, [("content-type", "text/html")]),
            (204, [("x", "y")]),
            (302, [("location", "/login")]),
            (302, [("set-cookie", "a=1")]),
        ] {
            assert!(matches!(head(status, &fields), Some(LoginOutcome::Misconfigured { .. })), "{status}");
        }
    }

    #[test]
    fn a_json_object_refuses_and_html_does_not() {
        for status in [403, 404, 409, 410, 422, 423] {
            assert_eq!(head(status, &[]), None);
            let message = Some("No.".to_owned());
            assert_eq!(refusal(status, r#"{"message":"No."}"#), LoginOutcome::Refused { message });
            assert_eq!(refusal(status, "{}"), LoginOutcome::Refused { message: None });
            for page in ["<html>", "", "[]", "\"no\"", "null"] {
                assert!(matches!(refusal(status, page), LoginOutcome::Misconfigured { .. }), "{page}");
            }
        }
    }

    #[test]
    fn other_statuses_are_wrong_set_ups_or_failures() {
        for status in [400, 401, 405, 413, 419, 429] {
            assert!(matches!(head(status, &[]), Some(LoginOutcome::Misconfigured { .. })), "{status}");
        }
        for status in [500, 502, 503, 999] {
            let outcome = head(status, &[("set-cookie", "a=1")]);
            assert!(matches!(outcome, Some(LoginOutcome::Failed { nothing_sent: false, .. })), "{status}");
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
        fn only_success_with_a_cookie_is_a_session(status in 100u16..1000, cookie in any::<bool>()) {
            let fields: &[(&str, &str)] = if cookie { &[("set-cookie", "s=1")] } else { &[] };
            let session = matches!(head(status, fields), Some(LoginOutcome::Session { .. }));
            prop_assert_eq!(session, cookie && (200..300).contains(&status));
        }
    }
}
