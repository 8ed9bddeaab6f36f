//! Finish: gets a session from the application and relays its cookies to the phone, once.
//!
//! A redeem completes even if the phone disconnects, because a lease must be released. The response is kept for a
//! minute, so that the phone can get it again.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};

use crate::application::{Identity, LoginCall, LoginOutcome};
use crate::cookies::{self, Browser, Doubled, Dropped, Jar, Relayed};
use crate::device;
use crate::fault::Fault;
use crate::pages::{Failure, Page};
use crate::reply::{Cookie, Event, Reply};
use crate::store::Stepped;
use crate::telemetry::Step;
use crate::ticket::{Grant, Lease, Phase, Reason, Redeem, RedeemFailure, Refusal, Ticket};
use crate::token::{Approval, NewSession, PageFacts, Party, RedeemResponse};

use super::context::Qr;
use super::holder::{Press, as_it_stands, claim_cookie, same_address};
use super::identity::{Owner, who_is};
use super::open::{Scanned, proof};
use super::visit::Visit;

/// Why no session was obtained.
enum NoSession {
    /// The hook refused, with an optional message.
    Refused { message: Option<String> },
    /// The call failed, or its cookies are no session of the user.
    Failed { failure: RedeemFailure, cause: String },
}

/// Begins a redeem and completes it. If the store fails on the way, nothing is relayed.
pub async fn redeem(qr: &Rc<Qr>, visit: &Rc<Visit>, press: Press) -> Result<Reply, Fault> {
    // While another request is redeeming, this one only waits for it: its page retries every second, uncounted.
    let waits = press.scanned.row.ticket.is_redeeming(press.scanned.row.now);
    if !waits && let Some(reply) = over_limit(qr, visit, &press.scanned) {
        return Ok(reply);
    }
    begin(qr, visit, press).await
}

/// Counts a request that begins a redeem. Returns the page for too many of them.
pub fn over_limit(qr: &Qr, visit: &Visit, scanned: &Scanned) -> Option<Reply> {
    qr.redeems.admit(visit.asked.client).err().map(|retry_after| {
        let event = scanned.event(qr, visit, Step::Refused).because("too many tries of this client");
        Reply::failure(Failure::TooManyTries { retry_after }).noting(event)
    })
}

/// Like `redeem`, for a request that has been counted.
pub async fn begin(qr: &Rc<Qr>, visit: &Rc<Visit>, press: Press) -> Result<Reply, Fault> {
    let scanned = &press.scanned;
    let moved = moved(qr, visit, scanned)?;
    let judge = |ticket: Ticket, now| {
        let page = moved.as_ref().map(|(page, _)| page.clone());
        ticket.begin_redeem(now, &scanned.opened, &press.claim, &scanned.record, page, qr.settings.lease)
    };
    let abandoned = declined(qr, visit, scanned, Reason::Application);
    match qr.step(&scanned.opened.id(), Some(scanned.row.clone()), judge, &abandoned).await? {
        Stepped::Done(row, Some(redeem)) => {
            if let Some((_, facts)) = moved {
                let reason = "Finish was pressed on another network or device than Continue";
                let event = Event::of(Step::Contested, &scanned.opened.id(), facts);
                qr.record(&visit.asked, &event.because(reason));
            }
            let press = press.on(row);
            let (qr, visit) = (qr.clone(), visit.clone());
            // In its own task, which writes its events: if the browser disconnects, the lease must still be released
            // and the audit log must have the end.
            let running = tokio::task::spawn_local(async move {
                let mut reply = complete(&qr, &visit, press, redeem).await?;
                reply.events.drain(..).for_each(|event| qr.record(&visit.asked, &event));
                Ok(reply)
            });
            running.await.unwrap_or(Err(Fault::Internal("a redeem did not report back")))
        }
        Stepped::Done(_, None) => {
            Ok(Reply::page(Page::Refused { reason: Reason::Application, message: None }).noting(abandoned))
        }
        Stepped::Refused(row, refusal) => Box::pin(not_begun(qr, visit, refusal, press.on(row))).await,
        Stepped::Gone => Ok(Reply::page(Page::InvalidCode)),
    }
}

/// The page facts with this phone, sealed and plain, if its label or network differs from the phone that the
/// computer's page shows. The page then shows this phone before anything is relayed.
fn moved(qr: &Qr, visit: &Visit, scanned: &Scanned) -> Result<Option<(Bytes, PageFacts)>, Fault> {
    let known = scanned.known_facts();
    let lands = known.as_ref().and_then(|known| known.lands.clone());
    let facts = PageFacts { lands, ..scanned.facts(qr, visit) };
    let known = known.and_then(|known| known.phone);
    if facts.phone.as_ref().zip(known.as_ref()).is_some_and(|(phone, known)| is_same(known, phone)) {
        return Ok(None);
    }
    let view = scanned.record.desk.view();
    let page = scanned.opened.key().for_page(&scanned.opened.id(), &view).seal(&facts)?;
    Ok(Some((page.into(), facts)))
}

/// Whether two requests look like one phone: the same label, and the same network or no known address.
fn is_same(one: &Party, other: &Party) -> bool {
    let near = match (one.address, other.address) {
        (None, None) => true,
        (one, other) => device::same_network(one, other) == Some(true),
    };
    near && one.label == other.label
}

async fn not_begun(qr: &Qr, visit: &Visit, refusal: Refusal, press: Press) -> Result<Reply, Fault> {
    match refusal {
        Refusal::Busy => {
            let proof = proof(&press.scanned, &press.browser, visit)?;
            Ok(Reply::page(Page::SigningIn { proof }).setting((!press.sent).then(|| claim_cookie(&press))))
        }
        Refusal::NotApproved => Ok(same_address(qr, visit)),
        Refusal::Forged => {
            let event = press.scanned.event(qr, visit, Step::Refused).because("the approval is not authentic");
            Ok(Reply::page(Page::InvalidCode).noting(event))
        }
        // Another request was faster: this one gets the same response.
        Refusal::Over(Phase::Spent) => match relay_again(qr, visit, &press) {
            Some(reply) => Ok(reply),
            None => as_it_stands(qr, visit, press).await,
        },
        Refusal::Taken
        | Refusal::Held
        | Refusal::Over(_)
        | Refusal::NothingToApprove
        | Refusal::OtherClaim
        | Refusal::AlreadyDone
        | Refusal::NothingToUndo
        | Refusal::LeaseLost => as_it_stands(qr, visit, press).await,
    }
}

/// Completes a redeem: identifies the issuing session, calls the hook, verifies its cookies, and swaps.
async fn complete(qr: &Qr, visit: &Rc<Visit>, press: Press, redeem: Redeem) -> Result<Reply, Fault> {
    let Redeem { grant, lease } = redeem;
    match computer_is_still_signed_in(qr, visit, &press.scanned).await {
        Ok(true) => {}
        Ok(false) => return Box::pin(decline(qr, visit, press, &lease, Reason::SignedOut, None)).await,
        Err(fault) => {
            release(qr, visit, &press, &lease, RedeemFailure::NotCalled, "the issuing session cannot be asked about")
                .await?;
            return Err(fault);
        }
    }
    match ask_for_session(qr, visit, &press, grant).await {
        Ok(given) => hand_over(qr, visit, press, &lease, given).await,
        Err(NoSession::Refused { message }) => {
            Box::pin(decline(qr, visit, press, &lease, Reason::Application, message)).await
        }
        Err(NoSession::Failed { failure, cause }) => {
            let phase = release(qr, visit, &press, &lease, failure, &cause).await?;
            Ok(Reply::failure(Failure::SignInFailed { again: phase == Some(Phase::Approved) }))
        }
    }
}

/// Identifies the issuing session again. `false` if it is gone, belongs to another user, or is no longer allowed.
async fn computer_is_still_signed_in(qr: &Qr, visit: &Visit, scanned: &Scanned) -> Result<bool, Fault> {
    let record = &scanned.record;
    let user_agent = record.user_agent.as_deref().and_then(|bytes| HeaderValue::from_bytes(bytes).ok());
    let owner = Owner { user_agent: user_agent.as_ref(), address: record.issuer.address, again: true };
    let identity = who_is(qr, &record.session, owner, visit).await?;
    Ok(matches!(identity, Identity::SignedIn(person) if person.user == record.user && person.allowed))
}

/// A session of the application.
struct Obtained {
    /// The `Set-Cookie` lines to relay.
    lines: Vec<HeaderValue>,
    /// The application's name for it.
    name: Option<String>,
}

/// Calls the login hook and verifies its response.
async fn ask_for_session(qr: &Qr, visit: &Visit, press: &Press, grant: Grant) -> Result<Obtained, NoSession> {
    let call = LoginCall {
        origin: &visit.asked.origin,
        phone: &visit.party(),
        address: Some(visit.asked.client.forwarded_for()),
        user_agent: visit.head.headers.get(header::USER_AGENT),
        accept_language: visit.head.headers.get(header::ACCEPT_LANGUAGE),
        request_id: visit.asked.request_id(),
    };
    let (given, name) = match qr.hooks.login(grant, call).await {
        LoginOutcome::Session { cookies, name } => (cookies, name),
        LoginOutcome::Refused { message } => return Err(NoSession::Refused { message }),
        LoginOutcome::Failed(error) => {
            let failure = if error.nothing_sent() { RedeemFailure::NotCalled } else { RedeemFailure::Called };
            return Err(NoSession::Failed { failure, cause: error.to_string() });
        }
    };
    let relayed = cookies::relay(given.iter(), &visit.asked.origin);
    for dropped in &relayed.dropped {
        qr.telemetry.warn("a Set-Cookie line of the login hook was not relayed", &[("line", dropped)]);
    }
    match verify(qr, visit, press, &relayed).await {
        Ok(()) => Ok(Obtained { lines: relayed.lines, name }),
        Err(cause) => Err(NoSession::Failed { failure: RedeemFailure::Called, cause }),
    }
}

/// Applies the lines as the phone's browser would, and identifies the new session.
async fn verify(qr: &Qr, visit: &Visit, press: &Press, relayed: &Relayed) -> Result<(), String> {
    let received_at = format!("{}x/", qr.settings.ticket_path);
    let jar = Jar::receive(relayed, &Browser::at(&visit.asked.origin, &received_at, qr.clock.now()));
    let lost = || jar.lost(&qr.settings.identify_path, &qr.settings.session_cookies);
    let because = |text| with_the_lost(text, lost());
    if jar.is_empty() {
        return Err(because("the login hook gave no cookie that a browser would keep"));
    }
    if !qr.settings.verify {
        return Ok(());
    }
    let Some(sent) = jar.sent_to(&qr.settings.identify_path) else {
        return Err(because("none of the new cookies reaches identify.path"));
    };
    let session = match cookies::sessions_in(&sent, &qr.settings.session_cookies) {
        Ok(Some(session)) => session,
        Ok(None) => return Err(because("none of the new cookies is named in identify.session_cookies")),
        Err(Doubled) => return Err("a session cookie would be sent twice, with different values".to_owned()),
    };
    match who_is(qr, &session, Owner::here(visit), visit).await {
        Ok(Identity::SignedIn(person)) if person.user == press.scanned.record.user => Ok(()),
        Ok(Identity::SignedIn(_)) => Err("the new session belongs to another user".to_owned()),
        Ok(Identity::SignedOut) => {
            let mut lost = lost();
            lost.retain(|dropped| dropped.is_named_by(&qr.settings.session_cookies));
            Err(with_the_lost("the new session is signed out", lost))
        }
        Err(error) => Err(format!("the new session could not be verified: {error}")),
    }
}

/// Appends the cookies that a browser would not have sent, by name and rule.
fn with_the_lost(text: &str, lost: Vec<Dropped>) -> String {
    match lost.is_empty() {
        true => text.to_owned(),
        false => format!("{text} ({})", cookies::list(&lost)),
    }
}

/// Relays the cookies only after the swap to `spent` is written.
async fn hand_over(qr: &Qr, visit: &Visit, press: Press, lease: &Lease, given: Obtained) -> Result<Reply, Fault> {
    let Scanned { record, opened, .. } = &press.scanned;
    let lands = press.scanned.known_facts().and_then(|facts| facts.lands).or_else(|| record.next.clone());
    let location = lands.unwrap_or_else(|| qr.settings.landing.clone());
    let cookies = given.lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    let response = RedeemResponse { cookies, location };
    let sealed = Bytes::from(opened.for_response(&press.key).seal(&response)?);
    let session = seal_session(qr, visit, &press.scanned, given.name)?;
    let judge = |ticket: Ticket, now| ticket.finish_redeem(now, lease, sealed.clone(), session.clone());
    let event = press.scanned.event(qr, visit, Step::Spent);
    match qr.step(&opened.id(), None, judge, &event).await? {
        Stepped::Done(..) => Ok(relay(response, &press).noting(event)),
        Stepped::Refused(row, _) => Box::pin(as_it_stands(qr, visit, press.on(row))).await,
        Stepped::Gone => Ok(Reply::page(Page::InvalidCode)),
    }
}

/// The session, sealed for the page with the code, and how long that page can end it. `None` if it cannot.
fn seal_session(
    qr: &Qr,
    visit: &Visit,
    scanned: &Scanned,
    name: Option<String>,
) -> Result<Option<(Bytes, Duration)>, Fault> {
    let Some((name, lasts)) = name.zip(qr.settings.undo) else { return Ok(None) };
    let Scanned { record, opened, .. } = scanned;
    let session = NewSession {
        user: record.user.clone(),
        name,
        login_id: opened.hook_id(),
        revoke_id: opened.revoke_id(),
        issued: record.issued,
    };
    let sealed = opened.key().for_session(&opened.id(), &record.desk, &visit.asked.origin).seal(&session)?;
    Ok(Some((sealed.into(), lasts)))
}

/// Repeats the response to the holder within a minute, without calling a hook. Only the phone that the computer's
/// page shows gets it, because the page is final and could not show another one.
pub fn relay_again(qr: &Qr, visit: &Visit, press: &Press) -> Option<Reply> {
    let Scanned { opened, row, .. } = &press.scanned;
    let sealed = row.ticket.sealed_response(row.now, &press.claim)?;
    let response = opened.for_response(&press.key).open(sealed).ok()?;
    let facts = press.scanned.facts(qr, visit);
    let here = facts.phone.as_ref()?;
    if !press.scanned.known_phone().is_some_and(|known| is_same(&known, here)) {
        let event =
            Event::of(Step::Refused, &opened.id(), facts).because("another network or device than the one signed in");
        qr.record(&visit.asked, &event);
        return None;
    }
    Some(relay(response, press).noting(Event::of(Step::Repeated, &opened.id(), facts)))
}

/// With `approval = "phone"` this is also the response to the claim, and sets its cookie.
fn relay(response: RedeemResponse, press: &Press) -> Reply {
    let mut reply = Reply::see(response.location);
    reply.cookies.extend(response.cookies.into_iter().map(Cookie::Relayed));
    match press.scanned.record.approval {
        Approval::Number => reply,
        Approval::Phone => reply.setting(claim_cookie(press)),
    }
}

/// Declines the ticket because the computer is signed out, or because the application refused.
async fn decline(
    qr: &Qr,
    visit: &Visit,
    press: Press,
    lease: &Lease,
    reason: Reason,
    message: Option<String>,
) -> Result<Reply, Fault> {
    let judge = |ticket: Ticket, now| ticket.refuse(now, lease, reason);
    let event = declined(qr, visit, &press.scanned, reason);
    match qr.step(&press.scanned.opened.id(), None, judge, &event).await? {
        Stepped::Done(..) => Ok(Reply::page(Page::Refused { reason, message }).noting(event)),
        Stepped::Refused(row, _) => as_it_stands(qr, visit, press.on(row)).await,
        Stepped::Gone => Ok(Reply::page(Page::InvalidCode)),
    }
}

/// Records a failed call and releases the lease. Returns the ticket's state.
async fn release(
    qr: &Qr,
    visit: &Visit,
    press: &Press,
    lease: &Lease,
    failure: RedeemFailure,
    cause: &str,
) -> Result<Option<Phase>, Fault> {
    let id = press.scanned.opened.id();
    qr.record(&visit.asked, &press.scanned.event(qr, visit, Step::Failed).because(cause.to_owned()));
    let judge = |ticket: Ticket, now| ticket.release_redeem(now, lease, failure);
    let end = declined(qr, visit, &press.scanned, Reason::Application);
    Ok(match qr.step(&id, None, judge, &end).await? {
        Stepped::Done(row, _) => {
            let phase = row.phase();
            if phase.is_over() {
                qr.record(&visit.asked, &end);
            }
            Some(phase)
        }
        Stepped::Refused(row, _) => Some(row.phase()),
        Stepped::Gone => None,
    })
}

fn declined(qr: &Qr, visit: &Visit, scanned: &Scanned, reason: Reason) -> Event {
    scanned.event(qr, visit, Step::Declined).because(reason.as_str())
}
