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
    guarded: bool,
    folder: tempfile::TempDir,
}

impl TestRedis {
    /// Starts a server on a free port of 127.0.0.1 and waits until it answers.
    pub(crate) async fn start() -> TestRedis {
        TestRedis::started(false).await
    }

    /// The same behind TLS, for clients with a certificate only, and with no user but the one of docs/operations.md.
    pub(crate) async fn guarded() -> TestRedis {
        TestRedis::started(true).await
    }

    async fn started(guarded: bool) -> TestRedis {
        // The port is free now; somebody may take it before the server does. Then another one is tried.
        for _ in 0..5 {
            let mut redis = TestRedis::spawn(free_port(), guarded);
            if redis.answers().await {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    fn spawn(port: u16, guarded: bool) -> TestRedis {
        let folder = tempfile::tempdir().unwrap();
        let (plain, guards) = match guarded {
            true => (0, guards(folder.path(), port)),
            false => (port, Vec::new()),
        };
        let process = Command::new("redis-server")
            .args(["--port", &plain.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--dir", folder.path().to_str().unwrap()])
            .args(guards)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("these tests need the `redis-server` binary (Debian: apt-get install redis-server)");
        TestRedis { process, port, guarded, folder }
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
        match self.guarded {
            true => format!("rediss://qrgate:{PASSWORD}@127.0.0.1:{}/0", self.port),
            false => format!("redis://127.0.0.1:{}/0", self.port),
        }
    }

    /// What it takes to be let in.
    pub(crate) fn tls(&self) -> ClientTls {
        let file = |name: &str| Some(self.folder.path().join(name));
        match self.guarded {
            true => ClientTls { ca: file("ca.pem"), certificate: file("c.pem"), key: file("c.key"), server_name: None },
            false => ClientTls::default(),
        }
    }

    /// Ends the server.
    pub(crate) async fn stop(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again on its port, empty.
    pub(crate) async fn start_again(&mut self) {
        let mut again = TestRedis::spawn(self.port, self.guarded);
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
        let log = redis::cmd("ACL").arg("LOG").query_async::<redis::Value>(&mut self.connection().await).await.unwrap();
        match log {
            redis::Value::Array(none) if none.is_empty() => String::new(),
            some => format!("{some:?}"),
        }
    }

    fn client(&self) -> redis::Client {
        if !self.guarded {
            return redis::Client::open(self.url()).unwrap();
        }
        let url = format!("rediss://root:{PASSWORD}@127.0.0.1:{}/0", self.port);
        redis::Client::build_with_tls(url, super::tls::certificates(&self.tls()).unwrap()).unwrap()
    }
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
