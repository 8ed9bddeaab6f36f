//! An audit event, without the facts of its request.

use std::borrow::Cow;

use crate::peer::PeerAddress;
use crate::stay::Stay;
use crate::telemetry::{AuditEvent, Step, Telemetry};
use crate::token::{EventMessage, PageFacts, Party, TicketId};

/// The steps that the application's receiver (`[events]`) gets.
const SENT: [Step; 4] = [Step::Spent, Step::Undone, Step::Declined, Step::Replayed];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub step: Step,
    /// [`TicketId::short`]
    pub ticket: Option<String>,
    pub user: Option<String>,
    pub computer: Option<Party>,
    pub phone: Option<Party>,
    pub reason: Option<Cow<'static, str>>,
    /// The chosen length of session.
    pub stay: Option<Stay>,
}

impl Event {
    /// A step of a ticket, with both parties.
    pub fn of(step: Step, id: &TicketId, facts: PageFacts) -> Event {
        Event {
            step,
            ticket: Some(id.short()),
            user: Some(facts.user),
            computer: Some(facts.computer),
            phone: facts.phone,
            reason: None,
            stay: None,
        }
    }

    pub fn computer_refused(computer: Party, reason: impl Into<Cow<'static, str>>) -> Event {
        Event { computer: Some(computer), ..Event::refused(reason) }
    }

    pub fn phone_refused(phone: Party, reason: impl Into<Cow<'static, str>>) -> Event {
        Event { phone: Some(phone), ..Event::refused(reason) }
    }

    fn refused(reason: impl Into<Cow<'static, str>>) -> Event {
        let reason = Some(reason.into());
        Event { step: Step::Refused, ticket: None, user: None, computer: None, phone: None, reason, stay: None }
    }

    pub fn because(self, reason: impl Into<Cow<'static, str>>) -> Event {
        Event { reason: Some(reason.into()), ..self }
    }

    pub fn by(self, user: &str) -> Event {
        Event { user: Some(user.to_owned()), ..self }
    }

    /// The message for the application's receiver. `None` for a step that is not sent. `ticket` is the
    /// application's name for the ticket, `at` the time in seconds since the epoch.
    pub fn message(&self, ticket: String, at: u64) -> Option<EventMessage> {
        SENT.contains(&self.step).then(|| EventMessage {
            kind: self.step.event().to_owned(),
            ticket,
            user: self.user.clone().unwrap_or_default(),
            at,
            reason: self.reason.as_deref().map(str::to_owned),
            computer: self.computer.clone(),
            phone: self.phone.clone(),
        })
    }

    /// Writes it to the audit log and counts it.
    pub fn record(&self, telemetry: &Telemetry, peer: PeerAddress, request_id: Option<&str>) {
        telemetry.audit(&AuditEvent {
            ticket: self.ticket.as_deref(),
            user: self.user.as_deref(),
            computer: self.computer.as_ref(),
            phone: self.phone.as_ref(),
            reason: self.reason.as_deref(),
            stay: self.stay,
            request_id,
            step: self.step,
            peer,
        });
    }
}
