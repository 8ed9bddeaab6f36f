//! Stores for tests, and the steps of a ticket that tests take on them.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::test_redis::TestRedis;
use super::*;
use crate::config::StoreUrl;
use crate::ticket::fixture::Scene;
use crate::ticket::{Lease, State, TOMBSTONE};
use crate::tls::ClientTls;

pub(super) const MANY: Rate = Rate { count: 1000, per: Duration::from_secs(1) };
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn memory_store() -> Arc<Store> {
    Arc::new(Store::memory(Clock::manual(Timestamp(1_790_000_000_000)), 10_000))
}

pub(super) fn redis_store(server: &TestRedis, timeout: Duration) -> Arc<Store> {
    store_at(&server.url(), timeout, &server.tls())
}

pub(super) fn store_at(url: &str, timeout: Duration, tls: &ClientTls) -> Arc<Store> {
    store_after(url, timeout, tls, None)
}

pub(super) fn store_after(url: &str, timeout: Duration, tls: &ClientTls, before: Option<&Store>) -> Arc<Store> {
    let StoreUrl::Redis(address) = crate::config::store_url(url).unwrap() else { panic!("{url} is no Redis") };
    let settings = RedisSettings {
        address: &address,
        prefix: "qrgate:",
        timeout,
        tls,
        runtime: &Handle::current(),
        metrics: &crate::telemetry::metrics::Metrics::default(),
    };
    Arc::new(Store::redis(settings, before).unwrap())
}

pub(super) fn sentinel_url(sentinel: &TestRedis) -> String {
    sentinel.url_of("redis+sentinel", "/main/0")
}

pub(super) async fn now(store: &Store) -> Timestamp {
    match store.count_code(&UserHash([9; 16]), MANY).await.unwrap() {
        Counted::Within { now } | Counted::TooMany { now, .. } => now,
    }
}

/// A code that was minted so long ago.
pub(super) async fn minted(store: &Store, ago: Duration) -> Scene {
    let scene = Scene::new(Timestamp(now(store).await.0 - ago.as_millis() as u64));
    store.mint(&scene.id(), &scene.ticket()).await.unwrap();
    scene
}

pub(super) async fn claim(store: &Store, scene: &Scene) -> Stepped {
    store.step(&scene.id(), None, |ticket, now| scene.claims(ticket, now)).await.unwrap()
}

pub(super) async fn approved(store: &Store) -> Scene {
    let scene = minted(store, Duration::ZERO).await;
    assert!(matches!(claim(store, &scene).await, Stepped::Done(..)));
    let number = scene.number();
    let approve = |ticket, now| scene.approves(ticket, now, number);
    assert!(matches!(store.step(&scene.id(), None, approve).await.unwrap(), Stepped::Done(..)));
    scene
}

pub(super) async fn begin(store: &Store, scene: &Scene) -> Result<Lease, Refusal> {
    match store.step(&scene.id(), None, |ticket, now| scene.redeems(ticket, now)).await.unwrap() {
        Stepped::Done(_, redeem) => Ok(redeem.unwrap().lease),
        Stepped::Refused(_, refusal) => Err(refusal),
        Stepped::Gone => panic!("gone"),
    }
}

pub(super) async fn finish(store: &Store, scene: &Scene, lease: &Lease) -> Stepped {
    let finish = |ticket: Ticket, now| ticket.finish_redeem(now, lease, scene.sealed_response(), None);
    store.step(&scene.id(), None, finish).await.unwrap()
}

pub(super) async fn phase(store: &Store, id: &TicketId) -> Phase {
    store.read(id).await.unwrap().unwrap().phase()
}

/// A sign-in whose row is forgotten after that time, and can be undone for longer.
pub(super) async fn signed_in(store: &Store, kept: Duration, undo: Duration) -> Scene {
    let scene = approved(store).await;
    let lease = begin(store, &scene).await.unwrap();
    let finish = |ticket: Ticket, now: Timestamp| {
        let session = Some((scene.sealed_session(), undo));
        let mut step = ticket.finish_redeem(now, &lease, scene.sealed_response(), session)?;
        let at = Timestamp((now + kept).0 - TOMBSTONE.as_millis() as u64);
        step.ticket.end = at;
        if let State::Spent(spent) = &mut step.ticket.state {
            spent.at = at;
        }
        Ok(step)
    };
    assert!(matches!(store.step(&scene.id(), None, finish).await.unwrap(), Stepped::Done(..)));
    scene
}

pub(super) async fn pass(store: &Store, time: Duration) {
    match store {
        Store::Memory(memory) => memory.clock().advance(time),
        Store::Redis(_) => tokio::time::sleep(time + Duration::from_millis(5)).await,
    }
}

/// Marks a ticket as opened again and again, which takes any number of steps, with an event for each.
pub(super) async fn report(store: &Store, scene: &Scene, message: &[u8]) {
    let rule = |ticket: Ticket, now| Ticket { opened: false, ..ticket }.open(now);
    let stepped = store.step_with_event(&scene.id(), None, rule, |_, _| Some(message.to_vec())).await.unwrap();
    assert!(matches!(stepped, Stepped::Done(..)));
}
