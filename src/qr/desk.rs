//! A request of the page with the code: POST `/qr/approve` or `/qr/undo`.
//!
//! Only the capability authorizes it: the page is sandboxed and sends no cookies. The script sends `text/plain` and
//! gets JSON; the plain form gets a page.

use std::time::Duration;

use http::header;

use crate::body::Body;
use crate::fault::Fault;
use crate::pages::{Approve, Device, Failure, Outcome, Page};
use crate::reply::{Event, Reply};
use crate::stay::Stay;
use crate::store::{Row, readable};
use crate::telemetry::Step;
use crate::ticket::Reason;
use crate::token::{Approval, Desk, PageFacts, TicketId, TicketKey};

use super::context::Qr;
use super::status::Status;
use super::visit::{Form, Visit};

/// A request with the capability of a ticket.
pub struct DeskRequest {
    script: bool,
    pub form: Form,
    pub pending: Pending,
}

/// The ticket of a desk.
#[derive(Clone)]
pub struct Pending {
    pub id: TicketId,
    pub desk: Desk,
    pub key: TicketKey,
    pub facts: PageFacts,
    pub row: Row,
}

impl Pending {
    pub fn event(&self, step: Step) -> Event {
        Event::of(step, &self.id, self.facts.clone())
    }

    pub fn declined(&self, reason: Reason) -> Event {
        self.event(Step::Declined).because(reason.as_str())
    }
}

impl DeskRequest {
    /// Reads the form and finds its ticket, or returns the refusal.
    pub async fn read(qr: &Qr, visit: &Visit, content: Body) -> Result<Result<DeskRequest, Reply>, Fault> {
        let script = visit.text(&header::CONTENT_TYPE).is_some_and(is_plain_text);
        // A request counts until it has found a ticket: a capability can be guessed like a code.
        if let Err(retry_after) = qr.opens.admit(visit.asked.client) {
            let event = Event::computer_refused(visit.party(), "too many requests of this client");
            return Ok(Err(too_many(script, retry_after).noting(event)));
        }
        let form = visit.read_form(content, qr.settings.form_timeout).await?;
        // If the store fails, the request may not have been a guess.
        let found = load(qr, form.get("desk")).await.inspect_err(|_| qr.opens.forgive(visit.asked.client))?;
        let Some(pending) = found else {
            let event = Event::computer_refused(visit.party(), "wrong capability");
            return Ok(Err(shown(qr, script, &form, Outcome::Denied, None).noting(event)));
        };
        qr.opens.forgive(visit.asked.client);
        Ok(Ok(DeskRequest { script, form, pending }))
    }

    /// JSON for the script, a page for the form, with the same status.
    pub fn shown(&self, qr: &Qr, outcome: Outcome, row: &Row) -> Reply {
        shown(qr, self.script, &self.form, outcome, Some((row, &self.pending.facts)))
    }

    pub fn too_many(&self, retry_after: Duration) -> Reply {
        too_many(self.script, retry_after)
    }
}

fn too_many(script: bool, retry_after: Duration) -> Reply {
    match script {
        true => Reply::try_later(retry_after),
        false => Reply::failure(Failure::TooManyTries { retry_after }),
    }
}

/// By the media type alone, case-insensitive (RFC 9110, section 8.3.1).
fn is_plain_text(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/plain"))
}

/// Finds the ticket of a desk. `None` for an unknown capability.
async fn load(qr: &Qr, desk: &str) -> Result<Option<Pending>, Fault> {
    let Some(desk) = Desk::parse(desk) else { return Ok(None) };
    let view = desk.view();
    let Some(id) = readable(qr.store.find(&view.index()).await)? else { return Ok(None) };
    let Some(row) = readable(qr.store.read(&id).await)? else { return Ok(None) };
    let Some(key) = qr.secrets.key(row.ticket.key_id).cloned() else { return Ok(None) };
    let Some(facts) = qr.page_facts(&id, &view, &row) else { return Ok(None) };
    Ok(Some(Pending { id, desk, key, facts, row }))
}

fn shown(qr: &Qr, script: bool, form: &Form, outcome: Outcome, seen: Option<(&Row, &PageFacts)>) -> Reply {
    if script {
        return match seen {
            Some((row, facts)) => Reply::json(outcome.status(), &Status::of(row, facts, &qr.settings)),
            None => Reply::json(outcome.status(), &serde_json::json!({})),
        };
    }
    let facts = seen.map(|(_, facts)| facts);
    let phone = facts.and_then(|facts| facts.phone.as_ref());
    let reply = Reply::page(Page::Approve(Approve {
        outcome,
        device: phone.map(|phone| Device {
            label: phone.label.clone(),
            address: phone.address.map(|address| address.to_string()),
            same_network: facts.and_then(|facts| facts.same_network),
        }),
        desk: form.get("desk").to_owned(),
        by_number: qr.settings.approval == Approval::Number,
        next: facts.and_then(|facts| facts.next.clone()),
        stay: facts.map(|facts| facts.stay.clone()).unwrap_or_default(),
        chosen: Stay::parse(form.get("stay")),
        undo: seen.is_some_and(|(row, _)| qr.settings.undo.is_some() && row.ticket.undo_left(row.now).is_some()),
    }));
    match phone {
        Some(phone) => reply.read_on(&phone.label),
        None => reply,
    }
}
