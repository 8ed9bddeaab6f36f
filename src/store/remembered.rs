//! Tickets that this process knows to have ended, from its own steps or from another process.
//!
//! Rows in Redis prove no freshness: a failover can restore the row of an ended ticket, because replication is
//! asynchronous, and so can an attacker with write access. A process refuses a ticket that it knows to have ended,
//! whatever the row says.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;

use bytes::Bytes;
use tokio::time::Instant;

use crate::clock::{Timestamp, whole_millis};
use crate::ticket::{Replaced, State, TOMBSTONE, Ticket};
use crate::token::TicketId;

/// Maximum ended tickets, about 1,000 a second at the default lifetime. Beyond that the oldest are dropped, and all
/// tickets minted before the end of a dropped one count as ended.
const MAX_ENDED: usize = 262_144;

/// The longest time that a row can exist: the longest lifetime, what a claim adds, and a tombstone.
const LONGEST: Duration = Duration::from_secs(10 * 60 + 60 + 60);

/// Ended tickets, each until its sealed end has passed.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Ends>);

#[derive(Debug, Default)]
struct Ends {
    states: HashMap<TicketId, State>,
    /// In the order of their ends.
    noted: VecDeque<Noted>,
    /// When the latest of those ended that were dropped before their time.
    lost: Option<Instant>,
}

#[derive(Debug)]
struct Noted {
    id: TicketId,
    at: Instant,
    lasts: Duration,
}

impl Remembered {
    /// Remembers a ticket that has ended, and corrects a row that has not although the ticket is known to have ended.
    /// `now` is the store's time.
    pub(super) fn check(&self, id: &TicketId, ticket: &mut Ticket, now: Timestamp) {
        let mut ends = self.0.lock();
        ends.forget();
        match end_of(&ticket.state) {
            Some(end) => ends.note(id, end, lasts(ticket)),
            None => {
                if let Some(end) = ends.end(id, ticket, now) {
                    ticket.state = end;
                }
            }
        }
    }

    /// Remembers an end that another process announced. Other states are ignored.
    pub(super) fn note(&self, id: &TicketId, state: &State, lasts: Duration) {
        let mut ends = self.0.lock();
        ends.forget();
        if let Some(end) = end_of(state) {
            ends.note(id, end, lasts);
        }
    }
}

/// How long the end of a ticket is remembered: no step begins after its `end`, which the record seals.
pub(super) fn lasts(ticket: &Ticket) -> Duration {
    (ticket.issued.until(ticket.end) + TOMBSTONE).min(LONGEST)
}

/// The final state as it is remembered and announced, without the sealed cookies and session. `None` while the ticket
/// is live.
pub(super) fn end_of(state: &State) -> Option<State> {
    match state {
        State::Issued | State::Claimed(_) | State::Approved(_) => None,
        State::Spent(spent) => {
            let mut spent = spent.clone();
            (spent.response, spent.undo) = (Bytes::new(), None);
            Some(State::Spent(spent))
        }
        over @ (State::Undone(_) | State::Declined(_) | State::Replaced(_)) => Some(over.clone()),
    }
}

impl Ends {
    fn note(&mut self, id: &TicketId, end: State, lasts: Duration) {
        if self.states.contains_key(id) {
            return;
        }
        if self.states.len() >= MAX_ENDED
            && let Some(oldest) = self.noted.pop_front()
        {
            self.states.remove(&oldest.id);
            self.lost = Some(oldest.at);
        }
        self.states.insert(*id, end);
        self.noted.push_back(Noted { id: *id, at: Instant::now(), lasts: lasts.min(LONGEST) });
    }

    fn end(&self, id: &TicketId, ticket: &Ticket, now: Timestamp) -> Option<State> {
        if let Some(end) = self.states.get(id) {
            return Some(end.clone());
        }
        // The store's time when the last dropped one ended: it may have been this ticket.
        let lost = now.0.saturating_sub(whole_millis(self.lost?.elapsed()));
        (ticket.issued.0 <= lost).then(|| State::Replaced(Replaced { binding: ticket.binding().copied() }))
    }

    fn forget(&mut self) {
        while self.noted.front().is_some_and(|noted| noted.at.elapsed() >= noted.lasts) {
            let Some(Noted { id, .. }) = self.noted.pop_front() else { return };
            self.states.remove(&id);
        }
        if self.lost.is_some_and(|lost| lost.elapsed() >= LONGEST) {
            self.lost = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::fixture::{LIFETIME, Scene};

    const MINTED: Timestamp = Timestamp(1_790_000_000_000);

    fn ended(scene: &Scene) -> Ticket {
        scene.ticket().decline(MINTED + Duration::from_secs(1)).unwrap().ticket
    }

    fn seen(remembered: &Remembered, scene: &Scene) -> bool {
        let mut ticket = scene.ticket();
        remembered.check(&scene.id(), &mut ticket, MINTED + Duration::from_secs(2));
        ticket.state != State::Issued
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_ticket_is_refused_until_its_last_possible_end() {
        let (remembered, scene, other) = (Remembered::default(), Scene::new(MINTED), Scene::new(MINTED));
        let ticket = ended(&scene);
        remembered.note(&scene.id(), &ticket.state, lasts(&ticket));
        assert!(seen(&remembered, &scene) && !seen(&remembered, &other));
        tokio::time::advance(LIFETIME + Duration::from_secs(119)).await;
        assert!(seen(&remembered, &scene));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!seen(&remembered, &scene), "its sealed end is over");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_announced_ends_tickets_and_never_revives_one() {
        let (remembered, scene) = (Remembered::default(), Scene::new(MINTED));
        remembered.note(&scene.id(), &scene.ticket().state, Duration::MAX);
        assert!(!seen(&remembered, &scene));
        let ticket = ended(&scene);
        remembered.note(&scene.id(), &ticket.state, Duration::MAX);
        remembered.note(&scene.id(), &scene.ticket().state, Duration::MAX);
        assert!(seen(&remembered, &scene));
        tokio::time::advance(LONGEST).await;
        assert!(!seen(&remembered, &scene), "an announced duration is bounded");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_announcements_makes_no_process_forget_an_end() {
        let (remembered, scene) = (Remembered::default(), Scene::new(MINTED));
        let ticket = ended(&scene);
        remembered.note(&scene.id(), &ticket.state, lasts(&ticket));
        let (state, lasts) = (ticket.state.clone(), lasts(&ticket));
        for made_up in 0..MAX_ENDED as u64 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&made_up.to_be_bytes());
            remembered.note(&TicketId { shard: 0, id }, &state, lasts);
        }
        assert!(seen(&remembered, &scene), "what may have been forgotten is refused");
        tokio::time::advance(Duration::from_secs(10)).await;
        let later = Scene::new(MINTED + Duration::from_secs(6));
        let mut fresh = later.ticket();
        remembered.check(&later.id(), &mut fresh, MINTED + Duration::from_secs(12));
        assert_eq!(fresh.state, State::Issued, "what was minted since is not");
        assert!(remembered.0.lock().states.len() <= MAX_ENDED);
    }
}
