//! A press on the phone, and what the holder sees when it changes nothing.

use http::{Response, StatusCode};

use crate::body::Body;
use crate::fault::Fault;
use crate::pages::{Failure, Page};
use crate::store::Row;
use crate::telemetry::Step;
use crate::ticket::TOMBSTONE;
use crate::token::{BrowserId, Claim, ClaimKey};

use super::Qr;
use super::audit;
use super::open::{Scanned, holders_page, over_for_others};
use super::visit::{Visit, page, redirect, set_claim_cookie};

/// A press that has been checked: by whom, on what.
pub struct Press {
    /// The ticket.
    pub scanned: Scanned,
    /// The browser that pressed.
    pub browser: BrowserId,
    /// The claim key of the holder; of a browser that holds nothing, the one that its form would claim with.
    pub key: ClaimKey,
    /// The claim of that key, made or not.
    pub claim: Claim,
    /// Whether the browser sent that key as its cookie.
    pub sent: bool,
}

impl Press {
    /// The same press, on the row as it is now.
    pub fn on(self, row: Row) -> Press {
        Press { scanned: Scanned { row, ..self.scanned }, ..self }
    }
}

/// The holder's page for the state.
///
/// # Errors
///
/// [`Fault`] when the application must be asked and cannot.
pub async fn over(qr: &Qr, visit: &Visit, press: &Press) -> Result<Response<Body>, Fault> {
    holders_page(qr, visit, &press.scanned, &press.browser, &press.claim).await
}

/// Somebody else was faster: the page for how the ticket stands now.
///
/// # Errors
///
/// [`Fault`] when the application must be asked and cannot.
pub async fn as_it_stands(qr: &Qr, visit: &Visit, press: Press) -> Result<Response<Body>, Fault> {
    let phase = press.scanned.phase();
    if press.scanned.row.ticket.held_by(&press.claim) {
        return over(qr, visit, &press).await;
    }
    match phase.is_over() {
        true => Ok(over_for_others(qr, visit, &press.scanned, phase)),
        false => Ok(in_use(qr, visit, &press.scanned)),
    }
}

/// A button was pressed in another browser than the one that holds the ticket.
pub fn in_use(qr: &Qr, visit: &Visit, scanned: &Scanned) -> Response<Body> {
    let (id, facts) = (scanned.opened.id(), scanned.facts(qr, visit));
    audit::told(qr, visit, Step::Refused, &id, &facts, "another browser holds the code");
    page(qr, visit, &Page::Error(Failure::InUse))
}

/// Adds the cookie that makes the browser the holder of the ticket. It lasts until the store forgets the ticket.
pub fn with_claim_cookie(mut response: Response<Body>, visit: &Visit, press: &Press) -> Response<Body> {
    let Scanned { opened, record, row } = &press.scanned;
    let lasts = row.now.until(record.end) + TOMBSTONE;
    set_claim_cookie(&mut response, &opened.id(), &press.key, lasts, &visit.origin);
    response
}

/// Back to the link itself, for the holder: with the cookie where the browser did not send it.
pub fn same_address_for_holder(qr: &Qr, visit: &Visit, press: &Press) -> Response<Body> {
    let response = same_address(qr, visit);
    if press.sent { response } else { with_claim_cookie(response, visit, press) }
}

/// Back to the link itself by GET: reload and Back repeat nothing.
pub fn same_address(qr: &Qr, visit: &Visit) -> Response<Body> {
    redirect(StatusCode::SEE_OTHER, &format!("{}{}", qr.sub_path, visit.head.uri.path()))
}
