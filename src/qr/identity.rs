//! Who is at this browser? Asked of the application, or read from a JWT, for every step that needs to know.

use std::net::IpAddr;
use std::time::Duration;

use http::HeaderValue;

use crate::application::{HookError, IdentifyCall, Identity, Person};
use crate::clock::Timestamp;
use crate::cookies;
use crate::fault::Fault;

use super::context::Qr;
use super::visit::Visit;

/// What the session cookies of a request say.
pub enum Session {
    /// There is no session cookie at all.
    NoCookie,
    /// One session cookie came twice, with different values.
    Doubled,
    /// The session is nobody's.
    SignedOut,
    /// It belongs to this person; `cookies` is the field value that said so.
    Of { person: Person, cookies: String },
}

/// The browser that owns a session: applications tie sessions to what it sends.
pub struct Owner<'a> {
    pub user_agent: Option<&'a HeaderValue>,
    pub address: Option<IpAddr>,
    /// Whether the session is asked about again, at a redeem.
    pub again: bool,
}

impl<'a> Owner<'a> {
    /// The browser that sends this request.
    pub fn here(visit: &'a Visit) -> Owner<'a> {
        let user_agent = visit.head.headers.get(http::header::USER_AGENT);
        Owner { user_agent, address: visit.asked.client.address, again: false }
    }
}

/// Asks who the request's session cookies belong to.
pub async fn who_is_here(qr: &Qr, visit: &Visit) -> Result<Session, Fault> {
    let cookies = match cookies::sessions(&visit.head.headers, &qr.settings.session_cookies) {
        Ok(Some(cookies)) => cookies,
        Ok(None) => return Ok(Session::NoCookie),
        // One of the two was planted, and nothing says which.
        Err(cookies::Doubled) => return Ok(Session::Doubled),
    };
    match who_is(qr, &cookies, Owner::here(visit), visit).await? {
        Identity::SignedOut => Ok(Session::SignedOut),
        Identity::SignedIn(person) => Ok(Session::Of { person, cookies }),
    }
}

/// Asks who these cookies belong to, in the name of the browser that owns them.
pub async fn who_is(qr: &Qr, cookies: &str, owner: Owner<'_>, visit: &Visit) -> Result<Identity, HookError> {
    // Where the owner's address is unknown, the application is told what it is told of every request here.
    let address = owner.address.or(Some(visit.asked.client.forwarded_for()));
    let Owner { user_agent, again, .. } = owner;
    let (origin, request_id) = (&visit.asked.origin, visit.asked.request_id());
    qr.hooks.identify(IdentifyCall { cookies, user_agent, address, origin, again, request_id }).await
}

/// Whether the person's last proof is older than `identify.max_auth_age` allows, or unknown while it is set.
pub fn is_too_old(qr: &Qr, person: &Person, now: Timestamp) -> bool {
    let Some(oldest) = qr.settings.max_auth_age else { return false };
    match person.auth_time {
        Some(then) => Duration::from_secs(now.seconds().saturating_sub(then)) > oldest,
        None => true,
    }
}
