//! The message that a process publishes after a write: the ticket's id and, after a space, its final state as JSON if
//! it has ended.
//!
//! An attacker who can publish can announce a false end, just as one who can write can delete a row. That ends a
//! ticket and opens none.

use serde::{Deserialize, Serialize};

use super::remembered::{end_of, lasts};
use super::row;
use crate::ticket::{State, Ticket};
use crate::token::TicketId;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) state: State,
    /// How long it is remembered, in seconds.
    pub(super) lasts: u64,
}

/// The message for a ticket as it was written.
pub(crate) fn encode(id: &TicketId, ticket: &Ticket) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = row::name(id).into_bytes();
    if let Some(state) = end_of(&ticket.state) {
        text.push(b' ');
        serde_json::to_writer(&mut text, &End { state, lasts: lasts(ticket).as_secs() })?;
    }
    Ok(text)
}

/// Reads a message. `None` without a ticket's id; a malformed end is ignored.
pub(crate) fn decode(text: &[u8]) -> Option<(TicketId, Option<End>)> {
    let mut parts = text.splitn(2, |byte| *byte == b' ');
    let id = row::named(parts.next()?)?;
    let end: Option<End> = parts.next().and_then(|json| serde_json::from_slice(json).ok());
    Some((id, end))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;
    use crate::ticket::fixture::Scene;

    #[test]
    fn an_end_is_announced_without_its_cookies_and_a_change_by_name_alone() {
        let scene = Scene::new(Timestamp(1_790_000_000_000));
        let now = scene.record.issued + Duration::from_secs(1);
        let text = encode(&scene.id(), &scene.ticket()).unwrap();
        assert_eq!(decode(&text), Some((scene.id(), None)));
        assert_eq!(text, row::name(&scene.id()).into_bytes());
        let begun = scene.redeems(scene.approved(now), now).unwrap();
        let spent =
            begun.ticket.finish_redeem(now, &begun.with.unwrap().lease, scene.sealed_response(), None).unwrap().ticket;
        let (id, end) = decode(&encode(&scene.id(), &spent).unwrap()).unwrap();
        let end = end.unwrap();
        assert_eq!((id, end.lasts), (scene.id(), 240));
        assert!(matches!(end.state, State::Spent(spent) if spent.response.is_empty()));
    }

    proptest! {
        #[test]
        fn no_announcement_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&text);
        }
    }
}
