//! The login hook refuses connections, hangs, breaks off at any point, or responds too late.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::http::{Connection, Message};
use crate::harness::outage::{HIGH_LIMITS, Outage, Person, SHORT_TIMEOUTS};
use crate::harness::ports::unused;

/// The hooks are at a separate address, so that the site itself keeps working.
struct Scene {
    hooks: TestApplication,
    gate: TestGate,
    outage: Outage,
    ana: Person,
}

impl Scene {
    fn before(fault: &'static str, hooks: TestApplication, port: u16) -> Scene {
        let application = TestApplication::start();
        let login = format!("[login]\ntimeout = \"2s\"\nurl = \"http://127.0.0.1:{port}/_qr/login\"\n");
        let settings = format!("{}{login}{HIGH_LIMITS}", SHORT_TIMEOUTS.split("[login]").next().unwrap());
        let gate = TestGate::with(&application, &settings);
        let mut outage = Outage::of(fault, &application, &gate);
        hooks.route("/_qr/login", application.login_reply());
        outage.counts_calls_of(&hooks);
        let ana = outage.person(&gate, "ana");
        Scene { hooks, gate, outage, ana }
    }

    /// With a login hook whose first `bad` calls fail.
    fn spoilt(
        fault: &'static str,
        bad: usize,
        spoil: impl Fn(&Message, Reply) -> Reply + Send + Sync + 'static,
    ) -> Scene {
        let hooks = TestApplication::start();
        let port = hooks.address.port();
        let scene = Scene::before(fault, hooks, port);
        let (good, calls) = (scene.outage.application().login_reply(), AtomicUsize::new(0));
        scene.hooks.route("/_qr/login", move |request| {
            let reply = good(request);
            if calls.fetch_add(1, Ordering::SeqCst) < bad { spoil(request, reply) } else { reply }
        });
        scene
    }

    /// Ana sees that the sign-in failed, tries again and is signed in.
    fn fails_once_and_ends(mut self) -> usize {
        let told = self.ana.finish();
        assert_eq!(told.status(), 502, "{}", told.text());
        assert_eq!(self.ana.code.state(&mut self.ana.computer), "approved");
        self.ends()
    }

    fn ends(mut self) -> usize {
        self.outage.gets_in(self.ana);
        self.outage.ends();
        self.hooks.logins()
    }
}

/// Sends these bytes and then a reset.
fn breaks_off_after(bytes: Vec<u8>) -> Reply {
    Reply::Take(Box::new(move |mut connection: Connection| {
        connection.write(&bytes);
        reset(&connection);
    }))
}

fn reset(connection: &Connection) {
    SockRef::from(connection.stream()).set_linger(Some(Duration::ZERO)).unwrap();
}

fn bytes_of(reply: Reply) -> Vec<u8> {
    match reply {
        Reply::Bytes(bytes) => bytes,
        Reply::Close | Reply::Take(_) => panic!("no bytes"),
    }
}

#[test]
fn a_hook_that_refuses_connections_may_be_tried_until_the_code_expires() {
    let door = unused();
    let mut scene = Scene::before("login hook: connection refused", TestApplication::start(), door.port());
    for _ in 0..5 {
        assert_eq!(scene.ana.finish().status(), 502);
    }
    assert_eq!(scene.ana.code.state(&mut scene.ana.computer), "approved", "a call that was not sent is not counted");
    let hooks = TestApplication::on(TcpListener::bind(door).unwrap());
    hooks.route("/_qr/login", scene.outage.application().login_reply());
    scene.outage.counts_calls_of(&hooks);
    scene.hooks = hooks;
    assert_eq!(scene.ana.finish().status(), 303, "the first press");
    assert_eq!(scene.ends(), 1);
}

#[test]
fn a_hook_that_hangs_times_out_and_is_called_again() {
    let hangs = |_: &Message, _| Reply::Take(Box::new(|mut connection: Connection| drop(connection.read_line())));
    assert_eq!(Scene::spoilt("login hook: hangs", 1, hangs).fails_once_and_ends(), 2);
}

#[test]
fn a_hook_that_hangs_three_times_ends_the_code() {
    let hangs = |_: &Message, _| Reply::Take(Box::new(|mut connection: Connection| drop(connection.read_line())));
    let mut scene = Scene::spoilt("login hook: hangs three times", 3, hangs);
    for _ in 0..3 {
        assert_eq!(scene.ana.finish().status(), 502);
    }
    assert_eq!(scene.ana.code.state(&mut scene.ana.computer), "declined");
    assert_eq!(scene.ends(), 4, "a fresh code is one call more");
}

#[test]
fn a_hook_that_resets_before_it_reads_is_called_again() {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = door.local_addr().unwrap().port();
    let scene = Scene::before("login hook: reset before the request is read", TestApplication::start(), port);
    let waiting = std::thread::spawn(move || {
        let (stream, _) = door.accept().unwrap();
        reset(&Connection::over(stream));
        door
    });
    let mut scene = scene;
    assert_eq!(scene.ana.finish().status(), 502);
    let hooks = TestApplication::on(waiting.join().unwrap());
    hooks.route("/_qr/login", scene.outage.application().login_reply());
    scene.outage.counts_calls_of(&hooks);
    scene.hooks = hooks;
    assert_eq!(scene.ends(), 1);
}

#[test]
fn a_hook_that_resets_instead_of_responding_is_called_again() {
    let spoil = |_: &Message, _| breaks_off_after(Vec::new());
    assert_eq!(Scene::spoilt("login hook: reset after the request is read", 1, spoil).fails_once_and_ends(), 2);
}

#[test]
fn a_hook_that_breaks_off_in_its_head_is_called_again() {
    let spoil = |_: &Message, reply| {
        let mut bytes = bytes_of(reply);
        bytes.truncate(bytes.len() - 4);
        breaks_off_after(bytes)
    };
    assert_eq!(Scene::spoilt("login hook: reset in the head of its response", 1, spoil).fails_once_and_ends(), 2);
}

#[test]
fn a_hook_that_breaks_off_in_its_content_is_called_again() {
    let spoil = |_: &Message, reply| {
        let head = String::from_utf8(bytes_of(reply)).unwrap();
        let cookie = head.lines().find(|line| line.starts_with("Set-Cookie")).unwrap();
        breaks_off_after(format!("HTTP/1.1 200 OK\r\n{cookie}\r\nContent-Length: 1000\r\n\r\n{{").into_bytes())
    };
    let calls = Scene::spoilt("login hook: reset in the content of its response", 1, spoil).ends();
    assert!((1..=2).contains(&calls), "{calls}");
}

#[test]
fn a_hook_that_fails_is_called_again() {
    let spoil = |_: &Message, _| Reply::Bytes(response(500, &[], b"<h1>oops</h1>"));
    assert_eq!(Scene::spoilt("login hook: 500", 1, spoil).fails_once_and_ends(), 2);
}

#[test]
fn a_response_that_arrives_too_late_signs_nobody_in() {
    let spoil = |_: &Message, reply| {
        let late = bytes_of(reply);
        Reply::Take(Box::new(move |mut connection: Connection| {
            // The hook responds only after the phone has given up; then the session is given.
            drop(connection.read_line());
            connection.write(&late);
        }))
    };
    assert_eq!(Scene::spoilt("login hook: responds after its timeout", 1, spoil).fails_once_and_ends(), 2);
}

#[test]
fn a_phone_that_gave_up_gets_the_session_on_the_next_press() {
    let spoil = |_: &Message, reply: Reply| {
        std::thread::sleep(Duration::from_millis(300));
        reply
    };
    let scene = Scene::spoilt("login hook: responds after the phone gave up", 1, spoil);
    let impatient = scene.ana.begin_to_finish();
    eventually("the hook is called", || (scene.hooks.logins() == 1).then_some(()));
    drop(impatient);
    assert_eq!(scene.ends(), 1, "the one call");
}

#[test]
fn a_failing_identify_hook_costs_a_press_and_no_login_call() {
    let hooks = TestApplication::start();
    let port = hooks.address.port();
    let mut scene = Scene::before("identify hook: hangs, resets, fails", hooks, port);
    let application = scene.outage.application().clone();
    let good = application.identify_reply();
    let calls = AtomicUsize::new(0);
    application.route("/_qr/whoami", move |request| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Take(Box::new(|mut connection: Connection| drop(connection.read_line()))),
        1 => breaks_off_after(Vec::new()),
        2 => breaks_off_after(b"HTTP/1.1 200 OK\r\nContent-Len".to_vec()),
        3 => Reply::Bytes(response(500, &[], b"")),
        _ => good(request),
    });
    for _ in 0..3 {
        assert_eq!(scene.ana.finish().status(), 503);
    }
    assert_eq!(scene.hooks.logins(), 0);
    assert_eq!(scene.ana.code.state(&mut scene.ana.computer), "approved");
    assert!(!scene.gate.log().iter().any(|line| line.contains("internal error")));
    assert_eq!(scene.ends(), 1);
}
