//! A `Grant` for `qrgate check`, obtained as a phone obtains one: from a ticket that is never stored.

use std::time::Duration;

use crate::clock::Clock;
use crate::origin::Origin;
use crate::stay::Stay;
use crate::ticket::{Draft, Grant, Refusal, SignIn};
use crate::token::{Approval, BrowserId, ClaimKey, Party, TicketSecrets};

const LIFETIME: Duration = Duration::from_secs(60);

/// Mints, claims, approves and begins to redeem a ticket of `user`. `stay` is the chosen length of session.
///
/// # Errors
///
/// When the operating system gives no random bytes; the text says so.
pub async fn grant(user: &str, computer: Party, origin: &Origin, stay: Option<Stay>) -> Result<Grant, String> {
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
    begun.with.map(|redeem| redeem.grant).ok_or_else(|| "the ticket could not be redeemed".to_owned())
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

    #[tokio::test]
    async fn a_grant_is_for_its_user_and_the_first_call() {
        let origin = Origin::parse("https://app.example").unwrap();
        let party = Party { address: None, label: "qrgate check".to_owned() };
        let grant = grant("42", party, &origin, Some(Stay::Hours(8))).await.unwrap();
        assert_eq!((grant.user.as_str(), grant.attempt, grant.stay), ("42", 1, Some(Stay::Hours(8))));
    }
}
