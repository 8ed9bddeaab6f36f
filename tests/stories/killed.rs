//! qrgate killed between each two steps of a redeem, and what the person with the phone and the application see then.
//!
//! Every step of a redeem but the first reading is a word to the store or to the application. So the killing needs no
//! code in qrgate: the application kills it from inside a hook, and a relay in front of Redis kills it while a write is
//! still on its way there, or its answer on the way back. A second process on the same store takes over.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::harness::application::{Reply, TestApplication};
use crate::harness::browser::{Browser, computer, phone};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::people::{CodePage, approved, press};
use crate::harness::redis::TestRedis;

/// A lease of 2 × 1 s + 1 s + 2 s.
const TIMES: &str = "[identify]\ntimeout = \"1s\"\n[login]\ntimeout = \"1s\"\n";
/// In the row while a redeem runs, and in no other.
const LEASED: &str = "\"lease\":{";
const SPENT: &str = "\"spent\":{";

/// When a write of the store meets the fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// Passes bytes on to Redis, until a write bears a mark: then it kills a process.
struct Relay {
    address: SocketAddr,
    trap: Trap,
}

type Trap = Arc<Mutex<Option<(&'static str, When, u32)>>>;

impl Relay {
    fn before(redis: &TestRedis) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (trap, port) = (Trap::default(), redis.port);
        let shared = trap.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                pass_on(client, server, &shared);
            }
        });
        Relay { address, trap }
    }

    fn settings(&self) -> String {
        format!("[store]\nurl = \"redis://{}/0\"\n", self.address)
    }

    /// From now on the first write with this mark is the last thing that process does.
    fn arm(&self, mark: &'static str, when: When, pid: u32) {
        *self.trap.lock().unwrap() = Some((mark, when, pid));
    }
}

fn pass_on(mut client: TcpStream, mut server: TcpStream, trap: &Trap) {
    let (mut to_client, mut from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let victim = Arc::new(Mutex::new(None));
    let doomed = victim.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut buffer) {
            if let Some(pid) = *doomed.lock().unwrap() {
                kill(pid);
                break;
            }
            if to_client.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let trap = trap.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]);
            let sprung = trap.lock().unwrap().take_if(|(mark, ..)| text.contains(*mark));
            match sprung {
                Some((_, When::Before, pid)) => {
                    kill(pid);
                    break;
                }
                Some((_, When::After, pid)) => *victim.lock().unwrap() = Some(pid),
                None => {}
            }
            if server.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
    });
}

fn kill(pid: u32) {
    assert!(Command::new("kill").arg("-KILL").arg(pid.to_string()).status().unwrap().success());
}

/// Two gates on one Redis, and a phone that may finish at the first.
struct Scene {
    application: TestApplication,
    relay: Relay,
    first: TestGate,
    second: TestGate,
    computer: Browser,
    phone: Browser,
    code: CodePage,
    proof: String,
    _redis: TestRedis,
}

impl Scene {
    fn new() -> Scene {
        let application = TestApplication::start();
        let redis = TestRedis::start();
        let relay = Relay::before(&redis);
        let first = TestGate::with(&application, &format!("{}{TIMES}", relay.settings()));
        let public = format!("[public]\nurl = \"{}\"\n", first.origin());
        let second = TestGate::with(&application, &format!("{}{TIMES}{public}", redis.settings()));
        let mut computer = computer(&first).with_cookie(&application.sign_in("ana"));
        let mut phone = phone(&first);
        let (code, proof) = approved(&mut computer, &mut phone);
        Scene { application, relay, first, second, computer, phone, code, proof, _redis: redis }
    }

    /// The first gate dies in the middle of the identify hook: the `nth` call from now on.
    fn killed_by_identify(&self, nth: usize) {
        let (pid, good, count) = (self.first.pid(), self.application.identify_reply(), AtomicUsize::new(0));
        self.application.route("/_qr/whoami", move |request| {
            if count.fetch_add(1, Ordering::SeqCst) + 1 != nth {
                return good(request);
            }
            kill(pid);
            Reply::Close
        });
    }

    /// The first gate dies in the middle of the login hook, before or after the application has made a session.
    fn killed_by_login(&self, when: When) {
        let (pid, good, done) = (self.first.pid(), self.application.login_reply(), AtomicBool::new(false));
        self.application.route("/_qr/login", move |request| {
            if done.swap(true, Ordering::SeqCst) {
                return good(request);
            }
            if when == When::After {
                drop(good(request));
            }
            kill(pid);
            Reply::Close
        });
    }

    /// Finish at the first gate, which dies; then at the second, as its page asks, until the phone is signed in. So
    /// often the login hook was called.
    fn finishes_at_the_second(&mut self) -> usize {
        let dead = self.phone.try_post(&self.code.path, &format!("proof={}&action=finish", self.proof));
        assert!(dead.is_none(), "nothing reaches the phone of a gate that is dead");
        assert_eq!(self.first.wait(), None, "it was killed");
        assert_eq!(self.phone.session(), None);
        self.phone.through(&self.second);
        self.computer.through(&self.second);
        let landed = eventually("the phone is signed in", || {
            let answer = press(&mut self.phone, &self.code, "finish", &self.proof);
            if answer.status() == 303 {
                return Some(answer);
            }
            assert_eq!(answer.status(), 200, "{}", answer.text());
            assert!(answer.text().contains("Signing you in"), "{}", answer.text());
            None
        });
        assert_eq!(landed.field("location"), Some("/"));
        let session = self.phone.session().expect("a session");
        assert_eq!(self.application.user_of(&session).as_deref(), Some("ana"));
        assert_eq!(self.code.state(&mut self.computer), "spent");
        // The one session, however often it is asked for.
        let calls = self.application.requests_to("/_qr/login");
        let again = press(&mut self.phone, &self.code, "finish", &self.proof);
        assert_eq!((again.status(), again.all("set-cookie")), (303, landed.all("set-cookie")));
        assert_eq!(self.application.logins(), calls.len());
        let each = |name| calls.iter().map(|call| call.field(name).expect(name)).collect::<Vec<_>>();
        assert!(each("webhook-id").windows(2).all(|pair| pair[0] == pair[1]), "one webhook-id");
        assert!(each("webhook-timestamp").windows(2).all(|pair| pair[0] < pair[1]), "signed later each time");
        calls.len()
    }
}

#[test]
fn killed_before_the_lease_is_written_the_next_press_begins() {
    let mut scene = Scene::new();
    scene.relay.arm(LEASED, When::Before, scene.first.pid());
    assert_eq!(scene.finishes_at_the_second(), 1);
}

#[test]
fn killed_once_the_lease_is_written_the_phone_waits_for_its_end() {
    let mut scene = Scene::new();
    scene.relay.arm(LEASED, When::After, scene.first.pid());
    assert_eq!(scene.finishes_at_the_second(), 1);
}

#[test]
fn killed_while_the_computers_session_is_asked_about_nothing_was_called() {
    let mut scene = Scene::new();
    scene.killed_by_identify(1);
    assert_eq!(scene.finishes_at_the_second(), 1);
}

#[test]
fn killed_before_the_hook_made_a_session_it_is_called_again_under_the_same_id() {
    let mut scene = Scene::new();
    scene.killed_by_login(When::Before);
    assert_eq!(scene.finishes_at_the_second(), 2);
}

#[test]
fn killed_after_the_hook_made_a_session_that_session_reaches_nobody() {
    let mut scene = Scene::new();
    scene.killed_by_login(When::After);
    assert_eq!(scene.finishes_at_the_second(), 2);
}

#[test]
fn killed_while_the_new_session_is_verified_it_reaches_nobody() {
    let mut scene = Scene::new();
    scene.killed_by_identify(2);
    assert_eq!(scene.finishes_at_the_second(), 2);
}

#[test]
fn killed_before_spent_is_written_the_session_reaches_nobody() {
    let mut scene = Scene::new();
    scene.relay.arm(SPENT, When::Before, scene.first.pid());
    assert_eq!(scene.finishes_at_the_second(), 2);
}

#[test]
fn killed_once_spent_is_written_the_second_process_gives_the_same_session() {
    let mut scene = Scene::new();
    scene.relay.arm(SPENT, When::After, scene.first.pid());
    assert_eq!(scene.finishes_at_the_second(), 1, "no call but the one before the kill");
}
