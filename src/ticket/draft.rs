//! A new ticket: everything that is drawn, derived and sealed at a mint.

use std::time::Duration;

use super::state::{LEFT_BY_A_CLAIM, State, Ticket};
use crate::clock::Timestamp;
use crate::origin::Origin;
use crate::secret::NoRandomness;
use crate::token::{Approval, BrowserId, Desk, Opened, PageFacts, Party, Record, TicketId, TicketSecrets, Token};

/// The sign-in that a code is asked for.
#[derive(Clone)]
pub struct SignIn {
    /// The user id, as the application gave it.
    pub user: String,
    /// The display name, where there is one.
    pub name: Option<String>,
    /// When the person last authenticated, in seconds since the epoch.
    pub auth_time: Option<u64>,
    /// The computer's session cookies, as one `Cookie` value.
    pub session: String,
    /// The computer that will show the code.
    pub computer: Party,
    /// Its `User-Agent` as it came.
    pub user_agent: Option<Vec<u8>>,
    /// Where the phone lands, if the computer asked for a place.
    pub next: Option<String>,
    pub approval: Approval,
}

/// A ticket that is ready to be stored, and what only its maker knows of it.
pub struct Draft {
    pub ticket: Ticket,
    /// The secret in the QR link.
    pub token: Token,
    pub opened: Opened,
    /// What the row seals for the phone.
    pub record: Record,
    /// What the row seals for the page with the code.
    pub facts: PageFacts,
}

impl Draft {
    /// Draws a ticket under the newest secret. `issued` is the store's time.
    pub fn new(
        sign_in: SignIn,
        browser: &BrowserId,
        secrets: &TicketSecrets,
        origin: &Origin,
        issued: Timestamp,
        lifetime: Duration,
    ) -> Result<Draft, NoRandomness> {
        let SignIn { user, name, auth_time, session, computer, user_agent, next, approval } = sign_in;
        let key = secrets.newest();
        let anchor = key.anchor(&user, browser);
        let (token, opened) = key.mint(anchor.shard())?;
        let desk = Desk::random(anchor.shard())?;
        let (view, exp) = (desk.view(), issued + lifetime);
        let end = exp + LEFT_BY_A_CLAIM;
        let issuer = computer;
        let record = Record { user, name, issued, end, next, approval, issuer, user_agent, auth_time, session, desk };
        let facts = record.facts(None, None);
        let ticket = Ticket {
            key_id: key.id(),
            anchor,
            view: view.index(),
            issued,
            exp,
            end,
            contested: false,
            expiry_noted: false,
            state: State::Issued,
            record: opened.seal_record(&record, origin)?.into(),
            page: key.seal_page(&opened.id(), &view, &facts)?.into(),
        };
        Ok(Draft { ticket, token, opened, record, facts })
    }

    /// What the store calls the ticket.
    pub fn id(&self) -> TicketId {
        self.opened.id()
    }
}
