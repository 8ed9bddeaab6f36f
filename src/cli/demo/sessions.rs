//! The toy's users, and their sessions in memory.

use std::cell::RefCell;
use std::collections::VecDeque;

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;

use crate::secret::fill_random;

pub const SESSION_COOKIE: &str = "toy_session";
/// The `Set-Cookie` line that removes the cookie.
pub const REMOVAL: HeaderValue = HeaderValue::from_static("toy_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");

const MAX_SESSIONS: usize = 1000;
const MAX_USED_CALLS: usize = 1000;

/// A person who can sign in.
#[derive(Debug, Serialize)]
pub struct User {
    pub id: &'static str,
    pub name: &'static str,
    /// Titles and texts.
    pub notes: [(&'static str, &'static str); 3],
}

pub static USERS: [User; 2] = [
    User {
        id: "ana",
        name: "Ana Lindqvist",
        notes: [
            ("Flat viewing", "Thursday 17:30, Birkagatan 12. Ask about the bikes and the cellar."),
            ("Pancakes", "3 eggs, 6 dl milk, 3 dl flour, a pinch of salt. Rest for half an hour."),
            ("For the train", "Ticket, charger, the book for Mia, something warm."),
        ],
    },
    User {
        id: "bob",
        name: "Bob Okafor",
        notes: [
            ("Choir", "Tuesday at seven. Bring the blue folder and a pencil."),
            ("Tomatoes", "Water in the morning. The ones by the wall need more."),
            ("Birthday", "Lina turns nine: a kite, or the telescope?"),
        ],
    },
];

/// The user with this id.
pub fn find_user(id: &str) -> Option<&'static User> {
    USERS.iter().find(|user| user.id == id)
}

/// One browser's session.
#[derive(Clone, Debug)]
pub struct Session {
    pub user: &'static User,
    /// When the person last signed in by themselves, in seconds of unix time.
    pub auth_time: u64,
    /// `None` if the session was not made by the login hook.
    pub arrival: Option<Arrival>,
}

/// How a session came from another device.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The other device, as qrgate labels it.
    pub from: String,
    /// In seconds of unix time.
    pub at: u64,
}

/// A session that has begun.
pub struct Started {
    /// Its `Set-Cookie` line.
    pub cookie: HeaderValue,
    /// The name by which the revoke hook ends the session. It is no credential.
    pub name: String,
}

/// All sessions, and the hook calls that were accepted. Bounded: the oldest go first.
#[derive(Default)]
pub struct Sessions {
    /// By session id.
    sessions: RefCell<VecDeque<(String, Session)>>,
    /// `id:timestamp` of the calls that were accepted.
    used: RefCell<VecDeque<String>>,
}

impl Sessions {
    /// Starts a session under a fresh id, whatever cookie the request with these `fields` has. `None` without
    /// randomness. The browser keeps the cookie for `seconds`, or until it closes.
    pub fn start(&self, session: Session, seconds: Option<u64>, fields: &HeaderMap) -> Option<Started> {
        let mut random = [0; 32];
        fill_random(&mut random).ok()?;
        let id = BASE64URL_NOPAD.encode(&random);
        let is_https = fields.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
        let secure = if is_https { "; Secure" } else { "" };
        let age = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let cookie = format!("{SESSION_COOKIE}={id}; Path=/; HttpOnly; SameSite=Lax{age}{secure}");
        let started = Started { cookie: HeaderValue::from_str(&cookie).ok()?, name: name_of(&id) };
        push_bounded(&mut self.sessions.borrow_mut(), (id, session), MAX_SESSIONS);
        Some(started)
    }

    /// The session that a request's cookie names.
    pub fn find(&self, fields: &HeaderMap) -> Option<Session> {
        let id = id_of(fields)?;
        self.sessions.borrow().iter().find(|(known, _)| known == id).map(|(_, session)| session.clone())
    }

    /// Ends that session, if there is one.
    pub fn end(&self, fields: &HeaderMap) {
        if let Some(id) = id_of(fields) {
            self.sessions.borrow_mut().retain(|(known, _)| known != id);
        }
    }

    /// Ends the session of that name, if it is this user's.
    pub fn revoke(&self, user: &str, name: &str) {
        self.sessions.borrow_mut().retain(|(id, session)| session.user.id != user || name_of(id) != name);
    }

    /// Notes a call of a hook. False if it was noted before.
    pub fn is_first_use(&self, call: String) -> bool {
        let mut used = self.used.borrow_mut();
        let is_first = !used.contains(&call);
        if is_first {
            push_bounded(&mut used, call, MAX_USED_CALLS);
        }
        is_first
    }
}

/// Adds an item; beyond `most`, the oldest goes.
fn push_bounded<T>(items: &mut VecDeque<T>, item: T, most: usize) {
    if items.len() >= most {
        items.pop_front();
    }
    items.push_back(item);
}

/// The name of a session: a hash of its id.
fn name_of(id: &str) -> String {
    BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, id.as_bytes()).as_ref())
}

fn id_of(fields: &HeaderMap) -> Option<&str> {
    let lines = fields.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION_COOKIE).map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_bounded() {
        let sessions = Sessions::default();
        for _ in 0..MAX_SESSIONS + 10 {
            sessions.start(Session { user: &USERS[0], auth_time: 0, arrival: None }, None, &HeaderMap::new()).unwrap();
        }
        assert_eq!(sessions.sessions.borrow().len(), MAX_SESSIONS);
    }
}
