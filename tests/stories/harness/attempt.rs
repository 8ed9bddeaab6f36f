//! One attempt with raw bytes: the responses, and what the application received.

use super::application::TestApplication;
use super::gate::TestGate;
use super::http::Message;

/// A gate with one worker in front of an application that records every byte. Its timeouts are at most a second.
pub struct Ground {
    pub application: TestApplication,
    pub gate: TestGate,
}

/// The result of an attempt.
#[derive(Debug)]
pub struct Attempt {
    /// The responses on the connection, including those to the probe (below).
    pub responses: Vec<Message>,
    /// Whether the connection still served a further request.
    pub open: bool,
    /// The requests that the application read, complete or not.
    pub seen: Vec<Message>,
    /// The bytes that the application read meanwhile.
    pub bytes: String,
}

/// Targets of another request on the connection of an attempt, and of a valid one on a separate connection.
const PROBE: &str = "/probe";
const GOOD: &str = "/good";

impl Ground {
    pub fn new() -> Ground {
        Ground::with("")
    }

    /// With more settings, except `listen.workers`, `limits.header_timeout` and `application.idle_timeout`.
    pub fn with(settings: &str) -> Ground {
        let application = TestApplication::start();
        let mut all: toml::Table = settings.parse().expect("TOML");
        for (section, key, value) in [
            ("listen", "workers", toml::Value::Integer(1)),
            ("limits", "header_timeout", toml::Value::String("1s".to_owned())),
            ("application", "idle_timeout", toml::Value::String("1s".to_owned())),
        ] {
            let section = all.entry(section).or_insert_with(|| toml::Table::new().into());
            section.as_table_mut().expect("a section").insert(key.to_owned(), value);
        }
        let gate = TestGate::with(&application, &all.to_string());
        Ground { application, gate }
    }

    /// `Host: …`, the gate's own.
    pub fn host(&self) -> String {
        format!("Host: {}", self.gate.address)
    }

    /// Sends the bytes on a new connection, reads a response, sends another request on the same connection, and reads
    /// to its end. Panics if a valid request on a new connection then fails.
    pub fn attempt(&self, bytes: impl AsRef<[u8]>) -> Attempt {
        let (requests, tape) = (self.application.requests().len(), self.application.bytes().len());
        let mut connection = self.gate.connect();
        connection.write(bytes.as_ref());
        let mut responses = Vec::new();
        if let Some(first) =
            std::iter::from_fn(|| connection.read_response(false)).find(|response| response.status() != 100)
        {
            responses.push(first);
            let probe = format!("GET {PROBE} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n", self.host());
            connection.write(probe.as_bytes());
            responses.extend(std::iter::from_fn(|| connection.read_response(false)));
        }
        assert_eq!(self.gate.get(GOOD, &[]).status(), 200, "the gate still works");
        let mut seen = self.application.requests().split_off(requests);
        let open = seen.iter().any(|request| request.target() == PROBE);
        seen.retain(|request| ![PROBE, GOOD].contains(&request.target()));
        let bytes = String::from_utf8_lossy(&self.application.bytes()[tape..]).into_owned();
        Attempt { responses, open, seen, bytes }
    }

    /// The attempt is refused, by a status or a close, and the application sees nothing of it.
    pub fn refuses(&self, bytes: impl AsRef<[u8]>) -> Attempt {
        let shown = String::from_utf8_lossy(bytes.as_ref()).chars().take(300).collect::<String>();
        let attempt = self.attempt(bytes);
        let statuses = attempt.statuses();
        assert!(matches!(statuses[..], [] | [400 | 405 | 414 | 417 | 431 | 501 | 505]), "{shown:?}: {statuses:?}");
        assert!(attempt.seen.is_empty() && !attempt.open, "{shown:?}: {attempt:?}");
        attempt
    }

    /// The attempt reaches the application as exactly one whole request.
    pub fn passes(&self, bytes: impl AsRef<[u8]>) -> (Message, Attempt) {
        let shown = String::from_utf8_lossy(bytes.as_ref()).chars().take(300).collect::<String>();
        let mut attempt = self.attempt(bytes);
        assert_eq!(attempt.seen.len(), 1, "{shown:?}: {attempt:?}");
        let seen = attempt.seen.remove(0);
        assert!(seen.complete && attempt.responses[0].status() == 200, "{shown:?}: {seen:?} {attempt:?}");
        (seen, attempt)
    }

    /// The attempt is cut off, by a status or a close: what reached the application is incomplete there.
    pub fn breaks(&self, bytes: impl AsRef<[u8]>) -> Attempt {
        let shown = String::from_utf8_lossy(bytes.as_ref()).chars().take(300).collect::<String>();
        let attempt = self.attempt(bytes);
        assert!(matches!(attempt.statuses()[..], [] | [400 | 408 | 501]), "{shown:?}: {:?}", attempt.statuses());
        assert!(!attempt.open, "{shown:?}: {attempt:?}");
        // Its connection to the application may end a little later.
        assert!(attempt.seen.iter().all(|request| !request.complete), "{shown:?}: {attempt:?}");
        attempt
    }
}

impl Attempt {
    pub fn statuses(&self) -> Vec<u16> {
        self.responses.iter().map(Message::status).collect()
    }
}
