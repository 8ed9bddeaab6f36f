//! A Redis server of a test's own: on a port of its own, gone with the test.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tokio::process::{Child, Command};

use crate::config::ClientTls;

/// A running `redis-server`; dropping it ends it.
pub(crate) struct TestRedis {
    process: Child,
    port: u16,
    how: How,
    folder: tempfile::TempDir,
}

/// How a server is started.
#[derive(Clone, Default)]
struct How {
    guarded: bool,
    more: Vec<String>,
    /// Makes it a sentinel.
    sentinel: Option<String>,
}

impl TestRedis {
    /// Starts a server on a free port of 127.0.0.1 and waits until it answers.
    pub(crate) async fn start() -> TestRedis {
        TestRedis::started(How::default()).await
    }

    /// The same with more arguments.
    pub(crate) async fn with(more: &[&str]) -> TestRedis {
        TestRedis::started(How { more: owned(more), ..How::default() }).await
    }

    /// The same behind TLS, for clients with a certificate only, and with no user but the one of docs/operations.md.
    pub(crate) async fn guarded() -> TestRedis {
        TestRedis::started(How { guarded: true, ..How::default() }).await
    }

    /// A replica that is in step.
    pub(crate) async fn replica_of(master: &TestRedis) -> TestRedis {
        let port = master.port.to_string();
        let replica = TestRedis::with(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-load", "swapdb"]).await;
        eventually("the replica is in step", async || replica.info("master_link_status").await == "up").await;
        replica
    }

    /// A sentinel that alone decides on the master `main`, and only when it is told to.
    pub(crate) async fn sentinel_of(master: &TestRedis) -> TestRedis {
        let file = format!(
            "sentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 60000\n\
             sentinel failover-timeout main 10000\n",
            master.port
        );
        let sentinel = TestRedis::started(How { sentinel: Some(file), ..How::default() }).await;
        let knows = async || sentinel.info("master0").await.contains("slaves=1");
        eventually("the sentinel knows the replica", knows).await;
        sentinel
    }

    async fn started(how: How) -> TestRedis {
        // The port is free now; somebody may take it before the server does. Then another one is tried.
        for _ in 0..5 {
            let mut redis = TestRedis::spawn(free_port(), how.clone());
            if redis.answers().await {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    fn spawn(port: u16, how: How) -> TestRedis {
        let folder = tempfile::tempdir().unwrap();
        let mut arguments = Vec::new();
        if let Some(text) = &how.sentinel {
            let file = folder.path().join("sentinel.conf");
            std::fs::write(&file, text).unwrap();
            arguments.extend(owned(&[file.to_str().unwrap(), "--sentinel"]));
        } else {
            arguments.extend(owned(&["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"]));
        }
        let plain = if how.guarded { 0 } else { port };
        arguments.extend(owned(&["--port", &plain.to_string(), "--bind", "127.0.0.1"]));
        if how.guarded {
            arguments.extend(guards(folder.path(), port));
        }
        let process = Command::new("redis-server")
            .args(arguments)
            .args(["--dir", folder.path().to_str().unwrap()])
            .args(&how.more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("these tests need the `redis-server` binary (Debian: apt-get install redis-server)");
        TestRedis { process, port, how, folder }
    }

    async fn answers(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            match self.client().get_multiplexed_async_connection().await {
                Ok(mut connection) => return redis::cmd("PING").exec_async(&mut connection).await.is_ok(),
                Err(error) if !error.is_io_error() => panic!("{error}"),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        match self.how.guarded {
            true => format!("rediss://qrgate:{PASSWORD}@127.0.0.1:{}/0", self.port),
            false => format!("redis://127.0.0.1:{}/0", self.port),
        }
    }

    /// What it takes to be let in.
    pub(crate) fn tls(&self) -> ClientTls {
        let file = |name: &str| Some(self.folder.path().join(name));
        match self.how.guarded {
            true => ClientTls { ca: file("ca.pem"), certificate: file("c.pem"), key: file("c.key"), server_name: None },
            false => ClientTls::default(),
        }
    }

    /// Returns when this replica of `master` has all that was written there.
    pub(crate) async fn catches_up_with(&self, master: &TestRedis) {
        let has_all = async || {
            let sizes = [master.tell::<u64>(&["DBSIZE"]).await.unwrap(), self.tell(&["DBSIZE"]).await.unwrap()];
            let offsets = [master.info("master_repl_offset").await, self.info("slave_repl_offset").await];
            sizes[0] == sizes[1] && offsets[0] == offsets[1]
        };
        eventually("the replica has all", has_all).await;
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Runs a command on it.
    pub(crate) async fn tell<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.connection().await).await
    }

    /// One line of `INFO`.
    pub(crate) async fn info(&self, name: &str) -> String {
        let info: String = self.tell(&["INFO"]).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().to_owned()
    }

    /// Ends the server.
    pub(crate) async fn stop(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again on its port, empty.
    pub(crate) async fn start_again(&mut self) {
        let mut again = TestRedis::spawn(self.port, self.how.clone());
        assert!(again.answers().await, "redis-server does not start again");
        *self = again;
    }

    /// Sends the server a signal: `STOP` makes it hang, `CONT` lets it go on.
    pub(crate) async fn signal(&self, name: &str) {
        let process = self.process.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &process]).status().await.unwrap();
        assert!(sent.success());
    }

    /// A connection for looking behind the store's back.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        self.client().get_multiplexed_async_connection().await.unwrap()
    }

    /// What its access rules have refused, and to whom.
    pub(crate) async fn refusals(&self) -> String {
        match self.tell::<redis::Value>(&["ACL", "LOG"]).await.unwrap() {
            redis::Value::Array(none) if none.is_empty() => String::new(),
            some => format!("{some:?}"),
        }
    }

    fn client(&self) -> redis::Client {
        if !self.how.guarded {
            return redis::Client::open(self.url()).unwrap();
        }
        let url = format!("rediss://root:{PASSWORD}@127.0.0.1:{}/0", self.port);
        redis::Client::build_with_tls(url, super::tls::certificates(&self.tls()).unwrap()).unwrap()
    }
}

/// Some nodes of a cluster, the slots spread evenly over them.
pub(crate) struct TestCluster {
    pub(crate) nodes: Vec<TestRedis>,
}

impl TestCluster {
    /// Three masters, and a replica of the first if wanted. No replica takes over unless it is told to.
    pub(crate) async fn start(with_replica: bool) -> TestCluster {
        let count = if with_replica { 4 } else { 3 };
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let bus = free_port().to_string();
            let more = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "20000"];
            let more = [more.as_slice(), &["--cluster-require-full-coverage", "no"]].concat();
            nodes.push(TestRedis::with(&more).await);
            buses.push(bus);
        }
        for (at, range) in [("0", "5460"), ("5461", "10922"), ("10923", "16383")].iter().enumerate() {
            nodes[at].tell::<()>(&["CLUSTER", "ADDSLOTSRANGE", range.0, range.1]).await.unwrap();
            nodes[at].tell::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]).await.unwrap();
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            let port = node.port.to_string();
            nodes[0].tell::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]).await.unwrap();
        }
        let cluster = TestCluster { nodes };
        let count = count.to_string();
        for node in &cluster.nodes {
            let knows_all = async || {
                let info: String = node.tell(&["CLUSTER", "INFO"]).await.unwrap();
                let lines =
                    ["cluster_state:ok", "cluster_slots_assigned:16384", &format!("cluster_known_nodes:{count}")];
                lines.iter().all(|line| info.contains(line))
            };
            eventually("the nodes know each other", knows_all).await;
        }
        if with_replica {
            let master: String = cluster.nodes[0].tell(&["CLUSTER", "MYID"]).await.unwrap();
            cluster.nodes[3].tell::<()>(&["CLUSTER", "REPLICATE", &master]).await.unwrap();
            let is_up = async || cluster.nodes[3].info("master_link_status").await == "up";
            eventually("the replica is in step", is_up).await;
        }
        cluster
    }

    /// The address of one node is enough.
    pub(crate) fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{}", self.nodes[1].port)
    }
}

/// Asks again and again until it is so.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(20), "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

const PASSWORD: &str = "a%2Fpassword";

/// The line that operators are told to give to Redis.
fn least_rights() -> String {
    let line = include_str!("../../docs/operations.md").lines().find_map(|line| line.strip_prefix("ACL SETUSER "));
    line.expect("docs/operations.md shows the user").replace("PASSWORD", "a/password")
}

/// A port that nobody uses at the moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Writes an authority, its two certificates and the users into the folder; the arguments that name them.
fn guards(folder: &Path, port: u16) -> Vec<String> {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "authority of a test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(file("ca.pem"), params.self_signed(&authority).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, authority);
    for (name, host) in [("s", "127.0.0.1"), ("c", "qrgate.example")] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        std::fs::write(file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let users = format!("user default off\nuser root on >a/password ~* &* +@all\nuser {}\n", least_rights());
    std::fs::write(file("users.acl"), users).unwrap();
    let port = port.to_string();
    let arguments = [
        ("--tls-port", port),
        ("--tls-cert-file", file("s.pem")),
        ("--tls-key-file", file("s.key")),
        ("--tls-ca-cert-file", file("ca.pem")),
        ("--aclfile", file("users.acl")),
    ];
    arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}
