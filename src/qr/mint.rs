//! POST `/qr/`: a signed-in computer requests a code and gets the page with it.

use std::time::Duration;

use crate::application::Person;
use crate::body::Body;
use crate::clock::Timestamp;
use crate::fault::Fault;
use crate::guard::{self, GuardRefusal};
use crate::pages::{Code, Failure, Page};
use crate::reply::{Event, Reply};
use crate::return_path::ReturnPath;
use crate::store::Counted;
use crate::telemetry::{Step, Topic};
use crate::ticket::{Draft, Phase, SignIn};
use crate::token::Approval;

use super::context::Qr;
use super::identity::{Session, is_too_old, who_is_here};
use super::start::signed_out;
use super::typed::draw;
use super::visit::Visit;

/// Checks, in this order, the guard and the limits of this process, which cost nothing; the identify hook; the user's
/// limit. Then it mints a ticket.
pub async fn mint(qr: &Qr, visit: &Visit, content: Body) -> Result<Reply, Fault> {
    let refused = |reason: &'static str| Event::computer_refused(visit.party(), reason);
    let strict = qr.settings.require_fetch_metadata && visit.asked.is_https();
    if let Err(refusal) = guard::may_mint(&visit.head.headers, &visit.asked.origin, strict) {
        return Ok(not_by_person(qr, visit, refusal));
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
        return Ok(signed_out(qr, visit, next.as_ref(), &session).noting(refused("signed out")));
    };
    let refused = |reason| refused(reason).by(&person.user);
    if !person.allowed {
        return Ok(Reply::failure(Failure::NotAllowed).noting(refused("not allowed")));
    }
    if is_too_old(qr, &person, qr.clock.now()) {
        let url = qr.settings.reauth_url(next.as_ref());
        let reply = url.map_or_else(|| Reply::failure(Failure::SignInAgain), Reply::see);
        return Ok(reply.noting(refused("the sign-in is too old")));
    }
    let user = qr.secrets.newest().user_hash(&person.user);
    match qr.store.count_code(&user, qr.settings.codes_per_user).await? {
        Counted::TooMany { retry_after, .. } => Ok(too_many(retry_after).noting(refused("too many codes"))),
        Counted::Within { now } => show(qr, visit, &person, cookies, next, now).await,
    }
}

/// Mints and stores the ticket, and returns its page.
async fn show(
    qr: &Qr,
    visit: &Visit,
    person: &Person,
    session: String,
    next: Option<ReturnPath>,
    now: Timestamp,
) -> Result<Reply, Fault> {
    let (browser, cookie) = visit.browser_or_new()?;
    let sign_in = SignIn {
        user: person.user.clone(),
        name: person.name.clone(),
        account_hint: person.account_hint.clone(),
        auth_time: person.auth_time,
        session,
        computer: visit.party(),
        user_agent: visit.head.headers.get(http::header::USER_AGENT).map(|value| value.as_bytes().to_vec()),
        next: next.map(|next| next.as_str().to_owned()),
        approval: qr.settings.approval,
        stay: qr.settings.stay.clone(),
    };
    let (origin, lifetime) = (&visit.asked.origin, qr.settings.lifetime);
    let draft = Draft::new(sign_in, &browser, &qr.secrets, origin, now, lifetime)?;
    // Concurrently. A code without its ticket opens nothing.
    let (id, code) = (draft.id(), Box::pin(draw(qr, &draft.token, origin)));
    let (minted, typed) = tokio::join!(qr.store.mint(&id, &draft.ticket), code);
    let older = minted?;

    let ticket_path = &qr.settings.ticket_path;
    let code = Code {
        link: format!("{origin}{ticket_path}{}/", *draft.token.text()),
        name: Some(person.name.as_deref().unwrap_or(&person.user).to_owned()),
        expires_in: lifetime,
        by_number: qr.settings.approval == Approval::Number,
        desk: draft.record.desk.text().to_string(),
        view: draft.record.desk.view().text().to_string(),
        next: draft.record.next,
        stay: draft.record.stay,
        typed: typed.map(|code| code.text().to_string()),
        undo: qr.settings.undo.is_some(),
        unreachable: origin.is_loopback().then(|| format!("{origin}{ticket_path}")),
    };
    let mut reply = Reply::page(Page::Code(code)).setting(cookie);
    if let Some((older, phase)) = older {
        let step = if phase == Phase::Expired { Step::Expired } else { Step::Replaced };
        reply.events.push(Event::of(step, &older, draft.facts.clone()));
    }
    Ok(reply.noting(Event::of(Step::Issued, &draft.opened.id(), draft.facts)))
}

fn not_by_person(qr: &Qr, visit: &Visit, refusal: GuardRefusal) -> Reply {
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
        _ => visit.misnamed_origin(refusal).map_or(Failure::NotByPerson, |origin| Failure::OtherOrigin { origin }),
    };
    Reply::failure(failure).noting(Event::computer_refused(visit.party(), visit.reason_of(refusal)))
}

fn too_many(retry_after: Duration) -> Reply {
    Reply::failure(Failure::TooManyCodes { retry_after })
}
