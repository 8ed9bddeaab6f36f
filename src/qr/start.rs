//! GET `/qr/`: the page that names the signed-in person and has one button. It contains no code and no secret.
//! If the store is unreachable, it says so, because the button would fail.

use crate::cookies;
use crate::fault::Fault;
use crate::pages::{After, Failure, Page, Start};
use crate::reply::{Event, Reply};
use crate::return_path::ReturnPath;

use super::context::Qr;
use super::identity::{Session, who_is_here};
use super::visit::Visit;

pub async fn start(qr: &Qr, visit: &Visit) -> Result<Reply, Fault> {
    let from = visit.query("from");
    if from.as_deref() == Some("leave") {
        return Ok(leave(qr, visit));
    }
    let after = match from.as_deref() {
        Some("code") => After::Code,
        Some("expired") => After::Expiry,
        _ => After::Nothing,
    };
    let next = visit.next(&qr.settings.sub_path);
    match who_is_here(qr, visit).await? {
        Session::Of { person, .. } if !person.allowed => {
            let event = Event::computer_refused(visit.party(), "not allowed").by(&person.user);
            Ok(Reply::failure(Failure::NotAllowed).noting(event))
        }
        Session::Of { person, .. } => start_page(qr, after, Some(person.name.unwrap_or(person.user)), next).await,
        Session::NoCookie if after != After::Nothing || is_from_another_site(visit) => {
            start_page(qr, after, None, next).await
        }
        session @ (Session::NoCookie | Session::Doubled | Session::SignedOut) => {
            Ok(signed_out(qr, visit, next.as_ref(), &session))
        }
    }
}

/// Redirects a signed-out person to the sign-in page once. If they return still signed out, the page says so and the
/// log has the reason.
pub fn signed_out(qr: &Qr, visit: &Visit, next: Option<&ReturnPath>, session: &Session) -> Reply {
    let login_url = qr.settings.login_url(next);
    let failure = match login_url {
        login_url if visit.query("from").as_deref() == Some("login") => Failure::StillSignedOut { login_url },
        Some(login_url) => return Reply::see(login_url),
        None => Failure::SignInFirst,
    };
    let cause = match session {
        Session::NoCookie => "no cookie is named in identify.session_cookies",
        Session::Doubled => "a session cookie came twice, with different values",
        Session::SignedOut | Session::Of { .. } => "the identify hook says signed out",
    };
    let (cookies, request_id) = (cookies::foreign_names(&visit.head.headers).join(" "), visit.asked.request_id());
    qr.telemetry
        .warn("a person is still signed out", &[("cause", &cause), ("cookies", &cookies), ("request_id", &request_id)]);
    Reply::failure(failure)
}

/// The way out of the sandbox, to the application or to its list of devices.
fn leave(qr: &Qr, visit: &Visit) -> Reply {
    let devices = Some(&qr.settings.devices_url).filter(|url| !url.is_empty());
    let to = devices.filter(|_| visit.query("to").as_deref() == Some("devices")).unwrap_or(&qr.settings.home);
    Reply::page(Page::Leave { to: to.clone() })
}

async fn start_page(qr: &Qr, after: After, name: Option<String>, next: Option<ReturnPath>) -> Result<Reply, Fault> {
    qr.store.ping().await?;
    let next = next.map(|next| next.as_str().to_owned());
    Ok(Reply::page(Page::Start(Start { after, name, next })))
}

/// Whether `SameSite=Strict` cookies may be missing: browsers do not send them with a link from another site, so the
/// person may be signed in.
fn is_from_another_site(visit: &Visit) -> bool {
    visit.head.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}
