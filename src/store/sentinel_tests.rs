//! Failovers, as sentinels make them, with real servers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::test_redis::{TestRedis, eventually};
use super::test_steps::{TIMEOUT, approved, begin, claim, finish, minted, phase, redis_store, sentinel_url, store_at};
use super::{Stepped, Store, StoreError};
use crate::ticket::{Phase, Refusal};
use crate::tls::ClientTls;

/// A master, its replica, and a sentinel.
struct Fleet {
    master: TestRedis,
    replica: TestRedis,
    sentinel: TestRedis,
}

impl Fleet {
    async fn start() -> Fleet {
        let master = TestRedis::start().await;
        let replica = TestRedis::replica_of(&master).await;
        let sentinel = TestRedis::sentinel_of(&master).await;
        Fleet { master, replica, sentinel }
    }

    fn store(&self) -> Arc<Store> {
        store_at(&sentinel_url(&self.sentinel), TIMEOUT, &ClientTls::default())
    }

    /// Makes the replica the master, whatever became of the other. Returns when the sentinel names it.
    async fn promote(&self) {
        let started = async || self.sentinel.tell::<()>(&["SENTINEL", "FAILOVER", "main"]).await.is_ok();
        eventually("the failover begins", started).await;
        let port = self.replica.port().to_string();
        let named = async || {
            let answer = self.sentinel.tell::<Vec<String>>(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]).await;
            answer.is_ok_and(|answer| answer.contains(&port))
        };
        eventually("the replica is master", named).await;
    }
}

#[tokio::test]
async fn a_planned_failover_is_followed_and_codes_live_on() {
    let fleet = Fleet::start().await;
    let store = fleet.store();
    let scene = minted(&store, Duration::ZERO).await;
    fleet.replica.catches_up_with(&fleet.master).await;
    fleet.promote().await;
    let successor = redis_store(&fleet.replica, TIMEOUT);
    // A claim may reach the old master in its last moment, and be lost with it: people press again.
    let claimed = async || {
        let rule = |ticket, now| scene.claims(ticket, now);
        let step = store.step(&scene.id(), None, rule).await;
        assert!(!matches!(step, Ok(Stepped::Gone)), "the code is lost");
        phase(&successor, &scene.id()).await == Phase::Claimed
    };
    eventually("the code is claimed at the successor", claimed).await;
}

#[tokio::test]
async fn a_killed_master_is_missed_in_time_and_its_successor_found() {
    let mut fleet = Fleet::start().await;
    let store = fleet.store();
    let scene = minted(&store, Duration::ZERO).await;
    fleet.replica.catches_up_with(&fleet.master).await;
    fleet.master.stop().await;
    let began = Instant::now();
    assert!(store.read(&scene.id()).await.is_err());
    assert!(began.elapsed() < TIMEOUT * 3, "{:?}", began.elapsed());
    fleet.promote().await;
    // The sentinel names it a moment before it knows itself.
    eventually("the successor is found", async || store.ping().await.is_ok()).await;
    assert!(matches!(claim(&store, &scene).await, Stepped::Done(..)));
}

/// A master that was out of reach does not know that it is none any more, and its clients' connections still stand.
#[tokio::test]
async fn a_master_that_was_replaced_behind_its_back_is_left() {
    let fleet = Fleet::start().await;
    let store = fleet.store();
    store.ping().await.unwrap();
    fleet.master.signal("STOP").await;
    fleet.promote().await;
    fleet.master.signal("CONT").await;
    let successor = redis_store(&fleet.replica, TIMEOUT);
    let is_there = async || {
        let Ok(Some(scene)) = attempt(&store).await else { return false };
        successor.read(&scene.id()).await.unwrap().is_some()
    };
    eventually("new codes are at the successor", is_there).await;
    assert_eq!(fleet.master.info("role").await, "master", "nobody has told the old one yet");
}

async fn attempt(store: &Store) -> Result<Option<crate::ticket::fixture::Scene>, StoreError> {
    let rate = crate::config::Rate { count: 1000, per: Duration::from_secs(1) };
    let super::Counted::Within { now } = store.count_code(&crate::token::UserHash([9; 16]), rate).await? else {
        return Ok(None);
    };
    let scene = crate::ticket::fixture::Scene::new(now);
    store.mint(&scene.id(), &scene.ticket()).await.map(|_| Some(scene))
}

/// The replica that is promoted never heard that the code was spent.
#[tokio::test]
async fn a_code_that_a_failover_revives_is_refused_by_the_process_that_saw_it_spent() {
    let mut fleet = Fleet::start().await;
    let store = fleet.store();
    let scene = approved(&store).await;
    fleet.replica.catches_up_with(&fleet.master).await;
    // Cut off by a password that the master does not know.
    fleet.replica.tell::<()>(&["CONFIG", "SET", "masteruser", "nobody"]).await.unwrap();
    fleet.replica.tell::<()>(&["CONFIG", "SET", "masterauth", "wrong"]).await.unwrap();
    fleet.replica.tell::<i64>(&["CLIENT", "KILL", "TYPE", "master"]).await.unwrap();
    let is_cut = async || fleet.master.info("connected_slaves").await == "0";
    eventually("the replica is cut off", is_cut).await;
    let lease = begin(&store, &scene).await.unwrap();
    assert!(matches!(finish(&store, &scene, &lease).await, Stepped::Done(..)));
    fleet.master.stop().await;
    fleet.promote().await;
    eventually("the successor is found", async || store.ping().await.is_ok()).await;

    let successor = redis_store(&fleet.replica, TIMEOUT);
    assert_eq!(phase(&successor, &scene.id()).await, Phase::Approved, "the store has forgotten");
    assert_eq!(phase(&store, &scene.id()).await, Phase::Spent, "this process has not");
    assert_eq!(begin(&store, &scene).await, Err(Refusal::Over(Phase::Spent)));
    // Another process may call once more, under the webhook-id that the token gives: it is the same.
    assert!(begin(&fleet.store(), &scene).await.is_ok());
}
