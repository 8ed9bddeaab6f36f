//! What surrounds HTTP: preambles, limits, draining, socket files.

use super::*;

fn behind(trusted: bool) -> ServerSettings {
    let entries = [if trusted { "127.0.0.1" } else { "192.0.2.1" }.to_owned()];
    ServerSettings { proxy_protocol: TrustedProxies::parse(&entries).ok(), ..settings() }
}

/// Sends a preamble and asks who the peer is.
async fn named_by(gate: &Gate, preamble: &[u8]) -> String {
    let mut client = gate.connect().await;
    client.0.write_all(preamble).await.unwrap();
    let _ = client.0.write_all(b"GET /peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let response = client.rest().await;
    response.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned()
}

fn version_2(command: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, 0x11], &length, rest].concat()
}

#[tokio::test(start_paused = true)]
async fn a_preamble_names_the_client() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::start(behind(true), Permits::new(9, None, None));
            let addresses = [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
            assert_eq!(named_by(&gate, b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n").await, "203.0.113.7;");
            assert_eq!(named_by(&gate, b"PROXY UNKNOWN\r\n").await, "127.0.0.1;");
            assert_eq!(named_by(&gate, &version_2(0x21, &addresses)).await, "203.0.113.9;");
            assert_eq!(named_by(&gate, &version_2(0x20, &addresses)).await, "127.0.0.1;", "LOCAL keeps the real peer");
            assert_eq!(*gate.events.borrow(), []);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_preamble_closes_the_connection() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::start(behind(true), Permits::new(9, None, None));
            let flood = version_2(0x21, &vec![0; 60_000]);
            for preamble in [b"".as_slice(), b"PROXY TCP4 1.2.3.4\r\n", &b"PROXY ".repeat(40), &flood] {
                assert_eq!(named_by(&gate, preamble).await, "");
            }
            assert_eq!(*gate.events.borrow(), [ConnectionEvent::Preamble; 4]);
            let mut slow = gate.connect().await;
            slow.send("PROXY TCP4 1.2").await;
            assert_eq!(slow.rest().await, "");
            assert_eq!(gate.events.borrow().last(), Some(&ConnectionEvent::TooSlow));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_may_not_name_a_client() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::start(behind(false), Permits::new(9, None, None));
            assert_eq!(named_by(&gate, b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n").await, "");
            assert_eq!(*gate.events.borrow(), [ConnectionEvent::Preamble]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn over_the_limit_a_connection_is_refused_fast() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::start(settings(), Permits::new(1, None, None));
            let mut first = gate.connect().await;
            first.is_greeted().await;
            let began = tokio::time::Instant::now();
            assert_eq!(gate.connect().await.rest().await, "");
            assert!(began.elapsed() < Duration::from_secs(1));
            drop(first);
            pass(1).await;
            gate.connect().await.is_greeted().await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_client_behind_a_proxy_cannot_have_all_connections() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::start(behind(true), Permits::new(9, Some(1), None));
            let mut first = gate.connect().await;
            first.send("PROXY TCP4 203.0.113.7 10.0.0.1 1 80\r\n").await;
            first.is_greeted().await;
            assert_eq!(named_by(&gate, b"PROXY TCP4 203.0.113.7 10.0.0.1 2 80\r\n").await, "");
            assert_eq!(named_by(&gate, b"PROXY TCP4 203.0.113.8 10.0.0.1 2 80\r\n").await, "203.0.113.8;");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn draining_ends_what_is_idle_at_once_and_the_rest_after_its_answer() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let (mut fresh, mut idle, mut parked) = (gate.connect().await, gate.connect().await, gate.connect().await);
            parked.is_greeted().await;
            pass(3).await;
            idle.is_greeted().await;
            let mut busy = gate.connect().await;
            busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
            pass(0).await;
            tokio::task::yield_now().await;
            let mut ticks = 0;
            while gate.worker.open() < 4 && ticks < 100 {
                tokio::task::yield_now().await;
                ticks += 1;
            }
            pass(1).await;
            gate.worker.drain();
            let began = tokio::time::Instant::now();
            for client in [&mut fresh, &mut idle, &mut parked] {
                assert_eq!(client.rest().await, "");
            }
            assert!(began.elapsed() < Duration::from_secs(1));
            assert_eq!(gate.worker.open(), 1);
            let response = busy.rest().await;
            assert!(response.contains("connection: close") && response.ends_with("hello"), "{response}");
            assert_eq!((gate.worker.open(), gate.permits.open()), (0, 0));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_on_its_way_when_the_drain_began_is_served() {
    LocalSet::new()
        .run_until(async {
            let gate = Gate::plain();
            let mut client = gate.connect().await;
            pass(0).await;
            gate.worker.drain();
            pass(0).await;
            client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let response = client.rest().await;
            assert!(response.contains("connection: close") && response.ends_with("hello"), "{response}");
        })
        .await;
}

#[tokio::test]
async fn a_socket_file_goes_with_its_listener_and_a_stale_one_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let address = Address { socket: Socket::Unix(path.clone()), tls: false };
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let ready = bind(&address).unwrap();
    assert!(bind(&address).is_err(), "another socket listens there");
    drop(ready);
    assert!(!path.exists());
    std::fs::write(&path, "precious").unwrap();
    assert!(bind(&address).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(&Address { socket: Socket::Tcp(address), tls: false }).err().unwrap().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("another program"), "{error}");
    let systemd = Address { socket: Socket::Systemd("http".to_owned()), tls: false };
    assert!(bind(&systemd).err().unwrap().to_string().contains("systemd:http"));
}

#[tokio::test]
async fn both_families_may_be_listed_with_one_port() {
    let free = std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let listed = ["0.0.0.0", "[::]"]
        .map(|ip| Address { socket: Socket::Tcp(format!("{ip}:{free}").parse().unwrap()), tls: false });
    let ready = Ready::bind_all(&listed).unwrap();
    assert_eq!(ready.iter().map(Ready::name).collect::<Vec<_>>(), [format!("0.0.0.0:{free}"), format!("[::]:{free}")]);
    drop(ready);
    let alone = Ready::bind_all(&listed[1..]).unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", free)).is_ok(), "alone, it takes IPv4 too");
    drop(alone);
}
