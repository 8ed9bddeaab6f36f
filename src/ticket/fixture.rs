//! A code on ana's screen and phones around it, for tests of the rules and of the stores.

use std::time::Duration;

use bytes::Bytes;

use super::draft::{Draft, SignIn};
use super::redeem::Redeem;
use super::rules::{Refusal, Step};
use super::state::Ticket;
use crate::clock::Timestamp;
use crate::origin::Origin;
use crate::token::*;

pub(crate) const LIFETIME: Duration = Duration::from_secs(120);
pub(crate) const LEASE: Duration = Duration::from_secs(13);

/// A code, and the browsers and secrets around it.
pub(crate) struct Scene {
    pub secrets: TicketSecrets,
    pub computer: BrowserId,
    pub phone: ClaimKey,
    pub token: Token,
    pub opened: Opened,
    pub desk: Desk,
    pub origin: Origin,
    pub record: Record,
    ticket: Ticket,
}

impl Scene {
    pub(crate) fn new(issued: Timestamp) -> Scene {
        Scene::of(TicketSecrets::random().unwrap(), BrowserId::random().unwrap(), issued)
    }

    /// Another code for the same secrets and computer.
    pub(crate) fn of(secrets: TicketSecrets, computer: BrowserId, issued: Timestamp) -> Scene {
        let origin = Origin::parse("https://app.example").unwrap();
        let sign_in = SignIn {
            user: "ana".to_owned(),
            name: Some("Ana Example".to_owned()),
            account_hint: None,
            auth_time: Some(issued.seconds().saturating_sub(600)),
            session: "sessionid=p1x7qmz0w3e8r5t2y6u9i4o1a7s3d5f8".to_owned(),
            computer: Party { address: Some([203, 0, 113, 7].into()), label: "Firefox on Linux".to_owned() },
            user_agent: Some(b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_vec()),
            next: Some("/inbox?page=2".to_owned()),
            approval: Approval::Number,
            stay: Vec::new(),
        };
        let draft = Draft::new(sign_in, &computer, &secrets, &origin, issued, LIFETIME).unwrap();
        let Draft { token, opened, record, ticket, .. } = draft;
        let (phone, desk) = (ClaimKey::random().unwrap(), record.desk.clone());
        Scene { secrets, computer, phone, token, opened, desk, origin, record, ticket }
    }

    pub(crate) fn approved_by_tap(mut self) -> Scene {
        self.record.approval = Approval::Phone;
        self
    }

    pub(crate) fn id(&self) -> TicketId {
        self.opened.id()
    }

    pub(crate) fn claim(&self) -> ClaimMac {
        self.opened.claim_mac(&self.phone)
    }

    pub(crate) fn number(&self) -> u8 {
        self.opened.number(&self.claim())
    }

    pub(crate) fn facts(&self, phone: Option<Party>) -> PageFacts {
        let same_network = phone.as_ref().map(|_| true);
        self.record.facts(phone, same_network)
    }

    pub(crate) fn page(&self) -> Vec<u8> {
        self.secrets.newest().for_page(&self.id(), &self.desk.view()).seal(&self.facts(None)).unwrap()
    }

    pub(crate) fn ticket(&self) -> Ticket {
        let record = self.opened.for_record(&self.origin).seal(&self.record).unwrap().into();
        Ticket { record, ..self.ticket.clone() }
    }

    pub(crate) fn claims(&self, ticket: Ticket, now: Timestamp) -> Result<Step, Refusal> {
        self.claims_as(&self.phone, ticket, now)
    }

    pub(crate) fn claims_as(&self, phone: &ClaimKey, ticket: Ticket, now: Timestamp) -> Result<Step, Refusal> {
        ticket.claim(now, &self.opened, self.opened.claim_mac(phone), &self.record, Bytes::from(self.page()), None)
    }

    pub(crate) fn approves(&self, ticket: Ticket, now: Timestamp, number: u8) -> Result<Step, Refusal> {
        let typed_for = ticket.binding().map(|binding| binding.claim);
        ticket.approve(now, &self.id(), self.opened.key(), typed_for, number, None)
    }

    pub(crate) fn redeems(&self, ticket: Ticket, now: Timestamp) -> Result<Step<Option<Redeem>>, Refusal> {
        ticket.begin_redeem(now, &self.opened, &self.claim(), &self.record, None, LEASE)
    }

    pub(crate) fn response(&self) -> RedeemResponse {
        RedeemResponse { cookies: vec![b"sessionid=new\xff; Path=/; HttpOnly".to_vec()], location: "/inbox".to_owned() }
    }

    pub(crate) fn sealed_response(&self) -> Bytes {
        self.opened.for_response(&self.phone).seal(&self.response()).unwrap().into()
    }

    pub(crate) fn session(&self) -> NewSession {
        NewSession {
            user: self.record.user.clone(),
            name: "session 7 of ana".to_owned(),
            login_id: self.opened.hook_id(),
            revoke_id: self.opened.revoke_id(),
            issued: self.record.issued,
        }
    }

    pub(crate) fn sealed_session(&self) -> Bytes {
        let key = self.secrets.newest();
        key.for_session(&self.id(), &self.desk, &self.origin).seal(&self.session()).unwrap().into()
    }

    /// A ticket that the phone may finish.
    pub(crate) fn approved(&self, now: Timestamp) -> Ticket {
        let claimed = self.claims(self.ticket(), now).unwrap().ticket;
        self.approves(claimed, now, self.number()).unwrap().ticket
    }
}
