//! POST `/qr/<token>/`: Continue, Finish or Cancel on the phone.
//!
//! The futures of the actions are boxed, so that each request's future does not have the size of the largest one.

use std::rc::Rc;

use bytes::Bytes;
use http::StatusCode;

use crate::body::Body;
use crate::config::SameNetwork;
use crate::fault::Fault;
use crate::guard;
use crate::pages::{Failure, Page};
use crate::reply::{Event, Reply};
use crate::stay::{NotOffered, Stay};
use crate::store::Stepped;
use crate::telemetry::Step;
use crate::ticket::{Phase, Reason, Refusal, Ticket};
use crate::token::{Approval, BrowserId, PageFacts, Pressed};

use super::context::Qr;
use super::holder::{Press, as_it_stands, in_use, same_address, same_address_for_holder};
use super::open::{Scanned, holders_page, opened, over_for_others, scan, too_many};
use super::redeem::{begin, over_limit, redeem, relay_again};
use super::visit::{Form, Visit};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Continue,
    Finish,
    Cancel,
}

/// Verifies the form and takes its action.
pub async fn press(qr: &Rc<Qr>, visit: &Rc<Visit>, token: &str, content: Body) -> Result<Reply, Fault> {
    let opened = opened(qr, token);
    let keys = opened.as_ref().map(|opened| visit.claim_keys(opened)).unwrap_or_default();
    // A form without a claim counts until it has opened a ticket: guesses can use POST as well.
    let counted = keys.is_empty();
    if counted && let Err(retry_after) = qr.opens.admit(visit.asked.client) {
        return Ok(too_many(visit, retry_after));
    }
    if let Err(refusal) = guard::same_origin_post(&visit.head.headers, &visit.asked.origin) {
        let event = Event::phone_refused(visit.party(), visit.reason_of(refusal));
        return Ok(match visit.misnamed_origin(refusal) {
            Some(origin) => Reply::failure(Failure::OtherOrigin { origin }).noting(event),
            None => open_again(event),
        });
    }
    let Some(browser) = visit.browser() else {
        return Ok(open_again(Event::phone_refused(visit.party(), "not exactly one browser cookie")));
    };
    let form = visit.read_form(content, qr.settings.form_timeout).await?;
    let found = scan(qr, visit, opened).await;
    // If the store fails, the request may not have been a guess.
    if counted && !matches!(found, Ok(Err(_))) {
        qr.opens.forgive(visit.asked.client);
    }
    let scanned = match found? {
        Ok(scanned) => scanned,
        Err(reply) => return Ok(reply),
    };
    let Some(pressed) = pressed(&scanned, &browser, visit, &form) else {
        return Ok(open_again(refused(qr, visit, &scanned, "the form is not this browser's")));
    };
    let (Some(action), Ok(stay)) = (action(&form), stay(&scanned, &form)) else {
        return Ok(Reply::failure(Failure::Status(StatusCode::BAD_REQUEST)));
    };
    scanned.note_expiry(qr, visit).await;
    // The claim key follows from the form, so a form that is sent twice, or whose response was lost, claims once.
    let own = scanned.opened.key().claim_key(&scanned.opened.id(), &browser, &pressed);
    let holder = scanned.holder(&keys);
    let sent = holder.is_some();
    let (key, claim) = holder.unwrap_or_else(|| {
        let claim = scanned.opened.claim_mac(&own);
        (own, claim)
    });
    let lands = form.next(&qr.settings.sub_path).map(|next| next.as_str().to_owned());
    let shown_on = scanned.record.issuer.label.clone();
    let reply = act(qr, visit, action, Press { scanned, browser, key, claim, sent, lands, stay }).await?;
    Ok(reply.shown_on(&shown_on))
}

async fn act(qr: &Rc<Qr>, visit: &Rc<Visit>, action: Action, press: Press) -> Result<Reply, Fault> {
    let phase = press.scanned.phase();
    let holder = press.scanned.row.ticket.held_by(&press.claim);
    match phase {
        Phase::Claimed | Phase::Approved if !holder => return Ok(in_use(qr, visit, &press.scanned)),
        Phase::Spent if holder => return Box::pin(spent(qr, visit, action, &press)).await,
        _ if phase.is_over() && holder => {
            return Box::pin(holders_page(qr, visit, &press.scanned, &press.browser, &press.claim)).await;
        }
        _ if phase.is_over() => return Ok(over_for_others(qr, visit, &press.scanned, phase).await),
        _ => {}
    }
    if action != Action::Cancel && is_elsewhere(qr, visit, &press.scanned) {
        return Ok(other_network(qr, visit, &press.scanned));
    }
    match (action, phase) {
        (Action::Cancel, _) => Box::pin(cancel(qr, visit, &press)).await,
        (Action::Continue, Phase::Issued) => Box::pin(continue_(qr, visit, press)).await,
        (Action::Finish, Phase::Approved) => Box::pin(redeem(qr, visit, press)).await,
        (Action::Continue, _) if holder => Ok(same_address_for_holder(qr, visit, &press)),
        (Action::Continue | Action::Finish, _) => Ok(same_address(qr, visit)),
    }
}

/// Another request of the holder after the sign-in.
async fn spent(qr: &Qr, visit: &Visit, action: Action, press: &Press) -> Result<Reply, Fault> {
    if action != Action::Finish {
        return Ok(same_address_for_holder(qr, visit, press));
    }
    // Repeating the cookies gives a session too, so only the phone that the computer's page shows gets them.
    if is_elsewhere(qr, visit, &press.scanned) {
        return Ok(other_network(qr, visit, &press.scanned));
    }
    match relay_again(qr, visit, press) {
        Some(reply) => Ok(reply),
        None => holders_page(qr, visit, &press.scanned, &press.browser, &press.claim).await,
    }
}

/// Claims. With `approval = "phone"` this also approves, and the redeem follows at once.
async fn continue_(qr: &Rc<Qr>, visit: &Rc<Visit>, press: Press) -> Result<Reply, Fault> {
    let Press { scanned, claim, .. } = &press;
    // If this is also the redeem, the limit applies before anything changes.
    if scanned.record.approval == Approval::Phone
        && let Some(reply) = over_limit(qr, visit, scanned)
    {
        return Ok(reply);
    }
    let facts = PageFacts { lands: press.lands.clone(), ..scanned.facts(qr, visit) };
    let id = scanned.opened.id();
    let sealed = Bytes::from(scanned.opened.key().for_page(&id, &scanned.record.desk.view()).seal(&facts)?);
    let judge =
        |ticket: Ticket, now| ticket.claim(now, &scanned.opened, *claim, &scanned.record, sealed.clone(), press.stay);
    match qr.store.step(&id, Some(scanned.row.clone()), judge).await? {
        Stepped::Done(row, _) => {
            let claimed = Event::of(Step::Claimed, &id, facts);
            if scanned.record.approval == Approval::Number {
                return Ok(same_address_for_holder(qr, visit, &press).noting(claimed));
            }
            qr.record(&visit.asked, &claimed);
            qr.record(&visit.asked, &Event { step: Step::Approved, stay: press.stay, ..claimed });
            Box::pin(begin(qr, visit, press.on(row))).await
        }
        Stepped::Refused(_, Refusal::Held) => Ok(same_address_for_holder(qr, visit, &press)),
        Stepped::Refused(row, _) => Box::pin(as_it_stands(qr, visit, press.on(row))).await,
        Stepped::Gone => Ok(Reply::page(Page::InvalidCode)),
    }
}

async fn cancel(qr: &Qr, visit: &Visit, press: &Press) -> Result<Reply, Fault> {
    let id = press.scanned.opened.id();
    let judge = |ticket: Ticket, now| ticket.cancel(now, &press.claim);
    let event = press.scanned.event(qr, visit, Step::Declined).because(Reason::Phone.as_str());
    match qr.step(&id, Some(press.scanned.row.clone()), judge, &event).await? {
        Stepped::Done(..) => Ok(Reply::page(Page::Cancelled).noting(event)),
        Stepped::Refused(_, Refusal::Taken) => Ok(in_use(qr, visit, &press.scanned)),
        Stepped::Refused(..) => Ok(same_address(qr, visit)),
        Stepped::Gone => Ok(Reply::page(Page::InvalidCode)),
    }
}

fn other_network(qr: &Qr, visit: &Visit, scanned: &Scanned) -> Reply {
    Reply::failure(Failure::OtherNetwork).noting(refused(qr, visit, scanned, "another network"))
}

fn refused(qr: &Qr, visit: &Visit, scanned: &Scanned, reason: &'static str) -> Event {
    scanned.event(qr, visit, Step::Refused).because(reason)
}

fn open_again(event: Event) -> Reply {
    Reply::failure(Failure::OpenAgain).noting(event)
}

fn action(form: &Form) -> Option<Action> {
    match form.get("action") {
        "continue" => Some(Action::Continue),
        "finish" => Some(Action::Finish),
        "cancel" => Some(Action::Cancel),
        _ => None,
    }
}

/// The chosen length of session. With `approval = "number"` the computer chooses it.
fn stay(scanned: &Scanned, form: &Form) -> Result<Option<Stay>, NotOffered> {
    match (scanned.record.approval, action(form)) {
        (Approval::Phone, Some(Action::Continue)) => Stay::chosen(&scanned.record.stay, form.get("stay")),
        _ => Ok(None),
    }
}

/// Verifies that the form was made for this browser and ticket.
fn pressed(scanned: &Scanned, browser: &BrowserId, visit: &Visit, form: &Form) -> Option<Pressed> {
    let (key, id) = (scanned.opened.key(), scanned.opened.id());
    key.pressed(form.get("proof"), &id, browser, &visit.asked.origin, scanned.record.end)
}

/// Whether `same_network` is required and not known to hold.
fn is_elsewhere(qr: &Qr, visit: &Visit, scanned: &Scanned) -> bool {
    let same = qr.settings.same_network_of(scanned.record.issuer.address, visit.asked.client.address);
    qr.settings.same_network == SameNetwork::Require && same != Some(true)
}
