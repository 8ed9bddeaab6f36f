//! What a process hears of others, and how it notices that it hears nothing, with a real Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Stepped;
use super::test_redis::{TestRedis, eventually};
use super::test_steps::{TIMEOUT, claim, minted, phase, redis_store, store_at};
use crate::ticket::Phase;
use crate::tls::ClientTls;

async fn both_listen(server: &TestRedis) {
    let listening = async || {
        let answer = server.tell::<(String, u64)>(&["PUBSUB", "NUMSUB", "qrgate:changed"]).await;
        answer.unwrap().1 == 2
    };
    eventually("both listen", listening).await;
}

#[tokio::test]
async fn a_change_reaches_another_process_within_a_second() {
    let server = TestRedis::start().await;
    let (here, there) = (redis_store(&server, TIMEOUT), redis_store(&server, TIMEOUT));
    let scene = minted(&here, Duration::ZERO).await;
    both_listen(&server).await;
    let mut watch = there.watch(&scene.id());
    assert!(matches!(claim(&here, &scene).await, Stepped::Done(..)));
    tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.expect("the event");
    assert_eq!(phase(&there, &scene.id()).await, Phase::Claimed);
}

#[tokio::test]
async fn a_change_without_an_event_is_seen_within_a_second() {
    let server = TestRedis::start().await;
    let (here, there) = (redis_store(&server, TIMEOUT), redis_store(&server, TIMEOUT));
    let scene = minted(&here, Duration::ZERO).await;
    both_listen(&server).await;
    let mut watch = there.watch(&scene.id());
    let seen = async {
        while phase(&there, &scene.id()).await != Phase::Claimed {
            watch.changed().await;
        }
    };
    let change = async {
        server.tell::<u64>(&["CLIENT", "KILL", "TYPE", "pubsub"]).await.unwrap();
        assert!(matches!(claim(&here, &scene).await, Stepped::Done(..)));
    };
    tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(seen, change) }).await.expect("in time");
}

/// Stands between a store and its Redis. Can hold back a subscription's messages while calls get their replies.
struct Relay {
    url: String,
    keeps_back: Arc<AtomicBool>,
}

impl Relay {
    async fn before(server: &TestRedis) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let keeps_back = Arc::<AtomicBool>::default();
        let (port, kept_back) = (server.port(), keeps_back.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(pass(client, server, kept_back.clone()));
            }
        });
        Relay { url, keeps_back }
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, keeps_back: Arc<AtomicBool>) {
    let (mut asked, mut told) = (vec![0; 4096], vec![0; 4096]);
    let mut is_subscription = false;
    loop {
        tokio::select! {
            Ok(length @ 1..) = client.read(&mut asked) => {
                is_subscription |= asked[..length].windows(9).any(|word| word == b"SUBSCRIBE");
                server.write_all(&asked[..length]).await.unwrap();
            }
            Ok(length @ 1..) = server.read(&mut told) => {
                if !(is_subscription && keeps_back.load(Ordering::Relaxed)) {
                    client.write_all(&told[..length]).await.unwrap();
                }
            }
            else => return,
        }
    }
}

#[tokio::test]
async fn who_hears_itself_looks_after_no_ticket_and_who_does_not_hears_within_a_second_again() {
    let server = TestRedis::start().await;
    let relay = Relay::before(&server).await;
    let (here, there) = (redis_store(&server, TIMEOUT), store_at(&relay.url, TIMEOUT, &ClientTls::default()));
    let scene = minted(&here, Duration::ZERO).await;
    let mut watch = there.watch(&scene.id());
    let silence = |length| Duration::from_millis(length);
    // Until it hears, it is woken each 800 milliseconds.
    while tokio::time::timeout(silence(900), watch.changed()).await.is_ok() {}
    assert!(tokio::time::timeout(silence(2500), watch.changed()).await.is_err(), "nothing has changed");
    relay.keeps_back.store(true, Ordering::Relaxed);
    let noticed = Duration::from_secs(1) + TIMEOUT + silence(500);
    tokio::time::timeout(noticed, watch.changed()).await.expect("the silence is noticed");
    assert!(matches!(claim(&here, &scene).await, Stepped::Done(..)));
    let seen = async {
        while phase(&there, &scene.id()).await != Phase::Claimed {
            watch.changed().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), seen).await.expect("while nothing is heard it looks by itself");
}
