//! GET `/qr/status/<view>`: the status for the page with the code, once or as server-sent events.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{StatusCode, header};
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::seconds_up;
use crate::config::SameNetwork;
use crate::device::Kind;
use crate::fault::Fault;
use crate::peer::PeerAddress;
use crate::reply::{Event, Reply};
use crate::stage::Stages;
use crate::store::{Row, Watch, readable};
use crate::ticket::Phase;
use crate::token::{PageFacts, TicketId, View};

use super::context::{Qr, Settings};
use super::visit::Visit;

/// Interval of comments in the stream, so that proxies do not time out.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// The status object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    state: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Device>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    contested: bool,
    /// A hint before the claim: another browser has opened the link.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    opened: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// While a number is expected: the claim that it is for. The page sends it back with the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<String>,
    /// While the sign-in can be undone: for how many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    undo: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Device {
    label: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    same_network: Option<bool>,
}

impl Status {
    pub fn of(row: &Row, facts: &PageFacts, settings: &Settings) -> Status {
        let phase = row.phase();
        let left = if phase.is_over() { Duration::ZERO } else { row.now.until(row.ticket.exp) };
        let device = facts.phone.as_ref().map(|phone| Device {
            label: phone.label.clone(),
            kind: Kind::of(&phone.label).as_str(),
            address: phone.address.map(|address| address.to_string()),
            same_network: facts.same_network.filter(|_| settings.same_network != SameNetwork::Off),
        });
        let reason = match phase {
            Phase::Declined(reason) => Some(reason.as_str()),
            _ => None,
        };
        let claim = row.ticket.binding().filter(|_| phase == Phase::Claimed).map(|binding| binding.claim.name());
        let expires_in = seconds_up(left);
        let undo = settings.undo.and_then(|_| row.ticket.undo_left(row.now)).map(|left| left.as_secs());
        let (contested, opened) = (row.ticket.contested, row.ticket.opened && phase == Phase::Issued);
        Status { state: phase.as_str(), expires_in, device, contested, opened, reason, claim, undo }
    }

    /// Whether anything but the remaining time differs.
    fn differs_from(&self, earlier: &Status) -> bool {
        Status { expires_in: 0, ..self.clone() } != Status { expires_in: 0, ..earlier.clone() }
    }
}

/// Returns the status object, or the stream of its changes.
pub async fn status(qr: &Rc<Qr>, visit: &Visit, view: &str) -> Result<Reply, Fault> {
    let not_found = || Reply::json(StatusCode::NOT_FOUND, &serde_json::json!({}));
    let peer = visit.asked.client.peer;
    // A request counts until it has found a ticket, and before the store is read.
    if let Err(retry_after) = qr.opens.admit(visit.asked.client) {
        let event = Event::computer_refused(visit.party(), "too many requests of this client");
        return Ok(Reply::try_later(retry_after).noting(event));
    }
    let Some(view) = View::parse(view) else { return Ok(not_found()) };
    // If the store fails, the request may not have been a guess.
    let forgive = |_: &Fault| qr.opens.forgive(visit.asked.client);
    let found = readable(qr.store.find(&view.index()).await).map_err(Fault::from).inspect_err(forgive)?;
    let Some(id) = found else { return Ok(not_found()) };
    // Watching begins before the first read, so that no change is missed between the two.
    let watch = qr.store.watch(&id);
    let looked = look(qr, peer, &id, &view).await.inspect_err(forgive)?;
    let Some((status, row)) = looked else { return Ok(not_found()) };
    qr.opens.forgive(visit.asked.client);
    if !wants_events(visit) {
        return Ok(Reply::json(StatusCode::OK, &status));
    }
    let (first, stages) = (event(&status), qr.stages.clone());
    let follow = Follow { qr: qr.clone(), peer, id, view, watch, stages, last: status, expiry: expiry_of(&row) };
    let over = row.phase().is_over();
    let rest = stream::unfold(Some(follow).filter(|_| !over), |follow| async move { follow?.next().await });
    let events = futures_util::StreamExt::chain(stream::once(std::future::ready(first)), rest);
    Ok(Reply::events(events))
}

/// Reads a ticket with its page facts. `None` if it is gone or the facts are not authentic.
pub async fn look(qr: &Qr, peer: PeerAddress, id: &TicketId, view: &View) -> Result<Option<(Status, Row)>, Fault> {
    let Some(row) = readable(qr.store.read(id).await)? else { return Ok(None) };
    let Some(facts) = qr.page_facts(id, view, &row) else { return Ok(None) };
    qr.note_expiry(peer, id, &row, || facts.clone()).await;
    Ok(Some((Status::of(&row, &facts, &qr.settings), row)))
}

fn wants_events(visit: &Visit) -> bool {
    // Case-insensitive (RFC 9110, section 8.3.1).
    visit.text(&header::ACCEPT).is_some_and(|accept| accept.to_ascii_lowercase().contains("text/event-stream"))
}

fn event(status: &Status) -> Bytes {
    let text = serde_json::to_string(status).unwrap_or_default();
    Bytes::from(format!("data: {text}\n\n"))
}

struct Follow {
    qr: Rc<Qr>,
    peer: PeerAddress,
    id: TicketId,
    view: View,
    watch: Watch,
    stages: Stages,
    last: Status,
    expiry: Instant,
}

/// The time just after expiry, when the ticket has expired for the store too.
fn expiry_of(row: &Row) -> Instant {
    Instant::now() + row.now.until(row.ticket.live_until()) + Duration::from_millis(20)
}

impl Follow {
    /// The next event or comment. The stream ends after a final state, when the store drops the ticket, and when the
    /// process drains.
    async fn next(mut self) -> Option<(Bytes, Option<Follow>)> {
        let silent_until = Instant::now() + COMMENT_EVERY;
        loop {
            tokio::select! {
                () = self.watch.changed() => {}
                // The page reconnects by itself, to the next process.
                () = self.stages.draining() => return None,
                () = sleep_until(self.expiry) => {}
                () = sleep_until(silent_until) => return Some((Bytes::from_static(b":\n\n"), Some(self))),
            }
            match look(&self.qr, self.peer, &self.id, &self.view).await {
                // The store failed: the page has its own timer and asks again.
                Err(_) => sleep(Duration::from_secs(1)).await,
                Ok(None) => return None,
                Ok(Some((status, row))) => {
                    self.expiry = expiry_of(&row);
                    if status.differs_from(&self.last) {
                        let bytes = event(&status);
                        self.last = status;
                        let over = row.phase().is_over();
                        return Some((bytes, Some(self).filter(|_| !over)));
                    }
                }
            }
        }
    }
}
