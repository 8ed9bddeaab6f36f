//! What every store does with events; `contract.rs` runs these on each kind.

use std::sync::Arc;
use std::time::Duration;

use super::test_redis::{self, TestRedis};
use super::test_steps::*;
use super::*;

pub(super) async fn an_event_is_queued_with_its_step_and_only_then(store: Arc<Store>) {
    let scene = approved(&store).await;
    let shard = scene.id().shard;
    let lease = begin(&store, &scene).await.unwrap();
    let late = |ticket: Ticket, now| ticket.approve(now, &scene.id(), scene.opened.key(), None, 10, None);
    let refused = store.step_with_event(&scene.id(), None, late, |_, _| Some(b"never".to_vec())).await.unwrap();
    assert!(matches!(refused, Stepped::Refused(..)));
    let decline = store.step(&scene.id(), None, Ticket::decline).await.unwrap();
    assert!(matches!(decline, Stepped::Done(..)));
    // The lease is lost, so the step is not taken.
    let finish = |ticket: Ticket, now| ticket.finish_redeem(now, &lease, scene.sealed_response(), None);
    let lost = store.step_with_event(&scene.id(), None, finish, |_, _| Some(b"never".to_vec())).await.unwrap();
    assert!(matches!(lost, Stepped::Refused(_, Refusal::LeaseLost)));
    assert_eq!(store.queued(shard).await.unwrap(), Queued::default());
    let other = minted(&store, Duration::ZERO).await;
    let event = |ticket: &Ticket, now: Timestamp| Some(format!("{:?} {}", ticket.phase(now), now.0 > 0).into_bytes());
    assert!(matches!(
        store.step_with_event(&other.id(), None, Ticket::decline, event).await.unwrap(),
        Stepped::Done(..)
    ));
    let queued = store.queued(other.id().shard).await.unwrap();
    assert_eq!(queued.oldest[0].parts(), Some((other.id(), &b"Declined(Computer) true"[..])));
    let new = async { while !store.shards_with_new_events().await.contains(&other.id().shard) {} };
    tokio::time::timeout(Duration::from_secs(2), new).await.expect("it is reported as new");
    store.remove_event(other.id().shard, &queued.oldest[0]).await.unwrap();
    assert_eq!(store.queued(other.id().shard).await.unwrap(), Queued::default());
}

pub(super) async fn events_stay_in_order_until_each_is_removed(store: Arc<Store>) {
    let scene = minted(&store, Duration::ZERO).await;
    let shard = scene.id().shard;
    for message in [b"1", b"2", b"3"] {
        report(&store, &scene, message).await;
    }
    let said = async || {
        let queued = store.queued(shard).await.unwrap();
        assert_eq!(queued.count, queued.oldest.len());
        queued.oldest.iter().map(|event| event.parts().unwrap().1.to_vec()).collect::<Vec<_>>().concat()
    };
    assert_eq!(said().await, b"123");
    let all = store.queued(shard).await.unwrap().oldest;
    store.remove_event(shard, &all[1]).await.unwrap();
    store.remove_event(shard, &all[1]).await.unwrap();
    assert_eq!(said().await, b"13");
    assert_eq!(store.queued(shard ^ 1).await.unwrap(), Queued::default(), "another shard has another queue");
    for event in [&all[0], &all[2]] {
        store.remove_event(shard, event).await.unwrap();
    }
    assert_eq!(said().await, b"");
}

pub(super) async fn a_full_queue_drops_the_event_and_takes_the_step(store: Arc<Store>) {
    let scene = minted(&store, Duration::ZERO).await;
    let shard = scene.id().shard;
    for number in 0..queue::MAX_EVENTS {
        report(&store, &scene, number.to_string().as_bytes()).await;
    }
    assert_eq!(store.take_refused_events(), 0);
    report(&store, &scene, b"one too many").await;
    assert_eq!((store.take_refused_events(), store.take_refused_events()), (1, 0));
    while let Some(event) = store.queued(shard).await.unwrap().oldest.pop() {
        assert_ne!(event.parts().unwrap().1, b"one too many");
        store.remove_event(shard, &event).await.unwrap();
    }
}

#[tokio::test]
async fn one_process_at_a_time_delivers_and_another_takes_over() {
    let server = TestRedis::start().await;
    let (here, there) = (redis_store(&server, TIMEOUT), redis_store(&server, TIMEOUT));
    let lasts = Duration::from_secs(10);
    assert!(here.lead("here", lasts).await.unwrap());
    assert!(!there.lead("there", lasts).await.unwrap());
    assert!(here.lead("here", lasts).await.unwrap(), "it renews its lease");
    assert!(here.lead("here", Duration::from_millis(1)).await.unwrap(), "and gives it up");
    test_redis::eventually("another one takes over", async || there.lead("there", lasts).await.unwrap()).await;
    assert!(!here.lead("here", lasts).await.unwrap());
}
