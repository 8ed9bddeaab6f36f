//! `[identify]`

use std::time::Duration;

use super::hook::HookTarget;
use super::jwt::Jwt;
use crate::config::complaint::{Complaint, accept};
use crate::config::reader::Section;
use crate::config::sign_in_url::SignInUrl;
use crate::cookies;

/// `[identify]`: who is signed in on this computer?
#[derive(Clone, Debug)]
pub struct Identify {
    /// Names of the session cookies, in which `*` stands for any characters.
    pub session_cookies: Vec<String>,
    /// Whether `session_cookies` is set. The default says nothing about the application.
    pub are_cookies_named: bool,
    pub target: HookTarget,
    /// JSON pointer (RFC 6901) to the user id in the response.
    pub user_id: String,
    /// JSON pointer to the display name.
    pub name: String,
    /// JSON pointer to the permission.
    pub allowed: String,
    /// JSON pointer to the time of the last sign-in.
    pub auth_time: String,
    /// Whether clients get a 404 for the hook's path.
    pub hidden: bool,
    /// Where a signed-out visitor goes.
    pub login_url: Option<SignInUrl>,
    /// Where a person with too old a sign-in goes.
    pub reauth_url: Option<SignInUrl>,
    /// The oldest sign-in that may show a code; `None`: any.
    pub max_auth_age: Option<Duration>,
    /// The timeout of the whole call.
    pub timeout: Duration,
    /// `[identify.jwt]`, instead of a hook.
    pub jwt: Option<Jwt>,
}

impl Identify {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Identify {
        let session_cookies = session_cookies(section);
        let target = HookTarget::read(section, "/_qr/whoami");
        let is_path = matches!(target, HookTarget::Path(_));
        let oldest = Duration::from_secs(1)..;
        Identify {
            session_cookies,
            are_cookies_named: section.is_set("session_cookies"),
            target,
            user_id: section.parsed("user_id", "/user_id", pointer),
            name: section.parsed("name", "/name", pointer),
            allowed: section.parsed("allowed", "/allow", pointer),
            auth_time: section.parsed("auth_time", "/auth_time", pointer),
            hidden: section.flag("hidden", true) && is_path,
            login_url: section.parsed_unless_empty("login_url", SignInUrl::parse),
            reauth_url: section.parsed_unless_empty("reauth_url", SignInUrl::parse),
            max_auth_age: section.duration_or_off("max_auth_age", "off", oldest, "at least 1s, or \"off\""),
            timeout: section.timeout("timeout", "3s"),
            jwt: section.table("jwt", Jwt::read),
        }
    }
}

fn session_cookies(section: &mut Section<'_, '_>) -> Vec<String> {
    let list = section.list("session_cookies", &["sessionid"]);
    if list.is_empty() {
        section.refuse("session_cookies", "`session_cookies`: name at least one, or \"*\" for all");
    }
    list.iter().filter_map(|entry| section.parse_entry("session_cookies", entry, cookie_name)).collect()
}

/// The name of a cookie (RFC 6265, section 4.1.1), or a pattern with `*`.
fn cookie_name(text: &str) -> Result<String, Complaint> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if cookies::is_own(text.as_bytes()) {
        return Err("this cookie is qrgate's own".into());
    }
    accept(text, !text.is_empty() && text.bytes().all(is_token), "this is not the name of a cookie")
}

/// A JSON pointer (RFC 6901), or an empty text.
fn pointer(text: &str) -> Result<String, Complaint> {
    let escapes_are_whole = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let is_valid = (text.is_empty() || text.starts_with('/')) && escapes_are_whole;
    accept(text, is_valid, Complaint::with_help("this is not a JSON pointer", format!("\"/{text}\"?")))
}
