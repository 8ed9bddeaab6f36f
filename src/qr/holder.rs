//! A press on the phone, and what the holder sees when it changes nothing.

use crate::fault::Fault;
use crate::pages::Failure;
use crate::reply::{Cookie, Reply};
use crate::store::Row;
use crate::telemetry::Step;
use crate::ticket::TOMBSTONE;
use crate::token::{BrowserId, ClaimKey, ClaimMac};

use super::context::Qr;
use super::open::{Scanned, holders_page, over_for_others};
use super::visit::Visit;

/// A press that has been checked: by whom, on what.
pub struct Press {
    pub scanned: Scanned,
    pub browser: BrowserId,
    /// The claim key of the holder; of a browser that holds nothing, the one that its form would claim with.
    pub key: ClaimKey,
    /// The claim of that key, made or not.
    pub claim: ClaimMac,
    /// Whether the browser sent that key as its cookie.
    pub sent: bool,
    /// Where this phone wants to land, where its form says so.
    pub lands: Option<String>,
}

impl Press {
    /// The same press, on the row as it is now.
    pub fn on(self, row: Row) -> Press {
        Press { scanned: Scanned { row, ..self.scanned }, ..self }
    }
}

/// The holder's page for the state.
pub async fn over(qr: &Qr, visit: &Visit, press: &Press) -> Result<Reply, Fault> {
    holders_page(qr, visit, &press.scanned, &press.browser, &press.claim).await
}

/// Somebody else was faster: the page for how the ticket stands now.
pub async fn as_it_stands(qr: &Qr, visit: &Visit, press: Press) -> Result<Reply, Fault> {
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
pub fn in_use(qr: &Qr, visit: &Visit, scanned: &Scanned) -> Reply {
    let event = scanned.event(qr, visit, Step::Refused).because("another browser holds the code");
    Reply::failure(Failure::InUse).noting(event)
}

/// The cookie that makes the browser the holder of the ticket. It lasts until the store forgets the ticket.
pub fn claim_cookie(press: &Press) -> Cookie {
    let Scanned { opened, record, row } = &press.scanned;
    Cookie::Claim { id: opened.id(), key: press.key.clone(), lasts: row.now.until(record.end) + TOMBSTONE }
}

/// Back to the link itself, for the holder: with the cookie where the browser did not send it.
pub fn same_address_for_holder(qr: &Qr, visit: &Visit, press: &Press) -> Reply {
    same_address(qr, visit).setting((!press.sent).then(|| claim_cookie(press)))
}

/// Back to the link itself by GET: reload and Back repeat nothing.
pub fn same_address(qr: &Qr, visit: &Visit) -> Reply {
    Reply::see(format!("{}{}", qr.settings.sub_path, visit.head.uri.path()))
}
