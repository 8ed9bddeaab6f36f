//! Private networks of Linux network namespaces: hosts with links that can be cut. Packets into a cut link are lost
//! silently, as in a real split.
//!
//! The story runs again as a separate process in its own network, isolated from the machine's network and from other
//! stories; all its processes end with that one.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use super::application::TestApplication;
use super::eventually;
use super::gate::{TestGate, configuration};

/// Marks the process that runs the story in its own network.
const MARK: &str = "QRGATE_STORY_NETWORK";
/// Addresses of the links to the clients and the application, which are never cut; and of those between gates and
/// stores.
const FRONT: [u8; 3] = [10, 83, 1];
const BACK: [u8; 3] = [10, 83, 2];

/// Two switches: one for the clients, one for the stores.
pub struct Network {
    hosts: AtomicU8,
}

/// A machine at both switches.
pub struct Host {
    number: u8,
    holder: Child,
}

impl Network {
    /// In the story's own process, its network. Otherwise `None`: the story is run in a new process, or skipped with a
    /// reason where the system does not allow a private network.
    #[allow(clippy::disallowed_methods, reason = "how the story's own process knows itself")]
    pub fn of_its_own(story: impl Fn()) -> Option<Network> {
        let name = name_of(&story);
        if std::env::var(MARK).is_ok_and(|inside| inside == name) {
            return Some(Network::new());
        }
        let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
        let works = |way: &&&[&str]| {
            let bridge = ["ip", "link", "add", "name", "a", "type", "bridge"];
            Command::new("unshare").args(**way).args(bridge).output().is_ok_and(|output| output.status.success())
        };
        let Some(way) = ways.iter().find(works) else {
            println!("SKIPPED {name}: this system does not allow a private network (unshare --net, as root)");
            return None;
        };
        let program = std::env::current_exe().expect("the test's program");
        let mut command = Command::new("unshare");
        command.args(*way).arg(program).args([name, "--exact", "--nocapture", "--include-ignored"]).env(MARK, name);
        let output = command.output().expect("unshare");
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        for line in said.lines().filter(|line| line.contains(" hook calls ")) {
            println!("{line}");
        }
        assert!(output.status.success() && said.contains("1 passed"), "{said}\n{errors}");
        None
    }

    fn new() -> Network {
        ip(&["link", "set", "lo", "up"]);
        for switch in ["front", "back", "island"] {
            ip(&["link", "add", "name", switch, "type", "bridge"]);
            ip(&["link", "set", switch, "up"]);
        }
        ip(&["address", "add", &format!("{}/24", address(FRONT, 1)), "dev", "front"]);
        Network { hosts: AtomicU8::new(1) }
    }

    pub fn host(&self) -> Host {
        let number = self.hosts.fetch_add(1, Ordering::Relaxed) + 1;
        // It ends when its input is closed: when the host is dropped, or the story's process ends.
        let mut holder = Command::new("unshare");
        let holder = holder.args(["--net", "cat"]).stdin(Stdio::piped()).spawn().expect("unshare");
        let host = Host { number, holder };
        let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let pid = host.holder.id().to_string();
        eventually("the host has its network", || (namespace(&pid)? != namespace("self")?).then_some(()));
        for (switch, net) in [("front", FRONT), ("back", BACK)] {
            let port = host.port(switch);
            ip(&["link", "add", "name", &port, "type", "veth", "peer", "name", switch, "netns", &pid]);
            ip(&["link", "set", &port, "master", switch, "up"]);
            host.run(&["ip", "address", "add", &format!("{}/24", address(net, number)), "dev", switch]);
            host.run(&["ip", "link", "set", switch, "up"]);
        }
        host.run(&["ip", "link", "set", "lo", "up"]);
        host
    }

    /// An application that all hosts reach.
    pub fn application(&self) -> TestApplication {
        TestApplication::on(TcpListener::bind((address(FRONT, 1), 0)).expect("bind"))
    }

    /// Splits the store side: only these hosts reach one another.
    pub fn splits_off(&self, hosts: &[&Host]) {
        hosts.iter().for_each(|host| ip(&["link", "set", &host.port("back"), "master", "island"]));
    }

    /// Ends the split.
    pub fn heals(&self, hosts: &[&Host]) {
        hosts.iter().for_each(|host| ip(&["link", "set", &host.port("back"), "master", "back"]));
    }
}

impl Host {
    /// Its address for clients and the test.
    pub fn front(&self) -> IpAddr {
        address(FRONT, self.number).into()
    }

    /// Its address for gates and stores.
    pub fn back(&self) -> IpAddr {
        address(BACK, self.number).into()
    }

    fn port(&self, switch: &str) -> String {
        format!("{switch}{}", self.number)
    }

    /// The prefix of a command that runs on this host.
    pub fn by(&self) -> [String; 2] {
        ["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.holder.id())]
    }

    /// A gate on this host, in front of the application.
    pub fn gate(&self, application: &TestApplication, settings: &str) -> TestGate {
        let mut all: toml::Table = settings.parse().expect("TOML");
        let listen = format!("address = \"{front}:0\"\nadmin = \"{front}:0\"", front = self.front());
        all.insert("listen".to_owned(), toml::Value::Table(listen.parse().expect("TOML")));
        let by = self.by();
        TestGate::start_by(&[&by[0], &by[1]], &configuration(application.address, &all.to_string()), &[])
    }

    fn run(&self, words: &[&str]) {
        let by = self.by();
        run(&[&[by[0].as_str(), by[1].as_str()], words].concat());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(input) = self.holder.stdin.take() {
            drop((&input).flush());
        }
        let _ = self.holder.wait();
    }
}

fn address(net: [u8; 3], host: u8) -> Ipv4Addr {
    Ipv4Addr::new(net[0], net[1], net[2], host)
}

fn name_of<F>(_: &F) -> &'static str {
    std::any::type_name::<F>().trim_start_matches("stories::")
}

fn ip(words: &[&str]) {
    run(&[&["ip"], words].concat());
}

fn run(words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).output().expect("a command of iproute2 or util-linux");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}
