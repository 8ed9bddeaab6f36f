//! The clients and the application of `benches/load`, which sends one command a line on standard input and gets a line
//! of JSON for each.
//!
//! - `gates ADDRESS…`: the qrgates; each step of a journey goes to the next one.
//! - `people N`: the number of concurrent clients, each with a persistent connection to each gate.
//! - `fill N`: N clients show a code each. The pages are dropped.
//! - `store URL N`: writes N codes to a Redis, without a gate.
//! - `batch N`: N new clients, for the steps.
//! - `step NAME`: the whole batch takes one step of the journey; see [`STEPS`].
//! - `mixed SECONDS`: whole journeys, in groups that start one after the other, so that a round has all steps in mixed
//!   order. Codes are decoded between rounds, so that no request waits for the decoding.
//! - `journeys SECONDS`: whole journeys, one after the other by each client; `journeys SECONDS watched`: with the
//!   page's stream of events.
//! - `watch N`: shows N codes and opens a stream of events for each; they stay open.
//! - `wake N`: declines the codes of N streams, which end.
//! - `leave`: closes the other streams.
//! - `forward SECONDS`: all clients request a small page of the application, again and again.
//! - `idle N`: N connections in total have had such a page, and stay open.
//!
//! An unexpected response ends the program, so what is measured is known to be correct.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that gets a wrong response has failed")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use qrgate::bench::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet};

const ORIGIN: &str = "http://app.example";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
const ACCEPTED: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: de-DE,de;q=0.8,en-US;q=0.5,en;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n";
const PERSON: &str =
    "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-User: ?1\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// The key of the login hook, as `benches/load` writes it into the configuration.
const SECRET: [u8; 32] = *b"0123456789abcdef0123456789abcdef";

/// The steps of a journey with `approval = "number"`, in order.
const STEPS: [&str; 8] = ["start", "mint", "open", "claim", "number", "approve", "approved", "redeem"];

/// A session cookie of 64 bytes in all, name included.
fn session(kind: char, user: u64) -> String {
    format!("sessionid={kind}{user:053}")
}

fn user_of(cookie: &str) -> Option<u64> {
    cookie.strip_prefix("sessionid=")?.get(1..)?.parse().ok()
}

// HTTP/1.1, as much as both sides need

/// Bytes of a connection that were read and not used yet.
#[derive(Default)]
struct Incoming {
    bytes: Vec<u8>,
}

impl Incoming {
    async fn more(&mut self, socket: &mut TcpStream) -> bool {
        self.bytes.reserve(16 * 1024);
        socket.read_buf(&mut self.bytes).await.unwrap_or(0) > 0
    }

    /// The next head, without its empty line; `None` if the peer has closed.
    async fn head(&mut self, socket: &mut TcpStream) -> Option<String> {
        loop {
            if let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(self.bytes.drain(..end + 4).collect()).unwrap();
                return Some(head);
            }
            if !self.more(socket).await {
                return None;
            }
        }
    }

    async fn exactly(&mut self, socket: &mut TcpStream, length: usize) -> Vec<u8> {
        while self.bytes.len() < length {
            assert!(self.more(socket).await, "the content broke off");
        }
        self.bytes.drain(..length).collect()
    }
}

/// The value of a field; names are looked for in lower case and as browsers write them.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn length(head: &str) -> usize {
    field(head, "content-length").map_or(0, |value| value.parse().unwrap())
}

struct Connection {
    socket: TcpStream,
    incoming: Incoming,
}

struct Answer {
    head: String,
    content: String,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status(), status, "{}{}", self.head, self.content);
        self
    }

    /// `name=value` of a `Set-Cookie` line.
    fn cookie(&self, name: &str) -> String {
        let lines = self.head.split("\r\n").filter(|line| line.to_ascii_lowercase().starts_with("set-cookie:"));
        let mut pairs = lines.filter_map(|line| line.split_once(':')?.1.trim().split(';').next());
        pairs
            .find(|pair| pair.starts_with(name))
            .unwrap_or_else(|| panic!("no cookie {name}: {}", self.head))
            .to_owned()
    }

    fn between(&self, before: &str, after: &str) -> &str {
        let rest = self.content.split_once(before).unwrap_or_else(|| panic!("no {before} in {}", self.content)).1;
        rest.split_once(after).unwrap().0
    }
}

impl Connection {
    async fn open(address: &str) -> Connection {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Connection { socket, incoming: Incoming::default() }
    }

    async fn ask(&mut self, method: &str, path: &str, fields: &str, content: &str) -> Answer {
        self.send(method, path, fields, content).await;
        let head = self.incoming.head(&mut self.socket).await.expect("an answer");
        let content = self.incoming.exactly(&mut self.socket, length(&head)).await;
        Answer { head, content: String::from_utf8(content).unwrap() }
    }

    async fn send(&mut self, method: &str, path: &str, fields: &str, content: &str) {
        let length = match method {
            "POST" => format!("Content-Length: {}\r\n", content.len()),
            _ => String::new(),
        };
        let request = format!("{method} {path} HTTP/1.1\r\nHost: app.example\r\n{fields}{length}\r\n{content}");
        self.socket.write_all(request.as_bytes()).await.unwrap();
    }

    /// Waits for an event that contains `text`.
    async fn event(&mut self, text: &str) {
        let text = text.as_bytes();
        loop {
            if let Some(at) = self.incoming.bytes.windows(text.len()).position(|part| part == text) {
                self.incoming.bytes.drain(..at + text.len());
                return;
            }
            assert!(self.incoming.more(&mut self.socket).await, "the stream ended");
        }
    }
}

// the application

const PAGE: &str = concat!(
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n",
    "....................................................................................................",
    "...................................................................................................."
);

/// Serves both hooks; anything else is a page of 200 bytes.
async fn application(listener: TcpListener) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        tokio::task::spawn_local(serve(socket));
    }
}

async fn serve(mut socket: TcpStream) {
    let mut incoming = Incoming::default();
    while let Some(head) = incoming.head(&mut socket).await {
        let content = incoming.exactly(&mut socket, length(&head)).await;
        let answer = match head.split(' ').nth(1) {
            Some("/_qr/whoami") => whoami(&head),
            Some("/_qr/login") => login(&head, &content),
            _ => PAGE.to_owned(),
        };
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn whoami(head: &str) -> String {
    let Some(user) = field(head, "cookie").and_then(user_of) else {
        return "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned();
    };
    let content = format!("{{\"user_id\":\"{user}\",\"name\":\"person{user}@example.com\"}}");
    let length = content.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{content}")
}

fn login(head: &str, content: &[u8]) -> String {
    let (id, time) = (field(head, "webhook-id").unwrap(), field(head, "webhook-timestamp").unwrap());
    let signature = webhook::sign(&[Secret::from_bytes(SECRET.to_vec())], id, time.parse().unwrap(), content);
    assert_eq!(field(head, "webhook-signature"), Some(signature.as_str()));
    let message: serde_json::Value = serde_json::from_slice(content).unwrap();
    let user = message["user_id"].as_str().unwrap().parse().unwrap();
    let cookie = session('p', user);
    format!("HTTP/1.1 204 No Content\r\nSet-Cookie: {cookie}; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax\r\n\r\n")
}

// people

/// One sign-in: what the computer and the phone know so far.
#[derive(Default)]
struct SignIn {
    user: u64,
    /// How many steps were taken; consecutive steps go to different gates.
    steps: usize,
    /// The page with the code; read when it is scanned.
    page: String,
    desk: String,
    view: String,
    path: String,
    computer: String,
    phone: String,
    proof: String,
    number: String,
}

/// Persistent connections, one to each gate.
struct Person {
    gates: Vec<Connection>,
}

impl Person {
    async fn new(gates: &[String]) -> Person {
        let mut connections = Vec::new();
        for gate in gates {
            connections.push(Connection::open(gate).await);
        }
        Person { gates: connections }
    }

    async fn step(&mut self, name: &str, sign_in: &mut SignIn) {
        sign_in.steps += 1;
        let turn = (sign_in.user as usize + sign_in.steps) % self.gates.len();
        let gate = &mut self.gates[turn];
        let computer = format!("User-Agent: {BROWSER}\r\n{ACCEPTED}");
        let phone = format!("User-Agent: {PHONE}\r\n{ACCEPTED}");
        let session = session('c', sign_in.user);
        match name {
            "start" => {
                let fields = format!("{computer}{PERSON}Cookie: theme=dark; {session}\r\n");
                gate.ask("GET", "/qr/", &fields, "").await.expect(200);
            }
            "mint" => {
                let fields = format!("{computer}{PERSON}{FORM}Origin: {ORIGIN}\r\nCookie: theme=dark; {session}\r\n");
                let answer = gate.ask("POST", "/qr/", &fields, "").await.expect(200);
                sign_in.computer = answer.cookie("qrgate=");
                sign_in.desk = answer.between("name=\"desk\" value=\"", "\"").to_owned();
                sign_in.view = answer.between("data-status=\"/qr/status/", "\"").to_owned();
                sign_in.page = answer.content;
            }
            "open" => {
                let answer = gate.ask("GET", &sign_in.path, &format!("{phone}{PERSON}"), "").await.expect(200);
                sign_in.phone = answer.cookie("qrgate=");
                sign_in.proof = answer.between("name=\"proof\" value=\"", "\"").to_owned();
            }
            "claim" => {
                let answer = sign_in.press("continue", gate, &phone).await.expect(303);
                sign_in.phone = format!("{}; {}", sign_in.phone, answer.cookie("qrgate-"));
            }
            "number" => {
                let fields = format!("{phone}{PERSON}Cookie: {}\r\n", sign_in.phone);
                let answer = gate.ask("GET", &sign_in.path, &fields, "").await.expect(200);
                sign_in.number = answer.number();
            }
            "approve" => {
                let fields = format!("{computer}Content-Type: text/plain\r\nOrigin: null\r\n");
                let content = format!("desk={}&number={}", sign_in.desk, sign_in.number);
                let answer = gate.ask("POST", "/qr/approve", &fields, &content).await.expect(200);
                assert!(answer.content.contains("\"approved\""), "{}", answer.content);
            }
            "approved" => {
                let fields = format!("{phone}{PERSON}Cookie: {}\r\n", sign_in.phone);
                let answer = gate.ask("GET", &sign_in.path, &fields, "").await.expect(200);
                assert!(answer.content.contains("data-state=\"approved\""), "{}", answer.content);
            }
            "redeem" => {
                let answer = sign_in.press("finish", gate, &phone).await.expect(303);
                assert_eq!(user_of(&answer.cookie("sessionid=p")), Some(sign_in.user));
            }
            "decline" => {
                let fields = format!("{computer}Content-Type: text/plain\r\nOrigin: null\r\n");
                let content = format!("desk={}&decision=decline", sign_in.desk);
                gate.ask("POST", "/qr/approve", &fields, &content).await.expect(200);
            }
            "status" => {
                let path = format!("/qr/status/{}", sign_in.view);
                let answer = gate.ask("GET", &path, &format!("{computer}Origin: null\r\n"), "").await.expect(200);
                assert!(answer.content.contains("\"issued\""), "{}", answer.content);
            }
            other => panic!("no step is called {other}"),
        }
    }
}

impl Answer {
    /// The two digits on the phone.
    fn number(&self) -> String {
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        self.content.split(['<', '>']).map(str::trim).find(|part| digits(part)).expect("a number").to_owned()
    }
}

impl SignIn {
    fn of(user: u64) -> SignIn {
        SignIn { user, ..SignIn::default() }
    }

    /// Reads the code in the page, if one was just shown, as a camera would.
    fn scan(&mut self) {
        let page = std::mem::take(&mut self.page);
        if page.is_empty() {
            return;
        }
        // The page has other pictures before this one.
        let (before, after) = page.split_once("stroke=\"#000\" d=\"").unwrap();
        let side = before.rsplit_once("viewBox=\"0 0 ").unwrap().1.split_once(' ').unwrap().0;
        let (side, commands): (usize, _) = (side.parse().unwrap(), after.split_once('"').unwrap().0);
        let (quiet, mut dark) = (4, vec![false; side * side]);
        let mut at = 0;
        for command in commands.replace('M', "\nM").replace('m', "\nm").replace('h', "\nh").lines().skip(1) {
            let numbers: Vec<usize> = command[1..].split(' ').map(|number| number.parse().unwrap()).collect();
            match (&command[..1], &numbers[..]) {
                ("M", [x, y]) => at = y * side + x,
                ("m", [x, 0]) => at += x,
                ("h", [length]) => {
                    dark[at..at + length].fill(true);
                    at += length;
                }
                _ => panic!("{command}"),
            }
        }
        let grid = rqrr::SimpleGrid::from_func(side - 2 * quiet, |x, y| dark[(y + quiet) * side + x + quiet]);
        let (_, link) = rqrr::Grid::new(grid).decode().unwrap();
        self.path = link.strip_prefix(ORIGIN).unwrap().to_owned();
    }

    async fn press(&self, action: &str, gate: &mut Connection, phone: &str) -> Answer {
        let fields = format!("{phone}{PERSON}{FORM}Origin: {ORIGIN}\r\nCookie: {}\r\n", self.phone);
        gate.ask("POST", &self.path, &fields, &format!("action={action}&proof={}", self.proof)).await
    }
}

// what is measured

/// How often something was done, and how long each took.
#[derive(Default)]
struct Times {
    micros: Vec<u32>,
    began: Option<Instant>,
    took: Duration,
}

impl Times {
    fn begin() -> Rc<RefCell<Times>> {
        Rc::new(RefCell::new(Times { began: Some(Instant::now()), ..Times::default() }))
    }

    fn add(&mut self, since: Instant) {
        self.micros.push(u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX));
        self.took = self.began.map(|began| began.elapsed()).unwrap_or_default();
    }

    fn report(times: &RefCell<Times>) -> String {
        let mut times = times.borrow_mut();
        let count = times.micros.len();
        times.in_json(count)
    }

    /// `count`: the number of measured operations.
    fn in_json(&mut self, count: usize) -> String {
        self.micros.sort_unstable();
        let at = |share: f64| {
            let place = (self.micros.len() as f64 * share) as usize;
            self.micros.get(place.min(self.micros.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        let seconds = self.took.as_secs_f64();
        format!("{{\"count\":{count},\"seconds\":{seconds},\"p50_us\":{},\"p99_us\":{}}}", at(0.5), at(0.99))
    }
}

struct Load {
    gates: Vec<String>,
    people: Vec<Person>,
    users: Rc<Cell<u64>>,
    batch: Vec<SignIn>,
    /// Open streams of events, each with its sign-in.
    streams: Vec<(SignIn, Connection)>,
    idle: Vec<Connection>,
}

fn next(users: &Cell<u64>) -> u64 {
    users.set(users.get() + 1);
    users.get()
}

impl Load {
    async fn obey(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).expect("a number");
        match words.as_slice() {
            ["gates", gates @ ..] => {
                self.gates = gates.iter().map(|&gate| gate.to_owned()).collect();
                self.people.clear();
                "{}".to_owned()
            }
            ["people", _] => {
                self.people.clear();
                for _ in 0..number(1) {
                    self.people.push(Person::new(&self.gates).await);
                }
                "{}".to_owned()
            }
            ["fill", _] => {
                let times = Times::begin();
                let mut left = number(1);
                while left > 0 {
                    let some = left.min(1000);
                    let new = self.newcomers(some);
                    self.all(new, Some("mint"), &times).await;
                    left -= some;
                }
                Times::report(&times)
            }
            ["store", url, _] => {
                fill(url, number(2)).await;
                "{}".to_owned()
            }
            ["batch", _] => {
                self.batch = self.newcomers(number(1));
                "{}".to_owned()
            }
            ["step", name] => {
                let (batch, times) = (std::mem::take(&mut self.batch), Times::begin());
                self.batch = self.all(batch, Some(name), &times).await;
                self.batch.iter_mut().for_each(SignIn::scan);
                Times::report(&times)
            }
            ["mixed", _] => self.mixed(Duration::from_secs(number(1))).await,
            ["journeys", _, watched @ ..] => self.journeys(Duration::from_secs(number(1)), !watched.is_empty()).await,
            ["watch", _] => self.watch(number(1)).await,
            ["wake", _] => self.wake(number(1)).await,
            ["forward", _] => self.forward(Duration::from_secs(number(1))).await,
            ["idle", _] => {
                self.idle.truncate(number(1) as usize);
                while (self.idle.len() as u64) < number(1) {
                    let mut connection = Connection::open(&self.gates[self.idle.len() % self.gates.len()]).await;
                    connection.ask("GET", "/page", "", "").await.expect(200);
                    connection.incoming = Incoming::default();
                    self.idle.push(connection);
                }
                "{}".to_owned()
            }
            ["leave"] => {
                self.streams.clear();
                "{}".to_owned()
            }
            _ => panic!("no such command: {command}"),
        }
    }

    fn newcomers(&self, count: u64) -> Vec<SignIn> {
        (0..count).map(|_| SignIn::of(next(&self.users))).collect()
    }

    /// Clients take sign-ins from one list until it is empty, and do this step with each; without a name, its next one.
    async fn all(&mut self, sign_ins: Vec<SignIn>, name: Option<&str>, times: &Rc<RefCell<Times>>) -> Vec<SignIn> {
        let heap = Rc::new(RefCell::new(sign_ins));
        let done = Rc::new(RefCell::new(Vec::new()));
        let mut people = JoinSet::new();
        for mut person in self.people.drain(..) {
            let (heap, done, times, name) = (heap.clone(), done.clone(), times.clone(), name.map(str::to_owned));
            people.spawn_local(async move {
                loop {
                    let Some(mut sign_in) = heap.borrow_mut().pop() else { return person };
                    let began = Instant::now();
                    let name = name.as_deref().unwrap_or_else(|| STEPS[sign_in.steps]);
                    person.step(name, &mut sign_in).await;
                    times.borrow_mut().add(began);
                    done.borrow_mut().push(sign_in);
                }
            });
        }
        self.people = people.join_all().await;
        done.take()
    }

    async fn mixed(&mut self, length: Duration) -> String {
        const GROUP: u64 = 250;
        let times = Times::begin();
        let end = Instant::now() + length;
        let (mut under_way, mut count) = (Vec::new(), 0);
        loop {
            if Instant::now() < end {
                under_way.extend(self.newcomers(GROUP));
            } else if under_way.is_empty() {
                break;
            }
            // Groups are mixed by the last digits of the user, which each of them has.
            under_way.sort_by_key(|sign_in: &SignIn| sign_in.user % GROUP);
            under_way = self.all(under_way, None, &times).await;
            under_way.iter_mut().for_each(SignIn::scan);
            let before = under_way.len();
            under_way.retain(|sign_in| sign_in.steps < STEPS.len());
            count += before - under_way.len();
        }
        let mut times = times.borrow_mut();
        times.in_json(count)
    }

    async fn journeys(&mut self, length: Duration, watched: bool) -> String {
        let times = Times::begin();
        let end = Instant::now() + length;
        let mut people = JoinSet::new();
        for mut person in self.people.drain(..) {
            let (times, users, gates) = (times.clone(), self.users.clone(), self.gates.clone());
            people.spawn_local(async move {
                while Instant::now() < end {
                    let mut sign_in = SignIn::of(next(&users));
                    let began = Instant::now();
                    let mut stream = None;
                    for name in STEPS {
                        person.step(name, &mut sign_in).await;
                        if name == "mint" {
                            sign_in.scan();
                            if watched {
                                stream = Some(sign_in.listen(&gates).await);
                            }
                        }
                    }
                    if let Some(mut stream) = stream {
                        stream.event("\"spent\"").await;
                    }
                    times.borrow_mut().add(began);
                }
                person
            });
        }
        self.people = people.join_all().await;
        Times::report(&times)
    }

    /// Each over a connection to the first gate.
    async fn forward(&mut self, length: Duration) -> String {
        let times = Times::begin();
        let end = Instant::now() + length;
        let fields = format!("User-Agent: {BROWSER}\r\n{ACCEPTED}");
        let mut people = JoinSet::new();
        for mut person in self.people.drain(..) {
            let (times, fields) = (times.clone(), fields.clone());
            people.spawn_local(async move {
                while Instant::now() < end {
                    let began = Instant::now();
                    person.gates[0].ask("GET", "/page", &fields, "").await.expect(200);
                    times.borrow_mut().add(began);
                }
                person
            });
        }
        self.people = people.join_all().await;
        Times::report(&times)
    }

    /// Shows codes, and opens a stream for each. Only the streams are counted.
    async fn watch(&mut self, count: u64) -> String {
        let new = self.newcomers(count);
        let shown = self.all(new, Some("mint"), &Times::begin()).await;
        let times = Times::begin();
        for mut sign_in in shown {
            sign_in.page.clear();
            let began = Instant::now();
            let stream = sign_in.listen(&self.gates).await;
            times.borrow_mut().add(began);
            self.streams.push((sign_in, stream));
        }
        Times::report(&times)
    }

    /// From the press of Cancel at the computer to the event in its stream, one after the other.
    async fn wake(&mut self, count: u64) -> String {
        let times = Times::begin();
        for _ in 0..count {
            let (mut sign_in, mut stream) = self.streams.pop().expect("an open stream");
            let began = Instant::now();
            self.people[0].step("decline", &mut sign_in).await;
            stream.event("\"declined\"").await;
            times.borrow_mut().add(began);
        }
        Times::report(&times)
    }
}

impl SignIn {
    /// Opens the page's stream of events, on a separate connection, at another gate than the steps before.
    async fn listen(&self, gates: &[String]) -> Connection {
        let mut stream = Connection::open(&gates[self.user as usize % gates.len()]).await;
        let fields = format!(
            "User-Agent: {BROWSER}\r\nAccept: text/event-stream\r\nOrigin: null\r\nCache-Control: no-cache\r\n"
        );
        stream.send("GET", &format!("/qr/status/{}", self.view), &fields, "").await;
        stream.event("\"issued\"").await;
        stream
    }
}

/// Writes codes to a Redis as a mint does, each of another user and with the same seals.
async fn fill(url: &str, count: u64) {
    let (tls, runtime, metrics) = (ClientTls::default(), tokio::runtime::Handle::current(), Metrics::default());
    let (prefix, timeout) = ("qrgate:", Duration::from_secs(5));
    let StoreUrl::Redis(address) = store_url(url).unwrap() else { panic!("{url} is no Redis") };
    let settings =
        RedisSettings { address: &address, prefix, timeout, tls: &tls, runtime: &runtime, metrics: &metrics };
    let store = Store::redis(settings, None).unwrap();
    let issued = Clock::System.now();
    let secrets = TicketSecrets::new(vec![Secret::from_bytes(SECRET.to_vec())]).unwrap();
    let (origin, lifetime) = (Origin::parse(ORIGIN).unwrap(), Duration::from_secs(600));
    let one = |number: u64| {
        let user = format!("stored{number}");
        let sign_in = qrgate::bench::SignIn {
            name: Some(format!("{user}@example.com")),
            account_hint: None,
            user,
            auth_time: None,
            session: session('c', number),
            computer: Party { address: Some([127, 0, 0, 1].into()), label: "Firefox on Linux".to_owned() },
            user_agent: Some(BROWSER.as_bytes().to_vec()),
            next: None,
            approval: Approval::Number,
            stay: Vec::new(),
        };
        Draft::new(sign_in, &BrowserId::random().unwrap(), &secrets, &origin, issued, lifetime).unwrap()
    };
    let mints = futures_util::stream::iter(0..count).map(|number| {
        let (store, draft) = (&store, one(number));
        async move { store.mint(&draft.id(), &draft.ticket).await.unwrap() }
    });
    mints.buffer_unordered(64).for_each(|_| std::future::ready(())).await;
}

fn main() {
    let arguments: HashMap<String, String> = std::env::args()
        .skip(1)
        .filter_map(|pair| pair.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())))
        .collect();
    let Some(port) = arguments.get("application") else {
        let _ = writeln!(
            std::io::stderr(),
            "usage: load application=PORT, with commands on standard input; see benches/load"
        );
        return;
    };
    let listener = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    listener.set_nonblocking(true).unwrap();
    // On a separate thread, so that a gate never waits for the clients.
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async { application(TcpListener::from_std(listener).unwrap()).await });
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut load = Load {
        gates: Vec::new(),
        people: Vec::new(),
        users: Rc::default(),
        batch: Vec::new(),
        streams: Vec::new(),
        idle: Vec::new(),
    };
    for line in std::io::stdin().lock().lines() {
        let report = LocalSet::new().block_on(&runtime, load.obey(&line.unwrap()));
        println!("{report}");
    }
}
