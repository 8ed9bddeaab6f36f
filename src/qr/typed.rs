//! `/qr/code/`: a person types the code that another device shows, and gets the same confirm page as after a scan.
//! Nothing is claimed here.
//!
//! For a code that opens nothing (unknown, used, expired, replaced, of another site), page, status and store commands
//! are always the same.

use std::time::Duration;

use crate::body::Body;
use crate::config::CodeReach;
use crate::device;
use crate::fault::Fault;
use crate::guard;
use crate::origin::Origin;
use crate::pages::{Failure, Page, Tried, TypeCode};
use crate::reply::{Event, Reply};
use crate::return_path::ReturnPath;
use crate::store::Counted;
use crate::telemetry::metrics::Typed;
use crate::telemetry::{Step, Topic};
use crate::ticket::Phase;
use crate::token::{BrowserId, Token, TypedCode};

use super::context::{Qr, encoded};
use super::identity::person_here;
use super::open::{Scanned, scan};
use super::visit::Visit;

/// Attempts at a free code for one ticket. With a million live codes, two attempts in 25,000 hit a taken one.
const MAX_DRAWS: usize = 4;

/// Generates and stores a code to type for a token. `None` if codes are switched off or it could not be stored: the
/// page then shows the picture alone.
pub async fn draw(qr: &Qr, token: &Token, origin: &Origin) -> Option<TypedCode> {
    if qr.settings.code == CodeReach::Off {
        return None;
    }
    let key = qr.secrets.newest();
    for _ in 0..MAX_DRAWS {
        let code = TypedCode::random().ok()?;
        let sealed = key.seal_token(&code, token, origin).ok()?;
        match qr.store.keep_code(&key.code_hash(&code), &sealed, qr.settings.lifetime).await {
            Ok(true) => return Some(code),
            Ok(false) => {}
            Err(error) => {
                let message = "no code to type: the store did not keep it; the page shows the picture alone";
                qr.telemetry.warn_once(Topic::LostCode, "", message, &[("cause", &error)]);
                return None;
            }
        }
    }
    None
}

/// GET: the page with the input field.
pub async fn show(qr: &Qr, visit: &Visit) -> Result<Reply, Fault> {
    let (browser, cookie) = visit.browser_or_new()?;
    let next = visit.next(&qr.settings.sub_path);
    let current = person_here(qr, visit).await.map(|person| person.name.unwrap_or(person.user));
    let page = page(qr, visit, &browser, next, current, Tried::NotYet)?;
    Ok(page.setting(cookie))
}

/// POST: redirects to the confirm page, or shows the input field again.
pub async fn submit(qr: &Qr, visit: &Visit, content: Body) -> Result<Reply, Fault> {
    let open_again =
        |reason: String| Ok(Reply::failure(Failure::OpenAgain).noting(Event::phone_refused(visit.party(), reason)));
    if let Err(refusal) = guard::same_origin_post(&visit.head.headers, &visit.asked.origin) {
        return open_again(visit.reason_of(refusal));
    }
    let Some(browser) = visit.browser() else {
        return open_again("not exactly one browser cookie".to_owned());
    };
    let form = visit.read_form(content, qr.settings.form_timeout).await?;
    if !qr.secrets.made_code_form(form.get("proof"), &browser, &visit.asked.origin) {
        return open_again("the form is not this browser's".to_owned());
    }
    let client = visit.asked.client;
    if let Err(retry_after) = qr.tries.all.admit(client) {
        return Ok(too_many(qr, visit, retry_after));
    }
    let next = form.next(&qr.settings.sub_path).or_else(|| visit.next(&qr.settings.sub_path));
    let Some(code) = TypedCode::parse(form.get("code")) else {
        qr.telemetry.metrics().code_typed(Typed::Refused);
        return page(qr, visit, &browser, next, None, Tried::Malformed);
    };
    match try_code(qr, visit, &code).await.inspect_err(|_| qr.tries.all.forgive(client))? {
        Try::Opened(token, scanned) => Ok(to_confirm_page(qr, visit, &token, &scanned, next.as_ref())),
        Try::Limited(retry_after) => Ok(too_many(qr, visit, retry_after)),
        Try::Refused => {
            qr.tries.fail(client);
            qr.telemetry.metrics().code_typed(Typed::Refused);
            let page = page(qr, visit, &browser, next, None, Tried::Refused)?;
            Ok(note_seldom(qr, visit, page, "the typed code opens nothing here"))
        }
    }
}

/// The result for a well-formed code.
enum Try {
    Opened(Token, Box<Scanned>),
    Refused,
    Limited(Duration),
}

async fn try_code(qr: &Qr, visit: &Visit, code: &TypedCode) -> Result<Try, Fault> {
    if let Counted::TooMany { retry_after, .. } = qr.store.count_try(qr.settings.codes_typed).await?
        && let Err(retry_after) = qr.tries.admit_over(visit.asked.client, retry_after)
    {
        return Ok(Try::Limited(retry_after));
    }
    let token = token_of(qr, code, &visit.asked.origin).await?;
    match scan(qr, visit, qr.secrets.open(&token)).await? {
        Ok(scanned) if is_open_to(qr, visit, &scanned) => Ok(Try::Opened(token, Box::new(scanned))),
        Ok(_) | Err(_) => Ok(Try::Refused),
    }
}

/// The token of a code. An unknown code gives a token that opens nothing, so that every code takes the same store
/// commands.
async fn token_of(qr: &Qr, code: &TypedCode, origin: &Origin) -> Result<Token, Fault> {
    let mut found = None;
    for key in qr.secrets.keys() {
        let sealed = qr.store.code(&key.code_hash(code)).await?;
        found = found.or(sealed.and_then(|sealed| key.open_token(code, &sealed, origin).ok()));
    }
    match found {
        Some(token) => Ok(token),
        None => Ok(qr.secrets.newest().mint(0)?.0),
    }
}

/// Whether this device can claim the ticket.
fn is_open_to(qr: &Qr, visit: &Visit, scanned: &Scanned) -> bool {
    let reaches = match qr.settings.code {
        CodeReach::Near => device::is_near(scanned.record.issuer.address, visit.asked.client.address),
        CodeReach::Anywhere => true,
        CodeReach::Off => false,
    };
    scanned.phase() == Phase::Issued && reaches
}

/// Redirects to the confirm page, with this device's own return path, which overrides that of the mint.
fn to_confirm_page(qr: &Qr, visit: &Visit, token: &Token, scanned: &Scanned, next: Option<&ReturnPath>) -> Reply {
    qr.telemetry.metrics().code_typed(Typed::Opened);
    let next = next.map(|next| format!("?next={}", encoded(next.as_str()))).unwrap_or_default();
    let confirm = format!("{}{}/{next}", qr.settings.ticket_path, *token.text());
    Reply::see(confirm).noting(scanned.event(qr, visit, Step::Typed))
}

fn too_many(qr: &Qr, visit: &Visit, retry_after: Duration) -> Reply {
    qr.telemetry.metrics().code_typed(Typed::Limited);
    note_seldom(qr, visit, Reply::failure(Failure::TooManyTries { retry_after }), "too many typed codes")
}

/// Adds a refusal event, at most once a second, so that guessing does not fill the log.
fn note_seldom(qr: &Qr, visit: &Visit, reply: Reply, reason: &'static str) -> Reply {
    match qr.telemetry.is_first(Topic::RefusedCodes, "") {
        true => reply.noting(Event::phone_refused(visit.party(), reason)),
        false => reply,
    }
}

fn page(
    qr: &Qr,
    visit: &Visit,
    browser: &BrowserId,
    next: Option<ReturnPath>,
    current: Option<String>,
    tried: Tried,
) -> Result<Reply, Fault> {
    let proof = qr.secrets.newest().code_form_proof(browser, &visit.asked.origin)?;
    let next = next.map(|next| next.as_str().to_owned());
    Ok(Reply::page(Page::TypeCode(TypeCode { current, next, proof, tried })))
}
