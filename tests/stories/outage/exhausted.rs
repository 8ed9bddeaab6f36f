//! Resources run out: file descriptors, and memory for tickets.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::application::TestApplication;
use crate::harness::browser::computer;
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::Connection;
use crate::harness::outage::{HIGH_LIMITS, Outage, SHORT_TIMEOUTS};
use crate::harness::ports::unused;

/// Whether the test can count the process's descriptors: only as root, because the process is not dumpable.
fn can_be_counted(gate: &TestGate) -> bool {
    let readable = std::fs::read_dir(format!("/proc/{}/fd", gate.pid())).is_ok();
    if !readable {
        eprintln!("skipped: only root can count the descriptors of qrgate");
    }
    readable
}

fn descriptors(gate: &TestGate) -> Vec<usize> {
    let open = std::fs::read_dir(format!("/proc/{}/fd", gate.pid())).expect("a running process");
    open.map(|entry| entry.expect("an entry").file_name().to_str().expect("a number").parse().expect("a number"))
        .collect()
}

/// Processor time used so far.
fn worked(gate: &TestGate) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", gate.pid())).expect("a running process");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("the fields after the name").split_whitespace().collect();
    let ticks: u64 = [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}

#[test]
fn a_gate_out_of_descriptors_waits_for_one_and_recovers() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, &format!("{SHORT_TIMEOUTS}{HIGH_LIMITS}"));
    if !can_be_counted(&gate) {
        return;
    }
    let mut outage = Outage::of("descriptors exhausted", &application, &gate);
    outage.stops_the_site = true;
    let ana = outage.person(&gate, "ana");
    let session = application.sign_in("bob");
    // A client that is already connected.
    let mut inside = gate.connect();
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {}\r\nCookie: {session}\r\n\r\n", gate.address);
    inside.write(ask("/").as_bytes());
    assert_eq!(inside.read_response(false).unwrap().status(), 200);
    // The limit applies to the numbers of descriptors, of which lower ones may be free.
    let most = descriptors(&gate).into_iter().max().expect("some are open") + 10;
    let limited = Command::new("prlimit").args([format!("--pid={}", gate.pid()), format!("--nofile={most}:")]).status();
    assert!(limited.unwrap().success());
    let crowd: Vec<TcpStream> = (0..most + 50).map(|_| TcpStream::connect(gate.address).unwrap()).collect();
    eventually("no descriptor is left", || (descriptors(&gate).len() == most).then_some(()));

    let (began, before) = (Instant::now(), worked(&gate));
    eventually("a second goes by", || (began.elapsed() > Duration::from_secs(1)).then_some(()));
    let work = worked(&gate) - before;
    assert!(work < Duration::from_millis(300), "it works for {work:?} in a second in which it can do nothing");
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(gate.admin(path).status(), 200, "{path}");
    }
    assert_eq!(refusals(&gate), 1);
    // Connected clients are served as long as there are connections to the application.
    for (target, refused) in [("/", 502), ("/qr/", 503)] {
        inside.write(ask(target).as_bytes());
        let status = inside.read_response(false).unwrap().status();
        assert!(status == 200 || status == refused, "{target}: {status}");
    }
    drop(crowd);
    eventually("connections are accepted again", || (descriptors(&gate).len() < most).then_some(()));
    outage.gets_in(ana);
    outage.ends();
}

/// The limit is lowered while the process runs, so clients take every remaining descriptor and keep it.
#[test]
fn the_admin_listener_responds_while_clients_hold_every_descriptor() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[limits]\nheader_timeout = \"60s\"");
    if !can_be_counted(&gate) {
        return;
    }
    gate.get("/", &[]);
    let most = descriptors(&gate).into_iter().max().expect("some are open") + 20;
    let limited = Command::new("prlimit").args([format!("--pid={}", gate.pid()), format!("--nofile={most}:")]).status();
    assert!(limited.unwrap().success());
    // The backlog is short, because each waiting client takes a descriptor that the admin listener frees for itself.
    let crowd: Vec<_> = (descriptors(&gate).len()..most + 2).map(|_| gate.connect()).collect();
    eventually("no descriptor is left", || (descriptors(&gate).len() == most).then_some(()));
    for _ in 0..3 {
        assert_eq!(gate.admin("/healthz").status(), 200);
        assert_eq!(gate.admin("/readyz").json(), serde_json::json!({"store": "ok", "application": "ok"}));
        assert!(gate.admin("/metrics").text().contains("qrgate_connections_refused_total"));
    }
    drop(crowd);
}

/// How many log lines report connections refused for lack of descriptors.
fn refusals(gate: &TestGate) -> usize {
    gate.wait_for_log(&["connections are refused", "out of file descriptors"]);
    gate.log().iter().filter(|line| line.contains("connections are refused")).count()
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_and_a_low_hard_one_is_reported() {
    let application = TestApplication::start();
    let file = configuration(application.address, "[listen]\nworkers = 2");
    let gate = TestGate::start_by(&["prlimit", "--nofile=128:4000"], &file, &[]);
    let line: serde_json::Value =
        serde_json::from_str(&gate.wait_for_log(&["limits.connections needs more file descriptors"])).expect("JSON");
    assert_eq!((&line["connections"], &line["limit"]), (&"10000".into(), &"4000".into()));
    let ask = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address);
    let mut crowd: Vec<_> = (0..300).map(|_| gate.connect()).collect();
    for connection in &mut crowd {
        connection.write(ask.as_bytes());
        assert_eq!(connection.read_response(false).expect("a response").status(), 200);
    }
}

/// Clients may connect before the workers start: they must not take the descriptors that the workers need.
#[test]
fn a_crowd_at_the_start_under_a_low_limit_ends_no_worker_and_leaves_descriptors_to_others() {
    let application = TestApplication::start();
    let address = unused();
    let listen = format!("[listen]\naddress = \"{address}\"\nworkers = 4\n[limits]\nconnections = 50000");
    let file = configuration(application.address, &listen);
    let crowd = std::thread::spawn(move || {
        let connect = |_| eventually("it listens", || TcpStream::connect(address).ok());
        (0..220).map(connect).collect::<Vec<_>>()
    });
    let gate = TestGate::start_by(&["prlimit", "--nofile=128:128"], &file, &[]);
    let crowd = crowd.join().unwrap();
    assert_eq!(refusals(&gate), 1);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(gate.admin(path).status(), 200, "{path}");
    }
    assert!(!gate.admin("/metrics").text().contains("qrgate_connections_refused_total{cause=\"descriptors\"} 0"));
    let mut served = 0;
    for mut connection in crowd.into_iter().map(Connection::over) {
        connection.write(format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
        served += usize::from(connection.read_response(false).is_some_and(|response| response.status() == 200));
    }
    assert!(served >= 8, "{served} of those who are in are served");
    eventually("all clients have disconnected", || {
        gate.admin("/metrics").text().contains("qrgate_connections 0\n").then_some(())
    });
    let again: Vec<_> = (0..8).map(|_| gate.get("/", &[]).status()).collect();
    assert_eq!(again, [200; 8], "every worker serves requests");
    assert!(!gate.log().iter().any(|line| line.contains("a worker ")), "no worker ended");
}

/// The address space of the process is limited, which sets the capacity of the in-memory store at the start.
#[test]
#[ignore = "mints as many codes as fit, which takes half a minute"]
fn a_full_in_memory_store_refuses_new_codes_and_keeps_existing_ones() {
    let application = TestApplication::start();
    let file = configuration(application.address, &format!("[listen]\nworkers = 2\n{SHORT_TIMEOUTS}{HIGH_LIMITS}"));
    let gate = TestGate::start_by(&["prlimit", "--as=200000000"], &file, &[]);
    let mut outage = Outage::of("memory full of codes", &application, &gate);
    let people = ["ana", "bob"].map(|user| outage.person(&gate, user));
    let minted = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let (gate, application) = (&gate, &application);
                scope.spawn(move || {
                    (0..)
                        .take_while(|number| {
                            let session = application.sign_in(&format!("user{thread}-{number}"));
                            let response = computer(gate).with_cookie(&session).post("/qr/", "");
                            assert!(matches!(response.status(), 200 | 503), "{}", response.text());
                            assert!(response.status() == 200 || response.field("retry-after").is_some());
                            response.status() == 200
                        })
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    println!("{minted} codes fit, in {} MiB", gate.resident() / 1024 / 1024);
    assert!(minted > 1000, "{minted}");
    for mut ana in people {
        assert_eq!(ana.finish().status(), 303, "existing codes still work");
        outage.leaves(&ana);
    }
    outage.ends();
}
