//! Permissions to call the hooks for `qrgate check`, obtained as in a sign-in: from a ticket that is never stored.

use std::time::Duration;

use bytes::Bytes;

use crate::clock::{Clock, Timestamp};
use crate::origin::Origin;
use crate::stay::Stay;
use crate::ticket::{Draft, Grant, Lease, Refusal, RevokeGrant, SignIn, Ticket};
use crate::token::{Approval, BrowserId, ClaimKey, NewSession, Party, TicketSecrets};

const LIFETIME: Duration = Duration::from_secs(60);

/// A ticket whose sign-in can be undone once the hook has named its session.
pub struct Begun {
    ticket: Ticket,
    lease: Lease,
    session: NewSession,
    now: Timestamp,
}

impl Begun {
    /// Permission to end the session of this name.
    ///
    /// # Errors
    ///
    /// When the ticket refuses; the text says why.
    pub fn revoke(self, name: String) -> Result<RevokeGrant, String> {
        let Begun { ticket, lease, session, now } = self;
        let session = NewSession { name, ..session };
        let sealed = Some((Bytes::new(), LIFETIME));
        let spent = ticket.finish_redeem(now, &lease, Bytes::new(), sealed).map_err(refused)?;
        let begun = spent.ticket.begin_undo(now, session, LIFETIME).map_err(refused)?;
        Ok(begun.with.grant)
    }
}

/// Mints, claims, approves and begins to redeem a ticket of `user`. `stay` is the chosen length of session.
///
/// # Errors
///
/// When the operating system gives no random bytes; the text says so.
pub fn grant(user: &str, computer: Party, origin: &Origin, stay: Option<Stay>) -> Result<(Grant, Begun), String> {
    let sign_in = SignIn {
        user: user.to_owned(),
        name: None,
        account_hint: None,
        auth_time: None,
        session: String::new(),
        computer,
        user_agent: None,
        next: None,
        approval: Approval::Phone,
        stay: stay.into_iter().collect(),
    };
    let (secrets, browser) = (TicketSecrets::random().map_err(text)?, BrowserId::random().map_err(text)?);
    let draft = Draft::new(sign_in, &browser, &secrets, origin, Clock::System.now(), LIFETIME).map_err(text)?;
    let Draft { opened, record, ticket, .. } = draft;
    let claim = opened.claim_mac(&ClaimKey::random().map_err(text)?);
    let now = record.issued;
    let page = ticket.page.clone();
    let claimed = ticket.claim(now, &opened, claim, &record, page, stay).map_err(refused)?;
    let begun = claimed.ticket.begin_redeem(now, &opened, &claim, &record, None, LIFETIME).map_err(refused)?;
    let redeem = begun.with.ok_or_else(|| "the ticket could not be redeemed".to_owned())?;
    let session = NewSession {
        user: record.user,
        name: String::new(),
        login_id: opened.hook_id(),
        revoke_id: opened.revoke_id(),
        issued: now,
    };
    Ok((redeem.grant, Begun { ticket: begun.ticket, lease: redeem.lease, session, now }))
}

fn refused(refusal: Refusal) -> String {
    format!("the ticket refused: {refusal:?}")
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_for_its_user_and_the_first_call() {
        let origin = Origin::parse("https://app.example").unwrap();
        let party = Party { address: None, label: "qrgate check".to_owned() };
        let (grant, begun) = grant("42", party, &origin, Some(Stay::Hours(8))).unwrap();
        assert_eq!((grant.user.as_str(), grant.attempt, grant.stay), ("42", 1, Some(Stay::Hours(8))));
        let revoke = begun.revoke("s1".to_owned()).unwrap();
        assert_eq!((revoke.session.user.as_str(), revoke.session.name.as_str()), ("42", "s1"));
        assert_eq!(revoke.session.login_id, grant.hook_id);
        assert_ne!(revoke.session.revoke_id, grant.hook_id);
    }
}
