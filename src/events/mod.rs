//! Delivers the events of the store's queue to the application's receiver (`[events]`).
//!
//! Each event is delivered at least once, and those of one ticket in order. Of all processes on one store one delivers,
//! as long as it renews its lease; another one takes over when it dies. A call begins only if it must end before the
//! lease does. No request waits for any of this.

mod schedule;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::application::{Call, LONGEST_CALL, Receiver, Undelivered};
use crate::clock::{Clock, Timestamp};
use crate::secret::random_fraction;
use crate::store::{Queued, QueuedEvent, Store, StoreError};
use crate::telemetry::metrics::EventOutcome;
use crate::telemetry::{Telemetry, Topic};
use crate::token::{EventMessage, TicketId, TicketSecrets};
use schedule::{Schedule, pause};

/// How long an event is tried.
const TRIED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Calls at a time.
const AT_ONCE: usize = 16;
/// Shards read at a time, so that an unreachable node of a cluster leaves room for calls.
const READ_AT_ONCE: usize = 4;
/// The length of the lease.
const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed, or asked for.
const RENEW: Duration = Duration::from_secs(2);
/// How often all shards are read, for events whose announcement was lost.
const SWEEP: Duration = Duration::from_secs(30);

/// What delivering takes.
pub struct Delivery<'a> {
    /// Whether a failure was logged, and no recovery since.
    pub failing: Cell<bool>,
    pub store: &'a Store,
    pub secrets: &'a TicketSecrets,
    pub receiver: &'a Receiver,
    pub telemetry: &'a Telemetry,
    /// A unique name of this process.
    pub process: &'a str,
}

/// Why delivering ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The configuration has changed: calls under way are completed.
    Changed,
    /// The process ends: what is due is sent, and another process may take over at once.
    Stopped,
}

enum Work {
    Lead,
    Read { shard: u8, read_at: u64 },
    Send(TicketId, QueuedEvent),
    Discard(u8, Vec<QueuedEvent>),
}

enum Done {
    /// The time of the request, and its result.
    Led(Instant, Result<bool, StoreError>),
    Read {
        shard: u8,
        read_at: u64,
        queued: Result<Queued, StoreError>,
    },
    Settled(TicketId, QueuedEvent),
    Failed(TicketId, Duration),
    Discarded,
}

/// What is known of the queue, and of this process' part in delivering it.
#[derive(Default)]
struct State {
    schedule: Schedule,
    to_read: BTreeSet<u8>,
    /// How many shards are being read.
    reading: usize,
    /// Shards that could not be read; they are read again when the lease is renewed.
    missed: BTreeSet<u8>,
    /// The end of the lease, while this process holds it.
    held_until: Option<Instant>,
    /// When all shards were last read. `None`: as soon as possible.
    swept: Option<Instant>,
}

impl Delivery<'_> {
    /// Delivers until `ends`.
    pub async fn run(&self, ends: impl Future<Output = End>) -> End {
        let now = Instant::now();
        let mut state = State::default();
        let mut work = FuturesUnordered::new();
        let mut ends = pin!(ends);
        let mut end = None;
        let mut tick = interval(RENEW);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if state.leads() && end != Some(End::Changed) {
                while work.len() < AT_ONCE
                    && let Some(next) = state.next_work()
                {
                    work.push(self.perform(next));
                }
            }
            if work.is_empty() && end.is_some() {
                break;
            }
            let due = state.schedule.next_due().filter(|_| state.leads() && work.len() < AT_ONCE);
            tokio::select! {
                Some(done) = work.next(), if !work.is_empty() => {
                    work.extend(self.note(&mut state, done).map(|next| self.perform(next)));
                }
                shards = self.store.shards_with_new_events() => state.to_read.extend(shards),
                () = sleep_until(due.unwrap_or(now)), if due.is_some() && end.is_none() => {}
                _ = tick.tick() => {
                    self.report(&mut state);
                    work.push(self.perform(Work::Lead));
                }
                ended = &mut ends, if end.is_none() => {
                    state.to_read.extend(self.store.shards_with_new_events().now_or_never().unwrap_or_default());
                    end = Some(ended);
                }
            }
        }
        if end == Some(End::Stopped) && state.leads() {
            // The shortest lease gives it up.
            drop(self.store.lead(self.process, Duration::from_millis(1)).await);
        }
        end.unwrap_or(End::Stopped)
    }

    async fn perform(&self, work: Work) -> Done {
        match work {
            Work::Lead => {
                let asked = Instant::now();
                Done::Led(asked, self.store.lead(self.process, LEASE).await)
            }
            Work::Read { shard, read_at } => Done::Read { shard, read_at, queued: self.store.queued(shard).await },
            Work::Send(id, event) => match self.deliver(&id, &event).await {
                Ok(()) => Done::Settled(id, event),
                Err(pause) => Done::Failed(id, pause),
            },
            Work::Discard(shard, events) => {
                for event in &events {
                    self.dropped("it is not qrgate's");
                    drop(self.store.remove_event(shard, event).await);
                }
                Done::Discarded
            }
        }
    }

    /// Takes note of work that is done. Returns work that follows from it.
    fn note(&self, state: &mut State, done: Done) -> Option<Work> {
        let now = Instant::now();
        match done {
            Done::Led(asked, Ok(true)) => {
                state.held_until = state.held_until.max(Some(asked + LEASE));
                state.to_read.append(&mut state.missed);
                if state.swept.is_none_or(|swept| now >= swept + SWEEP) {
                    state.sweep(now);
                }
            }
            Done::Led(_, Ok(false)) => state.follow(),
            // The lease may still be held; it ends by itself.
            Done::Led(_, Err(_)) => state.swept = None,
            Done::Discarded => {}
            Done::Read { shard, queued: Err(_), .. } => {
                state.reading -= 1;
                state.missed.insert(shard);
            }
            Done::Read { shard, read_at, queued: Ok(queued) } => {
                state.reading -= 1;
                match state.schedule.list(shard, read_at, queued, now) {
                    None => drop(state.to_read.insert(shard)),
                    Some(foreign) if foreign.is_empty() => {}
                    Some(foreign) => return Some(Work::Discard(shard, foreign)),
                }
            }
            Done::Settled(id, event) => {
                if state.schedule.settle(id, &event, now) {
                    state.to_read.insert(id.shard);
                }
            }
            Done::Failed(id, pause) => state.schedule.wait_until(id, now + pause),
        }
        None
    }

    /// Sends an event and removes it from the queue.
    ///
    /// # Errors
    ///
    /// How long to wait before the next try.
    async fn deliver(&self, id: &TicketId, event: &QueuedEvent) -> Result<(), Duration> {
        let now = Clock::System.now();
        let message = event.parts().and_then(|(_, sealed)| self.secrets.open_event(id, sealed));
        let age = message.as_ref().map_or(Duration::ZERO, |message| age(message, now));
        let later = |retry_after| pause(age, retry_after, random_fraction());
        match &message {
            None => self.dropped("no ticket secret of this process opens it"),
            Some(_) if age > TRIED_FOR => self.dropped("it was not delivered in 24 hours"),
            Some(message) => match self.send(message, now).await {
                Ok(()) => self.telemetry.metrics().event(EventOutcome::Delivered),
                Err(error) if error.is_gone() => self.dropped("the receiver responded 410: it wants no events"),
                Err(error) => return Err(later(error.retry_after())),
            },
        }
        // What cannot be removed is sent again: at least once.
        self.store.remove_event(id.shard, event).await.map_err(|_| later(None))
    }

    async fn send(&self, message: &EventMessage, now: Timestamp) -> Result<(), Undelivered> {
        let (id, content) = (message.webhook_id(), message.to_json());
        let url = self.receiver.called();
        let sent = self.receiver.send(Call { id: &id, timestamp: now.seconds(), content: &content }).await;
        match &sent {
            Ok(()) if self.failing.take() => {
                self.telemetry.info("events are delivered again", &[("url", &url)]);
            }
            Ok(()) => {}
            Err(error) => {
                self.telemetry.metrics().event(EventOutcome::Failed);
                self.telemetry.failed("events", error);
                if self.telemetry.is_first(Topic::Events, url) {
                    self.failing.set(true);
                    let fields: [(&str, &dyn Display); 3] = [("url", &url), ("type", &message.kind), ("cause", error)];
                    self.telemetry.warn("an event was not delivered", &fields);
                }
            }
        }
        sent
    }

    fn dropped(&self, cause: &str) {
        self.telemetry.metrics().event(EventOutcome::Dropped);
        let url = self.receiver.called();
        self.telemetry.warn_once(
            Topic::DroppedEvents,
            cause,
            "an event was dropped",
            &[("url", &url), ("cause", &cause)],
        );
    }

    /// Updates the gauges, and counts the events that found their queue full.
    fn report(&self, state: &mut State) {
        for _ in 0..self.store.take_refused_events() {
            self.dropped("too many events wait");
        }
        if state.held_until.is_some_and(|until| until <= Instant::now()) {
            state.follow();
        }
        let clock = Clock::System.now();
        let opened = state.schedule.oldest().filter_map(|event| {
            let (id, sealed) = event.parts()?;
            self.secrets.open_event(&id, sealed)
        });
        let oldest = opened.map(|message| age(&message, clock)).max();
        self.telemetry.metrics().events_queued(state.schedule.count(), oldest.unwrap_or_default());
    }
}

impl State {
    /// Whether a call that begins now ends before the lease.
    fn leads(&self) -> bool {
        self.held_until.is_some_and(|until| Instant::now() + LONGEST_CALL < until)
    }

    /// Another process delivers, or may.
    fn follow(&mut self) {
        (self.held_until, self.swept) = (None, None);
        self.schedule.clear();
    }

    /// Reads all shards.
    fn sweep(&mut self, now: Instant) {
        self.swept = Some(now);
        self.to_read = (0..=u8::MAX).collect();
    }

    fn next_work(&mut self) -> Option<Work> {
        if let Some((id, event)) = self.schedule.next(Instant::now()) {
            return Some(Work::Send(id, event));
        }
        let shard = (self.reading < READ_AT_ONCE).then(|| self.to_read.pop_first()).flatten()?;
        self.reading += 1;
        Some(Work::Read { shard, read_at: self.schedule.settled(shard) })
    }
}

fn age(message: &EventMessage, now: Timestamp) -> Duration {
    Duration::from_secs(now.seconds().saturating_sub(message.at))
}

#[cfg(test)]
mod tests;
