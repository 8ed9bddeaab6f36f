//! What the program needs of the system runs out: descriptors, and memory for tickets.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::application::TestApplication;
use crate::harness::browser::computer;
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::outage::{Outage, PATIENT, QUICK};

fn descriptors(gate: &TestGate) -> Vec<usize> {
    let open = std::fs::read_dir(format!("/proc/{}/fd", gate.pid())).expect("a running process");
    open.map(|entry| entry.expect("an entry").file_name().to_str().expect("a number").parse().expect("a number"))
        .collect()
}

/// Processor time that it has taken so far.
fn worked(gate: &TestGate) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", gate.pid())).expect("a running process");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("the fields after the name").split_whitespace().collect();
    let ticks: u64 = [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}

#[test]
fn a_gate_out_of_descriptors_waits_for_one_and_recovers() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, &format!("{QUICK}{PATIENT}"));
    let mut outage = Outage::of("descriptors exhausted", &application, &gate);
    outage.stops_the_site = true;
    let ana = outage.person(&gate, "ana");
    let session = application.sign_in("bob");
    // Somebody who is in already.
    let mut inside = gate.connect();
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {}\r\nCookie: {session}\r\n\r\n", gate.address);
    inside.write(ask("/").as_bytes());
    assert_eq!(inside.read_answer(false).unwrap().status(), 200);
    // The limit is on the numbers, of which lower ones may be free.
    let most = descriptors(&gate).into_iter().max().expect("some are open") + 10;
    let limited = Command::new("prlimit").args([format!("--pid={}", gate.pid()), format!("--nofile={most}:")]).status();
    assert!(limited.unwrap().success());
    let crowd: Vec<TcpStream> = (0..most + 50).map(|_| TcpStream::connect(gate.address).unwrap()).collect();
    eventually("no descriptor is left", || (descriptors(&gate).len() == most).then_some(()));

    let (began, before) = (Instant::now(), worked(&gate));
    eventually("a second goes by", || (began.elapsed() > Duration::from_secs(1)).then_some(()));
    let work = worked(&gate) - before;
    assert!(work < Duration::from_millis(300), "it works for {work:?} in a second in which it can do nothing");
    // Who is in is served as far as the connections to the application go.
    for (target, refused) in [("/", 502), ("/qr/", 503)] {
        inside.write(ask(target).as_bytes());
        let status = inside.read_answer(false).unwrap().status();
        assert!(status == 200 || status == refused, "{target}: {status}");
    }
    drop(crowd);
    eventually("connections are accepted again", || (descriptors(&gate).len() < most).then_some(()));
    outage.gets_in(ana);
    outage.ends();
}

/// Both a limit of the process and the in-memory store's own: what fits into the memory is known at the start.
#[test]
#[ignore = "mints as many codes as fit, which takes half a minute"]
fn a_memory_full_of_codes_refuses_new_ones_and_keeps_those_there_are() {
    let application = TestApplication::start();
    let file = configuration(application.address, &format!("[listen]\nworkers = 2\n{QUICK}{PATIENT}"));
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
                            let answer = computer(gate).with_cookie(&session).post("/qr/", "");
                            assert!(matches!(answer.status(), 200 | 503), "{}", answer.text());
                            assert!(answer.status() == 200 || answer.field("retry-after").is_some());
                            answer.status() == 200
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
        assert_eq!(ana.finish().status(), 303, "what is there is kept");
        outage.leaves(&ana);
    }
    outage.ends();
}
