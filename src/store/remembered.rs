//! What this process has seen finish. A failover of Redis can bring a finished ticket back to life, because replication
//! is asynchronous; the process that saw it finish still refuses it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::ticket::{State, Ticket};
use crate::token::TicketId;

/// So many are remembered; beyond that the first to be forgotten anyway goes early.
const MOST: usize = 65_536;

/// Finished tickets, each until the store forgets it too.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Ends>);

#[derive(Debug, Default)]
struct Ends {
    states: HashMap<TicketId, (Timestamp, State)>,
    due: BTreeSet<(Timestamp, TicketId)>,
}

impl Remembered {
    /// Takes note of a finished ticket; of any other, corrects it if it was finished before.
    pub(super) fn check(&self, id: &TicketId, ticket: &mut Ticket, now: Timestamp) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.forget(now);
        let end = match &ticket.state {
            State::Issued | State::Claimed(_) | State::Approved(_) => {
                if let Some((_, state)) = ends.states.get(id) {
                    ticket.state = state.clone();
                }
                return;
            }
            // The cookies stay in the store: here it is enough that the ticket is spent.
            State::Spent(spent) => {
                let mut spent = spent.clone();
                spent.answer = Bytes::new();
                State::Spent(spent)
            }
            over @ (State::Declined(_) | State::Replaced(_)) => over.clone(),
        };
        let due = ticket.forget_at();
        if !ends.states.contains_key(id) {
            ends.states.insert(*id, (due, end));
            ends.due.insert((due, *id));
        }
    }
}

impl Ends {
    fn forget(&mut self, now: Timestamp) {
        while self.states.len() >= MOST || self.due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, id)) = self.due.pop_first() else { return };
            self.states.remove(&id);
        }
    }
}
