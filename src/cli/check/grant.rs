//! Leave for one call of the login hook, come by as a phone does: a ticket that lives in this process for a moment.

use std::time::Duration;

use bytes::Bytes;

use crate::clock::{Clock, Timestamp};
use crate::origin::Origin;
use crate::store::{Stepped, Store, StoreError};
use crate::ticket::{Grant, Issue, Redeem, Refusal, Step, Ticket, end_of};
use crate::token::{Approval, BrowserId, ClaimKey, Desk, Opened, PageFacts, Party, Record, TicketSecrets, Token};

const LIFETIME: Duration = Duration::from_secs(60);

/// A ticket with everybody who has to do with it.
struct Scene {
    store: Store,
    opened: Opened,
    record: Record,
    page: Vec<u8>,
    phone: ClaimKey,
}

/// Mints, claims, approves and begins to redeem a ticket of `user`.
///
/// # Errors
///
/// When the operating system gives no random bytes; the text says so.
pub async fn grant(user: &str, computer: Party, origin: &Origin) -> Result<Grant, String> {
    let scene = Scene::mint(user, computer, origin).await?;
    let (opened, record) = (&scene.opened, &scene.record);
    let claim = opened.claim(&scene.phone);
    let number = opened.number(&claim);
    scene
        .step(|ticket, now| {
            let page = Bytes::from(scene.page.clone());
            ticket.claim(now, opened, claim, record, page)
        })
        .await?;
    let (id, key) = (opened.id(), opened.key());
    scene.step(|ticket, now| ticket.approve(now, &id, key, Some(claim), number)).await?;
    let redeem = scene.step(|ticket, now| ticket.begin_redeem(now, opened, &claim, record, None, LIFETIME)).await?;
    redeem.map(|Redeem { grant, .. }| grant).ok_or_else(|| "the ticket could not be redeemed".to_owned())
}

impl Scene {
    async fn mint(user: &str, computer: Party, origin: &Origin) -> Result<Scene, String> {
        let secrets = TicketSecrets::random().map_err(text)?;
        let browser = BrowserId::random().map_err(text)?;
        let anchor = secrets.newest().anchor(user, &browser);
        let token = Token::mint(secrets.newest().id(), anchor.shard()).map_err(text)?;
        let opened = secrets.open(&token).ok_or("the ticket secret opens no token")?;
        let desk = Desk::random(anchor.shard()).map_err(text)?;
        let view = desk.view();
        let now = Clock::System.now();
        let facts = PageFacts {
            user: user.to_owned(),
            computer: computer.clone(),
            phone: None,
            same_network: None,
            next: None,
        };
        let record = Record {
            user: user.to_owned(),
            name: None,
            issued: now,
            end: end_of(now, LIFETIME),
            next: None,
            approval: Approval::Number,
            issuer: computer,
            user_agent: None,
            auth_time: None,
            session: String::new(),
            desk,
        };
        let page = opened.key().seal_page(&opened.id(), &view, &facts).map_err(text)?;
        let ticket = Ticket::issue(Issue {
            key_id: opened.key().id(),
            anchor,
            view: view.index(),
            issued: now,
            lifetime: LIFETIME,
            record: opened.seal_record(&record, origin).map_err(text)?,
            page: page.clone(),
        });
        let store = Store::memory(Clock::System, 1);
        store.mint(&opened.id(), &ticket).await.map_err(text)?;
        Ok(Scene { store, opened, record, page, phone: ClaimKey::random().map_err(text)? })
    }

    async fn step<T>(&self, rule: impl Fn(Ticket, Timestamp) -> Result<Step<T>, Refusal>) -> Result<T, String> {
        let stepped: Result<Stepped<T>, StoreError> = self.store.step(&self.opened.id(), None, rule).await;
        match stepped.map_err(text)? {
            Stepped::Done(_, with) => Ok(with),
            Stepped::Refused(_, refusal) => Err(format!("the ticket refused: {refusal:?}")),
            Stepped::Gone => Err("the ticket is gone".to_owned()),
        }
    }
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
        let grant = grant("42", party, &origin).await.unwrap();
        assert_eq!((grant.user(), grant.attempt()), ("42", 1));
    }
}
