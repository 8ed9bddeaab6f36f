//! Codes in a cluster, seen by the people who are signing in.

use std::time::{Duration, Instant};

use crate::harness::application::TestApplication;
use crate::harness::browser::{computer, phone};
use crate::harness::gate::TestGate;
use crate::harness::people::{approved, press};
use crate::harness::redis::TestCluster;

#[test]
fn people_sign_in_over_a_cluster_and_a_node_that_is_away_stops_its_own_codes_alone() {
    let application = TestApplication::start();
    let mut cluster = TestCluster::start();
    let gate = TestGate::with(&application, &cluster.settings());
    let session = application.sign_in("ana");
    // Each computer's codes have a shard of their own.
    let people = (0..12).map(|_| {
        let mut ana = computer(&gate).with_cookie(&session);
        let mut holder = phone(&gate);
        let (code, proof) = approved(&mut ana, &mut holder);
        (ana, holder, code, proof)
    });
    let people: Vec<_> = people.collect();
    for node in &cluster.nodes {
        assert_ne!(node.cli(&["DBSIZE"]).trim(), "0", "codes are spread");
    }
    cluster.nodes.remove(0).kill();
    let (mut in_, mut away) = (0, 0);
    for (mut ana, mut holder, code, proof) in people {
        let began = Instant::now();
        match press(&mut holder, &code, "finish", &proof).status() {
            303 => in_ += 1,
            503 => away += 1,
            other => panic!("{other}"),
        }
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        assert_eq!(ana.get("/").text(), "signed in as ana");
    }
    assert!(in_ > 0 && away > 0, "{in_} in, {away} away");
    assert_eq!(application.logins(), in_);
    assert_eq!(gate.admin("/readyz").status(), 200, "most codes work");
}
