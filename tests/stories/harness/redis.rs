//! Real redis-servers on free ports, without persistence: one, a master with its replica and a sentinel, or a cluster.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use super::eventually;
use super::network::Host;
use super::ports::unused;

pub struct TestRedis {
    pub port: u16,
    /// Where the test reaches it.
    host: IpAddr,
    words: Vec<String>,
    child: Child,
    /// Where it may write.
    folders: Vec<tempfile::TempDir>,
}

impl TestRedis {
    pub fn start() -> TestRedis {
        TestRedis::spawn(unused().port(), &["--save", "", "--appendonly", "no"])
    }

    /// With more arguments.
    pub fn with(more: &[&str]) -> TestRedis {
        let plain = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"];
        TestRedis::spawn(unused().port(), &[&plain, more].concat())
    }

    /// On a host of a network, open to all hosts there, at the default port.
    pub fn on(host: &Host, more: &[&str]) -> TestRedis {
        let open = ["--protected-mode", "no", "--save", "", "--repl-diskless-sync-delay", "0"];
        TestRedis::spawn_by(&host.by(), (host.front(), 6379), &[more, &open].concat())
    }

    /// A sentinel there, with these lines in its file.
    pub fn sentinel_on(host: &Host, settings: &str) -> TestRedis {
        let folder = tempfile::tempdir().expect("tempdir");
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, settings).expect("write sentinel.conf");
        let arguments = [file.to_str().expect("a path"), "--sentinel", "--protected-mode", "no"];
        // The file must not move, because a sentinel writes to it.
        let mut sentinel = TestRedis::spawn_by(&host.by(), (host.front(), 26379), &arguments);
        sentinel.folders.push(folder);
        sentinel
    }

    fn spawn(port: u16, arguments: &[&str]) -> TestRedis {
        TestRedis::spawn_by(&[], (Ipv4Addr::LOCALHOST.into(), port), arguments)
    }

    fn spawn_by(by: &[String], (host, port): (IpAddr, u16), arguments: &[&str]) -> TestRedis {
        let folder = tempfile::tempdir().expect("tempdir");
        let (port_text, bind) = (port.to_string(), if host.is_loopback() { "127.0.0.1" } else { "0.0.0.0" });
        let place = ["--dir", folder.path().to_str().expect("a path"), "--port", &port_text, "--bind", bind];
        let words = by.iter().map(String::as_str).chain(["redis-server"]);
        let words: Vec<String> = words.chain(arguments.iter().copied()).chain(place).map(str::to_owned).collect();
        let child = run(&words, (host, port));
        TestRedis { port, host, words, child, folders: vec![folder] }
    }

    /// Starts it again after its end, with its data if it has persistence.
    pub fn start_again(&mut self) {
        self.child = run(&self.words, (self.host, self.port));
    }

    /// The `[store]` section that uses it.
    pub fn settings(&self) -> String {
        format!("[store]\nurl = \"redis://127.0.0.1:{}/0\"\n", self.port)
    }

    /// Every key and value, as bytes, by `redis-cli`.
    pub fn dump(&self) -> String {
        let script = "local out = {} for _, k in ipairs(redis.call('KEYS', '*')) do out[#out+1] = k \
                      local t = redis.call('TYPE', k).ok \
                      if t == 'hash' then for _, v in ipairs(redis.call('HGETALL', k)) do out[#out+1] = v end \
                      elseif t == 'string' then out[#out+1] = redis.call('GET', k) end end return out";
        self.cli(&["EVAL", script, "0"])
    }

    pub fn cli(&self, arguments: &[&str]) -> String {
        let at = ["-h".to_owned(), self.host.to_string(), "-p".to_owned(), self.port.to_string()];
        let output = Command::new("redis-cli").args(at).args(arguments).output().expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// One line of `INFO`.
    pub fn info(&self, name: &str) -> String {
        let info = self.cli(&["INFO"]);
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().to_owned()
    }

    /// Sends a signal by its name (`STOP`, `CONT`).
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.expect("kill").success());
    }

    /// Kills it, as a crash would.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(words: &[String], address: (IpAddr, u16)) -> Child {
    let mut command = Command::new(&words[0]);
    let command = command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("redis-server is needed: tests/setup.sh installs it");
    eventually("redis-server accepts", || TcpStream::connect(SocketAddr::from(address)).ok());
    child
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A master, its replica, and a sentinel that fails over on command only.
pub struct TestSentinel {
    pub master: TestRedis,
    pub replica: TestRedis,
    sentinel: TestRedis,
    _file: tempfile::TempDir,
}

impl TestSentinel {
    pub fn start() -> TestSentinel {
        let master = TestRedis::with(&[]);
        let port = master.port.to_string();
        let replica = TestRedis::with(&["--replicaof", "127.0.0.1", &port]);
        let folder = tempfile::tempdir().expect("tempdir");
        let file = folder.path().join("sentinel.conf");
        let settings =
            format!("sentinel monitor main 127.0.0.1 {port} 1\nsentinel down-after-milliseconds main 60000\n");
        std::fs::write(&file, settings).expect("write sentinel.conf");
        let sentinel = TestRedis::spawn(unused().port(), &[file.to_str().expect("a path"), "--sentinel"]);
        eventually("the sentinel knows the replica", || sentinel.info("master0").contains("slaves=1").then_some(()));
        let fleet = TestSentinel { master, replica, sentinel, _file: folder };
        fleet.replica_catches_up();
        fleet
    }

    /// The `[store]` section that uses it.
    pub fn settings(&self) -> String {
        format!("[store]\nurl = \"redis+sentinel://127.0.0.1:{}/main/0\"\n", self.sentinel.port)
    }

    pub fn replica_catches_up(&self) {
        eventually("the replica has received every write", || {
            let is_up = self.replica.info("master_link_status") == "up";
            let has_all = self.replica.info("slave_repl_offset") == self.master.info("master_repl_offset")
                && self.replica.cli(&["DBSIZE"]) == self.master.cli(&["DBSIZE"]);
            (is_up && has_all).then_some(())
        });
    }

    /// Cuts the replica off from the master.
    pub fn cut_the_replica(&self) {
        self.replica.cli(&["CONFIG", "SET", "masteruser", "nobody"]);
        self.replica.cli(&["CONFIG", "SET", "masterauth", "wrong"]);
        self.replica.cli(&["CLIENT", "KILL", "TYPE", "master"]);
        eventually("the replica is cut off", || (self.master.info("connected_slaves") == "0").then_some(()));
    }

    /// Makes the replica the master. Returns when the sentinel names it.
    pub fn fail_over(&self) {
        let port = self.replica.port.to_string();
        eventually("the failover begins", || {
            self.sentinel.cli(&["SENTINEL", "FAILOVER", "main"]).starts_with("OK").then_some(())
        });
        eventually("the replica is master", || {
            self.sentinel.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]).contains(&port).then_some(())
        });
    }
}

/// Three masters, the slots spread evenly over them.
pub struct TestCluster {
    pub nodes: Vec<TestRedis>,
}

impl TestCluster {
    pub fn start() -> TestCluster {
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for (first, last) in [("0", "5460"), ("5461", "10922"), ("10923", "16383")] {
            let bus = unused().port().to_string();
            let more = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-require-full-coverage", "no"];
            let node = TestRedis::with(&more);
            assert!(node.cli(&["CLUSTER", "ADDSLOTSRANGE", first, last]).starts_with("OK"));
            node.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(nodes.len() + 1).to_string()]);
            nodes.push(node);
            buses.push(bus);
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            nodes[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), bus]);
        }
        let cluster = TestCluster { nodes };
        cluster.is_whole();
        cluster
    }

    /// Waits until all nodes are up and agree on it.
    pub fn is_whole(&self) {
        for node in &self.nodes {
            eventually("the nodes know each other", || {
                let info = node.cli(&["CLUSTER", "INFO"]);
                let lines = [
                    "cluster_state:ok",
                    "cluster_slots_assigned:16384",
                    "cluster_slots_fail:0",
                    "cluster_slots_pfail:0",
                    "cluster_known_nodes:3",
                ];
                lines.iter().all(|line| info.contains(line)).then_some(())
            });
        }
    }

    /// The `[store]` section that uses it.
    pub fn settings(&self) -> String {
        format!("[store]\nurl = \"redis+cluster://127.0.0.1:{}\"\n", self.nodes[1].port)
    }
}
