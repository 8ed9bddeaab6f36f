//! GET `/qr/<token>/`: the page for a phone that opens the link. It claims nothing.

use std::time::Duration;

use http::Method;

use crate::config::SameNetwork;
use crate::device;
use crate::fault::Fault;
use crate::pages::{Confirm, Device, Failure, Page, shown_account};
use crate::reply::{Event, Reply};
use crate::store::{Row, Stepped, StoreError};
use crate::telemetry::Step;
use crate::ticket::{Phase, Ticket};
use crate::token::{Approval, BrowserId, ClaimKey, ClaimMac, Opened, PageFacts, Party, Record, Token};

use super::context::Qr;
use super::identity::{Session, person_here, who_is_here};
use super::visit::Visit;

/// A ticket that a token opened.
pub struct Scanned {
    pub opened: Opened,
    pub record: Record,
    pub row: Row,
}

impl Scanned {
    /// The state at the time of the read. The sealed end counts even if the times in the store were changed.
    pub fn phase(&self) -> Phase {
        let phase = self.row.phase();
        match !phase.is_over() && self.row.now >= self.record.end {
            true => Phase::Expired,
            false => phase,
        }
    }

    /// The key among these that holds the ticket, or held it when it ended, with its claim.
    pub fn holder(&self, keys: &[ClaimKey]) -> Option<(ClaimKey, ClaimMac)> {
        let claims = keys.iter().map(|key| (key, self.opened.claim_mac(key)));
        let mut held = claims.filter(|(_, claim)| self.row.ticket.held_by(claim));
        held.next().map(|(key, claim)| (key.clone(), claim))
    }

    /// The sealed facts for the computer's page.
    pub fn known_facts(&self) -> Option<PageFacts> {
        let view = self.record.desk.view();
        self.opened.key().for_page(&self.opened.id(), &view).open(&self.row.ticket.page).ok()
    }

    /// The phone that the computer's page shows: the one that claimed the ticket or last began a redeem. `None`
    /// before a claim.
    pub fn known_phone(&self) -> Option<Party> {
        self.known_facts().and_then(|facts| facts.phone)
    }

    /// Whether the request certainly comes from another phone than the known one: its label or network differs.
    fn is_seen_by_another(&self, visit: &Visit) -> bool {
        self.known_phone().is_some_and(|known| {
            let here = visit.party();
            known.label != here.label || device::same_network(known.address, here.address) == Some(false)
        })
    }

    /// An event of this ticket with both parties.
    pub fn event(&self, qr: &Qr, visit: &Visit, step: Step) -> Event {
        Event::of(step, &self.opened.id(), self.facts(qr, visit))
    }

    pub fn facts(&self, qr: &Qr, visit: &Visit) -> PageFacts {
        let phone = visit.party();
        let same_network = qr.settings.same_network_of(self.record.issuer.address, phone.address);
        self.record.facts(Some(phone), same_network)
    }

    pub async fn note_expiry(&self, qr: &Qr, visit: &Visit) {
        let facts = || self.facts(qr, visit);
        qr.note_expiry(visit.asked.client.peer, &self.opened.id(), &self.row, facts).await;
    }
}

/// Finds the ticket of a token, or the page for a token that opens nothing. `opened` is `None` for a malformed token
/// and for an unknown ticket secret, which cost no store command.
pub async fn scan(qr: &Qr, visit: &Visit, opened: Option<Opened>) -> Result<Result<Scanned, Reply>, Fault> {
    let refused = |reason: &'static str| Event::phone_refused(visit.party(), reason);
    let nothing = || Ok(Err(Reply::page(Page::InvalidCode).noting(refused("no such code"))));
    let Some(opened) = opened else { return nothing() };
    let forged = || {
        let event = Event { ticket: Some(opened.id().short()), ..refused("the record is not authentic") };
        Ok(Err(Reply::page(Page::InvalidCode).noting(event)))
    };
    let row = match qr.store.read_whole(&opened.id()).await {
        // A remainder, which only the page with the code can use.
        Ok(Some(row)) if row.ticket.record.is_empty() => return nothing(),
        Ok(Some(row)) => row,
        Ok(None) => return nothing(),
        Err(StoreError::Unreadable { .. }) => return forged(),
        Err(error) => return Err(error.into()),
    };
    match opened.for_record(&visit.asked.origin).open(&row.ticket.record) {
        // The row repeats the time of the mint, where it could be tampered with.
        Ok(record) if record.issued == row.ticket.issued => Ok(Ok(Scanned { opened, record, row })),
        Ok(_) | Err(_) => forged(),
    }
}

/// What a token in a path opens, derived without the store.
pub fn opened(qr: &Qr, token: &str) -> Option<Opened> {
    Token::parse(token).and_then(|token| qr.secrets.open(&token))
}

/// The confirm page, the holder's page, or the page for others.
pub async fn open(qr: &Qr, visit: &Visit, token: &str) -> Result<Reply, Fault> {
    let opened = opened(qr, token);
    let keys = opened.as_ref().map(|opened| visit.claim_keys(opened)).unwrap_or_default();
    // A client without a claim may be guessing: it is counted before the store is read.
    if keys.is_empty()
        && let Err(retry_after) = qr.opens.admit(visit.asked.client)
    {
        return Ok(too_many(visit, retry_after));
    }
    let scanned = match scan(qr, visit, opened).await? {
        Ok(scanned) => scanned,
        Err(reply) => return Ok(reply),
    };
    scanned.note_expiry(qr, visit).await;
    let reply = page_of(qr, visit, &scanned, &keys).await?;
    Ok(reply.shown_on(&scanned.record.issuer.label))
}

/// The page of a ticket for this browser.
async fn page_of(qr: &Qr, visit: &Visit, scanned: &Scanned, keys: &[ClaimKey]) -> Result<Reply, Fault> {
    let phase = scanned.phase();
    if phase == Phase::Issued {
        hint(qr, visit, scanned).await;
        return confirm(qr, visit, scanned).await;
    }
    if let Some((browser, claim)) = visit.browser().zip(scanned.holder(keys).map(|(_, claim)| claim)) {
        // An attacker who claimed could plant their claim cookie in the victim's browser to have the number typed.
        if !phase.is_over() && scanned.is_seen_by_another(visit) {
            contest(qr, visit, scanned).await?;
        }
        return holders_page(qr, visit, scanned, &browser, &claim).await;
    }
    if phase.is_over() {
        return Ok(over_for_others(qr, visit, scanned, phase).await);
    }
    contest(qr, visit, scanned).await?;
    Ok(Reply::failure(Failure::InUse))
}

/// The page for a client over its limit.
pub fn too_many(visit: &Visit, retry_after: Duration) -> Reply {
    let event = Event::phone_refused(visit.party(), "too many opens of this client");
    Reply::failure(Failure::TooManyTries { retry_after }).noting(event)
}

/// The page of an ended ticket for anyone but the holder.
pub async fn over_for_others(qr: &Qr, visit: &Visit, scanned: &Scanned, phase: Phase) -> Reply {
    let reply = Reply::page(Page::InvalidCode);
    // HEAD comes from link previews and is no second use.
    if phase != Phase::Spent || visit.head.method == Method::HEAD {
        return reply;
    }
    let event = scanned.event(qr, visit, Step::Replayed);
    if qr.settings.reports && !scanned.row.ticket.replayed {
        // If the store fails, the next use is reported.
        drop(qr.step(&scanned.opened.id(), Some(scanned.row.clone()), Ticket::note_replay, &event).await);
    }
    reply.noting(event)
}

/// The page for the browser that holds or held the ticket.
pub async fn holders_page(
    qr: &Qr,
    visit: &Visit,
    scanned: &Scanned,
    browser: &BrowserId,
    claim: &ClaimMac,
) -> Result<Reply, Fault> {
    let proof = proof(scanned, browser, visit)?;
    let expires_in = scanned.row.now.until(scanned.row.ticket.exp);
    let by_number = scanned.record.approval == Approval::Number;
    let finish = |proof| Page::Finish { by_number, expires_in, proof };
    let page = match scanned.phase() {
        Phase::Issued => return confirm(qr, visit, scanned).await,
        Phase::Claimed => Page::Waiting { number: scanned.opened.number(claim), expires_in, proof },
        Phase::Approved => finish(proof),
        Phase::Spent if is_signed_in_here(qr, visit, scanned).await? => Page::Done,
        Phase::Spent if scanned.row.ticket.sealed_response(scanned.row.now, claim).is_some() => finish(proof),
        Phase::Spent | Phase::Undone => Page::Used,
        Phase::Declined(reason) => Page::Refused { reason, message: None },
        Phase::Expired => Page::TooLate { replaced: false },
        Phase::Replaced => Page::TooLate { replaced: true },
    };
    Ok(Reply::page(page))
}

/// The hidden field that binds a form to this browser and ticket.
pub fn proof(scanned: &Scanned, browser: &BrowserId, visit: &Visit) -> Result<String, Fault> {
    let id = scanned.opened.id();
    Ok(scanned.opened.key().form_proof(&id, browser, &visit.asked.origin, scanned.record.end)?)
}

/// Marks the ticket as opened, for the page with the code, unless its own browser did that or this is a prefetch.
/// Nothing depends on the mark, so a store that fails does not matter.
async fn hint(qr: &Qr, visit: &Visit, scanned: &Scanned) {
    let ticket = &scanned.row.ticket;
    let anchor_of = |browser| scanned.opened.key().anchor(&scanned.record.user, &browser);
    let is_own = visit.browser().is_some_and(|browser| anchor_of(browser) == ticket.anchor);
    if !ticket.opened && !is_own && !visit.is_prefetch() && visit.head.method == Method::GET {
        drop(qr.store.step(&scanned.opened.id(), Some(scanned.row.clone()), Ticket::open).await);
    }
}

/// Whether the phone's own session is that of the ticket's user.
async fn is_signed_in_here(qr: &Qr, visit: &Visit, scanned: &Scanned) -> Result<bool, Fault> {
    let session = who_is_here(qr, visit).await?;
    Ok(matches!(session, Session::Of { person, .. } if person.user == scanned.record.user))
}

async fn confirm(qr: &Qr, visit: &Visit, scanned: &Scanned) -> Result<Reply, Fault> {
    let (browser, cookie) = visit.browser_or_new()?;
    let record = &scanned.record;
    let account = shown_account(record.shown_name(), record.account_hint.as_deref(), qr.settings.show_account);
    let current = person_here(qr, visit).await.filter(|person| person.user != record.user);
    let confirm = Confirm {
        account,
        current: current.map(|person| person.name.unwrap_or(person.user)),
        computer: Device {
            label: record.issuer.label.clone(),
            address: None,
            same_network: qr.settings.same_network_of(record.issuer.address, visit.asked.client.address),
        },
        computer_known: record.issuer.address.is_some() || qr.settings.same_network == SameNetwork::Off,
        next: visit.next(&qr.settings.sub_path).map(|next| next.as_str().to_owned()),
        age: record.issued.until(scanned.row.now),
        stay: match record.approval {
            Approval::Phone => record.stay.clone(),
            Approval::Number => Vec::new(),
        },
        proof: proof(scanned, &browser, visit)?,
    };
    Ok(Reply::page(Page::Confirm(confirm)).setting(cookie))
}

/// Marks a claimed ticket that another browser opens, unless this is a prefetch. The computer's page shows a warning.
async fn contest(qr: &Qr, visit: &Visit, scanned: &Scanned) -> Result<(), Fault> {
    if visit.is_prefetch() || visit.head.method != Method::GET {
        return Ok(());
    }
    let id = scanned.opened.id();
    let stepped = qr.store.step(&id, None, Ticket::contest).await?;
    if matches!(stepped, Stepped::Done(..)) {
        qr.record(&visit.asked, &scanned.event(qr, visit, Step::Contested));
    }
    Ok(())
}
