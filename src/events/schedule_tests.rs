//! The schedule against a queue, with whatever can happen in between.

use proptest::prelude::*;

use super::*;

/// An event of one of three tickets in one shard, or in the shard after it.
fn event(ticket: u8, number: u16) -> QueuedEvent {
    let id = TicketId { shard: 7 + ticket % 2, id: [ticket; 16] };
    QueuedEvent::new(&id, &number.to_be_bytes())
}

fn number(event: &QueuedEvent) -> u16 {
    u16::from_be_bytes(event.parts().unwrap().1.try_into().unwrap())
}

#[test]
fn pauses_double_up_to_an_hour_and_listen_to_retry_after_within_bounds() {
    let seconds = Duration::from_secs;
    let mut age = Duration::ZERO;
    let mut pauses = Vec::new();
    for _ in 0..13 {
        let next = pause(age, None, 0.0);
        pauses.push(next.as_secs());
        age += next;
    }
    assert_eq!(pauses, [5, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
    assert_eq!(pause(seconds(5), Some(seconds(120)), 0.0), seconds(120));
    assert_eq!(pause(seconds(200), Some(seconds(120)), 0.0), seconds(200));
    assert_eq!(pause(seconds(5), Some(seconds(1_000_000)), 0.0), seconds(3600));
    assert_eq!(pause(seconds(100), None, 1.0), seconds(125));
}

#[test]
fn a_list_that_was_read_before_an_event_was_settled_is_out_of_date() {
    let (mut schedule, now) = (Schedule::default(), Instant::now());
    let queued = Queued { count: 1, oldest: vec![event(0, 1)] };
    assert_eq!(schedule.list(7, 0, queued.clone(), now), Some(Vec::new()));
    let read_at = schedule.settled(7);
    let (id, sent) = schedule.next(now).unwrap();
    schedule.settle(id, &sent, now);
    assert_eq!(schedule.list(7, read_at, queued, now), None);
    assert_eq!(schedule.next(now), None, "a delivered event is not sent again");
}

#[test]
fn what_is_not_qrgates_is_reported_and_delays_nothing() {
    let (mut schedule, now) = (Schedule::default(), Instant::now());
    let elsewhere = event(1, 1);
    let queued = Queued { count: 2, oldest: vec![elsewhere.clone(), event(0, 1)] };
    assert_eq!(schedule.list(7, 0, queued, now), Some(vec![elsewhere]), "it names a ticket of another shard");
    assert_eq!(schedule.next(now).map(|(_, event)| event), Some(event(0, 1)));
}

/// What happens next. The numbers choose among what is possible.
#[derive(Clone, Debug)]
enum Happens {
    Queued(u8),
    Read(bool),
    ReadLate(bool),
    Started,
    Delivered(usize),
    Failed(usize),
    Lost,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        (0..3u8).prop_map(Happens::Queued),
        any::<bool>().prop_map(Happens::Read),
        any::<bool>().prop_map(Happens::ReadLate),
        Just(Happens::Started),
        Just(Happens::Started),
        (0..4usize).prop_map(Happens::Delivered),
        (0..4usize).prop_map(Happens::Failed),
        Just(Happens::Lost),
    ]
}

/// The store's queues, the schedule and what was sent.
#[derive(Default)]
struct World {
    schedule: Schedule,
    store: Vec<QueuedEvent>,
    sending: Vec<(TicketId, QueuedEvent)>,
    delivered: Vec<QueuedEvent>,
    late: Option<(u8, u64, Queued)>,
    queued: u16,
}

impl World {
    fn queue_of(&self, shard: u8) -> Queued {
        let of = self.store.iter().filter(|event| event.parts().unwrap().0.shard == shard);
        let events: Vec<_> = of.cloned().collect();
        Queued { count: events.len(), oldest: events.into_iter().take(3).collect() }
    }

    fn read(&mut self, shard: u8, now: Instant) {
        let (read_at, queued) = (self.schedule.settled(shard), self.queue_of(shard));
        assert_eq!(self.schedule.list(shard, read_at, queued, now), Some(Vec::new()));
    }

    fn happen(&mut self, what: Happens, now: Instant) {
        match what {
            Happens::Queued(ticket) => {
                self.queued += 1;
                self.store.push(event(ticket, self.queued));
            }
            Happens::Read(other) => self.read(7 + u8::from(other), now),
            Happens::ReadLate(other) => match self.late.take() {
                Some((shard, read_at, queued)) => {
                    self.schedule.list(shard, read_at, queued, now);
                }
                None => {
                    let shard = 7 + u8::from(other);
                    self.late = Some((shard, self.schedule.settled(shard), self.queue_of(shard)));
                }
            },
            Happens::Started => self.sending.extend(self.schedule.next(now)),
            Happens::Delivered(at) if at < self.sending.len() => {
                let (id, event) = self.sending.remove(at);
                self.store.retain(|queued| *queued != event);
                self.delivered.push(event.clone());
                self.schedule.settle(id, &event, now);
            }
            Happens::Failed(at) if at < self.sending.len() => {
                let (id, _) = self.sending.remove(at);
                self.schedule.wait_until(id, now + Duration::from_secs(1));
            }
            // Calls under way end before a lease does.
            Happens::Lost if self.sending.is_empty() => self.schedule.clear(),
            Happens::Delivered(_) | Happens::Failed(_) | Happens::Lost => {}
        }
        let mut tickets: Vec<_> = self.sending.iter().map(|(id, _)| *id).collect();
        tickets.dedup();
        assert_eq!(tickets.len(), self.sending.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len());
    }
}

proptest! {
    #[test]
    fn every_event_is_sent_once_and_in_order_of_its_ticket(steps in proptest::collection::vec(happens(), 0..80)) {
        let mut world = World::default();
        let mut now = Instant::now();
        for step in steps {
            world.happen(step, now);
            now += Duration::from_millis(100);
        }
        // From here on nothing fails.
        while !world.store.is_empty() {
            now += Duration::from_secs(10);
            while !world.sending.is_empty() {
                world.happen(Happens::Delivered(0), now);
            }
            world.read(7, now);
            world.read(8, now);
            world.happen(Happens::Started, now);
        }
        prop_assert_eq!(world.delivered.len(), usize::from(world.queued), "each once");
        for ticket in 0..3 {
            let numbers: Vec<u16> =
                world.delivered.iter().filter(|e| e.parts().unwrap().0.id == [ticket; 16]).map(number).collect();
            prop_assert!(numbers.is_sorted(), "{numbers:?}");
        }
        prop_assert_eq!(world.schedule.count(), 0);
        prop_assert_eq!(world.schedule.next_due(), None);
    }
}
