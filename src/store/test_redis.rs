//! A Redis server of a test's own: on a port of its own, gone with the test.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

/// A running `redis-server`; dropping it ends it.
pub(crate) struct TestRedis {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl TestRedis {
    /// Starts a server on a free port of 127.0.0.1 and waits until it answers.
    pub(crate) async fn start() -> TestRedis {
        // The port is free now; somebody may take it before the server does. Then another one is tried.
        for _ in 0..5 {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let mut redis = TestRedis::spawn(port);
            if redis.answers().await {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    fn spawn(port: u16) -> TestRedis {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--dir", folder.path().to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("these tests need the `redis-server` binary (Debian: apt-get install redis-server)");
        TestRedis { process, port, _folder: folder }
    }

    async fn answers(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            let client = redis::Client::open(self.url()).unwrap();
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await
                && redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Ends the server.
    pub(crate) async fn stop(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts it again on its port, empty.
    pub(crate) async fn start_again(&mut self) {
        let mut again = TestRedis::spawn(self.port);
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
    pub(crate) async fn connection(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }
}
