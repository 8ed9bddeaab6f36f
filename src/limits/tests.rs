use std::net::IpAddr;

use super::*;
use crate::peer::PeerAddress;

fn limiter(count: u32, seconds: u64) -> Limiter {
    Limiter::new(Rate { count, per: Duration::from_secs(seconds) })
}

fn address(text: &str) -> Client {
    of(text.parse().unwrap())
}

fn of(address: IpAddr) -> Client {
    Client { peer: PeerAddress::Unix, address: Some(address), many: false }
}

fn unknown(peer: PeerAddress, many: bool) -> Client {
    Client { peer, address: None, many }
}

#[tokio::test(start_paused = true)]
async fn a_forgiven_request_costs_nothing_and_gives_nothing() {
    let limiter = limiter(3, 60);
    let client = address("203.0.113.7");
    for _ in 0..100 {
        assert_eq!(limiter.admit(client), Ok(()));
        limiter.forgive(client);
    }
    for _ in 0..3 {
        assert_eq!(limiter.admit(client), Ok(()));
    }
    assert!(limiter.admit(client).is_err(), "forgiven requests leave no allowance behind");
    limiter.forgive(address("203.0.113.8"));
    assert!(limiter.admit(client).is_err(), "nor do those of others");
}

#[tokio::test(start_paused = true)]
async fn a_mark_lasts_one_share_from_the_last_time_on() {
    let limiter = limiter(1, 600);
    let client = address("203.0.113.7");
    assert!(!limiter.is_marked(client));
    for _ in 0..3 {
        limiter.mark(client);
        tokio::time::advance(Duration::from_secs(599)).await;
        assert!(limiter.is_marked(client) && !limiter.is_marked(address("203.0.113.8")));
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!limiter.is_marked(client));
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_its_count_at_once_and_then_waits() {
    let limiter = limiter(3, 60);
    let client = address("203.0.113.7");
    for _ in 0..3 {
        assert_eq!(limiter.admit(client), Ok(()));
    }
    assert_eq!(limiter.admit(client), Err(Duration::from_secs(20)));
    tokio::time::advance(Duration::from_secs(19)).await;
    assert_eq!(limiter.admit(client), Err(Duration::from_secs(1)));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(limiter.admit(client), Ok(()));
    assert!(limiter.admit(client).is_err());
}

#[tokio::test(start_paused = true)]
async fn clients_do_not_block_each_other() {
    let limiter = limiter(1, 60);
    assert!(limiter.admit(address("203.0.113.7")).is_ok());
    assert!(limiter.admit(address("203.0.113.8")).is_ok());
    assert!(limiter.admit(address("::ffff:203.0.113.7")).is_err(), "a mapped address is the same client");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stands_for_many_clients_has_the_share_of_twenty() {
    let limiter = limiter(2, 60);
    let at = |address: &str| PeerAddress::ip(address.parse().unwrap());
    for peer in [at("10.0.0.5:443"), at("[fd00::5]:443"), PeerAddress::Unix] {
        let admitted = (0..100).filter(|_| limiter.admit(unknown(peer, true)).is_ok()).count();
        assert_eq!(admitted, 40, "{peer}");
    }
    assert!(limiter.admit(unknown(at("[fd00::6]:443"), true)).is_err(), "the same /64");
    assert!(limiter.admit(address("10.0.0.5")).is_ok(), "a client of that address has a share of its own");
    let one = Limiter::new(Rate { count: 2, per: Duration::from_secs(60) });
    assert_eq!((0..100).filter(|_| one.admit(unknown(PeerAddress::Unix, false)).is_ok()).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_client_is_its_64() {
    let limiter = limiter(1, 60);
    assert!(limiter.admit(address("2001:db8:0:1::1")).is_ok());
    assert!(limiter.admit(address("2001:db8:0:1:ffff::2")).is_err());
    assert!(limiter.admit(address("2001:db8:0:2::1")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn memory_stays_bounded_under_a_flood_of_addresses() {
    let limiter = limiter(5, 60);
    for n in 0..200_000u32 {
        let _ = limiter.admit(of(IpAddr::V4(n.into())));
    }
    assert!(limiter.clients() <= SHARDS * MAX_CLIENTS);
}

#[tokio::test(start_paused = true)]
async fn stale_clients_are_forgotten_bit_by_bit() {
    let limiter = limiter(5, 60);
    for n in 0..10_000u32 {
        let _ = limiter.admit(of(IpAddr::V4(n.into())));
    }
    tokio::time::advance(Duration::from_secs(61)).await;
    for n in 0..10_000u32 {
        let _ = limiter.admit(of(IpAddr::V4((n % 512).into())));
    }
    assert!(limiter.clients() <= 512, "{} left", limiter.clients());
}
