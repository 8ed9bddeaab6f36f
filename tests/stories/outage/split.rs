//! The network splits: packets across the split are lost silently. Each story has a private network of namespaces.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::network::{Host, Network};
use crate::harness::outage::{HIGH_LIMITS, Outage, Person, SHORT_TIMEOUTS};
use crate::harness::redis::TestRedis;

/// Settings of gates with a store timeout of 1.5 seconds and one origin.
fn settings(store: &str, origin: Option<&str>) -> String {
    let public = origin.map(|origin| format!("[public]\nurl = \"{origin}\"\n")).unwrap_or_default();
    format!("[store]\nurl = \"{store}\"\ntimeout = \"1500ms\"\n{SHORT_TIMEOUTS}{HIGH_LIMITS}{public}")
}

/// Every press gets 503 within the timeout.
fn is_refused_in_time(person: &mut Person) {
    let began = Instant::now();
    assert_eq!(person.computer.post("/qr/", "").status(), 503);
    assert_eq!(person.finish().status(), 503);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_gate_cut_off_from_its_redis_forwards_and_recovers() {
    let Some(network) = Network::of_its_own(a_gate_cut_off_from_its_redis_forwards_and_recovers) else { return };
    let (here, there) = (network.host(), network.host());
    let application = network.application();
    let _redis = TestRedis::on(&there, &[]);
    let gate = here.gate(&application, &settings(&format!("redis://{}/0", there.back()), None));
    let mut outage = Outage::of("network: Redis cut off", &application, &gate);
    let mut ana = outage.person(&gate, "ana");
    network.splits_off(&[&there]);
    for _ in 0..3 {
        is_refused_in_time(&mut ana);
    }
    assert_eq!(application.logins(), 0);
    network.heals(&[&there]);
    outage.gets_in(ana);
    outage.ends();
}

#[test]
fn in_a_split_the_gate_on_the_stores_side_continues() {
    let Some(network) = Network::of_its_own(in_a_split_the_gate_on_the_stores_side_continues) else {
        return;
    };
    let (one, other, there) = (network.host(), network.host(), network.host());
    let application = network.application();
    let _redis = TestRedis::on(&there, &[]);
    let store = format!("redis://{}/0", there.back());
    let near = one.gate(&application, &settings(&store, None));
    let far = other.gate(&application, &settings(&store, Some(&near.origin())));
    let mut outage = Outage::of("network: one of two gates cut off", &application, &far);
    let mut people = ["ana", "bob", "cleo"].map(|user| outage.person(&near, user));
    network.splits_off(&[&one, &there]);
    let [ana, bob, cleo] = &mut people;
    // Ana uses the gate that reaches the store, bob the one that does not, and cleo is moved between the two.
    assert_eq!(ana.finish().status(), 303);
    bob.through(&far);
    cleo.through(&far);
    is_refused_in_time(bob);
    assert_eq!(cleo.finish().status(), 503);
    cleo.through(&near);
    assert_eq!(cleo.finish().status(), 303);
    network.heals(&[&one, &there]);
    cleo.through(&far);
    people.into_iter().for_each(|person| drop(outage.gets_in(person)));
    outage.ends();
    assert_eq!(application.logins(), 3);
}

/// A master, its replica and three sentinels on three hosts, and a gate on either side of the split to come.
struct Fleet {
    network: Network,
    hosts: [Host; 5],
    application: TestApplication,
    master: TestRedis,
    replica: TestRedis,
    sentinels: Vec<TestRedis>,
    /// On the master's side.
    near: TestGate,
    far: TestGate,
}

impl Fleet {
    fn start(network: Network, more: &[&str]) -> Fleet {
        let hosts: [Host; 5] = std::array::from_fn(|_| network.host());
        let application = network.application();
        let [with_master, with_replica, third, ..] = &hosts;
        let address = with_master.back().to_string();
        let master = TestRedis::on(with_master, more);
        let replica = TestRedis::on(with_replica, &[more, &["--replicaof", &address, "6379"]].concat());
        let watched = format!(
            "sentinel monitor main {address} 6379 2\nsentinel down-after-milliseconds main 1000\n\
             sentinel failover-timeout main 4000\n"
        );
        let sentinels: Vec<TestRedis> = [with_master, with_replica, third]
            .map(|host| TestRedis::sentinel_on(host, &format!("{watched}sentinel announce-ip {}\n", host.back())))
            .into();
        for sentinel in &sentinels {
            eventually("the sentinels know all servers", || {
                let known = sentinel.info("master0");
                (known.contains("slaves=1") && known.contains("sentinels=3")).then_some(())
            });
        }
        eventually("the replica is up", || (replica.info("master_link_status") == "up").then_some(()));
        let named = [with_master, with_replica, third].map(|host| host.back().to_string()).join(",");
        let store = format!("redis+sentinel://{named}/main/0");
        let near = hosts[3].gate(&application, &settings(&store, None));
        let far = hosts[4].gate(&application, &settings(&store, Some(&near.origin())));
        Fleet { network, hosts, application, master, replica, sentinels, near, far }
    }

    /// The master, its sentinel and the near gate on one side; the replica and most sentinels on the other.
    fn splits(&self) {
        eventually("the replica has received every write", || {
            (self.replica.info("slave_repl_offset") == self.master.info("master_repl_offset")).then_some(())
        });
        self.network.splits_off(&[&self.hosts[0], &self.hosts[3]]);
    }

    fn has_failed_over(&self) {
        let successor = self.hosts[1].back().to_string();
        eventually("two sentinels have promoted the replica", || {
            let named = self.sentinels[2].cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]);
            (named.contains(&successor) && self.replica.info("role") == "master").then_some(())
        });
    }

    fn heals(&self) {
        self.network.heals(&[&self.hosts[0], &self.hosts[3]]);
        eventually("the old master follows the new", || (self.master.info("role") == "slave").then_some(()));
    }
}

/// docs/security.md, row B12, with a quorum of sentinels, and an application that remembers webhook ids.
#[test]
#[ignore = "waits for sentinels to agree, which takes a quarter of a minute"]
fn a_partitioned_master_with_a_spent_code_signs_nobody_in_twice() {
    let Some(network) = Network::of_its_own(a_partitioned_master_with_a_spent_code_signs_nobody_in_twice) else {
        return;
    };
    let fleet = Fleet::start(network, &[]);
    let (good, seen) = (fleet.application.login_reply(), Mutex::new(HashSet::new()));
    fleet.application.route("/_qr/login", move |request| {
        match seen.lock().unwrap().insert(request.field("webhook-id").unwrap().to_owned()) {
            true => good(request),
            false => Reply::Bytes(response(409, &["Content-Type: application/json"], b"{}")),
        }
    });
    let mut outage = Outage::of("network: master isolated, replica promoted", &fleet.application, &fleet.far);
    let [mut ana, mut bob, cleo] = ["ana", "bob", "cleo"].map(|user| outage.person(&fleet.near, user));
    fleet.splits();
    // The old master does not yet know that it is cut off, and its replica never receives the write.
    assert_eq!(ana.finish().status(), 303);
    fleet.has_failed_over();
    ana.through(&fleet.far);
    let refused =
        eventually("the successor responds", || Some(ana.finish()).filter(|response| response.status() != 503));
    assert_eq!(refused.status(), 410, "the application has seen this id");
    bob.through(&fleet.far);
    let bob = outage.gets_in(bob);
    fleet.heals();
    ana.through(&fleet.near);
    let told = eventually("the near gate is back", || Some(ana.finish()).filter(|response| response.status() != 503));
    assert!(!told.all("set-cookie").iter().any(|line| line.starts_with("sessionid")), "{}", told.text());
    outage.leaves(&ana);
    outage.leaves(&bob);
    outage.gets_in(cleo);
    outage.ends();
    assert_eq!(fleet.application.logins(), 4, "two calls for ana, with one id");
}

/// With the settings of docs/operations.md, the old master stops by itself.
#[test]
#[ignore = "waits for sentinels to agree, which takes a quarter of a minute"]
fn a_master_that_must_have_a_replica_stops_when_it_is_partitioned() {
    let Some(network) = Network::of_its_own(a_master_that_must_have_a_replica_stops_when_it_is_partitioned) else {
        return;
    };
    let fleet = Fleet::start(network, &["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"]);
    let mut outage = Outage::of("network: the same, min-replicas-to-write 1", &fleet.application, &fleet.far);
    let [mut ana, bob] = ["ana", "bob"].map(|user| outage.person(&fleet.near, user));
    fleet.splits();
    eventually("the master misses its replica", || (fleet.master.info("min_slaves_good_slaves") == "0").then_some(()));
    is_refused_in_time(&mut ana);
    assert_eq!(fleet.application.logins(), 0);
    fleet.has_failed_over();
    ana.through(&fleet.far);
    // The successor has no replica until the split is over.
    assert_eq!(ana.finish().status(), 503);
    fleet.heals();
    let ana = outage.gets_in(ana);
    outage.leaves(&ana);
    outage.gets_in(bob);
    outage.ends();
    assert_eq!(fleet.application.logins(), 2);
}
