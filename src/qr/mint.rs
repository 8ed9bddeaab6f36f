//! POST `/qr/`: a person at a signed-in computer asks for a code, and gets the page with it.

use std::time::Duration;

use http::{Response, StatusCode};

use crate::application::Person;
use crate::body::Body;
use crate::clock::Timestamp;
use crate::fault::Fault;
use crate::guard::{self, GuardRefusal};
use crate::origin::Scheme;
use crate::pages::{Code, Failure, Page};
use crate::return_path::ReturnPath;
use crate::store::Counted;
use crate::telemetry::{Step, Topic};
use crate::ticket::{Issue, Phase, Ticket, end_of};
use crate::token::{Approval, BrowserId, Desk, PageFacts, Party, Record, TicketId, Token};

use super::Qr;
use super::audit;
use super::identity::Session;
use super::start::signed_out;
use super::visit::{Visit, page, redirect, set_browser_cookie};

/// Shows a code to whoever may have one.
///
/// In this order: the guard and the process's own limits, which cost nothing; the identify hook; the user's limit; the
/// ticket. Nothing is drawn before all of them agree.
///
/// # Errors
///
/// [`Fault`] when the application or the store cannot be asked.
pub async fn mint(qr: &Qr, visit: &Visit, content: Body) -> Result<Response<Body>, Fault> {
    let strict = qr.require_fetch_metadata && visit.origin.scheme() == Scheme::Https;
    if let Err(refusal) = guard::may_mint(&visit.head.headers, &visit.origin, strict) {
        return Ok(refused(qr, visit, &refusal));
    }
    if let Err(wait) = qr.admit_open(visit) {
        audit::refused(qr, visit, None, "too many requests of this client");
        return Ok(too_many(qr, visit, wait));
    }
    let form = qr.read_form(visit, content).await?;
    let wanted = Some(form.get("next").to_owned()).filter(|next| !next.is_empty()).or_else(|| visit.query("next"));
    let next = wanted.and_then(|text| ReturnPath::parse(&text, &qr.sub_path));
    let session = qr.who_is_here(visit).await.inspect_err(|_| {
        audit::refused(qr, visit, None, "the session cannot be asked about");
    })?;
    let (person, cookies) = match session {
        Session::Of { person, cookies } => (person, cookies),
        Session::NoCookie | Session::SignedOut => {
            audit::refused(qr, visit, None, "signed out");
            return Ok(signed_out(qr, visit, next.as_ref()));
        }
    };
    if !person.allowed {
        audit::refused(qr, visit, Some(&person.user), "not allowed");
        return Ok(page(qr, visit, &Page::Error(Failure::NotAllowed)));
    }
    if qr.is_too_old(&person, qr.clock.now()) {
        audit::refused(qr, visit, Some(&person.user), "the sign-in is too old");
        return Ok(sign_in_again(qr, visit, next.as_ref()));
    }
    let user = qr.secrets.newest().user_hash(&person.user);
    match qr.store.count_code(&user, qr.codes_per_user).await? {
        Counted::TooMany { retry_after, .. } => {
            audit::refused(qr, visit, Some(&person.user), "too many codes");
            Ok(too_many(qr, visit, retry_after))
        }
        Counted::Within { now } => show(qr, visit, &person, cookies, next, now).await,
    }
}

/// Draws the ticket, stores it, and answers the page.
async fn show(
    qr: &Qr,
    visit: &Visit,
    person: &Person,
    session: String,
    next: Option<ReturnPath>,
    now: Timestamp,
) -> Result<Response<Body>, Fault> {
    let known = visit.browser();
    let browser = match &known {
        Some(browser) => browser.clone(),
        None => BrowserId::random()?,
    };
    let anchor = qr.secrets.newest().anchor(&person.user, &browser);
    let token = Token::mint(qr.secrets.newest().id(), anchor.shard())?;
    let opened = qr.secrets.open(&token).ok_or(Fault::Internal("the newest ticket secret opens no token"))?;
    let desk = Desk::random(anchor.shard())?;
    let view = desk.view();
    let computer = Party { address: visit.downstream.client.address, label: visit.label() };
    let record = Record {
        user: person.user.clone(),
        name: person.name.clone(),
        issued: now,
        end: end_of(now, qr.lifetime),
        next: next.as_ref().map(|next| next.as_str().to_owned()),
        approval: qr.approval,
        issuer: computer.clone(),
        user_agent: visit.head.headers.get(http::header::USER_AGENT).map(|value| value.as_bytes().to_vec()),
        auth_time: person.auth_time,
        session,
        desk: desk.clone(),
    };
    let facts =
        PageFacts { user: person.user.clone(), computer, phone: None, same_network: None, next: record.next.clone() };
    let ticket = Ticket::issue(Issue {
        key_id: opened.key().id(),
        anchor,
        view: view.index(),
        issued: now,
        lifetime: qr.lifetime,
        record: opened.seal_record(&record, &visit.origin)?,
        page: opened.key().seal_page(&opened.id(), &view, &facts)?,
    });
    let older = qr.store.mint(&opened.id(), &ticket).await?.older;
    report(qr, visit, &opened.id(), older, &facts);

    let link = format!("{}{}{}/", visit.origin, qr.ticket_path, token.as_str());
    let here = format!("{}{}", visit.origin, qr.ticket_path);
    let code = Code {
        link: &link,
        name: Some(person.name.as_deref().unwrap_or(&person.user)),
        expires_in: qr.lifetime,
        by_number: qr.approval == Approval::Number,
        desk: &desk.text(),
        view: &view.text(),
        next: next.as_ref().map(ReturnPath::as_str),
        unreachable: visit.origin.is_loopback().then_some(here.as_str()),
    };
    let mut response = page(qr, visit, &Page::Code(code));
    if known.is_none() {
        set_browser_cookie(&mut response, &browser, &visit.origin);
    }
    Ok(response)
}

fn report(qr: &Qr, visit: &Visit, id: &TicketId, older: Option<(TicketId, Phase)>, facts: &PageFacts) {
    if let Some((older, phase)) = older {
        let step = if phase == Phase::Expired { Step::Expired } else { Step::Replaced };
        audit::step(qr, visit, step, &older, facts, None);
    }
    audit::step(qr, visit, Step::Issued, id, facts, None);
}

fn refused(qr: &Qr, visit: &Visit, refusal: &GuardRefusal) -> Response<Body> {
    audit::refused(qr, visit, None, &refusal.to_string());
    let failure = match refusal {
        GuardRefusal::ServiceWorker => {
            let key = "ticket path";
            qr.telemetry.warn_once(
                Topic::ServiceWorker,
                key,
                "a service worker of the site handled the ticket path; it must leave it alone",
                &[],
            );
            Failure::ServiceWorker
        }
        _ => Failure::NotByPerson,
    };
    page(qr, visit, &Page::Error(failure))
}

fn too_many(qr: &Qr, visit: &Visit, retry_after: Duration) -> Response<Body> {
    page(qr, visit, &Page::Error(Failure::TooManyCodes { retry_after }))
}

fn sign_in_again(qr: &Qr, visit: &Visit, next: Option<&ReturnPath>) -> Response<Body> {
    match qr.reauth_url(next) {
        Some(url) => redirect(StatusCode::SEE_OTHER, &url),
        None => page(qr, visit, &Page::Error(Failure::SignInAgain)),
    }
}
