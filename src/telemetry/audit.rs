//! The audit trail: one event per step of a ticket and per refusal, with user, address and reason.

use super::line::Line;
use crate::peer::PeerAddress;
use crate::stay::Stay;
use crate::token::Party;

/// What happened to a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A code was shown.
    Issued,
    /// A person typed the code on a device and got the confirm page.
    Typed,
    /// A phone pressed Continue.
    Claimed,
    /// The computer typed the right number.
    Approved,
    /// A phone was signed in.
    Spent,
    /// The computer undid the sign-in, and the application ended the session.
    Undone,
    /// A person, a wrong number or the application ended it.
    Declined,
    /// It was used after its expiry.
    Expired,
    /// The same browser made a newer code.
    Replaced,
    /// Another browser presented a spent code.
    Replayed,
    /// Another browser opened a claimed code.
    Contested,
    /// A call of the login or revoke hook failed; the step may be repeated.
    Failed,
    /// The phone that holds the ticket got the same response again.
    Repeated,
    /// A request was refused; the ticket, if there is one, is unchanged.
    Refused,
}

impl Step {
    /// The steps that `qrgate_tickets_total` counts.
    pub(super) const COUNTED: [Step; 9] = [
        Step::Issued,
        Step::Claimed,
        Step::Approved,
        Step::Spent,
        Step::Undone,
        Step::Declined,
        Step::Expired,
        Step::Replaced,
        Step::Replayed,
    ];

    /// The event's name in the log.
    pub fn event(self) -> &'static str {
        match self {
            Step::Issued => "ticket.issued",
            Step::Typed => "ticket.typed",
            Step::Claimed => "ticket.claimed",
            Step::Approved => "ticket.approved",
            Step::Spent => "ticket.spent",
            Step::Undone => "ticket.undone",
            Step::Declined => "ticket.declined",
            Step::Expired => "ticket.expired",
            Step::Replaced => "ticket.replaced",
            Step::Replayed => "ticket.replayed",
            Step::Contested => "ticket.contested",
            Step::Failed => "ticket.failed",
            Step::Repeated => "ticket.repeated",
            Step::Refused => "ticket.refused",
        }
    }

    /// The value of the label in `qrgate_tickets_total`: the event's name without its prefix.
    pub(super) fn name(self) -> &'static str {
        self.event().split_once('.').map_or("", |(_, name)| name)
    }
}

/// One event. Unknown facts are omitted from its line.
#[derive(Clone, Copy, Debug)]
pub struct AuditEvent<'a> {
    pub step: Step,
    /// The peer of the socket or of the PROXY preamble. It is known even if the client's address is not.
    pub peer: PeerAddress,
    /// The short id that links the events of one ticket. It does not open the ticket.
    pub ticket: Option<&'a str>,
    pub user: Option<&'a str>,
    /// The computer that shows the code.
    pub computer: Option<&'a Party>,
    /// The phone that opens it.
    pub phone: Option<&'a Party>,
    /// The reason, one word or a short sentence.
    pub reason: Option<&'a str>,
    /// The chosen length of session.
    pub stay: Option<Stay>,
    /// `X-Request-ID`.
    pub request_id: Option<&'a str>,
}

impl AuditEvent<'_> {
    pub(super) fn write(&self, line: &mut Line) {
        match line.is_json() {
            true => line.word("level", "info"),
            false => line.bare_text("", "AUDIT"),
        }
        line.word("event", self.step.event());
        let address = |party: Option<&Party>| Some(party?.address?.to_string());
        let (computer, phone) = (address(self.computer), address(self.phone));
        let peer = self.peer.to_string();
        let stay = self.stay.map(String::from);
        for (name, value) in [
            ("ticket", self.ticket),
            ("user", self.user),
            ("reason", self.reason),
            ("stay", stay.as_deref()),
            ("computer_address", computer.as_deref()),
            ("computer_label", self.computer.map(|party| party.label.as_str())),
            ("phone_address", phone.as_deref()),
            ("phone_label", self.phone.map(|party| party.label.as_str())),
            ("peer_address", Some(peer.as_str())),
            ("request_id", self.request_id),
        ] {
            if let Some(value) = value {
                line.text(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Timestamp};
    use crate::config::{Level, Log, LogFormat};
    use crate::telemetry::Telemetry;

    fn audit(telemetry: &Telemetry) {
        let party = |address, label: &str| Party { address, label: label.to_owned() };
        telemetry.audit(&AuditEvent {
            step: Step::Declined,
            peer: PeerAddress::ip("10.0.0.5:443".parse().unwrap()),
            ticket: Some("3f9a2c"),
            user: Some("ana\n"),
            computer: Some(&party(Some("203.0.113.9".parse().unwrap()), "Firefox on Linux")),
            phone: Some(&party(None, "Safari on iPhone")),
            reason: Some("number"),
            stay: None,
            request_id: None,
        });
    }

    #[test]
    fn an_event_names_who_where_and_why_whatever_the_level() {
        let log = Log { format: LogFormat::Json, access: false, level: Level::Error };
        let telemetry = Telemetry::in_memory(&log, Clock::manual(Timestamp(0)));
        audit(&telemetry);
        let read: serde_json::Value = serde_json::from_str(&telemetry.written()).unwrap();
        assert_eq!(read["event"], "ticket.declined");
        assert_eq!(read["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(read["user"], "ana\n");
        assert_eq!(read["computer_address"], "203.0.113.9");
        assert_eq!(read["phone_label"], "Safari on iPhone");
        assert_eq!(read["reason"], "number");
        assert_eq!((read.get("phone_address"), read["peer_address"].as_str()), (None, Some("10.0.0.5")));
        assert!(
            telemetry
                .metrics()
                .render(crate::telemetry::Format::Prometheus)
                .contains("qrgate_tickets_total{outcome=\"declined\"} 1")
        );
    }

    #[test]
    fn in_text_an_event_is_one_line_too() {
        let log = Log { format: LogFormat::Text, access: false, level: Level::Info };
        let telemetry = Telemetry::in_memory(&log, Clock::manual(Timestamp(0)));
        audit(&telemetry);
        assert_eq!(
            telemetry.written(),
            "1970-01-01T00:00:00.000Z AUDIT event=ticket.declined ticket=3f9a2c user=\"ana\\n\" reason=number \
             computer_address=203.0.113.9 computer_label=\"Firefox on Linux\" phone_label=\"Safari on iPhone\" \
             peer_address=10.0.0.5\n"
        );
    }
}
