//! The demo's application: two users, a button each, sessions in memory, and the two hooks as an application should
//! have them. It knows nothing of qrgate beyond what docs/recipes ask of anyone.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::application::webhook;
use crate::clock::Clock;
use crate::return_path::ReturnPath;
use crate::secret::{Secret, fill_random};

/// The toy's session cookie.
pub const SESSION_COOKIE: &str = "toy_session";
/// Its identify hook.
pub const WHOAMI: &str = "/_qr/whoami";
/// Its login hook.
pub const LOGIN: &str = "/_qr/login";
/// Its sign-in page, as `identify.login_url` has it.
pub const LOGIN_URL: &str = "/login?next={return}";

/// Who can sign in: id and name.
const USERS: [(&str, &str); 2] = [("ana", "Ana"), ("bob", "Bob")];

const LARGEST_CONTENT: usize = 16 * 1024;
const MOST_SESSIONS: usize = 1000;
const MOST_USED: usize = 1000;

/// How far a call's timestamp may be from our clock, in seconds.
const TOLERANCE: u64 = 60;

/// The application. Clones share sessions.
#[derive(Clone)]
pub struct Toy(Arc<Inner>);

struct Inner {
    secret: Secret,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<String, Session>,
    /// Session ids, oldest first.
    order: VecDeque<String>,
    /// `id:timestamp` of the calls that were accepted, oldest first.
    used: VecDeque<String>,
}

#[derive(Clone, Copy)]
struct Session {
    id: &'static str,
    name: &'static str,
    auth_time: u64,
}

type Answer = Response<Full<Bytes>>;

impl Toy {
    /// An application that takes login calls signed with `secret`.
    pub fn new(secret: Secret, clock: Clock) -> Toy {
        Toy(Arc::new(Inner { secret, clock, state: Mutex::default() }))
    }

    /// Serves until the future is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, _)) => {
                    connections.spawn(self.clone().serve_connection(stream));
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
            }
        }
    }

    async fn serve_connection(self, stream: TcpStream) {
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let toy = self.clone();
            async move {
                let (head, content) = request.into_parts();
                let answer = match Limited::new(content, LARGEST_CONTENT).collect().await {
                    Ok(content) => toy.answer(&head, &content.to_bytes()),
                    Err(_) => plain(StatusCode::PAYLOAD_TOO_LARGE, "Too large\n"),
                };
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        // A client that breaks off has nobody to be told.
        let _ = connection.await;
    }

    fn answer(&self, head: &Parts, content: &[u8]) -> Answer {
        match (&head.method, head.uri.path()) {
            (&Method::GET | &Method::HEAD, "/") => self.home(&head.headers),
            (&Method::GET | &Method::HEAD, "/login") => login_page(head.uri.query().unwrap_or_default()),
            (&Method::POST, "/login") => self.sign_in(&head.headers, content),
            (&Method::POST, "/logout") => self.sign_out(&head.headers),
            (&Method::GET, WHOAMI) => self.whoami(&head.headers),
            (&Method::POST, LOGIN) => self.login_hook(&head.headers, content),
            _ => plain(StatusCode::NOT_FOUND, "Not found\n"),
        }
    }

    fn home(&self, fields: &HeaderMap) -> Answer {
        let Some((_, session)) = self.session(fields) else {
            let content = "<h1>Toy shop</h1><p>Nobody is signed in.</p><p><a class=button href=/login>Sign in</a></p>";
            return page(content);
        };
        page(&format!(
            "<h1>Hello, {}</h1><p>You are signed in as <b>{}</b>.</p>\
             <form method=post action=/qr/><button class=main>Sign in on your phone</button></form>\
             <form method=post action=/logout><button>Sign out</button></form>",
            session.name, session.id
        ))
    }

    fn sign_in(&self, fields: &HeaderMap, content: &[u8]) -> Answer {
        let form: HashMap<_, _> = form_urlencoded::parse(content).collect();
        let user = form.get("user").and_then(|id| find_user(id));
        let Some((id, name)) = user else { return plain(StatusCode::BAD_REQUEST, "No such user\n") };
        let next = form.get("next").map_or("/", |next| next.as_ref());
        let next = ReturnPath::parse(next, "").map_or("/".to_owned(), |path| path.as_str().to_owned());
        let now = self.0.clock.now().seconds();
        match self.start_session(Session { id, name, auth_time: now }, fields) {
            Some(cookie) => see_other(&next, Some(cookie)),
            None => plain(StatusCode::INTERNAL_SERVER_ERROR, "No randomness\n"),
        }
    }

    fn sign_out(&self, fields: &HeaderMap) -> Answer {
        if let Some((key, _)) = self.session(fields) {
            self.state().sessions.remove(&key);
        }
        let gone = format!("{SESSION_COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        see_other("/", HeaderValue::from_str(&gone).ok())
    }

    fn whoami(&self, fields: &HeaderMap) -> Answer {
        match self.session(fields) {
            Some((_, Session { id, name, auth_time })) => {
                json_answer(StatusCode::OK, &json!({"user_id": id, "name": name, "auth_time": auth_time}))
            }
            None => json_answer(StatusCode::UNAUTHORIZED, &json!({})),
        }
    }

    fn login_hook(&self, fields: &HeaderMap, content: &[u8]) -> Answer {
        let Some(message) = self.signed_message(fields, content) else {
            return json_answer(StatusCode::UNAUTHORIZED, &json!({}));
        };
        let Some((id, name)) = message["user_id"].as_str().and_then(find_user) else {
            return json_answer(StatusCode::NOT_FOUND, &json!({"message": "This account cannot sign in."}));
        };
        // Scanning a code proves nothing anew: the phone's session is as old as the computer's.
        let auth_time = message["auth_time"].as_u64().unwrap_or_default();
        let Some(cookie) = self.start_session(Session { id, name, auth_time }, fields) else {
            return json_answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({}));
        };
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
        answer
    }

    /// The message of a call that is signed, fresh and seen for the first time, and meant for this very hook.
    fn signed_message(&self, fields: &HeaderMap, content: &[u8]) -> Option<Value> {
        let one = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
        let (id, signatures) = (one("webhook-id")?, one("webhook-signature")?);
        let timestamp: u64 = one("webhook-timestamp")?.parse().ok()?;
        if !webhook::verify(&self.0.secret, id, timestamp, content, signatures)
            || self.0.clock.now().seconds().abs_diff(timestamp) > TOLERANCE
        {
            return None;
        }
        let message: Value = serde_json::from_slice(content).ok()?;
        let accepted = is_for_this_hook(&message) && self.is_first_use(format!("{id}:{timestamp}"));
        accepted.then_some(message)
    }

    fn is_first_use(&self, call: String) -> bool {
        let mut state = self.state();
        if state.used.contains(&call) {
            return false;
        }
        if state.used.len() >= MOST_USED {
            state.used.pop_front();
        }
        state.used.push_back(call);
        true
    }

    /// A fresh session id, whatever cookie came with the request; its `Set-Cookie` line. None without randomness.
    fn start_session(&self, session: Session, fields: &HeaderMap) -> Option<HeaderValue> {
        let mut random = [0; 32];
        fill_random(&mut random).ok()?;
        let key = BASE64URL_NOPAD.encode(&random);
        let secure = fields.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
        let secure = if secure { "; Secure" } else { "" };
        let line = format!("{SESSION_COOKIE}={key}; Path=/; HttpOnly; SameSite=Lax{secure}");
        let mut state = self.state();
        if state.order.len() >= MOST_SESSIONS {
            let oldest = state.order.pop_front();
            oldest.and_then(|oldest| state.sessions.remove(&oldest));
        }
        state.order.push_back(key.clone());
        state.sessions.insert(key, session);
        HeaderValue::from_str(&line).ok()
    }

    fn session(&self, fields: &HeaderMap) -> Option<(String, Session)> {
        let lines = fields.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, key) = pairs.find(|(name, _)| *name == SESSION_COOKIE)?;
        self.state().sessions.get(key).map(|session| (key.to_owned(), *session))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a call was signed for this hook. Any origin will do: the demo is seen at every address of its computer, and
/// its secret is random and known to its own qrgate alone.
fn is_for_this_hook(message: &Value) -> bool {
    let url = message["origin"].as_str().map(|origin| format!("{origin}{LOGIN}"));
    message["type"] == "qr.login" && message["method"] == "POST" && url.is_some_and(|url| message["url"] == url)
}

fn find_user(id: &str) -> Option<(&'static str, &'static str)> {
    USERS.into_iter().find(|(each, _)| *each == id)
}

fn login_page(query: &str) -> Answer {
    let next = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next").map(|(_, value)| value);
    let next =
        next.and_then(|next| ReturnPath::parse(&next, "")).map_or("/".to_owned(), |path| path.as_str().to_owned());
    let buttons: String = USERS
        .iter()
        .map(|(id, name)| {
            format!(
                "<form method=post action=/login><input type=hidden name=next value=\"{}\">\
                 <button class=main name=user value={id}>I am {name}</button></form>",
                escape(&next)
            )
        })
        .collect();
    page(&format!("<h1>Sign in</h1><p>This is a toy: no passwords.</p>{buttons}"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1.25rem;\
    text-align:center;color-scheme:light dark}form{margin:.75rem 0}button,.button{font:inherit;display:inline-block;\
    min-height:2.75rem;padding:.5rem 1.5rem;border:1px solid #8888;border-radius:.6rem;background:none;color:inherit;\
    text-decoration:none;cursor:pointer}.main{background:#0b57d0;border-color:#0b57d0;color:#fff}";

fn page(content: &str) -> Answer {
    let html = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Toy shop</title><style>{STYLE}</style></head><body><main>{content}</main></body></html>\n"
    );
    let mut answer = typed(StatusCode::OK, "text/html; charset=utf-8", html);
    let fields = answer.headers_mut();
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    typed(status, "text/plain; charset=utf-8", text)
}

fn json_answer(status: StatusCode, value: &Value) -> Answer {
    typed(status, "application/json", value.to_string())
}

fn see_other(location: &str, cookie: Option<HeaderValue>) -> Answer {
    let mut answer = plain(StatusCode::SEE_OTHER, "");
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"));
    answer.headers_mut().insert(header::LOCATION, location);
    if let Some(cookie) = cookie {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

fn typed(status: StatusCode, media_type: &'static str, content: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(content.into()));
    *answer.status_mut() = status;
    let fields = answer.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const NOW: u64 = 1_790_000_000;

    fn toy() -> Toy {
        Toy::new(Secret::from_bytes(vec![7; 32]), Clock::manual(Timestamp(NOW * 1000)))
    }

    fn ask(toy: &Toy, method: Method, target: &str, fields: &[(&str, &str)], content: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        toy.answer(&head, content.as_bytes())
    }

    fn cookie(answer: &Answer) -> String {
        let line = answer.headers()[header::SET_COOKIE].to_str().unwrap();
        line.split(';').next().unwrap().to_owned()
    }

    fn call(toy: &Toy, secret: u8, id: &str, timestamp: u64, user: &str) -> Answer {
        call_with(toy, secret, id, timestamp, &message(user))
    }

    fn message(user: &str) -> Value {
        let origin = "http://192.168.1.20:8080";
        let url = format!("{origin}/_qr/login");
        json!({"type": "qr.login", "user_id": user, "origin": origin, "method": "POST", "url": url})
    }

    fn call_with(toy: &Toy, secret: u8, id: &str, timestamp: u64, message: &Value) -> Answer {
        let content = message.to_string();
        let secret = Secret::from_bytes(vec![secret; 32]);
        let signature = webhook::sign(&[secret], id, timestamp, content.as_bytes());
        let timestamp = timestamp.to_string();
        let fields = [("webhook-id", id), ("webhook-timestamp", &timestamp), ("webhook-signature", &signature)];
        ask(toy, Method::POST, LOGIN, &fields, &content)
    }

    fn whoami(toy: &Toy, cookie: &str) -> u16 {
        ask(toy, Method::GET, WHOAMI, &[("cookie", cookie)], "").status().as_u16()
    }

    #[test]
    fn a_button_signs_in_and_another_signs_out() {
        let toy = toy();
        assert_eq!(whoami(&toy, "toy_session=guess"), 401);
        let signed_in = ask(&toy, Method::POST, "/login", &[], "user=ana&next=%2Fqr%2F%3Ffrom%3Dlogin");
        assert_eq!(signed_in.headers()[header::LOCATION], "/qr/?from=login");
        let cookie = cookie(&signed_in);
        assert_eq!(whoami(&toy, &cookie), 200);
        ask(&toy, Method::POST, "/logout", &[("cookie", &cookie)], "");
        assert_eq!(whoami(&toy, &cookie), 401);
    }

    #[test]
    fn a_foreign_way_back_is_not_taken() {
        for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
            let answer = ask(&toy(), Method::POST, "/login", &[], &format!("user=ana&next={next}"));
            assert_eq!(answer.headers()[header::LOCATION], "/", "{next}");
        }
    }

    #[test]
    fn a_signed_call_makes_a_session_once() {
        let toy = toy();
        let answer = call(&toy, 7, "id", NOW, "bob");
        assert_eq!(answer.status(), 204);
        assert_eq!(whoami(&toy, &cookie(&answer)), 200);
        assert_eq!(call(&toy, 7, "id", NOW, "bob").status(), 401, "the same bytes again");
        assert_eq!(call(&toy, 7, "id", NOW + 1, "bob").status(), 204, "a retry is signed afresh");
    }

    #[test]
    fn a_call_with_a_wrong_key_or_time_or_user_makes_none() {
        let toy = toy();
        assert_eq!(call(&toy, 8, "id", NOW, "bob").status(), 401);
        assert_eq!(call(&toy, 7, "id", NOW - 61, "bob").status(), 401);
        assert_eq!(call(&toy, 7, "id", NOW + 61, "bob").status(), 401);
        assert_eq!(call(&toy, 7, "id", NOW, "mallory").status(), 404);
        assert_eq!(ask(&toy, Method::POST, LOGIN, &[], "{}").status(), 401);
    }

    #[test]
    fn a_call_that_was_signed_for_another_hook_or_purpose_makes_none() {
        for (name, value) in [
            ("type", "qr.revoke"),
            ("method", "GET"),
            ("url", "https://app.example.com/_qr/login"),
            ("url", "http://192.168.1.20:8080/admin/_qr/login"),
            ("origin", "http://192.168.1.20:8081"),
        ] {
            let mut other = message("bob");
            other[name] = Value::from(value);
            assert_eq!(call_with(&toy(), 7, "id", NOW, &other).status(), 401, "{name}: {value}");
        }
    }

    #[test]
    fn cookies_are_secure_on_https() {
        let fields = [("x-forwarded-proto", "https")];
        let answer = ask(&toy(), Method::POST, "/login", &fields, "user=ana");
        assert!(answer.headers()[header::SET_COOKIE].to_str().unwrap().ends_with("; Secure"));
    }

    #[test]
    fn sessions_are_bounded() {
        let toy = toy();
        for _ in 0..MOST_SESSIONS + 10 {
            ask(&toy, Method::POST, "/login", &[], "user=ana");
        }
        assert_eq!(toy.state().sessions.len(), MOST_SESSIONS);
    }
}
