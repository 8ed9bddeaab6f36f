//! What only the store in memory does.

use std::sync::Arc;
use std::time::Duration;

use super::test_steps::*;
use super::*;
use crate::ticket::TOMBSTONE;
use crate::ticket::fixture::{LIFETIME, Scene};
use crate::token::ClaimKey;

#[tokio::test]
async fn a_full_memory_refuses_to_mint_and_forgets_no_live_ticket() {
    let clock = Clock::manual(Timestamp(1_790_000_000_000));
    let store = Store::memory(clock.clone(), 40);
    let mut scenes = Vec::new();
    for _ in 0..40 {
        scenes.push(minted(&store, Duration::ZERO).await);
    }
    let one_more = Scene::new(clock.now());
    let refused = store.mint(&one_more.id(), &one_more.ticket()).await;
    assert!(matches!(refused, Err(StoreError::Full { op: "mint" })));
    clock.advance(LIFETIME + Duration::from_secs(60) + TOMBSTONE - Duration::from_millis(1));
    for scene in &scenes {
        assert_eq!(phase(&store, &scene.id()).await, Phase::Expired, "a tombstone stays");
    }
    clock.advance(Duration::from_millis(1));
    let scene = Scene::new(clock.now());
    store.mint(&scene.id(), &scene.ticket()).await.unwrap();
    assert!(store.read(&scenes[0].id()).await.unwrap().is_none());
    assert_eq!(store.find(&scenes[0].desk.view().index()).await.unwrap(), None);
    let Store::Memory(memory) = store else { panic!() };
    for shard in 0..=u8::MAX {
        memory.find(&ViewIndex { shard, hash: [0; 32] });
    }
    assert_eq!(memory.len(), 1, "the due ones left by the way");
}

#[tokio::test]
async fn memory_keeps_what_remains_of_a_sign_in_until_its_undo_is_over_and_nothing_after() {
    let clock = Clock::manual(Timestamp(1_790_000_000_000));
    let store = Store::memory(clock.clone(), 10);
    let scene = signed_in(&store, Duration::from_secs(1), Duration::from_secs(600)).await;
    let Store::Memory(memory) = &store else { unreachable!("a store in memory") };
    let sweep = || (0..=u8::MAX).for_each(|shard| _ = memory.find(&ViewIndex { shard, hash: [0; 32] }));
    clock.advance(Duration::from_secs(1));
    sweep();
    assert_eq!(memory.len(), 1);
    assert!(store.read(&scene.id()).await.unwrap().unwrap().ticket.record.is_empty());
    clock.advance(Duration::from_secs(599) + TOMBSTONE);
    sweep();
    assert_eq!(memory.len(), 0);
    assert_eq!(store.find(&scene.desk.view().index()).await.unwrap(), None);
}

#[tokio::test]
async fn watchers_that_left_leave_nothing_behind() {
    let hub = Arc::<super::watch::Hub>::default();
    let id = Scene::new(Timestamp(1_790_000_000_000)).id();
    let (one, two) = (hub.watch(&id), hub.watch(&id));
    drop(one);
    assert_eq!(hub.watched(), 1);
    drop(two);
    assert_eq!(hub.watched(), 0);
}

/// Whoever can swap rows can make every swap of a step fail, and have the step judged again.
#[tokio::test]
async fn a_number_is_judged_against_one_claim_however_often_the_row_is_swapped() {
    let store = memory_store();
    let scene = minted(&store, Duration::ZERO).await;
    let Store::Memory(memory) = &*store else { unreachable!("a store in memory") };
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    let claimed = |phone: &ClaimKey| scene.claims_as(phone, row.ticket.clone(), row.now).unwrap().ticket;
    let put = |ticket: &Ticket| {
        let version = memory.read(&scene.id()).unwrap().version;
        let (id, anchor) = (scene.id(), Anchor::Any);
        memory.write("swap", &Write { id, version, ticket, before: None, anchor, older: None, event: None }).unwrap();
    };
    put(&claimed(&scene.phone));
    let (typed_for, number) = (Some(scene.claim()), scene.number());
    let judged = std::cell::RefCell::new(Vec::new());
    let stepped = store
        .step(&scene.id(), None, |ticket, now| {
            let binding = *ticket.binding().unwrap();
            put(&claimed(&ClaimKey::random().unwrap()));
            let step = ticket.approve(now, &scene.id(), scene.opened.key(), typed_for, number, None)?;
            judged.borrow_mut().push(binding.claim);
            Ok(step)
        })
        .await;
    assert!(matches!(stepped, Ok(Stepped::Refused(_, Refusal::OtherClaim))), "{stepped:?}");
    assert_eq!(*judged.borrow(), [scene.claim()]);
}
