//! The likely cause of each response of a hook that fails, as seen with real frameworks.

use super::advice::{self, Advice};
use crate::application::{HookError, SamePath};
use crate::cli::app::App;
use crate::cli::report::Finding;
use crate::cli::stack::Stack;
use crate::cookies::{DropReason, Dropped};
use crate::origin::Origin;

/// A hook's response, as far as a diagnosis needs it.
#[derive(Clone, Debug, Default)]
pub struct HookResponse {
    pub status: u16,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// How that path differs from the one called, if it is the same path.
    pub same_path: Option<SamePath>,
    /// The number of `Set-Cookie` lines.
    pub cookies: usize,
    /// The number of those that do not delete a cookie.
    pub kept_cookies: usize,
    /// Whether the content is a JSON object.
    pub json: bool,
    /// Whether the object has a `message`. Errors of frameworks are JSON too, but use other names.
    pub message: bool,
    /// The encoding that keeps the content from being JSON, and what to do.
    pub encoded: Option<String>,
    /// Whether the content is HTML.
    pub page: bool,
    /// The name of the session in the content of a login hook. The error is why it is ignored.
    pub session: Option<Result<String, String>>,
    /// Seconds from this machine's clock to its `Date`.
    pub ahead: Option<i64>,
}

/// Half of what the recipes allow, in seconds.
const CLOCK_TOLERANCE: i64 = 30;

/// What is known about the application so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// Its framework, if the names of its cookies tell.
    pub stack: Option<Stack>,
    /// Its name, if it is one with a drop-in.
    pub app: Option<App>,
    /// The status of the identify hook without a cookie.
    pub whoami: Option<u16>,
}

impl Known {
    /// A failure with this advice, in the terms of the framework.
    pub fn fail(&self, text: impl Into<String>, advice: &Advice) -> Finding {
        Finding::fail(text, advice.cause, advice.fix(self.stack, self.app))
    }

    /// The identify hook, called without a cookie: must respond signed out. `user` is the one it named.
    pub fn identify_without_cookie(&self, response: &HookResponse, user: Option<&str>) -> Finding {
        let status = response.status;
        match status {
            200 if user.is_some() => self.fail("a user is signed in without a cookie", &advice::NO_LOOK),
            200 if !response.json => match &response.encoded {
                Some(how) => self.fail(format!("200 with {how}"), &advice::ENCODED),
                None => self.fail("200 but no JSON", &advice::PAGE),
            },
            200 | 204 | 401 => Finding::ok(format!("signed out without a cookie ({status})")),
            403 => Finding::warn("403, taken for signed out; Rails and others say that to a host they do not know"),
            300..=399 => match response.same_path {
                Some(same) => self.own_path(response, same),
                None => Finding::warn(format!("{status} to {}, taken for signed out; better a 401", place(response))),
            },
            404 | 405 => self.fail(status.to_string(), &advice::ROUTE),
            400 | 421 => self.fail(status.to_string(), &advice::HOST),
            _ => self.fail(status.to_string(), &advice::BROKEN),
        }
    }

    /// The login hook, called without a signature: must refuse.
    pub fn unsigned_login(&self, response: &HookResponse) -> Finding {
        self.unsigned(response, response.page && response.kept_cookies == 0, &advice::OPEN)
    }

    /// The revoke hook, called without a signature: must refuse.
    pub fn unsigned_revoke(&self, response: &HookResponse) -> Finding {
        self.unsigned(response, response.page, &advice::OPEN_REVOKE)
    }

    fn unsigned(&self, response: &HookResponse, is_page: bool, open: &Advice) -> Finding {
        match response.status {
            200..=299 if is_page => self.fail(format!("{} with a page", response.status), &advice::PAGE),
            200..=299 => self.fail(format!("{} to a call without a signature", response.status), open),
            401 => Finding::ok("refuses a call without a signature (401)"),
            300..=399 if response.same_path.is_none() => self.fail(to_place(response), &advice::WALL),
            _ => self.misconfigured(response),
        }
    }

    /// The revoke hook, called with a signature to end a new session. `open`: whether the session is still open.
    pub fn signed_revoke(&self, response: &HookResponse, open: bool, origin: &Origin) -> Finding {
        let status = response.status;
        match status {
            200..=299 if open => self.fail(format!("{status}, but the session is still open"), &advice::NOT_REVOKED),
            200..=299 => Finding::ok(format!("{status}, and the new session has ended")),
            401 => self.fail(format!("401 to a call for {origin}"), &advice::SIGNATURE),
            300..=399 if response.same_path.is_none() => self.fail(to_place(response), &advice::WALL),
            _ => self.misconfigured(response),
        }
    }

    /// A revoke hook where the login hook's response names no session. `ignored`: why a name in it does not count.
    pub fn no_session_name(&self, ignored: Option<&str>) -> Finding {
        match ignored {
            Some(why) => self.fail(format!("not tried: in the login hook's response, {why}"), &advice::SESSION_NAME),
            None => Finding::warn("not tried: the login hook names no session, so no sign-in can be undone"),
        }
    }

    /// The login hook, called with a signature as for a phone that sees this origin.
    pub fn signed_login(&self, response: &HookResponse, origin: &Origin) -> Finding {
        let status = response.status;
        match status {
            200..=299 if response.kept_cookies > 0 && response.page => {
                Finding::warn(format!("{status} with {} Set-Cookie, and with a page", response.kept_cookies))
            }
            200..=299 if response.kept_cookies > 0 => {
                Finding::ok(format!("{status} with {} Set-Cookie", response.kept_cookies))
            }
            200..=299 if response.cookies > 0 => {
                self.fail(format!("{status} with deleted cookies only"), &advice::SECOND_FACTOR)
            }
            200..=299 if response.page => self.fail(format!("{status} with a page, no Set-Cookie"), &advice::PAGE),
            200..=299 => self.fail(format!("{status} but no Set-Cookie"), &advice::NO_COOKIE),
            300..=399 if response.same_path.is_none() => match looks_like_sign_in(place(response)) {
                true => self.fail(to_place(response), &advice::WALL),
                false => self.fail(to_place(response), &advice::SECOND_FACTOR),
            },
            403 | 404 | 409 | 410 | 422 | 423 if response.message => {
                self.fail(format!("{status}: refused"), &advice::REFUSED)
            }
            401 => match response.ahead {
                Some(ahead) if ahead.saturating_abs() > CLOCK_TOLERANCE => {
                    let direction = if ahead > 0 { "ahead" } else { "behind" };
                    self.fail(format!("401; its clock is {} s {direction}", ahead.saturating_abs()), &advice::CLOCK)
                }
                _ => self.fail(format!("401 to a call for {origin}"), &advice::SIGNATURE),
            },
            _ => self.misconfigured(response),
        }
    }

    /// A hook that redirects to the path that was called.
    fn own_path(&self, response: &HookResponse, same: SamePath) -> Finding {
        let advice = if same == SamePath::Slash { &advice::SLASH } else { &advice::SCHEME };
        self.fail(to_place(response), advice)
    }

    fn misconfigured(&self, response: &HookResponse) -> Finding {
        let status = response.status;
        if let Some(same) = response.same_path {
            return self.own_path(response, same);
        }
        match status {
            404 | 405 => self.fail(status.to_string(), &advice::ROUTE),
            421 => self.fail(status.to_string(), &advice::HOST),
            // CSRF protection would refuse only the POST.
            400 | 403 if self.whoami == Some(status) => self.fail(status.to_string(), &advice::HOST),
            400 | 403 | 419 | 422 => self.fail(status.to_string(), &advice::CSRF),
            _ => self.fail(status.to_string(), &advice::BROKEN),
        }
    }

    /// A call that gave no usable response. `advice` is for errors other than a timeout.
    pub fn failed_call(&self, error: &HookError, advice: &Advice) -> Finding {
        self.fail(error.to_string(), if error.is_timeout() { &advice::SLOW } else { advice })
    }

    /// A new session whose cookie a browser at `host` would not receive, keep or send.
    pub fn lost_cookie(&self, lost: &Dropped, host: &str) -> Finding {
        let text = format!("{lost}; browsers at {host} refuse it");
        match lost.reason {
            DropReason::SecureOnHttp => self.fail(
                format!("the new session's cookies are Secure, and the public origin is http: {}", lost.name),
                &advice::SECURE,
            ),
            DropReason::ForeignDomain => self.fail(text, &advice::DOMAIN),
            DropReason::SameSiteNone | DropReason::Partitioned | DropReason::Prefix(_) => {
                self.fail(text, &advice::ATTRIBUTES)
            }
            DropReason::TooLong => self.fail(text, &advice::TOO_LONG),
            DropReason::Path | DropReason::Expired => {
                self.fail(format!("the new session is signed out; {lost}"), &advice::SIGNED_OUT)
            }
            DropReason::OwnName | DropReason::ControlCharacter | DropReason::Nameless => {
                self.fail(text, &advice::UNUSABLE)
            }
        }
    }

    /// The sign-in page, requested by a signed-out browser.
    pub fn sign_in_page(&self, url: &str, status: u16) -> Finding {
        match status {
            404 | 405 | 410 | 500.. => self.fail(format!("{status} at {url}"), &advice::SIGN_IN_PAGE),
            _ => Finding::ok(format!("{status} at {url}")),
        }
    }

    /// The front page's status `here`, at the public origin, and `there`, at this machine's address in its network.
    pub fn network_address(&self, origin: &Origin, here: u16, there: u16) -> Finding {
        match there {
            400 | 403 | 421 if there != here => self.fail(format!("{there} for {origin}"), &advice::NETWORK),
            _ => Finding::ok(format!("{there} for {origin}")),
        }
    }
}

fn place(response: &HookResponse) -> &str {
    response.location.as_deref().unwrap_or("nowhere")
}

fn to_place(response: &HookResponse) -> String {
    format!("{} to {}", response.status, place(response))
}

/// Whether an address looks like that of a sign-in page, where login walls redirect to.
fn looks_like_sign_in(address: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let factor = ["two", "2fa", "otp", "mfa", "verify"].iter().any(|word| path.contains(word));
    !factor && ["login", "sign_in", "signin", "sign-in", "session"].iter().any(|word| path.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Level;
    use crate::application::same_path;

    const KNOWN: Known = Known { stack: None, app: None, whoami: Some(401) };

    fn response(status: u16) -> HookResponse {
        HookResponse { status, ..HookResponse::default() }
    }

    fn signed_login(response: &HookResponse) -> Finding {
        KNOWN.signed_login(response, &Origin::parse("https://app.example").unwrap())
    }

    fn redirect(to: &str) -> HookResponse {
        HookResponse { location: Some(to.to_owned()), same_path: same_path(to, "/_qr/whoami", ""), ..response(301) }
    }

    #[test]
    fn a_redirect_to_the_same_path_is_about_the_scheme_or_a_slash() {
        for (to, advice) in [
            ("https://a.example/_qr/whoami", &advice::SCHEME),
            ("https://a.example/_qr/whoami?x", &advice::SCHEME),
            ("/_qr/whoami/", &advice::SLASH),
        ] {
            let found = KNOWN.identify_without_cookie(&redirect(to), None);
            assert_eq!((found.level, found.cause), (Level::Fail, advice.cause), "{to}");
            assert_eq!(KNOWN.unsigned_login(&redirect(to)).cause, advice.cause);
            assert_eq!(signed_login(&redirect(to)).cause, advice.cause);
        }
        let wall = KNOWN.identify_without_cookie(&redirect("/login?next=/_qr/whoami"), None);
        assert_eq!(wall.level, Level::Warn);
    }

    #[test]
    fn a_redirect_elsewhere_is_a_login_wall_or_a_second_factor() {
        for to in ["/login", "https://a.example/users/sign_in?x=1", "/session/new"] {
            assert_eq!(signed_login(&redirect(to)).cause, advice::WALL.cause, "{to}");
        }
        for to in ["/account/two_factor/", "/login/verify", "/2fa?next=/login"] {
            assert_eq!(signed_login(&redirect(to)).cause, advice::SECOND_FACTOR.cause, "{to}");
        }
        assert_eq!(KNOWN.unsigned_login(&redirect("/start")).cause, advice::WALL.cause);
    }

    #[test]
    fn the_identify_hook_must_say_signed_out() {
        let level = |response: &HookResponse, user| KNOWN.identify_without_cookie(response, user).level;
        assert_eq!(level(&response(401), None), Level::Ok);
        assert_eq!(level(&HookResponse { json: true, ..response(200) }, None), Level::Ok);
        assert_eq!(level(&HookResponse { json: true, ..response(200) }, Some("1")), Level::Fail);
        assert_eq!(level(&response(200), None), Level::Fail);
        let cause = |status| KNOWN.identify_without_cookie(&response(status), None).cause;
        assert_eq!(cause(404), advice::ROUTE.cause);
        assert_eq!(cause(400), advice::HOST.cause);
        assert_eq!(cause(500), advice::BROKEN.cause);
    }

    #[test]
    fn the_login_hook_must_refuse_what_is_not_signed() {
        assert_eq!(KNOWN.unsigned_login(&response(401)).level, Level::Ok);
        assert_eq!(KNOWN.unsigned_login(&response(204)).level, Level::Fail);
        for status in [400, 403, 419, 422] {
            assert_eq!(KNOWN.unsigned_login(&response(status)).cause, advice::CSRF.cause, "{status}");
        }
        for status in [400, 403] {
            let both = Known { whoami: Some(status), ..KNOWN };
            assert_eq!(both.unsigned_login(&response(status)).cause, advice::HOST.cause, "{status}");
        }
    }

    #[test]
    fn a_sign_in_needs_a_cookie_that_stays() {
        let with = |cookies, kept_cookies| HookResponse { cookies, kept_cookies, ..response(204) };
        let found = signed_login;
        assert_eq!(found(&with(2, 1)).level, Level::Ok);
        assert_eq!(found(&HookResponse { page: true, ..with(1, 1) }).level, Level::Warn);
        assert_eq!(found(&with(1, 0)).cause, advice::SECOND_FACTOR.cause);
        assert_eq!(found(&with(0, 0)).cause, advice::NO_COOKIE.cause);
        assert_eq!(found(&HookResponse { page: true, ..with(0, 0) }).cause, advice::PAGE.cause);
        assert_eq!(found(&response(401)).cause, advice::SIGNATURE.cause);
        assert_eq!(found(&response(401)).text, "401 to a call for https://app.example");
        let refusal = |status, message| HookResponse { json: true, message, ..response(status) };
        assert_eq!(found(&refusal(404, true)).text, "404: refused");
        assert_eq!(found(&refusal(404, false)).cause, advice::ROUTE.cause, "Rails tells its own errors so");
        assert_eq!(found(&refusal(422, false)).cause, advice::CSRF.cause);
        assert_eq!(found(&response(404)).cause, advice::ROUTE.cause);
    }
}
