//! A press on the phone, and what the holder sees when it changes nothing.

use http::{Response, StatusCode};

use crate::body::Body;
use crate::fault::Fault;
use crate::pages::{Failure, Page};
use crate::telemetry::Step;
use crate::token::{BrowserId, Claim};

use super::Qr;
use super::audit;
use super::open::{Scanned, holders_page, over_for_others};
use super::visit::{Visit, page, redirect};

/// A press that has been checked: by whom, on what.
pub struct Press {
    /// The ticket.
    pub scanned: Scanned,
    /// The browser that pressed.
    pub browser: BrowserId,
    /// Its claim, made or not.
    pub claim: Claim,
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

/// Back to the link itself by GET: reload and Back repeat nothing.
pub fn same_address(qr: &Qr, visit: &Visit) -> Response<Body> {
    redirect(StatusCode::SEE_OTHER, &format!("{}{}", qr.sub_path, visit.head.uri.path()))
}
