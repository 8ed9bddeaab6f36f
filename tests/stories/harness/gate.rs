//! qrgate as an operator starts it: the real program with a real configuration, on a free port.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use super::application::{HOOK_SECRET, TestApplication};
use super::http::{Connection, Message};

/// The ticket secret that processes on one store share in these tests.
pub const TICKET_SECRET: &str = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// A running qrgate, which is killed when dropped.
pub struct TestGate {
    pub address: SocketAddr,
    pub admin: Option<SocketAddr>,
    /// The first line that it prints.
    pub banner: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Stops the reader of the log.
    pause: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
    folder: tempfile::TempDir,
}

impl TestGate {
    /// In front of `application`, with the in-memory store and codes that are approved by number.
    pub fn before(application: &TestApplication) -> TestGate {
        TestGate::with(application, "")
    }

    /// The same with more sections or keys: `settings` is TOML, appended to the sections it names.
    pub fn with(application: &TestApplication, settings: &str) -> TestGate {
        TestGate::start(&configuration(application.address, settings))
    }

    /// With exactly this file.
    pub fn start(toml: &str) -> TestGate {
        TestGate::start_in(toml, &[])
    }

    /// With exactly this file, and these variables in the environment.
    pub fn start_in(toml: &str, environment: &[(&str, &str)]) -> TestGate {
        TestGate::start_by(&[], toml, environment)
    }

    /// The same, started by another program: `by` is the program and its arguments; it must `exec` qrgate.
    pub fn start_by(by: &[&str], toml: &str, environment: &[(&str, &str)]) -> TestGate {
        let folder = tempfile::tempdir().expect("tempdir");
        let file = folder.path().join("proxy.toml");
        std::fs::write(&file, toml).expect("write proxy.toml");
        let words: Vec<&str> = by.iter().copied().chain([env!("CARGO_BIN_EXE_qrgate")]).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .arg("--config")
            .arg(&file)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("spawn qrgate");
        let log = Arc::new(Mutex::new(Vec::new()));
        let errors = child.stderr.take().expect("stderr");
        let pause = Arc::new(Mutex::new(None::<mpsc::Receiver<()>>));
        let (kept, paused) = (log.clone(), pause.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                kept.lock().expect("lock").push(line);
                if let Some(resumed) = paused.lock().expect("lock").take() {
                    let _ = resumed.recv();
                }
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines().map_while(Result::ok);
        let line = lines.next().unwrap_or_else(|| panic!("qrgate did not start: {}", wait_for_log(&mut child, &log)));
        let after = |word: &str| line.split(word).nth(1).and_then(|rest| rest.split([' ', ',']).next()?.parse().ok());
        let address = after("listening on ").unwrap_or_else(|| panic!("no address in {line:?}"));
        let admin = after("admin ");
        TestGate { address, admin, banner: line, child, log, pause, folder }
    }

    /// `http://127.0.0.1:port`, the origin that browsers in these tests see.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends these bytes on a new connection and reads one response.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Option<Message> {
        let mut connection = self.connect();
        connection.write(bytes.as_ref());
        connection.read_response(false)
    }

    /// A plain GET of `target` with a Host and these further field lines.
    pub fn get(&self, target: &str, fields: &[&str]) -> Message {
        let lines: String = fields.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{lines}\r\n", self.address);
        self.send(request).unwrap_or_else(|| panic!("no response to GET {target}"))
    }

    /// The response of the admin listener.
    pub fn admin(&self, path: &str) -> Message {
        let mut connection = Connection::open(self.admin.expect("an admin listener"));
        connection.write(format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").as_bytes());
        connection.read_response(false).expect("a response of the admin listener")
    }

    /// Every log line so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("lock").clone()
    }

    /// Stops reading the log, until the sender is dropped.
    pub fn stop_reading_log(&self) -> mpsc::Sender<()> {
        let (resume, resumed) = mpsc::channel();
        *self.pause.lock().expect("lock") = Some(resumed);
        resume
    }

    /// Waits until a log line contains all these words, and returns it.
    pub fn wait_for_log(&self, words: &[&str]) -> String {
        self.wait_for_logs(1, words).swap_remove(0)
    }

    /// Waits until at least `count` log lines contain all these words, and returns those lines.
    pub fn wait_for_logs(&self, count: usize, words: &[&str]) -> Vec<String> {
        super::eventually(&format!("{count} log lines with {words:?}"), || {
            let lines = self.log().into_iter().filter(|line| words.iter().all(|word| line.contains(word)));
            Some(lines.collect::<Vec<_>>()).filter(|lines| lines.len() >= count)
        })
    }

    /// Replaces its configuration file.
    pub fn rewrite(&self, toml: &str) {
        std::fs::write(self.folder.path().join("proxy.toml"), toml).expect("write proxy.toml");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory of the process, in bytes (`VmRSS`).
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running process");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).expect("a number") * 1024
    }

    /// Sends a signal by its name (`TERM`, `HUP`, `KILL`, `STOP`, `CONT`).
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.expect("kill").success());
    }

    /// Waits for the process to end by itself and returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("wait").code()
    }
}

impl Drop for TestGate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            for line in self.log() {
                eprintln!("qrgate: {line}");
            }
        }
    }
}

/// A configuration for a gate in front of `application`. A key in `settings` replaces the one given here.
pub fn configuration(application: SocketAddr, settings: &str) -> String {
    let base = format!(
        r#"
        [listen]
        address = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        [application]
        url = "http://{application}"
        [login]
        secret = "{HOOK_SECRET}"
        [tickets]
        secret = "{TICKET_SECRET}"
        [pages]
        site = "Example"
        [log]
        format = "json"
        "#
    );
    let mut merged: toml::Table = base.parse().expect("base settings");
    let more: toml::Table = settings.parse().unwrap_or_else(|e| panic!("{e}: {settings}"));
    for (section, keys) in more {
        let into = merged.entry(section).or_insert_with(|| toml::Table::new().into());
        match (into, keys) {
            (toml::Value::Table(into), toml::Value::Table(keys)) => into.extend(keys),
            (into, other) => *into = other,
        }
    }
    merged.to_string()
}

fn wait_for_log(child: &mut Child, log: &Mutex<Vec<String>>) -> String {
    let _ = child.wait();
    log.lock().expect("lock").join("\n")
}
