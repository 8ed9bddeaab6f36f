//! A submitted form of the phone, and the holder's pages for forms that change nothing.

use crate::fault::Fault;
use crate::pages::Failure;
use crate::reply::{Cookie, Reply};
use crate::stay::Stay;
use crate::store::Row;
use crate::telemetry::Step;
use crate::ticket::TOMBSTONE;
use crate::token::{BrowserId, ClaimKey, ClaimMac};

use super::context::Qr;
use super::open::{Scanned, holders_page, over_for_others};
use super::visit::Visit;

/// A submitted form that has been verified.
pub struct Press {
    pub scanned: Scanned,
    pub browser: BrowserId,
    /// The holder's claim key. For a browser that is not the holder, the key that its form would claim with.
    pub key: ClaimKey,
    /// The claim of that key, whether or not it was made.
    pub claim: ClaimMac,
    /// Whether the browser sent that key as its cookie.
    pub sent: bool,
    /// The return path in the form.
    pub lands: Option<String>,
    /// The chosen length of session, where the phone approves.
    pub stay: Option<Stay>,
}

impl Press {
    /// The same form with the current row.
    pub fn on(self, row: Row) -> Press {
        Press { scanned: Scanned { row, ..self.scanned }, ..self }
    }
}

/// The page for the ticket's current state, after another request was faster.
pub async fn as_it_stands(qr: &Qr, visit: &Visit, press: Press) -> Result<Reply, Fault> {
    let phase = press.scanned.phase();
    if press.scanned.row.ticket.held_by(&press.claim) {
        return holders_page(qr, visit, &press.scanned, &press.browser, &press.claim).await;
    }
    match phase.is_over() {
        true => Ok(over_for_others(qr, visit, &press.scanned, phase).await),
        false => Ok(in_use(qr, visit, &press.scanned)),
    }
}

/// The page for a form of another browser than the holder's.
pub fn in_use(qr: &Qr, visit: &Visit, scanned: &Scanned) -> Reply {
    let event = scanned.event(qr, visit, Step::Refused).because("another browser holds the code");
    Reply::failure(Failure::InUse).noting(event)
}

/// The cookie that makes the browser the holder of the ticket. It lasts until the store drops the ticket.
pub fn claim_cookie(press: &Press) -> Cookie {
    let Scanned { opened, record, row } = &press.scanned;
    Cookie::Claim { id: opened.id(), key: press.key.clone(), lasts: row.now.until(record.end) + TOMBSTONE }
}

/// Redirects the holder to the link, with the cookie if the browser did not send it.
pub fn same_address_for_holder(qr: &Qr, visit: &Visit, press: &Press) -> Reply {
    same_address(qr, visit).setting((!press.sent).then(|| claim_cookie(press)))
}

/// Redirects to the link by GET, so that Reload and Back repeat no form.
pub fn same_address(qr: &Qr, visit: &Visit) -> Reply {
    Reply::see(format!("{}{}", qr.settings.sub_path, visit.head.uri.path()))
}
