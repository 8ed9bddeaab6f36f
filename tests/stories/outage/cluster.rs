//! A node of a cluster is killed: its own codes stop working, the others continue.

use std::time::{Duration, Instant};

use crate::harness::application::TestApplication;
use crate::harness::gate::TestGate;
use crate::harness::outage::{HIGH_LIMITS, Outage, SHORT_TIMEOUTS};
use crate::harness::redis::TestCluster;

#[test]
fn people_sign_in_over_a_cluster_and_an_unreachable_node_stops_its_own_codes_only() {
    let application = TestApplication::start();
    let mut cluster = TestCluster::start();
    let gate = TestGate::with(&application, &format!("{}{SHORT_TIMEOUTS}{HIGH_LIMITS}", cluster.settings()));
    let mut outage = Outage::of("Cluster: a node killed, and back empty", &application, &gate);
    // Each person's codes have one shard; that none is on one of three nodes has a probability of 1 in 10 000.
    let people: Vec<_> = (0..24).map(|number| outage.person(&gate, &format!("person{number}"))).collect();
    for node in &cluster.nodes {
        assert_ne!(node.cli(&["DBSIZE"]).trim(), "0", "codes are spread");
    }
    cluster.nodes[0].end();
    let (mut in_, mut away) = (Vec::new(), Vec::new());
    for mut person in people {
        let began = Instant::now();
        match person.finish().status() {
            303 => in_.push(person),
            503 => away.push(person),
            other => panic!("{other}"),
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    assert!(!in_.is_empty() && !away.is_empty(), "{} in, {} away", in_.len(), away.len());
    assert_eq!(application.logins(), in_.len());
    assert_eq!(gate.admin("/readyz").status(), 200, "most codes work");
    cluster.nodes[0].start_again();
    cluster.is_whole();
    in_.into_iter().chain(away).for_each(|person| drop(outage.gets_in(person)));
    outage.ends();
}
