//! A new ticket: everything that a mint generates, derives and seals.

use std::time::Duration;

use super::state::{LEFT_BY_A_CLAIM, State, Ticket};
use crate::clock::Timestamp;
use crate::origin::Origin;
use crate::secret::NoRandomness;
use crate::stay::Stay;
use crate::token::{Approval, BrowserId, Desk, Opened, PageFacts, Party, Record, TicketId, TicketSecrets, Token};

/// The sign-in that a code is requested for.
#[derive(Clone)]
pub struct SignIn {
    pub user: String,
    pub name: Option<String>,
    /// What names the account before the sign-in, in place of a masked name.
    pub account_hint: Option<String>,
    /// When the person last authenticated, in seconds since the epoch.
    pub auth_time: Option<u64>,
    /// The computer's session cookies, as one `Cookie` value.
    pub session: String,
    pub computer: Party,
    /// Its `User-Agent` as it came.
    pub user_agent: Option<Vec<u8>>,
    /// The path that the phone lands on, if the computer named one.
    pub next: Option<String>,
    pub approval: Approval,
    /// The lengths of session to choose from, the default first.
    pub stay: Vec<Stay>,
}

/// A ticket that is ready to be stored, with the secrets that the store must not learn.
pub struct Draft {
    pub ticket: Ticket,
    pub token: Token,
    pub opened: Opened,
    /// Sealed in the row for the phone.
    pub record: Record,
    /// Sealed in the row for the page with the code.
    pub facts: PageFacts,
}

impl Draft {
    /// Generates a ticket under the newest secret. `issued` is the store's time.
    pub fn new(
        sign_in: SignIn,
        browser: &BrowserId,
        secrets: &TicketSecrets,
        origin: &Origin,
        issued: Timestamp,
        lifetime: Duration,
    ) -> Result<Draft, NoRandomness> {
        let SignIn { user, name, account_hint, auth_time, session, computer, user_agent, next, approval, stay } =
            sign_in;
        let key = secrets.newest();
        let anchor = key.anchor(&user, browser);
        let (token, opened) = key.mint(anchor.shard())?;
        let desk = Desk::random(anchor.shard())?;
        let (view, exp) = (desk.view(), issued + lifetime);
        let end = exp + LEFT_BY_A_CLAIM;
        let record = Record {
            user,
            name,
            account_hint,
            issued,
            end,
            next,
            approval,
            stay,
            issuer: computer,
            user_agent,
            auth_time,
            session,
            desk,
        };
        let facts = record.facts(None, None);
        let ticket = Ticket {
            key_id: key.id(),
            anchor,
            view: view.index(),
            issued,
            exp,
            end,
            contested: false,
            opened: false,
            expiry_noted: false,
            replayed: false,
            state: State::Issued,
            record: opened.for_record(origin).seal(&record)?.into(),
            page: key.for_page(&opened.id(), &view).seal(&facts)?.into(),
        };
        Ok(Draft { ticket, token, opened, record, facts })
    }

    pub fn id(&self) -> TicketId {
        self.opened.id()
    }
}
