//! Many tickets in memory at once.

use std::time::Instant;

use super::*;
use crate::ticket::fixture::{LIFETIME, Scene};

const START: Timestamp = Timestamp(1_790_000_000_000);

/// Tickets that differ in what they are found by.
struct Crowd {
    ticket: Ticket,
}

impl Crowd {
    fn new() -> Crowd {
        Crowd { ticket: Scene::new(START).ticket() }
    }

    fn id(number: u64) -> TicketId {
        let mut id = [0; 16];
        // Spread as hashes are.
        id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        TicketId { shard: id[0], id }
    }

    fn mint(&mut self, memory: &Memory, number: u64) -> Result<Swapped, StoreError> {
        let id = Crowd::id(number);
        let mut hash = [0; 32];
        hash[..16].copy_from_slice(&id.id);
        (self.ticket.anchor, self.ticket.view) = (AnchorKey(hash), ViewIndex { shard: id.shard, hash });
        let anchor = Anchor::Take(None);
        memory.write(
            "mint",
            &Write { id, version: 0, ticket: &self.ticket, before: None, anchor, older: None, event: None },
        )
    }
}

#[test]
fn a_crowd_that_is_due_leaves_a_few_at_a_time() {
    const MANY: u64 = 20_000;
    let clock = Clock::manual(START);
    let memory = Memory::new(clock.clone(), MANY as usize);
    let mut crowd = Crowd::new();
    for number in 0..MANY {
        assert_eq!(crowd.mint(&memory, number).unwrap(), Swapped::Written);
    }
    assert!(matches!(crowd.mint(&memory, MANY), Err(StoreError::Full { op: "mint" })));
    assert_eq!(memory.len(), MANY as usize);
    clock.advance(LIFETIME * 10);
    let mut held = memory.len();
    while held > 0 {
        for shard in 0..=u8::MAX {
            drop(memory.enter(shard));
            assert!(held - memory.len() <= SWEEP, "{} went at once", held - memory.len());
            held = memory.len();
        }
    }
    for shard in 0..=u8::MAX {
        let (shard, _) = memory.enter(shard);
        assert!(shard.rows.is_empty() && shard.anchors.is_empty() && shard.views.is_empty() && shard.due.is_empty());
    }
}

#[test]
fn of_many_who_mint_at_once_no_one_gets_past_the_capacity() {
    let memory = Memory::new(Clock::manual(START), 1000);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let memory = &memory;
            scope.spawn(move || {
                let mut crowd = Crowd::new();
                for number in 0..1000 {
                    let _ = crowd.mint(memory, thread * 1000 + number);
                }
            });
        }
    });
    assert_eq!(memory.len(), 1000);
    // Whoever loses a swap takes no room.
    let lost = Memory::new(Clock::manual(START), 2);
    let mut crowd = Crowd::new();
    assert_eq!(crowd.mint(&lost, 1).unwrap(), Swapped::Written);
    assert_eq!(crowd.mint(&lost, 1).unwrap(), Swapped::Lost);
    assert_eq!(lost.len(), 1);
}

/// Prints what a mint, a reading and an access to a shard full of due tickets take, at 10³ to 10⁶ tickets.
#[test]
#[ignore = "a measurement: cargo test --release --lib a_million_tickets -- --ignored --nocapture"]
fn a_million_tickets_cost_as_little_as_a_thousand() {
    let mut reads = Vec::new();
    println!(
        "{:>9} {:>9} {:>9} {:>9} {:>12} {:>12}",
        "tickets", "mint", "read", "refused", "slowest mint", "slowest due"
    );
    for many in [1_000_u64, 10_000, 100_000, 1_000_000] {
        let clock = Clock::manual(START);
        let memory = Memory::new(clock.clone(), many as usize);
        let mut crowd = Crowd::new();
        let (mut slowest_mint, mut slowest_due) = (Duration::ZERO, Duration::ZERO);
        let began = Instant::now();
        for number in 0..many {
            let began = Instant::now();
            assert_eq!(crowd.mint(&memory, number).unwrap(), Swapped::Written);
            slowest_mint = slowest_mint.max(began.elapsed());
        }
        let mint = began.elapsed() / many as u32;
        let began = Instant::now();
        for number in 0..100_000 {
            assert!(memory.read(&Crowd::id(number * 7919 % many)).is_some());
        }
        let read = began.elapsed() / 100_000;
        let began = Instant::now();
        for number in 0..1000 {
            assert!(crowd.mint(&memory, many + number).is_err());
        }
        let refused = began.elapsed() / 1000;
        clock.advance(LIFETIME * 10);
        while memory.len() > 0 {
            for shard in 0..=u8::MAX {
                let began = Instant::now();
                drop(memory.enter(shard));
                slowest_due = slowest_due.max(began.elapsed());
            }
        }
        println!("{many:>9} {mint:>9.0?} {read:>9.0?} {refused:>9.0?} {slowest_mint:>12.0?} {slowest_due:>12.0?}");
        reads.push(read);
    }
    // Caches miss more often; nothing else may grow.
    assert!(reads[3] < reads[0] * 20, "{reads:?}");
}
