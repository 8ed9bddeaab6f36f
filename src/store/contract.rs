//! The promises of a store, tried on all kinds: the one in memory with a clock moved by hand, and real `redis-server`s,
//! whose clock no test moves; where time has to pass there, a ticket is minted into the past instead.

use std::sync::Arc;

use super::count_tests::*;
use super::queue_tests::*;
use super::test_redis::{TestCluster, TestRedis};
use super::test_steps::*;
use super::ticket_tests::*;
use super::*;
use crate::tls::ClientTls;

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
