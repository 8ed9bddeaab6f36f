//! What `qrgate check` reports for an application with exactly one fault: the line, the likely cause, and the fix in
//! the terms of the application's framework.

use crate::checking::{Checked, application, check_file};
use crate::harness::application::{Reply, TestApplication, is_signed, response};
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::Message;

const HTTPS: &str = "[public]\nurl = \"https://app.localhost:1\"\n";

fn check(application: &TestApplication, settings: &str, arguments: &[&str]) -> Checked {
    check_file(&configuration(application.address, settings), arguments)
}

/// Checks with `--user 42` and these session cookies, and expects one failure with these words.
fn fails(application: &TestApplication, settings: &str, words: &[&str]) -> Checked {
    let checked = check(application, settings, &["--user", "42"]);
    for words in words {
        assert!(checked.text().contains(words), "{words} in {}", checked.said);
    }
    assert!(checked.said.contains("\n1 failure, "), "{}", checked.said);
    assert_eq!(checked.code, Some(1));
    checked
}

/// The session cookie of another framework, by which `check` recognises the framework.
fn cookies(name: &str) -> String {
    format!("[identify]\nsession_cookies = [\"{name}\"]\n")
}

fn page(status: u16) -> Reply {
    Reply::Bytes(response(status, &["Content-Type: text/html; charset=utf-8"], b"<!doctype html><h1>Page</h1>"))
}

fn status(status: u16, fields: &[&str]) -> Reply {
    Reply::Bytes(response(status, fields, b""))
}

/// Wraps the valid login hook: `spoil` may respond in its place.
fn login_unless(application: &TestApplication, spoil: impl Fn(&Message) -> Option<Reply> + Send + Sync + 'static) {
    let good = application.login_reply();
    application.route("/_qr/login", move |request| spoil(request).unwrap_or_else(|| good(request)));
}

fn came_by_https(request: &Message) -> bool {
    request.field("x-forwarded-proto") == Some("https")
}

#[test]
fn no_cookie_because_the_application_takes_the_request_for_http() {
    let application = application();
    // Express with `cookie.secure` silently drops the cookie, unless it trusts the proxy.
    login_unless(&application, |request| (!came_by_https(request)).then(|| status(204, &[])));
    fails(&application, "", &["FAIL  login         204 but no Set-Cookie", "does not trust this proxy", "trust proxy"]);
    let express = cookies("connect.sid");
    fails(&application, &express, &["Fix: app.set('trust proxy', 'loopback'); on http", "See docs/recipes/express.md"]);
    fails(&application, &cookies("_notes_session"), &["secure: true of the session store"]);
}

#[test]
fn csrf_protection_that_refuses_the_hook() {
    for (code, cookie, fix) in [
        (403, "sessionid", "@csrf_exempt on the login hook"),
        (403, "connect.sid", "mount the hooks before the CSRF middleware"),
        (400, "session", "csrf.exempt(the blueprint of the hooks)"),
        (419, "laravel_session", "validateCsrfTokens(except: ['_qr/login'])"),
        (422, "_notes_session", "skip_forgery_protection only: :login"),
    ] {
        let application = application();
        application.route("/_qr/login", move |_| page(code));
        let line = format!("FAIL  login         {code}");
        fails(&application, &cookies(cookie), &[&line, "CSRF protection", fix]);
    }
    // Rails and Laravel report CSRF failures in JSON to clients that accept JSON; that is no refusal by the hook.
    let application = application();
    let json = br#"{"status": 422, "error": "Unprocessable Entity"}"#;
    application.route("/_qr/login", move |_| Reply::Bytes(response(422, &["Content-Type: application/json"], json)));
    fails(&application, "", &["FAIL  login         422", "CSRF protection"]);
    let json = br#"{"message": "CSRF token mismatch."}"#;
    application.route("/_qr/login", move |_| Reply::Bytes(response(419, &["Content-Type: application/json"], json)));
    fails(&application, "", &["FAIL  login         419", "CSRF protection"]);
}

#[test]
fn a_redirect_to_https_because_the_scheme_is_not_trusted() {
    let application = application();
    for path in ["/_qr/whoami", "/_qr/login"] {
        let location = format!("Location: https://app.localhost:1{path}");
        application.route(path, move |_| status(301, &[&location]));
    }
    for (cookie, fix) in [
        ("sessionid", "SECURE_PROXY_SSL_HEADER"),
        ("connect.sid", "app.set('trust proxy', 'loopback')"),
        ("wordpress_logged_in_*", "the HTTPS line in wp-config.php"),
        ("JSESSIONID", "server.forward-headers-strategy=framework"),
    ] {
        let checked = check(&application, &format!("{HTTPS}{}", cookies(cookie)), &["--user", "42"]);
        checked.line("FAIL  identify      301 to https://app.localhost:1/_qr/whoami");
        checked.line("FAIL  login         301 to https://app.localhost:1/_qr/login");
        assert!(checked.text().contains(fix), "{fix} in {}", checked.said);
    }
}

#[test]
fn a_route_that_ends_in_a_slash() {
    let application = application();
    application.route("/_qr/whoami", |_| status(301, &["Location: /_qr/whoami/"]));
    let checked = check(&application, "", &[]);
    checked.line("FAIL  identify      301 to /_qr/whoami/");
    let text = checked.text();
    assert!(text.contains("route ends in a slash") && !text.contains("SECURE_PROXY_SSL_HEADER"), "{}", checked.said);
}

#[test]
fn a_host_that_the_application_does_not_know() {
    for (code, cookie, fix) in [
        (400, "sessionid", "ALLOWED_HOSTS, with the host of public.url"),
        (403, "_notes_session", "config.hosts << the host of public.url"),
    ] {
        let application = application();
        let allowed = |request: &Message| request.field("host") == Some("internal.example");
        let unknown = move |request: &Message| (!allowed(request)).then(|| page(code));
        application.route("/_qr/whoami", move |request| unknown(request).unwrap_or_else(|| status(401, &[])));
        login_unless(&application, unknown);
        let checked = check(&application, &cookies(cookie), &["--user", "42"]);
        checked.line(&format!("FAIL  login         {code}"));
        assert!(checked.text().contains("does not know the host"), "{}", checked.said);
        assert!(checked.text().contains(fix), "{fix} in {}", checked.said);
        // With a Host that the application knows, the complaint is gone.
        let settings = format!("{}[application]\nhost = \"internal.example\"\n", cookies(cookie));
        let checked = check(&application, &settings, &[]);
        checked.line("ok    login         refuses a call without a signature (401)");
    }
}

#[test]
fn a_cookie_for_another_domain() {
    let application = application();
    let cookie = "Set-Cookie: sessionid=1; Path=/; Domain=www.example.org";
    application.route("/_qr/login", move |_| status(204, &["Set-Cookie: csrftoken=1; Path=/", cookie]));
    let words =
        ["FAIL  verify        sessionid: is for a foreign Domain; browsers at 127.0.0.1 refuse it", "no Domain at all"];
    fails(&application, "", &words);
    let cookie = "Set-Cookie: laravel_session=1; Path=/; Domain=www.example.org";
    application.route("/_qr/login", move |_| status(204, &[cookie]));
    fails(&application, &cookies("laravel_session"), &["SESSION_DOMAIN=null", "See docs/recipes/laravel.md"]);
}

#[test]
fn a_secure_cookie_on_an_http_site() {
    let application = application();
    application.route("/_qr/login", |_| status(204, &["Set-Cookie: sessionid=1; Path=/; Secure"]));
    fails(&application, "", &["FAIL  verify        the new session's cookies are Secure", "for a trial on http"]);
    application.route("/_qr/login", |_| status(204, &["Set-Cookie: laravel_session=1; Path=/; Secure"]));
    fails(&application, &cookies("laravel_session"), &["SESSION_SECURE_COOKIE=false"]);
}

#[test]
fn a_session_that_does_not_identify() {
    let application = application();
    // The session is bound to an address that the application does not take from qrgate, so it is signed out elsewhere.
    application.route("/_qr/whoami", |_| status(401, &[]));
    fails(&application, "", &["FAIL  verify        the new session is signed out", "bound to an address or a browser"]);
    application.route("/_qr/login", |_| status(204, &["Set-Cookie: session=1; Path=/"]));
    fails(&application, &cookies("session"), &["ProxyFix(app.wsgi_app, x_for=1)"]);
}

#[test]
fn a_cookie_whose_path_does_not_cover_the_hook() {
    let application = application();
    application.route("/_qr/login", |_| status(204, &["Set-Cookie: sessionid=1; Path=/blog/"]));
    fails(&application, "", &["FAIL  verify        the new session is signed out", "does not cover identify.path"]);
}

#[test]
fn a_response_about_the_anonymous_user() {
    let application = application();
    // WordPress over REST: without a nonce every user is user 0.
    let nobody = |_: &Message| Reply::Bytes(response(200, &["Content-Type: application/json"], br#"{"user_id": 0}"#));
    application.route("/_qr/whoami", nobody);
    application.route("/_qr/login", |_| status(204, &["Set-Cookie: wordpress_logged_in_1=1; Path=/"]));
    fails(&application, &cookies("wordpress_logged_in_*"), &["the new session is signed out", "whoami not over REST"]);
}

#[test]
fn a_second_factor_instead_of_a_session() {
    let words = ["a second factor took it back", "\"allow\": false until the second factor is passed"];
    let application = application();
    // A plug-in that deletes the new cookies and prints its form.
    let deletes = ["Set-Cookie: sessionid=; Path=/; Max-Age=0", "Content-Type: text/html"];
    application.route("/_qr/login", move |_| Reply::Bytes(response(200, &deletes, b"<form>Code</form>")));
    fails(&application, "", &[&["FAIL  login         200 with deleted cookies only"], &words[..]].concat());
    // A plug-in that redirects to its page.
    application.route("/_qr/login", |_| status(302, &["Location: /account/two_factor/"]));
    fails(&application, "", &[&["FAIL  login         302 to /account/two_factor/"], &words[..]].concat());
    // A plug-in that makes a session without a user until the factor is passed.
    application.route("/_qr/login", |_| status(204, &["Set-Cookie: sessionid=half; Path=/"]));
    fails(
        &application,
        "",
        &["FAIL  verify        the new session is signed out", "the session waits for a second factor"],
    );
}

#[test]
fn a_hook_that_responds_with_a_sign_in_page() {
    let application = application();
    application.route("/_qr/whoami", |_| page(200));
    let checked = check(&application, "", &[]);
    checked.line("FAIL  identify      200 but no JSON");
    assert!(checked.text().contains("it is a sign-in page"), "{}", checked.said);

    let application = self::application();
    application.route("/_qr/login", |_| page(200));
    fails(&application, "", &["FAIL  login         200 with a page, no Set-Cookie", "does not lead to the hook"]);
    check(&application, "", &[]).line("FAIL  login         200 with a page");
    // The page of a sign-in form sets a cookie too; it is no session.
    let fields = ["Content-Type: text/html", "Set-Cookie: csrftoken=1; Path=/"];
    application.route("/_qr/login", move |_| Reply::Bytes(response(200, &fields, b"<form>Password</form>")));
    let words =
        ["warn  login         200 with 1 Set-Cookie, and with a page", "csrftoken not in identify.session_cookies"];
    fails(&application, "", &words);
}

#[test]
fn a_login_wall_before_both_hooks() {
    for (cookie, fix) in [
        ("sessionid", "@login_not_required on both hooks"),
        ("session_id", "allow_unauthenticated_access"),
        (".AspNetCore.Identity.Application*", ".AllowAnonymous() on both"),
    ] {
        let application = application();
        for path in ["/_qr/whoami", "/_qr/login"] {
            application.route(path, |_| status(302, &["Location: /accounts/login/?next=/"]));
        }
        let words = ["warn  identify      302 to /accounts/login/", "FAIL  login         302 to /accounts/login/", fix];
        fails(&application, &cookies(cookie), &words);
    }
}

#[test]
fn the_wrong_secret() {
    let application = application();
    let settings = "[login]\nsecret = \"whsec_YW5vdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMgb3IgbW8=\"\n";
    fails(
        &application,
        settings,
        &[
            "FAIL  login         401 to a call for http://",
            "another secret, a clock that is off",
            "the same hook.secret",
        ],
    );
}

#[test]
fn a_clock_that_is_off() {
    let application = application();
    application.route("/_qr/login", |_| status(401, &["Date: Thu, 01 Jan 2026 00:00:00 GMT"]));
    let checked = check(&application, "", &["--user", "42"]);
    let line = checked.line("FAIL  login         401; its clock is ");
    assert!(line.ends_with(" s behind") || line.ends_with(" s ahead"), "{line}");
    assert!(checked.text().contains("Fix: time synchronisation on both"), "{}", checked.said);
}

#[test]
fn a_hook_that_accepts_every_call() {
    let application = application();
    let open = "Set-Cookie: sessionid=1; Path=/";
    application.route("/_qr/login", move |_| status(204, &[open]));
    let checked = check(&application, "", &[]);
    checked.line("FAIL  login         204 to a call without a signature");
    assert!(checked.text().contains("Anyone who reaches the hook can sign in as any user."), "{}", checked.said);
}

#[test]
fn a_hook_that_identifies_a_user_without_a_cookie() {
    let application = application();
    let fixed = |_: &Message| Reply::Bytes(response(200, &[], br#"{"user_id": "1"}"#));
    application.route("/_qr/whoami", fixed);
    let checked = check(&application, "", &[]);
    checked.line("FAIL  identify      a user is signed in without a cookie");
}

#[test]
fn an_account_that_may_not_sign_in() {
    let application = application();
    let refuses = br#"{"message": "This account cannot sign in."}"#;
    login_unless(&application, move |request| is_signed(request).then(|| Reply::Bytes(response(404, &[], refuses))));
    fails(&application, "", &["FAIL  login         404: refused", "this user may not sign in"]);
}

#[test]
fn hooks_that_are_missing_or_fail() {
    let application = application();
    application.route("/_qr/whoami", |_| page(404));
    application.route("/_qr/login", |_| page(500));
    let checked = check(&application, &cookies("PHPSESSID"), &["--user", "42"]);
    checked.line("FAIL  identify      404");
    checked.line("FAIL  login         500");
    for words in ["nothing at this path", "identify.path = \"/_qr.php/whoami\"", "env[QRGATE_HOOK_SECRET]"] {
        assert!(checked.text().contains(words), "{words} in {}", checked.said);
    }
}

#[test]
fn a_hook_that_is_slow_and_one_that_hangs_up() {
    let application = application();
    // Sends no response and keeps the connection.
    let silent = |_: &Message| Reply::Take(Box::new(|mut connection| drop(connection.read_line())));
    application.route("/_qr/login", silent);
    let settings = "[login]\ntimeout = \"200ms\"\n";
    fails(&application, settings, &["FAIL  login         no answer within 200ms", "takes too long", "more workers"]);
    let settings = format!("{settings}{}", cookies("PHPSESSID"));
    fails(&application, &settings, &["session_write_close() in slow pages"]);
    application.route("/_qr/login", |_| Reply::Close);
    fails(&application, "", &["FAIL  login         ", "The hook's server is away."]);
}

#[test]
fn a_slow_application() {
    let application = application();
    application.route("/", |_| Reply::Take(Box::new(|mut connection| drop(connection.read_line()))));
    let checked = check(&application, "[application]\nresponse_timeout = \"200ms\"\n", &[]);
    checked.line("no response within application.response_timeout");
    checked.line("warn  hooks         not tried: the application has to answer first");
    assert_eq!(checked.code, Some(1));
}

#[test]
fn hooks_that_can_be_reached_from_outside() {
    let application = application();
    // The public address leads directly to the application.
    let settings = format!("[public]\nurl = \"http://{}\"\n", application.address);
    let address = format!("http://{}/_qr/whoami answers 401", application.address);
    fails(
        &application,
        &settings,
        &["FAIL  outside       ", &address, "past qrgate", "send everything through qrgate"],
    );
    // Through qrgate they are hidden.
    let gate = TestGate::before(&application);
    let checked = check(&application, &format!("[public]\nurl = \"{}\"\n", gate.origin()), &["--user", "42"]);
    checked.line(&format!("ok    outside       the hooks are 404 at {}", gate.origin()));
    checked.line(&format!("ok    outside       no field moves a request onto a hook at {}", gate.origin()));
    assert_eq!(checked.code, Some(0), "{}", checked.said);
    // Before qrgate runs, this cannot be tested.
    let checked = check(&application, HTTPS, &[]);
    checked.line("ok    outside       the hooks were not looked for at https://app.localhost:1: ");
}

#[test]
fn hooks_that_a_field_leads_to_from_outside() {
    // A side door that responds 404 for the hooks' paths, in front of an application that takes its path from a field.
    for (field, target) in [
        ("Script_Name", "/qrgate-check/_qr/whoami"),
        ("Daphne-Root-Path", "/qrgate-check/_qr/login"),
        ("X-Rewrite-URL", "/qrgate-check"),
        ("X-Envoy-Original-Path", "/qrgate-check"),
    ] {
        let application = application();
        let door = TestApplication::start();
        ["/_qr/whoami", "/_qr/login", "/qrgate-check/_qr/whoami", "/qrgate-check/_qr/login", "/qrgate-check"]
            .iter()
            .for_each(|path| door.route(path, |_| page(404)));
        let (identify, login) = (application.identify_reply(), application.login_reply());
        door.route(target, move |request| match request.field(field) {
            Some("/_qr/whoami") => identify(request),
            Some("/qrgate-check") if target.ends_with("/whoami") => identify(request),
            Some("/_qr/login" | "/qrgate-check") => login(request),
            _ => page(404),
        });
        let settings = format!("[public]\nurl = \"http://{}\"\n", door.address);
        let reached = format!("http://{}{target} reaches /_qr/", door.address);
        fails(&application, &settings, &["FAIL  outside       ", &reached, "remove these fields in front"]);
    }
}
