//! The audit trail's view of a visit: which side it is on, and what is known of the other.

use crate::peer::PeerAddress;
use crate::telemetry::{AuditEvent, Party as Side, Step};
use crate::ticket::Reason;
use crate::token::{PageFacts, Party, TicketId};

use super::Qr;
use super::visit::Visit;

/// One step of a ticket, with everything that its page knows of both sides.
pub fn step(qr: &Qr, visit: &Visit, step: Step, id: &TicketId, facts: &PageFacts, reason: Option<Reason>) {
    let short = id.short();
    qr.telemetry.audit(&AuditEvent {
        ticket: Some(&short),
        user: Some(&facts.user),
        computer: side(&facts.computer),
        phone: facts.phone.as_ref().map(side).unwrap_or_default(),
        reason: reason.map(Reason::as_str),
        request_id: Some(&visit.request_id),
        ..AuditEvent::of(step, visit.downstream.client.peer)
    });
}

/// What happened to a ticket that is known, for a reason of ours in words.
pub fn told(qr: &Qr, visit: &Visit, step: Step, id: &TicketId, facts: &PageFacts, reason: &str) {
    let short = id.short();
    qr.telemetry.audit(&AuditEvent {
        ticket: Some(&short),
        user: Some(&facts.user),
        computer: side(&facts.computer),
        phone: facts.phone.as_ref().map(side).unwrap_or_default(),
        reason: Some(reason),
        request_id: Some(&visit.request_id),
        ..AuditEvent::of(step, visit.downstream.client.peer)
    });
}

/// A request of the computer was turned away.
pub fn refused(qr: &Qr, visit: &Visit, user: Option<&str>, reason: &str) {
    let label = visit.label();
    let computer = Side { address: visit.downstream.client.address, label: Some(&label) };
    qr.telemetry.audit(&AuditEvent {
        user,
        computer,
        reason: Some(reason),
        request_id: Some(&visit.request_id),
        ..AuditEvent::of(Step::Refused, visit.downstream.client.peer)
    });
}

/// A request of the phone was turned away, or met a ticket that is over.
pub fn phone(qr: &Qr, visit: &Visit, step: Step, id: Option<&TicketId>, reason: &str) {
    let label = visit.label();
    let short = id.map(TicketId::short);
    qr.telemetry.audit(&AuditEvent {
        ticket: short.as_deref(),
        phone: Side { address: visit.downstream.client.address, label: Some(&label) },
        reason: Some(reason),
        request_id: Some(&visit.request_id),
        ..AuditEvent::of(step, visit.downstream.client.peer)
    });
}

fn side(party: &Party) -> Side<'_> {
    Side { address: party.address, label: Some(&party.label) }
}

/// A step that time took; a request of `peer` met it first.
pub fn bare_step(qr: &Qr, peer: PeerAddress, step: Step, id: &TicketId, facts: &PageFacts) {
    let short = id.short();
    qr.telemetry.audit(&AuditEvent {
        ticket: Some(&short),
        user: Some(&facts.user),
        computer: side(&facts.computer),
        phone: facts.phone.as_ref().map(side).unwrap_or_default(),
        ..AuditEvent::of(step, peer)
    });
}
