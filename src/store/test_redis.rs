//! A Redis server for one test, on a free port, which ends with the test.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tokio::process::{Child, Command};

use crate::ports::unused;
use crate::tls::{CertificateFiles, ClientTls};

/// A running `redis-server`; dropping it ends it.
pub(crate) struct TestRedis {
    process: Child,
    port: u16,
    how: How,
    _folder: tempfile::TempDir,
}

/// How a server is started.
#[derive(Clone, Default)]
struct How {
    guards: Option<Arc<Guards>>,
    more: Vec<String>,
    /// Makes it a sentinel.
    sentinel: Option<String>,
}

impl TestRedis {
    /// Starts a server on a free port of 127.0.0.1 and waits until it answers.
    pub(crate) async fn start() -> TestRedis {
        TestRedis::started(How::default()).await
    }

    /// The same behind TLS, for clients with a certificate only, and with no user but the one of docs/operations.md.
    pub(crate) async fn guarded() -> TestRedis {
        TestRedis::started(How { guards: Some(Guards::new()), ..How::default() }).await
    }

    /// A replica that is in step.
    pub(crate) async fn replica_of(master: &TestRedis) -> TestRedis {
        let port = master.port.to_string();
        let more = owned(&["--replicaof", "127.0.0.1", &port, "--repl-diskless-load", "swapdb"]);
        let replica = TestRedis::started(How { more, ..master.how.clone() }).await;
        eventually("the replica is in step", async || replica.info("master_link_status").await == "up").await;
        replica
    }

    /// A sentinel that alone decides on the master `main`, and only on command.
    pub(crate) async fn sentinel_of(master: &TestRedis) -> TestRedis {
        let file = format!(
            "sentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 60000\n\
             sentinel failover-timeout main 10000\n",
            master.port
        );
        let password = match master.how.guards {
            Some(_) => "sentinel auth-user main root\nsentinel auth-pass main a/password\n",
            None => "",
        };
        let how = How { sentinel: Some(format!("{file}{password}")), ..master.how.clone() };
        let sentinel = TestRedis::started(how).await;
        let knows = async || sentinel.info("master0").await.contains("slaves=1");
        eventually("the sentinel knows the replica", knows).await;
        sentinel
    }

    async fn started(how: How) -> TestRedis {
        // The port is free now; another process may take it before the server does. Then another port is tried.
        for _ in 0..5 {
            let mut redis = TestRedis::spawn(unused().port(), how.clone());
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
        arguments.extend(owned(&["--bind", "127.0.0.1"]));
        match &how.guards {
            Some(guards) => arguments.extend(guards.arguments(port, how.sentinel.is_some())),
            None => arguments.extend(owned(&["--port", &port.to_string()])),
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
        TestRedis { process, port, how, _folder: folder }
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
        self.url_of("redis", "/0")
    }

    /// The address of a store behind this server: `redis+sentinel`, `/main/0`.
    pub(crate) fn url_of(&self, scheme: &str, path: &str) -> String {
        match self.how.guards {
            Some(_) => {
                let scheme = scheme.replacen("redis", "rediss", 1);
                format!("{scheme}://qrgate:{PASSWORD}@127.0.0.1:{}{path}", self.port)
            }
            None => format!("{scheme}://127.0.0.1:{}{path}", self.port),
        }
    }

    /// What it takes to be let in.
    pub(crate) fn tls(&self) -> ClientTls {
        let Some(guards) = &self.how.guards else { return ClientTls::default() };
        let file = |name: &str| guards.folder.path().join(name);
        let identity = CertificateFiles { certificate: file("c.pem"), key: file("c.key") };
        ClientTls { ca: Some(file("ca.pem")), identity: Some(identity), server_name: None }
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
        if self.how.guards.is_none() {
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
    /// Three masters, and a replica of the first if wanted. No replica takes over except on command.
    pub(crate) async fn start(with_replica: bool) -> TestCluster {
        TestCluster::started(with_replica, None).await
    }

    /// Three masters behind TLS, as [`TestRedis::guarded`] is.
    pub(crate) async fn guarded() -> TestCluster {
        TestCluster::started(false, Some(Guards::new())).await
    }

    async fn started(with_replica: bool, guards: Option<Arc<Guards>>) -> TestCluster {
        let count = if with_replica { 4 } else { 3 };
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let bus = unused().port().to_string();
            let more = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "20000"];
            let more = [more.as_slice(), &["--cluster-require-full-coverage", "no"]].concat();
            let how = How { guards: guards.clone(), more: owned(&more), sentinel: None };
            nodes.push(TestRedis::started(how).await);
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
        self.nodes[1].url_of("redis+cluster", "")
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

/// What stands before some servers of one test: an authority, its certificates, and users.
struct Guards {
    folder: tempfile::TempDir,
}

impl Guards {
    fn new() -> Arc<Guards> {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

        let guards = Guards { folder: tempfile::tempdir().unwrap() };
        let authority = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(guards.file("ca.pem"), params.self_signed(&authority).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, authority);
        for (name, host) in [("s", "127.0.0.1"), ("c", "qrgate.example")] {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
            std::fs::write(guards.file(&format!("{name}.pem")), certificate.pem()).unwrap();
            std::fs::write(guards.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        // The lines that the docs tell operators to give to Redis and to Sentinels.
        let documented = include_str!("../../docs/operations.md").lines();
        let users = documented.filter_map(|line| line.strip_prefix("ACL SETUSER "));
        let users: Vec<String> = users.map(|user| user.replace("PASSWORD", "a/password")).collect();
        for (name, user) in ["redis.acl", "sentinel.acl"].iter().zip(&users) {
            let all = format!("user default off\nuser root on >a/password ~* &* +@all\nuser {user}\n");
            std::fs::write(guards.file(name), all).unwrap();
        }
        assert_eq!(users.len(), 2, "docs/operations.md shows the users");
        Arc::new(guards)
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn arguments(&self, port: u16, of_a_sentinel: bool) -> Vec<String> {
        let (port, users) = (port.to_string(), if of_a_sentinel { "sentinel.acl" } else { "redis.acl" });
        let mut arguments = owned(&["--port", "0", "--tls-port", &port, "--aclfile", &self.file(users)]);
        arguments.extend(owned(&["--tls-cert-file", &self.file("s.pem"), "--tls-key-file", &self.file("s.key")]));
        arguments.extend(owned(&["--tls-ca-cert-file", &self.file("ca.pem"), "--tls-replication", "yes"]));
        if !of_a_sentinel {
            arguments.extend(owned(&["--tls-cluster", "yes", "--masteruser", "root", "--masterauth", "a/password"]));
        }
        arguments
    }
}
