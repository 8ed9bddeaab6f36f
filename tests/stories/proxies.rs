//! Other proxies in front of qrgate and beside it, with the blocks of docs/behind-a-proxy.md as they are.

use std::io::Read;

use crate::harness::application::{Reply, TestApplication};
use crate::harness::browser::{Browser, computer, phone};
use crate::harness::front::{Front, HOST, Visitor, block, is_installed};
use crate::harness::gate::TestGate;
use crate::harness::http::{Connection, Message};
use crate::harness::people::{CodePage, claim, press, show_code};

const ORIGIN: &str = "https://app.example.com";
const COMPUTER: &str = "127.0.0.2";
const PHONE: &str = "127.0.0.3";

/// Fields that a client may forge; none may have an effect.
const LIES: [&str; 6] = [
    "X-Forwarded-For: 198.51.100.9",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 81",
    "X-Real-IP: 198.51.100.9",
    "Forwarded: for=198.51.100.9;proto=http;host=evil.example",
];

/// What browsers send for a click on https.
const CLICK: [&str; 3] = ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];

/// One proxy, one gate, one application, and the two clients.
struct Scene {
    application: TestApplication,
    gate: TestGate,
    at_desk: Visitor,
    on_phone: Visitor,
    _front: Front,
}

impl Scene {
    /// `program` with the block under `heading`, and a gate with `public` as its `[public]` section.
    fn new(program: &str, heading: &str, public: &str) -> Option<Scene> {
        if !is_installed(program) {
            return None;
        }
        let application = TestApplication::start();
        let gate = TestGate::with(&application, public);
        let front = Front::start(program, &block(heading, program), gate.address, application.address);
        let (at_desk, on_phone) = (front.visitor(COMPUTER), front.visitor(PHONE));
        Some(Scene { application, gate, at_desk, on_phone, _front: front })
    }

    fn declared(program: &str, heading: &str) -> Option<Scene> {
        Scene::new(program, heading, &block("What qrgate must know", "toml"))
    }

    fn undeclared(program: &str, heading: &str) -> Option<Scene> {
        Scene::new(program, heading, &format!("[public]\nurl = \"{ORIGIN}\""))
    }

    fn computer(&self) -> Browser {
        let browser = computer(&self.gate).at_origin(ORIGIN).by_way_of(self.at_desk.address);
        lying(browser).with_cookie(&self.application.sign_in("ana"))
    }

    fn phone(&self) -> Browser {
        lying(phone(&self.gate).at_origin(ORIGIN).by_way_of(self.on_phone.address))
    }

    /// Follows the events of the code, as its page does.
    fn events(&self, code: &CodePage) -> Connection {
        let mut connection = Connection::open(self.at_desk.address);
        let target = format!("/qr/status/{}", code.view);
        let head = format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\nAccept: text/event-stream\r\n\r\n");
        connection.write(head.as_bytes());
        let response = connection.read_head().expect("a head");
        assert_eq!((response.status(), response.field("content-type")), (200, Some("text/event-stream")));
        connection
    }

    /// From the button to the phone's session. Returns the device that the computer's page shows.
    fn sign_in(&self) -> serde_json::Value {
        let (mut computer, mut phone) = (self.computer(), self.phone());
        let code = show_code(&mut computer);
        let mut events = self.events(&code);
        assert_eq!(next_event(&mut events)["state"], "issued");
        let (number, proof) = claim(&mut phone, &code);
        let mut claimed = next_event(&mut events);
        if claimed["state"] == "issued" {
            assert_eq!(claimed["opened"], true, "{claimed}");
            claimed = next_event(&mut events);
        }
        assert_eq!(claimed["state"], "claimed");
        let typed = code.type_number(&mut computer, &number);
        assert_eq!(typed.json()["state"], "approved", "{}", typed.text());
        assert_eq!(next_event(&mut events)["state"], "approved");
        let landed = press(&mut phone, &code, "finish", &proof);
        assert_eq!((landed.status(), landed.field("location")), (303, Some("/")), "{}", landed.text());
        let session = phone.session().expect("a separate session");
        assert_eq!(self.application.user_of(&session).as_deref(), Some("ana"));
        assert_eq!(phone.get("/").text(), "signed in as ana");
        claimed["device"].clone()
    }

    /// The last request that reached the application at `/`.
    fn seen(&self) -> Message {
        self.application.requests_to("/").pop().expect("a request")
    }

    /// Opens a WebSocket through everything and receives a byte.
    fn upgrade(&self) {
        self.application.route("/socket", |_| {
            Reply::Take(Box::new(|mut connection: Connection| {
                connection.write(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                );
                let mut byte = [0];
                while matches!(connection.stream().read(&mut byte), Ok(1)) {
                    connection.write(&byte);
                }
            }))
        });
        let mut connection = Connection::open(self.at_desk.address);
        let fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        connection.write(format!("GET /socket HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n").as_bytes());
        assert_eq!(connection.read_head().expect("a head").status(), 101);
        connection.write(b"!");
        assert_eq!(connection.read_bytes(1), b"!");
    }
}

fn lying(mut browser: Browser) -> Browser {
    browser.fields.extend(LIES.iter().chain(&CLICK).map(|line| (*line).to_owned()));
    browser
}

/// The next object of a stream of events.
fn next_event(events: &mut Connection) -> serde_json::Value {
    loop {
        let line = events.read_line().expect("the stream continues");
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str(data).expect("JSON");
        }
    }
}

fn the_fields_of_a_declared_proxy_are_used(program: &str, heading: &str) {
    let Some(scene) = Scene::declared(program, heading) else { return };
    let device = scene.sign_in();
    assert_eq!((&device["address"], &device["same_network"]), (&PHONE.into(), &true.into()), "{device}");
    let seen = scene.seen();
    for (name, value) in [
        ("host", HOST),
        ("x-forwarded-for", PHONE),
        ("x-real-ip", PHONE),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", HOST),
        ("x-forwarded-port", "443"),
    ] {
        assert_eq!(seen.field(name), Some(value), "{name}");
    }
    assert_eq!(seen.field("forwarded"), None);
    scene.upgrade();
    assert!(scene.gate.admin("/readyz").json()["proxies"].is_null());
    assert!(!scene.gate.log().iter().any(|line| line.contains("trusted_proxies")));
    assert_eq!(scene.computer().get("/_qr/whoami").status(), 404);
}

fn an_undeclared_proxy_hides_the_client_and_is_named(program: &str, heading: &str) {
    let Some(scene) = Scene::undeclared(program, heading) else { return };
    let device = scene.sign_in();
    assert!(device["address"].is_null() && device["same_network"].is_null(), "{device}");
    let seen = scene.seen();
    assert_eq!((seen.field("x-forwarded-for"), seen.field("x-forwarded-proto")), (Some("127.0.0.1"), Some("http")));
    scene.gate.wait_for_log(&["X-Forwarded-Proto from 127.0.0.1 ignored: not in public.trusted_proxies"]);
    let ready = scene.gate.admin("/readyz");
    assert_eq!(ready.status(), 200);
    assert_eq!(ready.json()["proxies"], "not in public.trusted_proxies: 127.0.0.1");
}

#[test]
fn behind_a_declared_nginx_scheme_host_and_client_are_right() {
    the_fields_of_a_declared_proxy_are_used("nginx", "nginx");
}

#[test]
fn behind_a_declared_caddy_scheme_host_and_client_are_right() {
    the_fields_of_a_declared_proxy_are_used("caddy", "Caddy");
}

#[test]
fn behind_a_declared_haproxy_scheme_host_and_client_are_right() {
    the_fields_of_a_declared_proxy_are_used("haproxy", "HAProxy");
}

#[test]
fn behind_an_undeclared_nginx_the_client_is_unknown() {
    an_undeclared_proxy_hides_the_client_and_is_named("nginx", "nginx");
}

#[test]
fn behind_an_undeclared_caddy_the_client_is_unknown() {
    an_undeclared_proxy_hides_the_client_and_is_named("caddy", "Caddy");
}

#[test]
fn behind_an_undeclared_haproxy_the_client_is_unknown() {
    an_undeclared_proxy_hides_the_client_and_is_named("haproxy", "HAProxy");
}

#[test]
fn at_the_side_door_only_the_ticket_path_comes_to_qrgate() {
    let Some(scene) = Scene::declared("nginx", "The side door") else { return };
    let device = scene.sign_in();
    assert_eq!(device["address"], PHONE);
    scene.upgrade();
    let before = scene.application.requests().len();
    let mut computer = scene.computer();
    for path in [
        "/_qr/whoami",
        "/_qr/login",
        "/_QR/Login",
        "/%5fqr/login",
        "//_qr/whoami",
        "/a/../_qr/whoami",
        "/a/..;/_qr/whoami",
        "/_qr;x/whoami",
        "/.%2f_qr/login",
    ] {
        assert_eq!(computer.get(path).status(), 404, "{path}");
        assert_eq!(computer.post(path, "").status(), 404, "{path}");
    }
    assert_eq!(scene.application.requests().len(), before, "the application was asked nothing");
    assert_eq!(computer.get("/qr").status(), 308);
    assert_eq!(computer.get("/qrcodes").text(), "signed in as ana");
    scene.gate.wait_for_log(&["\"path\":\"/qr/\""]);
    assert!(
        !scene.gate.log().iter().any(|line| line.contains("\"path\":\"/qrcodes\"") || line.contains("\"path\":\"/\""))
    );
}
