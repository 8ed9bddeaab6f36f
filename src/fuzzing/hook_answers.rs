//! Responses of the two hooks: only a response that follows the contract identifies a user or creates a session.

use http::header::{self, HeaderMap, HeaderValue};
use http::{StatusCode, Uri};
use serde_json::Value;

use super::lines::fields;
use crate::application::identity::{self, Identity, Pointers};
use crate::application::sign_in;
use crate::application::{HookError, LoginOutcome};
use crate::clock::Timestamp;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const IDENTIFY: &str = "/_qr/whoami";
const LOGIN: &str = "/_qr/login";
const SUB_PATH: &str = "/app";

/// The input is a response: status, field lines, an empty line and the content.
///
/// - A user is identified only by 200 and JSON with a valid user id, which is kept byte for byte. `allow` and
///   `auth_time` are parsed strictly.
/// - A redirect to the hook's own path does not count as signed out.
/// - A session needs a 2xx with `Set-Cookie`; all lines are kept unchanged. A refusal needs a JSON object; its message
///   is plain text of limited length.
/// - The cause for the log quotes nothing from the response and is printable.
pub fn check(data: &[u8]) {
    let end = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let content = data.get(end + 2..).unwrap_or_default();
    let mut lines = data[..end].split(|byte| *byte == b'\n');
    let Ok(status) = StatusCode::from_bytes(lines.next().unwrap_or_default()) else { return };
    let headers = fields(lines);
    identify(status, &headers, content);
    login(status, &headers, content);
}

fn identify(status: StatusCode, headers: &HeaderMap, content: &[u8]) {
    let own = str::to_owned;
    let pointers =
        Pointers { user_id: own("/user_id"), name: own("/name"), allowed: own("/allow"), auth_time: own("/auth_time") };
    let judged = match identity::judge_head(status, headers, IDENTIFY, SUB_PATH) {
        Ok(Some(identity)) => {
            assert_eq!(identity, Identity::SignedOut, "a head alone identifies no user");
            assert!(matches!(status.as_u16(), 204 | 301 | 302 | 303 | 307 | 308 | 401 | 403));
            if status.is_redirection() {
                leads_elsewhere(headers);
            }
            return;
        }
        Ok(None) => {
            assert_eq!(status, StatusCode::OK);
            identity::judge_content(content, headers.get(http::header::CONTENT_ENCODING), &pointers, NOW)
        }
        Err(error) => Err(error),
    };
    let json: Option<Value> = serde_json::from_slice(content).ok();
    match judged {
        Err(error) => is_printable(&error),
        Ok(Identity::SignedOut) => {
            let json = json.expect("JSON");
            let user = json.pointer("/user_id").unwrap_or(&Value::Null);
            let no_user = [Value::Null, "".into(), 0.into(), "0".into(), false.into()];
            assert!(no_user.contains(user), "{user} is a user id");
        }
        Ok(Identity::SignedIn(person)) => {
            let json = json.expect("JSON");
            let user = match json.pointer("/user_id") {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
                other => panic!("{other:?} signs a person in"),
            };
            assert_eq!(person.user, user, "byte for byte");
            assert!(!matches!(user.as_str(), "" | "0") && user.len() <= 256 && !user.chars().any(char::is_control));
            assert_eq!(person.allowed, json.pointer("/allow").is_none_or(|allow| *allow == true));
            let name = person.name.as_deref();
            assert!(
                name.is_none_or(|name| json["name"] == *name
                    && name.len() <= 256
                    && !name.chars().any(char::is_control))
            );
            assert!(person.auth_time.is_none_or(|at| at <= NOW.seconds() + 300 && json["auth_time"].is_number()));
        }
    }
}

/// A `Location` that names the hook itself does not count as a redirect to a sign-in page.
fn leads_elsewhere(headers: &HeaderMap) {
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).expect("a Location");
    if let Ok(location) = location.parse::<Uri>()
        && (location.authority().is_none() || location.scheme().is_some())
    {
        let path = location.path().trim_end_matches('/');
        assert!(path != IDENTIFY && path != format!("{SUB_PATH}{IDENTIFY}"), "{location} is the hook itself");
    }
}

fn login(status: StatusCode, headers: &HeaderMap, content: &[u8]) {
    let may_refuse = matches!(status.as_u16(), 403 | 404 | 409 | 410 | 422 | 423);
    let judged = sign_in::judge_head(status, headers, LOGIN, SUB_PATH);
    assert_eq!(judged.is_none(), may_refuse);
    match judged.unwrap_or_else(|| sign_in::judge_refusal(status, content, headers.get(http::header::CONTENT_ENCODING)))
    {
        LoginOutcome::Session { cookies, .. } => {
            let lines: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
            assert!(status.is_success() && !cookies.is_empty() && cookies == lines);
        }
        LoginOutcome::Refused { message } => {
            let json: Value = serde_json::from_slice(content).expect("JSON");
            assert!(may_refuse && json.is_object(), "no refusal");
            let Some(message) = message else { return };
            assert!(!message.is_empty() && message.chars().count() <= 200);
            let turns = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(!message.chars().any(turns), "{message:?}");
            // Unchanged where nothing had to be removed.
            let said = json["message"].as_str().expect("a text");
            assert!(
                said.chars().any(turns)
                    || said.chars().any(|c| c == '\u{200b}' || ('\u{200c}'..='\u{200f}').contains(&c))
                    || said.trim().starts_with(message.trim_end()),
                "{message:?}"
            );
        }
        LoginOutcome::Failed(error) => {
            assert!(!status.is_success() || !headers.contains_key(header::SET_COOKIE));
            assert!(!error.nothing_sent());
            is_printable(&error);
        }
    }
}

fn is_printable(error: &HookError) {
    let cause = error.to_string();
    assert!(cause.len() < 500 && cause.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{cause:?}");
}
