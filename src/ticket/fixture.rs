//! A code on ana's screen and phones around it, for tests of the rules and of the stores.

use std::time::Duration;

use bytes::Bytes;

use super::draft::{Issue, end_of};
use super::redeem::Redeem;
use super::rules::{Refusal, Step};
use super::state::Ticket;
use crate::clock::Timestamp;
use crate::origin::Origin;
use crate::token::*;

pub(crate) const LIFETIME: Duration = Duration::from_secs(120);
pub(crate) const LEASE: Duration = Duration::from_secs(13);

/// A code and everybody who has to do with it.
pub(crate) struct Scene {
    pub secrets: TicketSecrets,
    pub computer: BrowserId,
    pub phone: ClaimKey,
    pub token: Token,
    pub opened: Opened,
    pub desk: Desk,
    pub origin: Origin,
    pub record: Record,
}

impl Scene {
    pub(crate) fn new(issued: Timestamp) -> Scene {
        Scene::of(TicketSecrets::random().unwrap(), BrowserId::random().unwrap(), issued)
    }

    /// Another code for the same secrets and computer.
    pub(crate) fn of(secrets: TicketSecrets, computer: BrowserId, issued: Timestamp) -> Scene {
        let shard = secrets.newest().anchor("ana", &computer).shard();
        let token = Token::mint(secrets.newest().id(), shard).unwrap();
        let opened = secrets.open(&token).unwrap();
        let desk = Desk::random(shard).unwrap();
        let record = Record {
            user: "ana".to_owned(),
            name: Some("Ana Example".to_owned()),
            issued,
            end: end_of(issued, LIFETIME),
            next: Some("/inbox?page=2".to_owned()),
            approval: Approval::Number,
            issuer: Party { address: Some([203, 0, 113, 7].into()), label: "Firefox on Linux".to_owned() },
            user_agent: Some(b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_vec()),
            auth_time: Some(issued.seconds().saturating_sub(600)),
            session: "sessionid=p1x7qmz0w3e8r5t2y6u9i4o1a7s3d5f8".to_owned(),
            desk: desk.clone(),
        };
        let origin = Origin::parse("https://app.example").unwrap();
        Scene { secrets, computer, phone: ClaimKey::random().unwrap(), token, opened, desk, origin, record }
    }

    pub(crate) fn approved_by_tap(mut self) -> Scene {
        self.record.approval = Approval::Phone;
        self
    }

    pub(crate) fn id(&self) -> TicketId {
        self.opened.id()
    }

    pub(crate) fn claim(&self) -> Claim {
        self.opened.claim(&self.phone)
    }

    pub(crate) fn number(&self) -> u8 {
        self.opened.number(&self.claim())
    }

    pub(crate) fn facts(&self, phone: Option<Party>) -> PageFacts {
        let same_network = phone.as_ref().map(|_| true);
        PageFacts { user: "ana".to_owned(), computer: self.record.issuer.clone(), phone, same_network, next: None }
    }

    pub(crate) fn page(&self) -> Vec<u8> {
        self.secrets.newest().seal_page(&self.id(), &self.desk.view(), &self.facts(None)).unwrap()
    }

    pub(crate) fn ticket(&self) -> Ticket {
        Ticket::issue(Issue {
            key_id: self.token.key_id(),
            anchor: self.secrets.newest().anchor("ana", &self.computer),
            view: self.desk.view().index(),
            issued: self.record.issued,
            lifetime: LIFETIME,
            record: self.opened.seal_record(&self.record, &self.origin).unwrap(),
            page: self.page(),
        })
    }

    pub(crate) fn claims(&self, ticket: Ticket, now: Timestamp) -> Result<Step, Refusal> {
        self.claims_as(&self.phone, ticket, now)
    }

    pub(crate) fn claims_as(&self, phone: &ClaimKey, ticket: Ticket, now: Timestamp) -> Result<Step, Refusal> {
        ticket.claim(now, &self.opened, self.opened.claim(phone), &self.record, Bytes::from(self.page()))
    }

    pub(crate) fn approves(&self, ticket: Ticket, now: Timestamp, number: u8) -> Result<Step, Refusal> {
        let told = ticket.binding().map(|binding| binding.claim);
        ticket.approve(now, &self.id(), self.opened.key(), told, number)
    }

    pub(crate) fn redeems(&self, ticket: Ticket, now: Timestamp) -> Result<Step<Option<Redeem>>, Refusal> {
        ticket.begin_redeem(now, &self.opened, &self.claim(), &self.record, None, LEASE)
    }

    pub(crate) fn answer(&self) -> Answer {
        Answer { cookies: vec![b"sessionid=new\xff; Path=/; HttpOnly".to_vec()], location: "/inbox".to_owned() }
    }

    pub(crate) fn sealed_answer(&self) -> Bytes {
        self.opened.seal_answer(&self.answer(), &self.phone).unwrap().into()
    }

    /// A ticket that the phone may finish.
    pub(crate) fn approved(&self, now: Timestamp) -> Ticket {
        let claimed = self.claims(self.ticket(), now).unwrap().ticket;
        self.approves(claimed, now, self.number()).unwrap().ticket
    }
}
