//! A fault: people who are about to be signed in, a client that browses meanwhile, and what must hold for both
//! afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::application::TestApplication;
use super::browser::{Browser, computer, phone};
use super::eventually;
use super::gate::TestGate;
use super::http::{Connection, Message, TIMEOUT};
use super::people::{CodePage, approved, claim, code_page, number, press};

/// Short hook timeouts (a redeem's lease is 2 × 2 s + 1 s + 2 s), and limits that repeated requests do not reach.
pub const SHORT_TIMEOUTS: &str = "[identify]\ntimeout = \"2s\"\n[login]\ntimeout = \"2s\"\n";
pub const HIGH_LIMITS: &str = "[limits]\ncodes_per_user = \"1000/1m\"\nopens_per_client = \"100000/1m\"\n\
                           redeems_per_client = \"100000/1m\"\n[log]\naccess = false\n";

/// The maximum duration of a forwarded request, on a busy machine too.
const SLOWEST: Duration = Duration::from_secs(5);

/// One fault, and what is counted before, during and after it.
pub struct Outage {
    fault: &'static str,
    application: TestApplication,
    /// The application with the login hook.
    hooks: TestApplication,
    browsing: Browsing,
    /// Whether forwarded requests may fail too: only where the documentation says so.
    pub stops_the_site: bool,
    tickets: usize,
    relayed: BTreeMap<String, BTreeSet<String>>,
}

impl Outage {
    /// Before the fault: a client browses through `gate` from now on.
    pub fn of(fault: &'static str, application: &TestApplication, gate: &TestGate) -> Outage {
        let browsing = Browsing::through(gate.address);
        let (application, hooks) = (application.clone(), application.clone());
        let relayed = BTreeMap::new();
        Outage { fault, application, hooks, browsing, stops_the_site: false, tickets: 0, relayed }
    }

    pub fn application(&self) -> &TestApplication {
        &self.application
    }

    /// Puts the login hook at another application.
    pub fn counts_calls_of(&mut self, hooks: &TestApplication) {
        self.hooks = hooks.clone();
    }

    /// A person at a computer with an approved code, and a phone that only has to press Finish.
    pub fn person(&mut self, gate: &TestGate, user: &str) -> Person {
        let mut computer = computer(gate).with_cookie(&self.application.sign_in(user));
        let mut phone = phone(gate);
        let (code, proof) = approved(&mut computer, &mut phone);
        self.tickets += 1;
        Person { user: user.to_owned(), computer, phone, code, proof, relayed: BTreeSet::new() }
    }

    /// After the fault: the person presses until the phone is signed in, with a new code if theirs has ended.
    pub fn gets_in(&mut self, mut person: Person) -> Person {
        let is_in = eventually("the phone is signed in, or shows that the code has ended", || person.press_on());
        let person = match is_in {
            true => person,
            false => self.begins_again(person),
        };
        self.leaves(&person);
        person
    }

    /// The person gives up. Counts the sessions that their phone got.
    pub fn leaves(&mut self, person: &Person) {
        self.relayed.entry(person.user.clone()).or_default().extend(person.relayed.iter().cloned());
    }

    /// A person with a new code is counted as another user: a user here has one ticket.
    fn begins_again(&mut self, over: Person) -> Person {
        self.leaves(&over);
        let user = format!("{}-again", over.user);
        let mut computer = over.computer.with_cookie(&self.application.sign_in(&user));
        let page =
            eventually("a fresh code is shown", || Some(computer.post("/qr/", "")).filter(|page| page.status() == 200));
        let (code, mut phone) = (code_page(&page), over.phone);
        let (number, proof) = claim(&mut phone, &code);
        assert_eq!(code.type_number(&mut computer, &number).json()["state"], "approved");
        self.tickets += 1;
        let mut again = Person { user, computer, phone, code, proof, relayed: BTreeSet::new() };
        let is_in = eventually("the fresh code signs in", || again.press_on());
        assert!(is_in, "a fresh code works");
        again
    }

    /// Counts, prints the counts, and checks what must hold after any fault.
    pub fn ends(self) {
        let load = self.browsing.end();
        let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let calls = self.hooks.requests_to("/_qr/login");
        for call in &calls {
            let user = call.json()["user_id"].as_str().expect("a user").to_owned();
            ids.entry(user).or_default().insert(call.field("webhook-id").expect("webhook-id").to_owned());
        }
        let relayed: usize = self.relayed.values().map(BTreeSet::len).sum();
        println!(
            "{:<52} {:>3} tickets {:>3} hook calls {:>3} sessions relayed {:>6} forwarded {:>4} errors, slowest {:>4} ms",
            self.fault,
            self.tickets,
            calls.len(),
            relayed,
            load.requests,
            load.errors,
            load.slowest.as_millis()
        );
        for (user, sessions) in &self.relayed {
            assert!(sessions.len() <= 1, "{}: {user} was handed {sessions:?} for one code", self.fault);
            for session in sessions {
                assert_eq!(self.application.user_of(session).as_deref(), Some(user.as_str()), "{}", self.fault);
            }
        }
        for (user, ids) in &ids {
            assert_eq!(ids.len(), 1, "{}: calls for {user}'s one code bear {ids:?}", self.fault);
        }
        if !self.stops_the_site {
            assert!(load.requests > 0, "{}: nothing was forwarded", self.fault);
            assert_eq!(load.errors, 0, "{}: forwarded requests failed", self.fault);
            assert!(load.slowest < SLOWEST, "{}: a forwarded request took {:?}", self.fault, load.slowest);
        }
    }
}

/// A person who signs in: a separate user with one code.
pub struct Person {
    user: String,
    pub computer: Browser,
    pub phone: Browser,
    pub code: CodePage,
    pub proof: String,
    relayed: BTreeSet<String>,
}

impl Person {
    /// Presses Finish; `None` without a response. A session in it is counted.
    pub fn try_finish(&mut self) -> Option<Message> {
        let response = self.phone.try_post(&self.code.path, &format!("proof={}&action=finish", self.proof))?;
        let lines = response.all("set-cookie").into_iter().filter_map(|line| line.split(';').next());
        self.relayed.extend(lines.filter(|pair| pair.starts_with("sessionid=")).map(str::to_owned));
        Some(response)
    }

    /// The same, and requires a response.
    pub fn finish(&mut self) -> Message {
        self.try_finish().expect("a response to finish")
    }

    /// Presses Finish without waiting for the response.
    pub fn begin_to_finish(&self) -> Connection {
        self.phone.begin_post(&self.code.path, &format!("proof={}&action=finish", self.proof))
    }

    /// Continues through another gate.
    pub fn through(&mut self, gate: &TestGate) {
        self.computer.through(gate);
        self.phone.through(gate);
    }

    /// One press, as the page requires: `Some(true)` once the phone is signed in, `Some(false)` if the code has ended,
    /// `None` while another try may succeed.
    fn press_on(&mut self) -> Option<bool> {
        let response = self.try_finish()?;
        match response.status() {
            303 if response.field("location") == Some("/") => {
                assert!(!self.relayed.is_empty(), "a phone in the application has a session");
                assert_eq!(self.code.state(&mut self.computer), "spent");
                Some(true)
            }
            // Back at the number: a failover lost the approval or the claim.
            303 => {
                let page = self.phone.get(&self.code.path).text();
                if page.contains("data-state=\"claimed\"") {
                    let number = number(&mut self.phone, &self.code);
                    self.code.type_number(&mut self.computer, &number);
                } else {
                    press(&mut self.phone, &self.code, "continue", &self.proof);
                }
                None
            }
            // A failover lost `spent` and its response: the process that saw it reports it.
            200 if response.text().contains("data-state=\"done\"") => {
                assert!(!self.relayed.is_empty(), "a phone that is reported as signed in has a session");
                Some(true)
            }
            200 => {
                assert!(response.text().contains("Signing you in"), "{}", response.text());
                None
            }
            410 => Some(false),
            502..=504 => None,
            other => panic!("{other}: {}", response.text()),
        }
    }
}

/// A client that reads the site, one request after the other.
struct Browsing {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Load>>,
}

#[derive(Default)]
struct Load {
    requests: usize,
    errors: usize,
    slowest: Duration,
}

impl Browsing {
    fn through(address: SocketAddr) -> Browsing {
        let over = Arc::<AtomicBool>::default();
        let told = over.clone();
        let thread = std::thread::spawn(move || {
            let mut load = Load::default();
            while !told.load(Ordering::Relaxed) {
                let began = Instant::now();
                load.requests += 1;
                load.errors += usize::from(!is_answered(address));
                load.slowest = load.slowest.max(began.elapsed());
                std::thread::park_timeout(Duration::from_millis(5));
            }
            load
        });
        Browsing { over, thread: Some(thread) }
    }

    fn end(mut self) -> Load {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).expect("the browsing client")
    }
}

impl Drop for Browsing {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn is_answered(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(format!("GET /page HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    };
    ask().is_ok_and(|response| response.starts_with("HTTP/1.1 200 ") && response.ends_with("nobody is signed in"))
}
