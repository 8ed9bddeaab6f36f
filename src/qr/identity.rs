//! Identifies the person of a browser's session, by the application's hook or from a JWT.

use std::net::IpAddr;
use std::time::Duration;

use http::HeaderValue;

use crate::application::{HookError, IdentifyCall, Identity, Person};
use crate::clock::Timestamp;
use crate::cookies;
use crate::fault::Fault;

use super::context::Qr;
use super::visit::Visit;

/// The session of a request.
pub enum Session {
    /// There is no session cookie.
    NoCookie,
    /// A session cookie was sent twice, with different values.
    Doubled,
    /// The session is not signed in.
    SignedOut,
    /// It belongs to this person. `cookies` is the `Cookie` field value that was identified.
    Of { person: Person, cookies: String },
}

/// The browser of a session. Applications bind sessions to these facts.
pub struct Owner<'a> {
    pub user_agent: Option<&'a HeaderValue>,
    pub address: Option<IpAddr>,
    /// Whether the session is identified again, at a redeem.
    pub again: bool,
}

impl<'a> Owner<'a> {
    pub fn here(visit: &'a Visit) -> Owner<'a> {
        let user_agent = visit.head.headers.get(http::header::USER_AGENT);
        Owner { user_agent, address: visit.asked.client.address, again: false }
    }
}

/// Identifies the session of the request.
pub async fn who_is_here(qr: &Qr, visit: &Visit) -> Result<Session, Fault> {
    let cookies = match cookies::sessions(&visit.head.headers, &qr.settings.session_cookies) {
        Ok(Some(cookies)) => cookies,
        Ok(None) => return Ok(Session::NoCookie),
        // One of the two was planted, and there is no way to tell which.
        Err(cookies::Doubled) => return Ok(Session::Doubled),
    };
    match who_is(qr, &cookies, Owner::here(visit), visit).await? {
        Identity::SignedOut => Ok(Session::SignedOut),
        Identity::SignedIn(person) => Ok(Session::Of { person, cookies }),
    }
}

/// The person who is signed in on this device. `None` for a prefetch, and if the identify hook fails: the sign-in
/// itself asks it again.
pub async fn person_here(qr: &Qr, visit: &Visit) -> Option<Person> {
    if visit.is_prefetch() {
        return None;
    }
    match who_is_here(qr, visit).await {
        Ok(Session::Of { person, .. }) => Some(person),
        Ok(Session::NoCookie | Session::Doubled | Session::SignedOut) | Err(_) => None,
    }
}

/// Identifies the session with these cookies, on behalf of its browser.
pub async fn who_is(qr: &Qr, cookies: &str, owner: Owner<'_>, visit: &Visit) -> Result<Identity, HookError> {
    // If the owner's address is unknown, the application gets that of this request.
    let address = owner.address.or(Some(visit.asked.client.forwarded_for()));
    let Owner { user_agent, again, .. } = owner;
    let (origin, request_id) = (&visit.asked.origin, visit.asked.request_id());
    qr.hooks.identify(IdentifyCall { cookies, user_agent, address, origin, again, request_id }).await
}

/// Whether `identify.max_auth_age` is set and the last authentication is older or of unknown age.
pub fn is_too_old(qr: &Qr, person: &Person, now: Timestamp) -> bool {
    let Some(oldest) = qr.settings.max_auth_age else { return false };
    match person.auth_time {
        Some(then) => Duration::from_secs(now.seconds().saturating_sub(then)) > oldest,
        None => true,
    }
}
