//! POST `/qr/undo`: the page with the code takes a sign-in back. The application ends the session that it opened.
//!
//! An undo that has begun completes even if the computer disconnects, because a lease must be released. Of several
//! requests at once one calls the revoke hook, and the others wait for its result.

use std::rc::Rc;

use tokio::time::{Instant, timeout_at};

use crate::application::RevokeCall;
use crate::body::Body;
use crate::fault::Fault;
use crate::pages::Outcome;
use crate::reply::Reply;
use crate::store::{Row, Stepped, readable};
use crate::telemetry::Step;
use crate::ticket::{Lease, Phase, RedeemFailure, Refusal, Ticket, Undoing};
use crate::token::{NewSession, PageFacts};

use super::context::Qr;
use super::desk::{DeskRequest, Pending};
use super::visit::Visit;

pub async fn undo(qr: &Rc<Qr>, visit: &Rc<Visit>, content: Body) -> Result<Reply, Fault> {
    let request = match DeskRequest::read(qr, visit, content).await? {
        Ok(request) => request,
        Err(refused) => return Ok(refused),
    };
    let pending = &request.pending;
    if pending.row.phase() == Phase::Undone {
        return Ok(request.shown(qr, Outcome::Undone, &pending.row));
    }
    let Some(session) = session_of(qr, visit, pending) else {
        return Ok(request.shown(qr, Outcome::NothingToUndo, &pending.row));
    };
    if let Err(retry_after) = qr.redeems.admit(visit.asked.client) {
        let event = pending.event(Step::Refused).because("too many tries of this client");
        return Ok(request.too_many(retry_after).noting(event));
    }
    let judge = |ticket: Ticket, now| ticket.begin_undo(now, session.clone(), qr.settings.undo_lease);
    let (outcome, row) = match qr.store.step(&pending.id, Some(pending.row.clone()), judge).await? {
        Stepped::Done(row, undoing) => {
            let (qr, visit, pending) = (qr.clone(), visit.clone(), Pending { row, ..pending.clone() });
            // In its own task, which writes its events: if the browser disconnects, the lease must still be released.
            let running = tokio::task::spawn_local(async move { complete(&qr, &visit, pending, undoing).await });
            running.await.unwrap_or(Err(Fault::Internal("an undo did not report back")))?
        }
        Stepped::Refused(row, Refusal::AlreadyDone) => (Outcome::Undone, row),
        Stepped::Refused(row, Refusal::Busy) => result_of_another(qr, pending, row).await?,
        Stepped::Refused(row, _) => (Outcome::NothingToUndo, row),
        Stepped::Gone => (Outcome::NothingToUndo, pending.row.clone()),
    };
    Ok(request.shown(qr, outcome, &row))
}

/// The session that this request can end. `None` if there is none, or no hook to end it.
fn session_of(qr: &Qr, visit: &Visit, pending: &Pending) -> Option<NewSession> {
    qr.settings.undo?;
    pending.row.ticket.undo_left(pending.row.now)?;
    let sealed = pending.row.ticket.sealed_session()?;
    let session = pending.key.for_session(&pending.id, &pending.desk, &visit.asked.origin).open(sealed);
    if session.is_err() {
        qr.record(&visit.asked, &pending.event(Step::Refused).because("the sealed session is not authentic"));
    }
    session.ok()
}

/// Calls the revoke hook, and ends the lease.
async fn complete(qr: &Qr, visit: &Visit, pending: Pending, undoing: Undoing) -> Result<(Outcome, Row), Fault> {
    let Undoing { grant, lease } = undoing;
    let call = RevokeCall {
        origin: &visit.asked.origin,
        address: Some(visit.asked.client.forwarded_for()),
        request_id: visit.asked.request_id(),
    };
    match qr.hooks.revoke(grant, call).await {
        Ok(()) => finish(qr, visit, &pending, &lease).await,
        Err(error) => {
            let failure = if error.nothing_sent() { RedeemFailure::NotCalled } else { RedeemFailure::Called };
            let cause = format!("the session was not revoked: {error}");
            qr.record(&visit.asked, &pending.event(Step::Failed).because(cause));
            let judge = |ticket: Ticket, now| ticket.release_undo(now, &lease, failure);
            Ok(result(&pending, qr.store.step(&pending.id, None, judge).await?))
        }
    }
}

async fn finish(qr: &Qr, visit: &Visit, pending: &Pending, lease: &Lease) -> Result<(Outcome, Row), Fault> {
    let event = pending.event(Step::Undone);
    qr.record(&visit.asked, &event);
    let facts = PageFacts { undone: true, ..pending.facts.clone() };
    let page: bytes::Bytes = pending.key.for_page(&pending.id, &pending.desk.view()).seal(&facts)?.into();
    let judge = |ticket: Ticket, now| ticket.finish_undo(now, lease, page.clone());
    Ok(result(pending, qr.step(&pending.id, None, judge, &event).await?))
}

/// Waits for the request that is undoing the sign-in.
async fn result_of_another(qr: &Qr, pending: &Pending, row: Row) -> Result<(Outcome, Row), Fault> {
    let mut watch = qr.store.watch(&pending.id);
    let until = Instant::now() + qr.settings.undo_lease;
    let mut last = row;
    while let Some(row) = readable(qr.store.read(&pending.id).await)? {
        let is_running = row.ticket.is_undoing(row.now);
        last = row;
        if !is_running || timeout_at(until, watch.changed()).await.is_err() {
            break;
        }
    }
    Ok(with_outcome(last))
}

fn result(pending: &Pending, stepped: Stepped) -> (Outcome, Row) {
    with_outcome(match stepped {
        Stepped::Done(row, ()) | Stepped::Refused(row, _) => row,
        Stepped::Gone => pending.row.clone(),
    })
}

fn with_outcome(row: Row) -> (Outcome, Row) {
    (if row.phase() == Phase::Undone { Outcome::Undone } else { Outcome::NotUndone }, row)
}
