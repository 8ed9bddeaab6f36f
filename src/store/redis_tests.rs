//! What only the store in Redis does.

use std::time::Duration;

use ::redis::AsyncCommands;

use super::test_redis::TestRedis;
use super::test_steps::*;
use super::*;
use crate::ticket::fixture::{LIFETIME, Scene};
use crate::ticket::{State, TOMBSTONE};

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

/// A failover brings an older state back.
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

/// A key whose expiry was removed by hand.
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
