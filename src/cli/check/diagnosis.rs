//! From what a hook answered to what is probably wrong. Seen on real stacks; docs/recipes has the list.

use super::report::Finding;

/// What an answer shows.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// How many cookies it sets, and how many of them it does not delete at once.
    pub cookies: usize,
    /// See `cookies`.
    pub kept_cookies: usize,
    /// Whether its content is a JSON object.
    pub json: bool,
}

const SCHEME: (&str, &str) = (
    "The application redirects to the same address: it does not believe the scheme or the host that qrgate tells it, or \
     its route ends in a slash.",
    "Django SECURE_PROXY_SSL_HEADER; gunicorn, uvicorn --forwarded-allow-ips; Express 'trust proxy'; WordPress the HTTPS \
     line; ASP.NET UseForwardedHeaders; or the path in proxy.toml",
);
const WALL: (&str, &str) = (
    "The hook is behind a login wall, which sends everybody to the sign-in page.",
    "Django @login_not_required; Laravel outside the auth middleware; Rails allow_unauthenticated_access; Spring \
     permitAll; ASP.NET AllowAnonymous",
);
const HOST: (&str, &str) =
    ("The application does not know the host it is called by.", "Django ALLOWED_HOSTS; Rails config.hosts");
const ROUTE: (&str, &str) =
    ("The application has nothing at this path.", "add the hook, or set its path in proxy.toml; see docs/recipes");
const CSRF: (&str, &str) = (
    "CSRF protection stands in front of the hook, which is called by qrgate and not by a form.",
    "exempt the login hook only: Django @csrf_exempt; Flask-WTF csrf.exempt; Express mount it before; Laravel except; \
     Rails skip_forgery_protection; Spring ignoringRequestMatchers",
);
const BROKEN: (&str, &str) = (
    "The hook failed. In Express this happens when express.json() comes before it and takes the raw body.",
    "the application's log; mount the hook first",
);
const SIGNATURE: (&str, &str) = (
    "The application did not accept the signature: another secret, a clock that is off, a body changed on the way, or a \
     call seen before.",
    "the same hook.secret on both sides; time synchronisation; sign over the raw body",
);
const NO_COOKIE: (&str, &str) = (
    "The application accepted the call and set no cookie. In Express this happens when cookie.secure is true and the \
     application does not trust this proxy.",
    "app.set('trust proxy', 'loopback'). See docs/recipes/express.md",
);
const TAKEN_BACK: (&str, &str) = (
    "A plug-in for a second factor took the session back.",
    "let whoami answer \"allow\": false until the second factor is passed",
);
const PAGE: (&str, &str) = (
    "A page came instead of JSON: the path does not lead to the hook, or an error page was shown (PHP display_errors).",
    "the path, the rewriting rules, the application's log",
);

/// The identify hook, asked without a cookie: must say signed out. `user`: whom it named.
pub fn identify_without_cookie(answer: &Answer, path: &str, user: Option<&str>) -> Finding {
    let status = answer.status;
    let fail = |text: String, (cause, fix)| Finding::fail(text, cause, fix);
    match status {
        200 if user.is_some() => Finding::fail(
            "somebody is signed in without a cookie",
            "The hook does not look at the session.",
            "answer 401 where nobody is signed in; see docs/recipes",
        ),
        200 if !answer.json => fail("200 but no JSON".into(), PAGE),
        200 | 204 | 401 => Finding::ok(format!("signed out without a cookie ({status})")),
        403 => Finding::warn("403, taken for signed out; Rails and others say that to a host they do not know"),
        300..=399 if leads_to(answer, path) => fail(format!("{status} to its own address"), SCHEME),
        300..=399 => Finding::warn(format!("{status} to {}, taken for signed out; better a 401", place(answer))),
        404 | 405 => fail(format!("{status}"), ROUTE),
        400 | 421 => fail(format!("{status}"), HOST),
        _ => fail(format!("{status}"), BROKEN),
    }
}

/// The login hook, called without a signature: must refuse.
pub fn unsigned_login(answer: &Answer, path: &str) -> Finding {
    let status = answer.status;
    match status {
        200..=299 => Finding::fail(
            format!("{status} to a call without a signature"),
            "Anybody who reaches the hook can sign in as anybody.",
            "refuse with 401 unless the signature is right; refuse a key under 32 bytes; see docs/recipes",
        ),
        401 => Finding::ok("refuses a call without a signature (401)"),
        _ => wrong_set_up(answer, path),
    }
}

/// The login hook, called and signed as it is for a phone.
pub fn signed_login(answer: &Answer, path: &str) -> Finding {
    let status = answer.status;
    let fail = |text: String, (cause, fix)| Finding::fail(text, cause, fix);
    match status {
        200..=299 if answer.kept_cookies > 0 => {
            Finding::ok(format!("{status} with {} Set-Cookie", answer.kept_cookies))
        }
        200..=299 if answer.cookies > 0 => fail(format!("{status} with deleted cookies only"), TAKEN_BACK),
        200..=299 => fail(format!("{status} but no Set-Cookie"), NO_COOKIE),
        403 | 404 | 409 | 410 | 422 | 423 if answer.json => Finding::fail(
            format!("{status}: refused"),
            "The application says that this user may not sign in.",
            "another user; or the hook's own condition",
        ),
        401 => fail("401".into(), SIGNATURE),
        _ => wrong_set_up(answer, path),
    }
}

fn wrong_set_up(answer: &Answer, path: &str) -> Finding {
    let status = answer.status;
    let (cause, fix) = match status {
        300..=399 if leads_to(answer, path) => SCHEME,
        300..=399 => WALL,
        404 | 405 => ROUTE,
        421 => HOST,
        400 | 403 | 419 | 422 => CSRF,
        _ => BROKEN,
    };
    let text = if (300..400).contains(&status) { format!("{status} to {}", place(answer)) } else { status.to_string() };
    Finding::fail(text, cause, fix)
}

/// A hook that gave no answer at all.
pub fn unreached(cause: &str) -> Finding {
    Finding::fail(
        cause,
        "The hook's server is away, or the hook takes too long.",
        "the application's log; the hook's url",
    )
}

/// A session that could not be asked about.
pub fn unidentified(cause: &str) -> Finding {
    Finding::fail(
        cause,
        "The identify hook fails where somebody is signed in.",
        "the application's log; user_id in [identify]; see docs/recipes",
    )
}

/// A cookie that belongs to no session.
pub fn cookie_of_nobody() -> Finding {
    Finding::fail(
        "this cookie is nobody",
        "The session has ended, is bound to the browser or the address it was made for, or the hook does not read it.",
        "a fresh cookie, copied whole; see docs/recipes",
    )
}

/// Cookies of which none is a session cookie.
pub fn unnamed_cookie(text: String) -> Finding {
    Finding::fail(
        text,
        "Only cookies that are named there are sent to the identify hook; two of one name count as none.",
        "session_cookies in [identify]; globs are allowed, and \"*\" is all",
    )
}

/// A new session whose cookies no browser would keep.
pub fn secure_on_http() -> Finding {
    Finding::fail(
        "the new session's cookies are Secure, and the public origin is http",
        "Browsers drop them there.",
        "https in public.url; or, for a trial on http, the application's setting for secure cookies off",
    )
}

/// A new session of somebody else than was asked for.
pub fn somebody_else(who: &str) -> Finding {
    Finding::fail(
        format!("the new session is {who}"),
        "The two hooks name users differently, or the login hook keeps a session that was there before.",
        "the same id in both hooks, as text",
    )
}

/// The new session is nobody.
pub fn nobody() -> Finding {
    Finding::fail(
        "the new session is nobody",
        "The cookie's Path does not cover identify.path, a later line deletes it, or the session is bound to an address \
         or a browser.",
        "the session cookie's settings; Flask: ProxyFix; see docs/recipes",
    )
}

fn place(answer: &Answer) -> &str {
    answer.location.as_deref().unwrap_or("nowhere")
}

/// Whether a redirect leads to the very path that was asked for, but for scheme, host or a final slash.
fn leads_to(answer: &Answer, path: &str) -> bool {
    let Some(location) = &answer.location else { return false };
    let target = match location.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/').unwrap_or(rest.len())..],
        None => location,
    };
    let bare = |text: &str| text.split(['?', '#']).next().unwrap_or("").trim_end_matches('/').to_owned();
    bare(target) == bare(path)
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;

    fn answer(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    fn redirect(to: &str) -> Answer {
        Answer { location: Some(to.to_owned()), ..answer(301) }
    }

    #[test]
    fn a_redirect_to_the_same_path_is_about_the_scheme() {
        for to in ["https://a.example/_qr/whoami", "/_qr/whoami/", "https://a.example/_qr/whoami?x"] {
            let found = identify_without_cookie(&redirect(to), "/_qr/whoami", None);
            assert_eq!((found.level, found.cause), (Level::Fail, SCHEME.0), "{to}");
            assert_eq!(unsigned_login(&redirect(to), "/_qr/whoami").cause, SCHEME.0);
        }
        let wall = identify_without_cookie(&redirect("/login?next=/_qr/whoami"), "/_qr/whoami", None);
        assert_eq!(wall.level, Level::Warn);
        assert_eq!(unsigned_login(&redirect("/login"), "/_qr/login").cause, WALL.0);
    }

    #[test]
    fn the_identify_hook_must_say_signed_out() {
        let level = |answer: &Answer, user| identify_without_cookie(answer, "/w", user).level;
        assert_eq!(level(&answer(401), None), Level::Ok);
        assert_eq!(level(&Answer { json: true, ..answer(200) }, None), Level::Ok);
        assert_eq!(level(&Answer { json: true, ..answer(200) }, Some("1")), Level::Fail);
        assert_eq!(level(&answer(200), None), Level::Fail);
        assert_eq!(identify_without_cookie(&answer(404), "/w", None).cause, ROUTE.0);
        assert_eq!(identify_without_cookie(&answer(400), "/w", None).cause, HOST.0);
        assert_eq!(identify_without_cookie(&answer(500), "/w", None).cause, BROKEN.0);
    }

    #[test]
    fn the_login_hook_must_refuse_what_is_not_signed() {
        assert_eq!(unsigned_login(&answer(401), "/l").level, Level::Ok);
        assert_eq!(unsigned_login(&answer(204), "/l").level, Level::Fail);
        for status in [400, 403, 419, 422] {
            assert_eq!(unsigned_login(&answer(status), "/l").cause, CSRF.0, "{status}");
        }
    }

    #[test]
    fn a_sign_in_needs_a_cookie_that_stays() {
        let with = |cookies, kept_cookies| Answer { cookies, kept_cookies, ..answer(204) };
        assert_eq!(signed_login(&with(2, 1), "/l").level, Level::Ok);
        assert_eq!(signed_login(&with(1, 0), "/l").cause, TAKEN_BACK.0);
        assert_eq!(signed_login(&with(0, 0), "/l").cause, NO_COOKIE.0);
        assert_eq!(signed_login(&answer(401), "/l").cause, SIGNATURE.0);
        assert_eq!(signed_login(&Answer { json: true, ..answer(404) }, "/l").text, "404: refused");
        assert_eq!(signed_login(&answer(404), "/l").cause, ROUTE.0);
    }
}
