//! What every store does with counters and codes to type; `contract.rs` runs these on each kind.

use std::sync::Arc;
use std::time::Duration;

use super::test_redis::TestRedis;
use super::test_steps::*;
use super::*;
use crate::ticket::fixture::{LIFETIME, Scene};
use crate::token::TypedCode;

pub(super) async fn codes_of_a_user_are_counted_and_come_back_with_time(store: Arc<Store>) {
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

pub(super) async fn tries_of_all_clients_are_counted_together(store: Arc<Store>) {
    let rate = Rate { count: 3, per: Duration::from_millis(1500) };
    for _ in 0..3 {
        assert!(matches!(store.count_try(rate).await.unwrap(), Counted::Within { .. }));
    }
    let Counted::TooMany { retry_after, .. } = store.count_try(rate).await.unwrap() else { panic!("one too many") };
    assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_millis(500), "{retry_after:?}");
    pass(&store, retry_after).await;
    assert!(matches!(store.count_try(rate).await.unwrap(), Counted::Within { .. }));
}

pub(super) async fn a_code_to_type_opens_its_token_until_its_time_and_is_never_given_twice(store: Arc<Store>) {
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

async fn counts_anew(store: &Store) {
    let rate = Rate { count: 3, per: Duration::from_secs(600) };
    let ana = Scene::new(Timestamp(0)).secrets.newest().user_hash("ana");
    let take = async || store.count_code(&ana, rate).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(take().await, Counted::Within { .. }));
    }
    assert!(matches!(take().await, Counted::TooMany { .. }));
}

/// The clock is an hour behind what it was when ana last took a code.
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
