//! The promises of a store, tried on all kinds: the one in memory with a clock moved by hand, and real `redis-server`s,
//! whose clock no test moves; where time has to pass there, a ticket is minted into the past instead.

use std::sync::Arc;
use std::time::Duration;

use ::redis::AsyncCommands;
use bytes::Bytes;
use tokio::runtime::Handle;

use super::test_redis::{TestCluster, TestRedis};
use super::*;
use crate::config::StoreUrl;
use crate::ticket::fixture::{LIFETIME, Scene};
use crate::ticket::{Lease, Reason, RedeemFailure, State, TOMBSTONE};
use crate::tls::ClientTls;
use crate::token::{BrowserId, ClaimKey, TicketSecrets, TypedCode};

const MANY: Rate = Rate { count: 1000, per: Duration::from_secs(1) };
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn redis_store(server: &TestRedis, timeout: Duration) -> Arc<Store> {
    store_at(&server.url(), timeout, &server.tls())
}

pub(super) fn store_at(url: &str, timeout: Duration, tls: &ClientTls) -> Arc<Store> {
    store_after(url, timeout, tls, None)
}

fn store_after(url: &str, timeout: Duration, tls: &ClientTls, before: Option<&Store>) -> Arc<Store> {
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

/// Each promise is a separate test on the store in memory and on one Redis; `all` is for every other kind of Redis.
macro_rules! promises {
    ($($name:ident)*) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::memory_store()).await;
            })*
        }
        mod on_one_redis {
            $(#[tokio::test]
            async fn $name() {
                let server = super::TestRedis::start().await;
                super::$name(super::redis_store(&server, super::TIMEOUT)).await;
            })*
        }
        async fn all(store: &Arc<Store>) {
            $($name(store.clone()).await;)*
        }
    };
}

promises! {
    a_minted_ticket_is_read_and_found_as_it_was_written
    the_whole_journey_leaves_the_answer_for_the_holder
    a_newer_code_replaces_the_older_one_in_the_same_go
    only_the_newest_of_many_codes_drawn_at_once_lives
    of_64_phones_one_gets_the_ticket
    of_50_presses_one_redeems
    a_failed_redeem_gives_the_ticket_back
    a_sign_in_is_undone_from_what_remains_of_its_row
    of_50_undos_one_calls
    a_swap_onto_another_version_or_out_of_time_writes_nothing
    a_claim_asks_whether_its_anchor_still_names_it
    a_row_read_a_moment_ago_saves_a_reading_and_a_stale_one_is_read_again
    out_of_time_is_out_of_time
    a_watch_hears_every_change
    codes_of_a_user_are_counted_and_come_back_with_time
    tries_of_all_clients_are_counted_together
    a_code_to_type_opens_its_token_until_its_time_and_is_never_given_twice
    an_event_is_queued_with_its_step_and_only_then
    events_stay_in_order_until_each_is_removed
    a_full_queue_drops_the_event_and_takes_the_step
}

fn memory_store() -> Arc<Store> {
    Arc::new(Store::memory(Clock::manual(Timestamp(1_790_000_000_000)), 10_000))
}

#[tokio::test]
async fn the_promises_hold_behind_tls_for_a_user_with_the_least_rights() {
    let server = TestRedis::guarded().await;
    all(&redis_store(&server, TIMEOUT)).await;
    assert_eq!(server.refusals().await, "", "nothing was asked that the user may not do");
}

#[tokio::test]
async fn the_promises_hold_on_a_master_that_a_sentinel_names() {
    let master = TestRedis::start().await;
    let replica = TestRedis::replica_of(&master).await;
    let sentinel = TestRedis::sentinel_of(&master).await;
    all(&store_at(&sentinel_url(&sentinel), TIMEOUT, &ClientTls::default())).await;
    drop(replica);
}

#[tokio::test]
async fn the_promises_hold_on_guarded_sentinels_and_clusters_for_users_with_the_least_rights() {
    let master = TestRedis::guarded().await;
    let replica = TestRedis::replica_of(&master).await;
    let sentinel = TestRedis::sentinel_of(&master).await;
    all(&store_at(&sentinel_url(&sentinel), TIMEOUT, &master.tls())).await;
    let cluster = TestCluster::guarded().await;
    let store = store_at(&cluster.url(), TIMEOUT, &cluster.nodes[0].tls());
    all(&store).await;
    store.about().await.unwrap();
    for server in cluster.nodes.iter().chain([&master, &replica, &sentinel]) {
        assert_eq!(server.refusals().await, "", "nothing was asked that the user may not do");
    }
}

#[tokio::test]
async fn the_promises_hold_on_a_cluster() {
    let cluster = TestCluster::start(false).await;
    all(&store_at(&cluster.url(), TIMEOUT, &ClientTls::default())).await;
}

#[tokio::test]
async fn a_redis_with_the_certificate_of_a_stranger_is_not_believed() {
    let (server, stranger) = (TestRedis::guarded().await, TestRedis::guarded().await);
    for tls in [stranger.tls(), ClientTls::default()] {
        let store = store_at(&server.url(), TIMEOUT, &tls);
        assert!(matches!(store.ping().await, Err(StoreError::Redis { op: "ping", .. })));
    }
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

async fn a_minted_ticket_is_read_and_found_as_it_was_written(store: Arc<Store>) {
    let scene = minted(&store, Duration::ZERO).await;
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    assert_eq!(row.version, 1);
    assert_eq!(scene.opened.for_record(&scene.origin).open(&row.ticket.record).unwrap(), scene.record);
    let page = scene.secrets.newest().for_page(&scene.id(), &scene.desk.view()).open(&row.ticket.page).unwrap();
    assert_eq!(page, scene.facts(None));
    assert_eq!(store.find(&scene.desk.view().index()).await.unwrap(), Some(scene.id()));
    let unknown = Scene::new(row.now);
    assert!(store.read(&unknown.id()).await.unwrap().is_none());
    assert_eq!(store.find(&unknown.desk.view().index()).await.unwrap(), None);
    assert!(matches!(claim(&store, &unknown).await, Stepped::Gone));
    store.ping().await.unwrap();
}

async fn the_whole_journey_leaves_the_answer_for_the_holder(store: Arc<Store>) {
    let scene = approved(&store).await;
    let lease = begin(&store, &scene).await.unwrap();
    assert!(matches!(finish(&store, &scene, &lease).await, Stepped::Done(..)));
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    assert_eq!(row.phase(), Phase::Spent);
    let sealed = row.ticket.sealed_response(row.now, &scene.claim()).unwrap();
    assert_eq!(scene.opened.for_response(&scene.phone).open(sealed).unwrap(), scene.response());
    assert_eq!(begin(&store, &scene).await, Err(Refusal::Over(Phase::Spent)));
}

async fn a_newer_code_replaces_the_older_one_in_the_same_go(store: Arc<Store>) {
    let old = approved(&store).await;
    let lease = begin(&store, &old).await.unwrap();
    let new = Scene::of(old.secrets.clone(), old.computer.clone(), now(&store).await);
    let minted = store.mint(&new.id(), &new.ticket()).await.unwrap();
    assert_eq!(minted, Some((old.id(), Phase::Replaced)));
    assert_eq!(phase(&store, &old.id()).await, Phase::Replaced);
    assert!(matches!(finish(&store, &old, &lease).await, Stepped::Refused(_, Refusal::LeaseLost)));
    assert!(matches!(claim(&store, &new).await, Stepped::Done(..)));
    // What is finished stays what it is.
    assert!(matches!(store.step(&new.id(), None, |ticket, now| ticket.decline(now)).await.unwrap(), Stepped::Done(..)));
    let third = Scene::of(old.secrets.clone(), old.computer.clone(), now(&store).await);
    assert_eq!(store.mint(&third.id(), &third.ticket()).await.unwrap(), None);
    assert_eq!(phase(&store, &new.id()).await, Phase::Declined(Reason::Computer));
}

async fn only_the_newest_of_many_codes_drawn_at_once_lives(store: Arc<Store>) {
    let (secrets, computer) = (TicketSecrets::random().unwrap(), BrowserId::random().unwrap());
    let issued = now(&store).await;
    let scenes: Vec<_> = (0..12).map(|_| Scene::of(secrets.clone(), computer.clone(), issued)).collect();
    let mints = scenes.iter().map(async |scene| store.mint(&scene.id(), &scene.ticket()).await.unwrap());
    futures_util::future::join_all(mints).await;
    let mut live = 0;
    for scene in &scenes {
        match phase(&store, &scene.id()).await {
            Phase::Issued => live += 1,
            other => assert_eq!(other, Phase::Replaced),
        }
    }
    assert_eq!(live, 1);
}

async fn of_64_phones_one_gets_the_ticket(store: Arc<Store>) {
    let scene = Arc::new(minted(&store, Duration::ZERO).await);
    let phones: Vec<_> = (0..64)
        .map(|_| {
            let (store, scene, phone) = (store.clone(), scene.clone(), ClaimKey::random().unwrap());
            tokio::spawn(async move {
                let rule = |ticket, now| scene.claims_as(&phone, ticket, now);
                match store.step(&scene.id(), None, rule).await.unwrap() {
                    Stepped::Done(..) => true,
                    Stepped::Refused(_, refusal) => {
                        assert_eq!(refusal, Refusal::Taken);
                        false
                    }
                    Stepped::Gone => panic!("gone"),
                }
            })
        })
        .collect();
    let mut winners = 0;
    for phone in phones {
        winners += usize::from(phone.await.unwrap());
    }
    assert_eq!(winners, 1);
    assert_eq!(store.read(&scene.id()).await.unwrap().unwrap().version, 2);
}

async fn of_50_presses_one_redeems(store: Arc<Store>) {
    let scene = approved(&store).await;
    let presses = (0..50).map(|_| begin(&store, &scene));
    let results = futures_util::future::join_all(presses).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(Refusal::Busy))));
}

async fn a_failed_redeem_gives_the_ticket_back(store: Arc<Store>) {
    let scene = approved(&store).await;
    for _ in 0..2 {
        let lease = begin(&store, &scene).await.unwrap();
        let release = |ticket: Ticket, now| ticket.release_redeem(now, &lease, RedeemFailure::Called);
        assert!(matches!(store.step(&scene.id(), None, release).await.unwrap(), Stepped::Done(..)));
    }
    assert_eq!(phase(&store, &scene.id()).await, Phase::Approved);
    let lease = begin(&store, &scene).await.unwrap();
    assert!(matches!(finish(&store, &scene, &lease).await, Stepped::Done(..)));
}

/// A sign-in whose row is forgotten after that time, and can be undone for longer.
async fn signed_in(store: &Store, kept: Duration, undo: Duration) -> Scene {
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

async fn a_sign_in_is_undone_from_what_remains_of_its_row(store: Arc<Store>) {
    let kept = Duration::from_millis(300);
    let scene = signed_in(&store, kept, Duration::from_secs(600)).await;
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    assert!(row.ticket.remainder().is_some() && !row.ticket.record.is_empty());
    pass(&store, kept).await;
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    assert_eq!((row.phase(), row.ticket.sealed_session().is_some()), (Phase::Spent, true));
    assert!(row.ticket.record.is_empty() && row.ticket.remainder().is_none(), "no record, no cookies");
    assert_eq!(store.find(&scene.desk.view().index()).await.unwrap(), Some(scene.id()), "the page finds it");
    let mut watch = store.watch(&scene.id());
    let begin = |ticket: Ticket, now| ticket.begin_undo(now, scene.session(), Duration::from_secs(7));
    let Stepped::Done(_, undoing) = store.step(&scene.id(), None, begin).await.unwrap() else { panic!("begun") };
    tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.expect("a step");
    let finish = |ticket: Ticket, now| ticket.finish_undo(now, &undoing.lease, Bytes::from_static(b"page"));
    assert!(matches!(store.step(&scene.id(), None, finish).await.unwrap(), Stepped::Done(..)));
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    assert_eq!((row.phase(), &row.ticket.page[..]), (Phase::Undone, &b"page"[..]));
}

async fn of_50_undos_one_calls(store: Arc<Store>) {
    let scene = signed_in(&store, TOMBSTONE, Duration::from_secs(600)).await;
    let begin = |ticket: Ticket, now| ticket.begin_undo(now, scene.session(), Duration::from_secs(7));
    let id = scene.id();
    let presses = (0..50).map(|_| store.step(&id, None, begin));
    let results = futures_util::future::join_all(presses).await;
    assert_eq!(results.iter().filter(|result| matches!(result, Ok(Stepped::Done(..)))).count(), 1);
    assert!(results.iter().all(|r| matches!(r, Ok(Stepped::Done(..) | Stepped::Refused(_, Refusal::Busy)))));
}

async fn a_swap_onto_another_version_or_out_of_time_writes_nothing(store: Arc<Store>) {
    let scene = minted(&store, Duration::ZERO).await;
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    let step = row.ticket.clone().decline(row.now).unwrap();
    for version in [0, 2, 99] {
        assert_eq!(store.swap(&scene.id(), version, &step, None).await.unwrap(), Swapped::Lost);
    }
    let late = Step { before: Some(row.now), ..step.clone() };
    assert_eq!(store.swap(&scene.id(), row.version, &late, None).await.unwrap(), Swapped::Lost);
    assert_eq!(phase(&store, &scene.id()).await, Phase::Issued);
    assert_eq!(store.swap(&scene.id(), row.version, &step, None).await.unwrap(), Swapped::Written);
    assert_eq!(store.swap(&scene.id(), row.version, &step, None).await.unwrap(), Swapped::Lost);
}

async fn a_claim_asks_whether_its_anchor_still_names_it(store: Arc<Store>) {
    let scene = minted(&store, Duration::ZERO).await;
    // The anchor moves on although the row was not touched, as after a failover.
    let other = Scene::of(scene.secrets.clone(), scene.computer.clone(), scene.record.issued);
    let ticket = other.ticket();
    let write = Write {
        id: other.id(),
        version: 0,
        ticket: &ticket,
        before: None,
        anchor: Anchor::Take(Some(scene.id())),
        older: None,
        event: None,
    };
    assert_eq!(store.write("mint", &write).await.unwrap(), Swapped::Written);
    let claimed = claim(&store, &scene).await;
    assert!(matches!(claimed, Stepped::Refused(_, Refusal::Over(Phase::Replaced))), "{claimed:?}");
    assert!(matches!(claim(&store, &other).await, Stepped::Done(..)));
}

async fn a_row_read_a_moment_ago_saves_a_reading_and_a_stale_one_is_read_again(store: Arc<Store>) {
    let scene = minted(&store, Duration::ZERO).await;
    let stale = store.read(&scene.id()).await.unwrap();
    assert!(matches!(claim(&store, &scene).await, Stepped::Done(..)));
    let decline = |ticket: Ticket, now| ticket.cancel(now, &scene.claim());
    match store.step(&scene.id(), stale, decline).await.unwrap() {
        Stepped::Done(row, ()) => assert!(row.ticket.held_by(&scene.claim()) && row.version == 3),
        other => panic!("{other:?}"),
    }
}

async fn out_of_time_is_out_of_time(store: Arc<Store>) {
    let scene = minted(&store, LIFETIME - Duration::from_millis(400)).await;
    assert_eq!(phase(&store, &scene.id()).await, Phase::Issued);
    match &*store {
        Store::Memory(memory) => memory.clock().advance(Duration::from_millis(400)),
        Store::Redis(_) => tokio::time::sleep(Duration::from_millis(450)).await,
    }
    assert!(matches!(claim(&store, &scene).await, Stepped::Refused(_, Refusal::Over(Phase::Expired))));
    // A newer code meets it and counts it, once.
    for older in [Some((scene.id(), Phase::Expired)), None] {
        let new = Scene::of(scene.secrets.clone(), scene.computer.clone(), now(&store).await);
        let minted = store.mint(&new.id(), &new.ticket()).await.unwrap();
        match older {
            Some(_) => assert_eq!(minted, older),
            None => assert_ne!(minted.map(|(_, phase)| phase), Some(Phase::Expired)),
        }
    }
}

async fn a_watch_hears_every_change(store: Arc<Store>) {
    let old = minted(&store, Duration::ZERO).await;
    let mut watch = store.watch(&old.id());
    let mut other = store.watch(&Scene::new(old.record.issued).id());
    assert!(matches!(claim(&store, &old).await, Stepped::Done(..)));
    tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.expect("a step");
    let new = Scene::of(old.secrets.clone(), old.computer.clone(), now(&store).await);
    store.mint(&new.id(), &new.ticket()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.expect("a newer code");
    // Once it may be woken: when the store begins to hear of other processes.
    let mut is_silent = false;
    for _ in 0..2 {
        is_silent |= tokio::time::timeout(Duration::from_millis(200), other.changed()).await.is_err();
    }
    assert!(is_silent, "a change of another ticket wakes no watch");
}

async fn codes_of_a_user_are_counted_and_come_back_with_time(store: Arc<Store>) {
    let rate = Rate { count: 3, per: Duration::from_millis(1500) };
    let (one, other) = (Scene::new(Timestamp(0)), Scene::new(Timestamp(0)));
    let [ana, bob] = [one, other].map(|scene| scene.secrets.newest().user_hash("ana"));
    for _ in 0..3 {
        assert!(matches!(store.count_code(&ana, rate).await.unwrap(), Counted::Within { .. }));
    }
    let Counted::TooMany { retry_after, .. } = store.count_code(&ana, rate).await.unwrap() else {
        panic!("one too many");
    };
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_millis(500), "{retry_after:?}");
    assert!(matches!(store.count_code(&bob, rate).await.unwrap(), Counted::Within { .. }));
    match &*store {
        Store::Memory(memory) => memory.clock().advance(retry_after),
        Store::Redis(_) => tokio::time::sleep(retry_after + Duration::from_millis(5)).await,
    }
    assert!(matches!(store.count_code(&ana, rate).await.unwrap(), Counted::Within { .. }));
}

async fn pass(store: &Store, time: Duration) {
    match store {
        Store::Memory(memory) => memory.clock().advance(time),
        Store::Redis(_) => tokio::time::sleep(time + Duration::from_millis(5)).await,
    }
}

async fn tries_of_all_clients_are_counted_together(store: Arc<Store>) {
    let rate = Rate { count: 3, per: Duration::from_millis(1500) };
    for _ in 0..3 {
        assert!(matches!(store.count_try(rate).await.unwrap(), Counted::Within { .. }));
    }
    let Counted::TooMany { retry_after, .. } = store.count_try(rate).await.unwrap() else { panic!("one too many") };
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_millis(500), "{retry_after:?}");
    pass(&store, retry_after).await;
    assert!(matches!(store.count_try(rate).await.unwrap(), Counted::Within { .. }));
}

async fn a_code_to_type_opens_its_token_until_its_time_and_is_never_given_twice(store: Arc<Store>) {
    let (scene, other) = (Scene::new(Timestamp(0)), Scene::new(Timestamp(0)));
    let (key, code) = (scene.secrets.newest(), TypedCode::random().unwrap());
    let hash = key.code_hash(&code);
    assert_eq!(store.code(&hash).await.unwrap(), None);
    let sealed = key.seal_token(&code, &scene.token, &scene.origin).unwrap();
    let short = Duration::from_millis(300);
    assert!(store.keep_code(&hash, &sealed, short).await.unwrap());
    let found = store.code(&hash).await.unwrap().unwrap();
    assert_eq!(key.open_token(&code, &found, &scene.origin).unwrap(), scene.token);
    let second = key.seal_token(&code, &other.token, &scene.origin).unwrap();
    assert!(!store.keep_code(&hash, &second, short).await.unwrap(), "taken");
    assert_eq!(store.code(&hash).await.unwrap(), Some(sealed), "the first one keeps it");
    pass(&store, short).await;
    assert_eq!(store.code(&hash).await.unwrap(), None);
    assert!(store.keep_code(&hash, &second, LIFETIME).await.unwrap(), "free again");
    assert_eq!(store.code(&hash).await.unwrap(), Some(second));
}

/// The clock is an hour behind what it was when ana last took a code.
async fn an_event_is_queued_with_its_step_and_only_then(store: Arc<Store>) {
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

/// Marks a ticket as opened again and again, which takes any number of steps, with an event for each.
async fn report(store: &Store, scene: &Scene, message: &[u8]) {
    let rule = |ticket: Ticket, now| Ticket { opened: false, ..ticket }.open(now);
    let stepped = store.step_with_event(&scene.id(), None, rule, |_, _| Some(message.to_vec())).await.unwrap();
    assert!(matches!(stepped, Stepped::Done(..)));
}

async fn events_stay_in_order_until_each_is_removed(store: Arc<Store>) {
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

async fn a_full_queue_drops_the_event_and_takes_the_step(store: Arc<Store>) {
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

async fn counts_anew(store: &Store) {
    let rate = Rate { count: 3, per: Duration::from_secs(600) };
    let ana = Scene::new(Timestamp(0)).secrets.newest().user_hash("ana");
    let take = async || store.count_code(&ana, rate).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(take().await, Counted::Within { .. }));
    }
    assert!(matches!(take().await, Counted::TooMany { .. }));
}

#[tokio::test]
async fn a_clock_that_is_set_back_shuts_no_user_out_of_memory() {
    let now = Arc::new(std::sync::atomic::AtomicU64::new(1_790_000_000_000));
    let store = Store::memory(Clock::Manual(now.clone()), 10);
    let ana = Scene::new(Timestamp(0)).secrets.newest().user_hash("ana");
    store.count_code(&ana, MANY).await.unwrap();
    now.fetch_sub(3_600_000, std::sync::atomic::Ordering::SeqCst);
    counts_anew(&store).await;
}

/// Nobody moves Redis' clock: the count is moved ahead in its place.
#[tokio::test]
async fn a_clock_that_is_set_back_shuts_no_user_out_of_redis() {
    let server = TestRedis::start().await;
    let store = redis_store(&server, TIMEOUT);
    let ana = Scene::new(Timestamp(0)).secrets.newest().user_hash("ana");
    let Counted::Within { now } = store.count_code(&ana, MANY).await.unwrap() else { panic!("the first") };
    // By its name: on a busy machine the counter may have expired by now.
    let key = super::row::Keys::new("qrgate:").user(&ana);
    let ahead = ((now.0 + 3_600_000) * 1000).to_string();
    server.tell::<()>(&["SET", &key, &ahead, "PX", "3600000"]).await.unwrap();
    counts_anew(&store).await;
}

// Memory alone

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

// Redis alone

#[tokio::test]
async fn redis_holds_no_secret_in_clear_and_no_key_for_ever() {
    let server = TestRedis::start().await;
    let store = redis_store(&server, TIMEOUT);
    let scene = approved(&store).await;
    let hour = Rate { count: 1, per: Duration::from_secs(3600) };
    store.count_code(&scene.secrets.newest().user_hash("ana"), hour).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut redis = server.connection().await;
    let keys: Vec<String> = redis.keys("*").await.unwrap();
    assert_eq!(keys.len(), 4, "row, anchor, index, counter: {keys:?}");
    let tag = format!("qrgate:{{{:02x}}}", scene.id().shard);
    let mut dump = Vec::new();
    let mut size = 0;
    for key in &keys {
        let ttl: i64 = redis.pttl(key).await.unwrap();
        assert!(ttl > 0, "{key}: {ttl}");
        assert!(key.starts_with(&tag) || key.contains("u:"), "{key}");
        let kind: String = ::redis::cmd("TYPE").arg(key).query_async(&mut redis).await.unwrap();
        let value: Vec<Vec<u8>> = match kind.as_str() {
            "hash" => redis.hgetall(key).await.unwrap(),
            _ => vec![redis.get(key).await.unwrap()],
        };
        size += ::redis::cmd("MEMORY").arg("USAGE").arg(key).query_async::<usize>(&mut redis).await.unwrap();
        dump.extend(key.as_bytes().iter().copied().chain(value.concat()));
    }
    let (token, desk) = (scene.token.text(), scene.desk.text());
    let (view, phone) = (scene.desk.view().text(), scene.phone.text());
    let secrets = [token.as_str(), &desk, &view, &phone, "ana", "Ana", "sessionid", &scene.opened.hook_id()];
    for secret in secrets {
        assert!(!dump.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    assert!(size < 2_560, "{size} bytes for a live ticket and a counter");
}

#[tokio::test]
async fn redis_holds_no_name_of_a_session_in_clear_and_its_remainder_without_the_cookies() {
    let server = TestRedis::start().await;
    let store = redis_store(&server, TIMEOUT);
    let kept = Duration::from_secs(30);
    let scene = signed_in(&store, kept, Duration::from_secs(600)).await;
    let mut redis = server.connection().await;
    let keys = super::row::Keys::new("qrgate:");
    let (row, remainder) = (keys.ticket(&scene.id()), keys.remainder(&scene.id()));
    let [row_ttl, remainder_ttl, view_ttl]: [i64; 3] = [
        redis.pttl(&row).await.unwrap(),
        redis.pttl(&remainder).await.unwrap(),
        redis.pttl(keys.view(&scene.desk.view().index())).await.unwrap(),
    ];
    assert!((1..=30_000).contains(&row_ttl), "{row_ttl}");
    assert!((600_001..=660_000).contains(&remainder_ttl), "{remainder_ttl}");
    assert!((600_001..=660_000).contains(&view_ttl), "{view_ttl}");
    let [row, remainder]: [Vec<u8>; 2] = [redis.get(&row).await.unwrap(), redis.get(&remainder).await.unwrap()];
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(!holds(&row, b"session 7") && !holds(&remainder, b"session 7"));
    let read = |bytes: Vec<u8>| super::row::decode(bytes).unwrap().1;
    let (row, remainder) = (read(row), read(remainder));
    assert_eq!(row.remainder().as_ref(), Some(&remainder));
    assert!(remainder.record.is_empty() && matches!(remainder.state, State::Spent(spent) if spent.response.is_empty()));
}

#[tokio::test]
async fn queue_and_lease_have_the_hash_tag_of_their_shard_and_an_end() {
    let server = TestRedis::start().await;
    let store = redis_store(&server, TIMEOUT);
    let scene = minted(&store, Duration::ZERO).await;
    report(&store, &scene, b"sealed").await;
    assert!(store.lead("a process", Duration::from_secs(10)).await.unwrap());
    let mut redis = server.connection().await;
    let (queue, lease) = (format!("qrgate:{{{:02x}}}e:queue", scene.id().shard), "qrgate:{00}e:leader".to_owned());
    for (key, most) in [(queue, queue::KEPT.as_millis() as i64), (lease, 10_000)] {
        let ttl: i64 = redis.pttl(&key).await.unwrap();
        assert!((most - 5_000..=most).contains(&ttl), "{key}: {ttl}");
    }
}

#[tokio::test]
async fn without_redis_calls_fail_in_time_and_the_first_one_after_succeeds() {
    let mut server = TestRedis::start().await;
    let store = redis_store(&server, Duration::from_millis(500));
    let scene = minted(&store, Duration::ZERO).await;
    server.stop().await;
    for _ in 0..3 {
        let began = std::time::Instant::now();
        let error = store.read(&scene.id()).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
        assert!(error.to_string().contains("read"), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.start_again().await;
    assert!(store.read(&scene.id()).await.unwrap().is_none(), "back, and empty");
    minted(&store, Duration::ZERO).await;
}

#[tokio::test]
async fn a_hung_redis_fails_calls_in_time() {
    let server = TestRedis::start().await;
    let store = redis_store(&server, Duration::from_millis(300));
    store.ping().await.unwrap();
    server.signal("STOP").await;
    let began = std::time::Instant::now();
    assert!(matches!(store.ping().await, Err(StoreError::Timeout { op: "ping" })));
    assert!(began.elapsed() < Duration::from_millis(700));
    server.signal("CONT").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    store.ping().await.unwrap();
}

/// B12: a failover brings an older state back.
#[tokio::test]
async fn a_ticket_seen_finished_stays_so_for_this_process_and_keeps_its_hook_id_for_others() {
    let server = TestRedis::start().await;
    let store = redis_store(&server, TIMEOUT);
    let scene = approved(&store).await;
    let key = super::row::Keys::new("qrgate:").ticket(&scene.id());
    let mut redis = server.connection().await;
    let before: Vec<u8> = ::redis::cmd("DUMP").arg(&key).query_async(&mut redis).await.unwrap();
    let lease = begin(&store, &scene).await.unwrap();
    assert!(matches!(finish(&store, &scene, &lease).await, Stepped::Done(..)));
    let _: () =
        ::redis::cmd("RESTORE").arg(&key).arg(60_000).arg(before).arg("REPLACE").query_async(&mut redis).await.unwrap();
    assert_eq!(phase(&store, &scene.id()).await, Phase::Spent);
    assert_eq!(begin(&store, &scene).await, Err(Refusal::Over(Phase::Spent)));
    let successor = store_after(&server.url(), TIMEOUT, &server.tls(), Some(&store));
    assert_eq!(phase(&successor, &scene.id()).await, Phase::Spent, "a reload forgets nothing");
    let other = redis_store(&server, TIMEOUT);
    assert!(begin(&other, &scene).await.is_ok(), "another process may call once more, under the same id");
}

/// Whoever can swap rows makes every swap of a step fail, and has it judged again.
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

/// B15: a key that was made immortal by hand.
#[tokio::test]
async fn an_immortal_row_is_forgotten_all_the_same() {
    let server = TestRedis::start().await;
    let store = redis_store(&server, TIMEOUT);
    let life = LIFETIME + Duration::from_secs(60) + TOMBSTONE;
    let scene = Scene::new(Timestamp(now(&store).await.0 + 300 - life.as_millis() as u64));
    let ticket = scene.ticket();
    let anchor = Anchor::Take(None);
    let write = Write { id: scene.id(), version: 0, ticket: &ticket, before: None, anchor, older: None, event: None };
    assert_eq!(store.write("mint", &write).await.unwrap(), Swapped::Written);
    let key = super::row::Keys::new("qrgate:").ticket(&scene.id());
    let _: () = server.connection().await.persist(&key).await.unwrap();
    assert!(store.read(&scene.id()).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(store.read(&scene.id()).await.unwrap().is_none());
}

#[test]
fn a_worker_that_ends_takes_no_connection_of_another_with_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (give, take) = std::sync::mpsc::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let main = std::thread::spawn(move || {
        runtime().block_on(async move {
            let server = TestRedis::start().await;
            give.send(redis_store(&server, TIMEOUT)).unwrap();
            let _ = ended.await;
        });
    });
    let store = take.recv().unwrap();
    let [first, second] = [runtime(), runtime()];
    let [for_first, for_second] = [&first, &second].map(|worker| store.on(worker.handle()).unwrap());
    first.block_on(for_first.ping()).unwrap();
    second.block_on(for_second.ping()).unwrap();
    drop(first);
    second.block_on(for_second.ping()).unwrap();
    drop(store);
    drop(end);
    main.join().unwrap();
}
