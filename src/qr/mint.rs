//! POST `/qr/`: a person at a signed-in computer asks for a code, and gets the page with it.

use std::time::Duration;

use crate::application::Person;
use crate::body::Body;
use crate::clock::Timestamp;
use crate::fault::Fault;
use crate::guard::{self, GuardRefusal};
use crate::pages::{Code, Failure, Page};
use crate::reply::{Cookie, Event, Reply};
use crate::return_path::ReturnPath;
use crate::store::Counted;
use crate::telemetry::{Step, Topic};
use crate::ticket::{Issue, Phase, Ticket, end_of};
use crate::token::{Approval, BrowserId, Desk, PageFacts, Record, TicketId, Token};

use super::context::Qr;
use super::identity::{Session, is_too_old, who_is_here};
use super::start::signed_out;
use super::visit::Visit;

/// Shows a code to whoever may have one.
///
/// In this order: the guard and the process's own limits, which cost nothing; the identify hook; the user's limit; the
/// ticket. Nothing is drawn before all of them agree.
///
/// # Errors
///
/// [`Fault`] when the application or the store cannot be asked.
pub async fn mint(qr: &Qr, visit: &Visit, content: Body) -> Result<Reply, Fault> {
    let refused = |reason: &'static str| Event::computer_refused(visit.party(), reason);
    let strict = qr.settings.require_fetch_metadata && visit.asked.is_https();
    if let Err(refusal) = guard::may_mint(&visit.head.headers, &visit.asked.origin, strict) {
        return Ok(not_by_person(qr, visit, &refusal));
    }
    if let Err(wait) = qr.opens.admit(visit.asked.client) {
        return Ok(too_many(wait).noting(refused("too many requests of this client")));
    }
    let form = visit.read_form(content, qr.settings.form_timeout).await?;
    let wanted = Some(form.get("next").to_owned()).filter(|next| !next.is_empty()).or_else(|| visit.query("next"));
    let next = wanted.and_then(|text| ReturnPath::parse(&text, &qr.settings.sub_path));
    let session = who_is_here(qr, visit).await.inspect_err(|_| {
        qr.record(&visit.asked, &refused("the session cannot be asked about"));
    })?;
    let Session::Of { person, cookies } = session else {
        return Ok(signed_out(qr, visit, next.as_ref()).noting(refused("signed out")));
    };
    let refused = |reason| refused(reason).by(&person.user);
    if !person.allowed {
        return Ok(Reply::failure(Failure::NotAllowed).noting(refused("not allowed")));
    }
    if is_too_old(qr, &person, qr.clock.now()) {
        return Ok(sign_in_again(qr, next.as_ref()).noting(refused("the sign-in is too old")));
    }
    let user = qr.secrets.newest().user_hash(&person.user);
    match qr.store.count_code(&user, qr.settings.codes_per_user).await? {
        Counted::TooMany { retry_after, .. } => Ok(too_many(retry_after).noting(refused("too many codes"))),
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
) -> Result<Reply, Fault> {
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
    let computer = visit.party();
    let record = Record {
        user: person.user.clone(),
        name: person.name.clone(),
        issued: now,
        end: end_of(now, qr.settings.lifetime),
        next: next.as_ref().map(|next| next.as_str().to_owned()),
        approval: qr.settings.approval,
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
        lifetime: qr.settings.lifetime,
        record: opened.seal_record(&record, &visit.asked.origin)?,
        page: opened.key().seal_page(&opened.id(), &view, &facts)?,
    });
    let older = qr.store.mint(&opened.id(), &ticket).await?.older;

    let (origin, ticket_path) = (&visit.asked.origin, &qr.settings.ticket_path);
    let code = Code {
        link: format!("{origin}{ticket_path}{}/", token.as_str()),
        name: Some(person.name.as_deref().unwrap_or(&person.user).to_owned()),
        expires_in: qr.settings.lifetime,
        by_number: qr.settings.approval == Approval::Number,
        desk: desk.text().to_string(),
        view: view.text().to_string(),
        next: record.next,
        unreachable: origin.is_loopback().then(|| format!("{origin}{ticket_path}")),
    };
    let mut reply = Reply::page(Page::Code(code)).setting(known.is_none().then_some(Cookie::Browser(browser)));
    reply.events.extend(older.map(|(older, phase)| ended(&older, phase, facts.clone())));
    Ok(reply.noting(Event::of(Step::Issued, &opened.id(), facts)))
}

/// What became of the code that this one takes the place of.
fn ended(older: &TicketId, phase: Phase, facts: PageFacts) -> Event {
    Event::of(if phase == Phase::Expired { Step::Expired } else { Step::Replaced }, older, facts)
}

fn not_by_person(qr: &Qr, visit: &Visit, refusal: &GuardRefusal) -> Reply {
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
    Reply::failure(failure).noting(Event::computer_refused(visit.party(), refusal.to_string()))
}

fn too_many(retry_after: Duration) -> Reply {
    Reply::failure(Failure::TooManyCodes { retry_after })
}

fn sign_in_again(qr: &Qr, next: Option<&ReturnPath>) -> Reply {
    qr.settings.reauth_url(next).map_or_else(|| Reply::failure(Failure::SignInAgain), Reply::see)
}
