//! A real redis-server on a port of its own, with nothing on disk.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::eventually;

pub struct TestRedis {
    pub port: u16,
    child: Child,
}

impl TestRedis {
    pub fn start() -> TestRedis {
        let free = TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("local_addr").port();
        TestRedis::at(free)
    }

    /// A fresh, empty server on that port.
    pub fn at(port: u16) -> TestRedis {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is needed: tests/setup.sh installs it");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually("redis-server accepts", || TcpStream::connect(address).ok());
        TestRedis { port, child }
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
        let output =
            Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(arguments).output().expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Ends it at once, as a crash would, and says which port it had.
    pub fn kill(mut self) -> u16 {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.port
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
