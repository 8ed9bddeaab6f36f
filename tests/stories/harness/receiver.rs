//! A receiver of events, which records the events that it accepted.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use super::application::{Reply, TestApplication, is_signed_with, response};
use super::eventually;
use super::http::{Connection, Message};

/// The secret that signs its events.
pub const SECRET: &str = "whsec_ZXZlbnRzLWV2ZW50cy1ldmVudHMtZXZlbnRzLTAxMjM=";
const KEY: &[u8] = b"events-events-events-events-0123";

/// It responds 200 to a valid signature unless a test changes that, and 401 to others. A clone is the same receiver.
#[derive(Clone)]
pub struct TestReceiver {
    pub server: TestApplication,
    status: Arc<AtomicU16>,
    accepted: Arc<Mutex<Vec<Message>>>,
    /// Calls that get no response.
    held: Arc<Mutex<Vec<Connection>>>,
}

impl TestReceiver {
    pub fn start() -> TestReceiver {
        let server = TestApplication::start();
        let (status, accepted, held) = (Arc::new(AtomicU16::new(200)), Arc::default(), Arc::default());
        let receiver = TestReceiver { server: server.clone(), status, accepted, held };
        let this = receiver.clone();
        server.route("/events", move |request| this.judge(request));
        receiver
    }

    fn judge(&self, request: &Message) -> Reply {
        if !is_signed_with(request, KEY) {
            return Reply::Bytes(response(401, &[], b""));
        }
        let held = self.held.clone();
        match self.status.load(Ordering::SeqCst) {
            0 => Reply::Take(Box::new(move |connection| held.lock().expect("lock").push(connection))),
            status => {
                if status < 300 {
                    self.accepted.lock().expect("lock").push(request.clone());
                }
                Reply::Bytes(response(status, &["Location: /elsewhere"], b"{}"))
            }
        }
    }

    /// Changes its response to this status; 0: no response.
    pub fn responds(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The `[events]` section that names it.
    pub fn settings(&self) -> String {
        format!("[events]\nurl = \"http://{}/events?key=k\"\nsecret = \"{SECRET}\"\n", self.server.address)
    }

    /// Every try so far.
    pub fn tries(&self) -> Vec<Message> {
        self.server.requests_to("/events")
    }

    /// Waits for a try after the first `seen`.
    pub fn is_tried_after(&self, seen: usize) {
        eventually("another try", || (self.tries().len() > seen).then_some(()));
    }

    /// The events that it accepted so far, in order, including repeated ones.
    pub fn accepted(&self) -> Vec<Message> {
        self.accepted.lock().expect("lock").clone()
    }

    /// Waits until it has accepted this many events, and returns them.
    pub fn has_accepted(&self, count: usize) -> Vec<Message> {
        eventually(&format!("{count} events"), || Some(self.accepted()).filter(|events| events.len() >= count))
    }

    /// Waits until it has accepted an event of this type.
    pub fn has_accepted_a(&self, kind: &str) -> Message {
        eventually(kind, || self.accepted().into_iter().find(|event| event.json()["type"] == kind))
    }
}
