//! An application with the hooks, which records every request.

use std::collections::HashMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use data_encoding::BASE64;

use super::http::{Connection, Message, Tape};
use super::ports::unused;

/// The secret that gate and application share in these tests.
pub const HOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const HOOK_KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// What a route sends.
pub enum Reply {
    Bytes(Vec<u8>),
    Close,
    /// Hands over the connection, for streams and upgrades.
    Take(Box<dyn FnOnce(Connection) + Send>),
}

type Route = Arc<dyn Fn(&Message) -> Reply + Send + Sync>;

/// An application on a free port. Its threads end with the test's process. A clone is the same application.
#[derive(Clone)]
pub struct TestApplication {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    requests: Mutex<Vec<Message>>,
    sessions: Mutex<HashMap<String, String>>,
    routes: Mutex<HashMap<String, Route>>,
    /// Whether the login hook names the session that it opens.
    names: AtomicBool,
    counter: AtomicUsize,
    connections: AtomicUsize,
    tape: Tape,
}

impl TestApplication {
    pub fn start() -> TestApplication {
        TestApplication::on(TcpListener::bind(unused()).expect("bind"))
    }

    /// At an address of the test's choosing.
    pub fn on(listener: TcpListener) -> TestApplication {
        let address = listener.local_addr().expect("local_addr");
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let state = shared.clone();
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        TestApplication { address, state }
    }

    /// Replaces the response of one path.
    pub fn route(&self, path: &str, response: impl Fn(&Message) -> Reply + Send + Sync + 'static) {
        self.state.routes.lock().expect("lock").insert(path.to_owned(), Arc::new(response));
    }

    /// Names sessions to qrgate from now on, as an application with a revoke hook does. The name is not the cookie.
    pub fn names_sessions(self) -> TestApplication {
        self.state.names.store(true, Ordering::SeqCst);
        self
    }

    /// Every call of the revoke hook so far.
    pub fn revokes(&self) -> Vec<Message> {
        self.requests_to("/_qr/revoke")
    }

    /// The default response of the revoke hook.
    pub fn revoke_reply(&self) -> impl Fn(&Message) -> Reply + Send + Sync + 'static {
        let state = self.state.clone();
        move |request| Reply::Bytes(revoke(&state, request))
    }

    /// Opens a session for a user and returns its cookie, `sessionid=…`.
    pub fn sign_in(&self, user: &str) -> String {
        format!("sessionid={}", self.state.open_session(user))
    }

    /// Ends a session, as a sign-out would.
    pub fn sign_out(&self, cookie: &str) {
        let id = cookie.trim_start_matches("sessionid=");
        self.state.sessions.lock().expect("lock").remove(id);
    }

    /// The user of a `sessionid=…` cookie.
    pub fn user_of(&self, cookie: &str) -> Option<String> {
        self.state.user_of(cookie)
    }

    /// Every request so far to that path (without its query).
    pub fn requests_to(&self, path: &str) -> Vec<Message> {
        let all = self.state.requests.lock().expect("lock");
        all.iter().filter(|m| m.target().split('?').next() == Some(path)).cloned().collect()
    }

    /// The request of that number, counted from 0.
    pub fn request(&self, number: usize) -> Option<Message> {
        self.state.requests.lock().expect("lock").get(number).cloned()
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Message> {
        self.state.requests.lock().expect("lock").clone()
    }

    /// Every byte so far, of all connections.
    pub fn bytes(&self) -> Vec<u8> {
        self.state.tape.lock().expect("lock").clone()
    }

    /// How often the login hook was called.
    pub fn logins(&self) -> usize {
        self.requests_to("/_qr/login").len()
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The default response of the login hook, for tests that wrap it.
    pub fn login_reply(&self) -> impl Fn(&Message) -> Reply + Send + Sync + 'static {
        let state = self.state.clone();
        move |request| Reply::Bytes(login(&state, request))
    }

    /// The default response of the identify hook.
    pub fn identify_reply(&self) -> impl Fn(&Message) -> Reply + Send + Sync + 'static {
        let state = self.state.clone();
        move |request| Reply::Bytes(builtin(&state, "/_qr/whoami", request))
    }
}

impl State {
    fn open_session(&self, user: &str) -> String {
        let id = format!("s{}-{user}", self.counter.fetch_add(1, Ordering::SeqCst));
        self.sessions.lock().expect("lock").insert(id.clone(), user.to_owned());
        id
    }

    fn user_of(&self, cookies: &str) -> Option<String> {
        let id = cookies.split(';').find_map(|pair| pair.trim().strip_prefix("sessionid="))?;
        self.sessions.lock().expect("lock").get(id).cloned()
    }
}

fn serve(stream: TcpStream, state: &Arc<State>) {
    let tape = Some(state.tape.clone());
    let mut connection = Connection::recorded(stream.try_clone().expect("try_clone"), tape);
    let mut writer = stream;
    while let Some(request) = connection.read_request() {
        let path = request.target().split('?').next().unwrap_or("").to_owned();
        state.requests.lock().expect("lock").push(request.clone());
        let route = state.routes.lock().expect("lock").get(&path).cloned();
        let reply = match route {
            Some(route) => route(&request),
            None => Reply::Bytes(builtin(state, &path, &request)),
        };
        match reply {
            Reply::Bytes(bytes) => {
                if writer.write_all(&bytes).is_err() {
                    return;
                }
            }
            Reply::Close => {
                let _ = writer.shutdown(std::net::Shutdown::Both);
                return;
            }
            Reply::Take(take) => return take(connection),
        }
    }
}

fn builtin(state: &State, path: &str, request: &Message) -> Vec<u8> {
    let user = request.all("cookie").first().and_then(|cookies| state.user_of(cookies));
    match (path, user) {
        ("/_qr/whoami", Some(user)) => {
            let json = serde_json::json!({ "user_id": user, "name": format!("{user} of example") });
            response(200, &["Content-Type: application/json"], json.to_string().as_bytes())
        }
        ("/_qr/whoami", None) => response(401, &[], b"{}"),
        ("/_qr/login", _) => login(state, request),
        ("/_qr/revoke", _) => revoke(state, request),
        ("/echo", _) => response(200, &[], &request.content),
        (_, Some(user)) => response(200, &["Content-Type: text/plain"], format!("signed in as {user}").as_bytes()),
        (_, None) => response(200, &["Content-Type: text/plain"], b"nobody is signed in"),
    }
}

fn login(state: &State, request: &Message) -> Vec<u8> {
    if !is_signed(request) {
        return response(401, &[], b"");
    }
    let user = request.json()["user_id"].as_str().unwrap_or("").to_owned();
    let id = state.open_session(&user);
    let cookie = format!("Set-Cookie: sessionid={id}; Path=/; HttpOnly; SameSite=Lax");
    match state.names.load(Ordering::SeqCst) {
        true => response(200, &[&cookie], serde_json::json!({ "session": name_of(&id) }).to_string().as_bytes()),
        false => response(204, &[&cookie], b""),
    }
}

/// Ends the session of that name. Succeeds if the session has already ended.
fn revoke(state: &State, request: &Message) -> Vec<u8> {
    if !is_signed(request) || request.json()["type"] != "qr.revoke" {
        return response(401, &[], b"");
    }
    let message = request.json();
    let mut sessions = state.sessions.lock().expect("lock");
    sessions.retain(|id, user| message["session"] != name_of(id).as_str() || message["user_id"] != user.as_str());
    response(204, &[], b"")
}

/// The name of a session, which signs nobody in.
fn name_of(id: &str) -> String {
    format!("name of {id}")
}

/// Whether a hook call has a valid Standard Webhooks signature.
pub fn is_signed(request: &Message) -> bool {
    is_signed_with(request, HOOK_KEY)
}

/// The same, with another secret.
pub fn is_signed_with(request: &Message, key: &[u8]) -> bool {
    let field = |name| request.field(name).unwrap_or("");
    let mut signed = format!("{}.{}.", field("webhook-id"), field("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&request.content);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &signed);
    let wanted = format!("v1,{}", BASE64.encode(tag.as_ref()));
    field("webhook-signature").split(' ').any(|signature| signature == wanted)
}

/// A whole response with a Content-Length.
pub fn response(status: u16, fields: &[&str], content: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} Status\r\n").into_bytes();
    for field in fields {
        bytes.extend_from_slice(format!("{field}\r\n").as_bytes());
    }
    if status != 204 {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", content.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(content);
    bytes
}
