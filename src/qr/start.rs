//! GET `/qr/`: says who would be signed in, and has one button. It holds no code and no secret, so anybody may fetch it.
//! Where the store is away the button would lead nowhere, and the page says so instead.

use http::{Response, StatusCode};

use crate::body::Body;
use crate::fault::Fault;
use crate::pages::{Failure, Page, Start};
use crate::return_path::ReturnPath;

use super::Qr;
use super::audit;
use super::identity::Session;
use super::visit::{Visit, page, redirect};

/// Answers the start page, the way to the login page, or a refusal.
///
/// # Errors
///
/// [`Fault`] when the application cannot be asked, or the store is away.
pub async fn start(qr: &Qr, visit: &Visit) -> Result<Response<Body>, Fault> {
    let next = visit.query("next").and_then(|text| ReturnPath::parse(&text, &qr.sub_path));
    match qr.who_is_here(visit).await? {
        Session::Of { person, .. } if !person.allowed => {
            audit::refused(qr, visit, Some(&person.user), "not allowed");
            Ok(page(qr, visit, &Page::Error(Failure::NotAllowed)))
        }
        Session::Of { person, .. } => {
            let name = person.name.as_deref().unwrap_or(&person.user);
            start_page(qr, visit, Some(name), next.as_ref()).await
        }
        Session::NoCookie if left_its_cookies_behind(visit) => start_page(qr, visit, None, next.as_ref()).await,
        Session::NoCookie | Session::SignedOut => Ok(signed_out(qr, visit, next.as_ref())),
    }
}

/// A person who is not signed in: to the login page once, then told.
pub fn signed_out(qr: &Qr, visit: &Visit, next: Option<&ReturnPath>) -> Response<Body> {
    if visit.query("from").as_deref() == Some("login") {
        return page(qr, visit, &Page::Error(Failure::StillSignedOut { login_url: qr.login_url(next).as_deref() }));
    }
    match qr.login_url(next) {
        Some(login_url) => redirect(StatusCode::SEE_OTHER, &login_url),
        None => page(qr, visit, &Page::Error(Failure::SignInFirst)),
    }
}

async fn start_page(
    qr: &Qr,
    visit: &Visit,
    name: Option<&str>,
    next: Option<&ReturnPath>,
) -> Result<Response<Body>, Fault> {
    qr.store.ping().await?;
    Ok(page(qr, visit, &Page::Start(Start { name, next: next.map(ReturnPath::as_str) })))
}

/// Strict cookies do not travel along a link out of the sandboxed page, nor from another site: whoever comes that way
/// without any may well be signed in.
fn left_its_cookies_behind(visit: &Visit) -> bool {
    let from_code = visit.query("from").as_deref() == Some("code");
    let site = visit.head.headers.get("sec-fetch-site");
    from_code || site.is_some_and(|site| site == "cross-site")
}
