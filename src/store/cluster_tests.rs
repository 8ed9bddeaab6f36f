//! What happens to a cluster while it is in use, with real servers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::row::Keys;
use super::slots;
use super::test_redis::{TestCluster, TestRedis, eventually};
use super::test_steps::{TIMEOUT, approved, begin, claim, finish, minted, phase, store_at};
use super::{Stepped, Store};
use crate::ticket::Phase;
use crate::ticket::fixture::Scene;
use crate::tls::ClientTls;

fn store(cluster: &TestCluster, timeout: Duration) -> Arc<Store> {
    store_at(&cluster.url(), timeout, &ClientTls::default())
}

/// Which of the three masters has the scene's slot.
fn owner(scene: &Scene) -> usize {
    usize::from(slots::of_shard(scene.id().shard) / 5461).min(2)
}

/// A code at each of the three.
async fn spread(store: &Store) -> [Scene; 3] {
    let mut scenes = [None, None, None];
    while scenes.iter().any(Option::is_none) {
        let scene = minted(store, Duration::ZERO).await;
        let at = owner(&scene);
        scenes[at] = Some(scene);
    }
    scenes.map(Option::unwrap)
}

#[tokio::test]
async fn codes_are_spread_over_the_masters() {
    let cluster = TestCluster::start(false).await;
    let store = store(&cluster, TIMEOUT);
    spread(&store).await;
    for node in &cluster.nodes {
        assert!(node.tell::<u64>(&["DBSIZE"]).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_change_reaches_another_process_on_another_node() {
    let cluster = TestCluster::start(false).await;
    let here = store(&cluster, TIMEOUT);
    let url = format!("redis+cluster://127.0.0.1:{}", cluster.nodes[2].port());
    let there = store_at(&url, TIMEOUT, &ClientTls::default());
    let subscribed = async |node: &TestRedis| {
        let answer = node.tell::<(String, u64)>(&["PUBSUB", "NUMSUB", "qrgate:changed"]).await;
        answer.unwrap().1
    };
    let both = async || subscribed(&cluster.nodes[1]).await == 1 && subscribed(&cluster.nodes[2]).await == 1;
    eventually("both listen", both).await;
    for scene in spread(&here).await {
        let mut watch = there.watch(&scene.id());
        assert!(matches!(claim(&here, &scene).await, Stepped::Done(..)));
        tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.expect("the event");
        assert_eq!(phase(&there, &scene.id()).await, Phase::Claimed);
    }
}

#[tokio::test]
async fn a_slot_moves_with_its_codes_while_they_are_used() {
    let cluster = TestCluster::start(false).await;
    let store = store(&cluster, TIMEOUT);
    let scene = approved(&store).await;
    let slot = slots::of_shard(scene.id().shard).to_string();
    let from = &cluster.nodes[owner(&scene)];
    let to = &cluster.nodes[(owner(&scene) + 1) % 3];
    let (from_id, to_id): (String, String) =
        (from.tell(&["CLUSTER", "MYID"]).await.unwrap(), to.tell(&["CLUSTER", "MYID"]).await.unwrap());
    to.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await.unwrap();
    from.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await.unwrap();

    // Half here, half there: a step waits, and is taken when all keys are in one place.
    let port = to.port().to_string();
    let migrate = async |key: &str| from.tell::<()>(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]).await.unwrap();
    let keys = Keys::new("qrgate:");
    let ticket = keys.ticket(&scene.id());
    migrate(&ticket).await;
    assert_eq!(phase(&store, &scene.id()).await, Phase::Approved, "asked at its new place");
    let (started, ()) = tokio::join!(begin(&store, &scene), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let left: Vec<String> = from.tell(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await.unwrap();
        assert!(left.len() >= 2 && !left.contains(&ticket), "{left:?}");
        for key in &left {
            migrate(key).await;
        }
    });
    let lease = started.unwrap();
    // Asked for there although the slot is still here.
    assert_eq!(store.find(&scene.desk.view().index()).await.unwrap(), Some(scene.id()));
    for node in [to, from] {
        node.tell::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await.unwrap();
    }
    assert!(matches!(finish(&store, &scene, &lease).await, Stepped::Done(..)));
    assert_eq!(phase(&store, &scene.id()).await, Phase::Spent);
}

#[tokio::test]
async fn a_killed_node_stops_its_own_codes_only_until_its_replica_takes_over() {
    let mut cluster = TestCluster::start(true).await;
    let store = store(&cluster, TIMEOUT);
    let scenes = spread(&store).await;
    cluster.nodes[3].catches_up_with(&cluster.nodes[0]).await;
    cluster.nodes[0].stop().await;
    let began = Instant::now();
    assert!(store.read(&scenes[0].id()).await.is_err());
    for scene in &scenes[1..] {
        assert!(store.read(&scene.id()).await.unwrap().is_some());
    }
    assert!(began.elapsed() < TIMEOUT, "{:?}", began.elapsed());
    store.ping().await.unwrap();
    cluster.nodes[3].tell::<()>(&["CLUSTER", "FAILOVER", "TAKEOVER"]).await.unwrap();
    let is_back = async || store.read(&scenes[0].id()).await.is_ok_and(|row| row.is_some());
    eventually("its replica has taken over", is_back).await;
    assert!(matches!(claim(&store, &scenes[0]).await, Stepped::Done(..)));
}

#[tokio::test]
async fn a_hung_node_slows_down_no_other() {
    let cluster = TestCluster::start(false).await;
    let store = store(&cluster, TIMEOUT);
    let scenes = Arc::new(spread(&store).await);
    cluster.nodes[0].signal("STOP").await;
    let (hung, others) = (store.clone(), scenes.clone());
    let waiting = tokio::spawn(async move {
        let began = Instant::now();
        for _ in 0..2 {
            assert!(hung.read(&others[0].id()).await.is_err());
        }
        began.elapsed()
    });
    let mut slowest = Duration::ZERO;
    while !waiting.is_finished() {
        for scene in &scenes[1..] {
            let began = Instant::now();
            assert!(store.read(&scene.id()).await.unwrap().is_some());
            slowest = slowest.max(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(slowest < TIMEOUT / 2, "{slowest:?}");
    assert!(waiting.await.unwrap() < TIMEOUT * 4);
    cluster.nodes[0].signal("CONT").await;
    let is_back = async || store.read(&scenes[0].id()).await.is_ok_and(|row| row.is_some());
    eventually("it goes on", is_back).await;
}
