//! POST `/qr/approve`: the page with the code sends the phone's number, or declines.

use http::Method;

use crate::body::Body;
use crate::fault::Fault;
use crate::pages::Outcome;
use crate::reply::{Event, Reply};
use crate::stay::Stay;
use crate::store::{Row, Stepped};
use crate::telemetry::Step;
use crate::ticket::{Phase, Reason, Refusal, Ticket};

use super::context::Qr;
use super::desk::{DeskRequest, Pending};
use super::visit::Visit;

/// What to show, the ticket's row, and the event if the ticket changed.
type Done = (Outcome, Row, Option<Event>);

pub async fn approve(qr: &Qr, visit: &Visit, content: Body) -> Result<Reply, Fault> {
    if visit.head.method != Method::POST {
        return Ok(Reply::see(&qr.settings.ticket_path));
    }
    let request = match DeskRequest::read(qr, visit, content).await? {
        Ok(request) => request,
        Err(refused) => return Ok(refused),
    };
    let (pending, form) = (&request.pending, &request.form);
    let stay = Stay::chosen(&pending.facts.stay, form.get("stay"));
    let (outcome, row, event) = match (two_digits(form.get("number")), stay) {
        _ if form.get("decision") == "decline" => decline(qr, pending).await?,
        (Some(number), Ok(stay)) => type_number(qr, visit, &request, number, stay).await?,
        _ => (Outcome::Malformed, pending.row.clone(), None),
    };
    let mut reply = request.shown(qr, outcome, &row);
    reply.events.extend(event);
    Ok(reply)
}

/// Parses two decimal digits of any script, surrounded by optional whitespace.
fn two_digits(text: &str) -> Option<u8> {
    let mut digits = text.trim().chars().map(decimal_value);
    let (tens, ones) = (digits.next()??, digits.next()??);
    digits.next().is_none().then_some(tens * 10 + ones)
}

/// The value of a decimal digit. Unicode has the digits of a script in a range of ten (general category Nd), so the
/// start of the range gives the value.
fn decimal_value(digit: char) -> Option<u8> {
    const ZEROS: [u32; 37] = [
        0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
        0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40,
        0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
    ];
    let code = u32::from(digit);
    let zero = ZEROS.iter().rev().find(|zero| **zero <= code)?;
    u8::try_from(code - zero).ok().filter(|value| *value < 10)
}

async fn decline(qr: &Qr, pending: &Pending) -> Result<Done, Fault> {
    let event = pending.declined(Reason::Computer);
    Ok(match qr.step(&pending.id, Some(pending.row.clone()), Ticket::decline, &event).await? {
        Stepped::Done(row, _) => (Outcome::Declined(Reason::Computer), row, Some(event)),
        Stepped::Refused(row, Refusal::AlreadyDone) => (outcome_of(&row), row, None),
        Stepped::Refused(row, Refusal::Over(Phase::Spent)) => (Outcome::Late, row, None),
        Stepped::Refused(row, Refusal::Over(Phase::Undone)) => (Outcome::Undone, row, None),
        Stepped::Refused(row, _) => (Outcome::Early, row, None),
        Stepped::Gone => (Outcome::Early, pending.row.clone(), None),
    })
}

/// Checks the number once, against the claim that the page names, or else the claim in the row that was read first.
async fn type_number(
    qr: &Qr,
    visit: &Visit,
    request: &DeskRequest,
    number: u8,
    stay: Option<Stay>,
) -> Result<Done, Fault> {
    let (pending, named) = (&request.pending, request.form.get("claim"));
    let typed_for = pending.row.ticket.binding().map(|binding| binding.claim);
    if !named.is_empty() && typed_for.is_some_and(|claim| claim.name() != named) {
        return other_claim(qr, visit, pending).await;
    }
    let judge = |ticket: Ticket, now| ticket.approve(now, &pending.id, &pending.key, typed_for, number, stay);
    let wrong = pending.declined(Reason::Number);
    Ok(match qr.step(&pending.id, Some(pending.row.clone()), judge, &wrong).await? {
        Stepped::Done(row, _) => {
            let event = match row.phase() {
                Phase::Declined(_) => wrong,
                _ => Event { stay, ..pending.event(Step::Approved) },
            };
            (outcome_of(&row), row, Some(event))
        }
        Stepped::Refused(row, Refusal::AlreadyDone) => (outcome_of(&row), row, None),
        Stepped::Refused(_, Refusal::OtherClaim) => return other_claim(qr, visit, pending).await,
        Stepped::Refused(row, _) => (Outcome::Early, row, None),
        Stepped::Gone => (Outcome::Early, pending.row.clone(), None),
    })
}

/// Declines a ticket whose row has another claim than the number was typed for. Only an attacker with write access to
/// the store can cause that, and may have read a proof of approval there.
async fn other_claim(qr: &Qr, visit: &Visit, pending: &Pending) -> Result<Done, Fault> {
    let event = pending.event(Step::Refused).because("the claim in the store changed while the number was typed");
    qr.record(&visit.asked, &event);
    let event = pending.declined(Reason::Computer);
    Ok(match qr.step(&pending.id, None, Ticket::decline, &event).await? {
        Stepped::Done(row, _) => (Outcome::Late, row, Some(event)),
        Stepped::Refused(row, _) => (Outcome::Late, row, None),
        Stepped::Gone => (Outcome::Late, pending.row.clone(), None),
    })
}

fn outcome_of(row: &Row) -> Outcome {
    match row.phase() {
        Phase::Approved => Outcome::Approved,
        Phase::Spent => Outcome::Spent,
        Phase::Undone => Outcome::Undone,
        Phase::Declined(reason) => Outcome::Declined(reason),
        Phase::Issued | Phase::Claimed | Phase::Expired | Phase::Replaced => Outcome::Early,
    }
}

#[cfg(test)]
mod tests {
    use super::two_digits;

    #[test]
    fn two_digits_of_any_script_are_a_number_and_nothing_else_is() {
        for typed in ["47", " 47 ", "\u{664}\u{667}", "\u{ff14}\u{ff17}", "\u{96a}\u{96d}", "4\u{667}"] {
            assert_eq!(two_digits(typed), Some(47), "{typed}");
        }
        for typed in ["", "4", "470", "4 7", "x7", "-7", "4.", "\u{bd}7", "\u{2463}7"] {
            assert_eq!(two_digits(typed), None, "{typed}");
        }
    }
}
