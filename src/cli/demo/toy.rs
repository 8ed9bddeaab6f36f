//! The demo's application: two users, a button each, and the three hooks as an application should have them. It knows
//! of qrgate only what docs/recipes say, and the style sheet.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::sessions::{Arrival, REMOVAL, Session, Sessions, Started, find_user};
use super::views::Views;
use crate::application::webhook;
use crate::body::Body;
use crate::clock::Clock;
use crate::device;
use crate::origin::Origin;
use crate::peer::Peer;
use crate::return_path::ReturnPath;
use crate::secret::Secret;
use crate::server::serve_plain;
use crate::tunnel::TunnelSlot;

pub const WHOAMI: &str = "/_qr/whoami";
pub const LOGIN: &str = "/_qr/login";
pub const REVOKE: &str = "/_qr/revoke";
/// Its sign-in page, as `identify.login_url` has it.
pub const LOGIN_URL: &str = "/login?next={return}";

const MAX_CONTENT: usize = 16 * 1024;
const MAX_CONNECTIONS: usize = 1000;
const TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum difference between a call's timestamp and the clock, in seconds.
const TOLERANCE: u64 = 60;

pub struct Toy {
    secret: Secret,
    clock: Clock,
    views: Views,
    /// The address for phones, if it is known.
    public_url: Option<String>,
    sessions: Sessions,
}

impl Toy {
    /// An application that accepts calls signed with `secret`.
    pub fn new(secret: Secret, clock: Clock, public_url: Option<String>) -> Result<Toy, minijinja::Error> {
        Ok(Toy { secret, clock, views: Views::new()?, public_url, sessions: Sessions::default() })
    }

    /// Serves until the future is dropped, on a local runtime.
    pub async fn serve(self, listener: TcpListener) {
        let toy = Rc::new(self);
        let handler = move |request: Request<Body>, _: Peer, _: TunnelSlot| {
            let toy = toy.clone();
            async move {
                let (head, content) = request.into_parts();
                match Limited::new(content, MAX_CONTENT).collect().await {
                    Ok(content) => toy.respond(&head, &content.to_bytes()),
                    Err(_) => plain(StatusCode::PAYLOAD_TOO_LARGE, "Too large\n"),
                }
            }
        };
        serve_plain(listener, MAX_CONNECTIONS, TIMEOUT, handler).await;
    }

    fn respond(&self, head: &Parts, content: &[u8]) -> Response<Body> {
        match (&head.method, head.uri.path()) {
            (&Method::GET | &Method::HEAD, "/") => self.home(&head.headers),
            (&Method::GET | &Method::HEAD, "/login") => self.login_page(head.uri.query().unwrap_or_default()),
            (&Method::POST, "/login") => self.sign_in(&head.headers, content),
            (&Method::POST, "/logout") => self.sign_out(&head.headers),
            (&Method::GET, WHOAMI) => self.whoami(&head.headers),
            (&Method::POST, LOGIN) => self.login_hook(&head.headers, content),
            (&Method::POST, REVOKE) => self.revoke_hook(&head.headers, content),
            _ => plain(StatusCode::NOT_FOUND, "Not found\n"),
        }
    }

    fn home(&self, fields: &HeaderMap) -> Response<Body> {
        let Some(session) = self.sessions.find(fields) else { return self.login_page("") };
        let host = fields.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_loopback = Origin::parse(&format!("http://{host}")).is_some_and(|origin| origin.is_loopback());
        let elsewhere = self.public_url.as_deref().filter(|_| is_loopback);
        page(self.views.home(&session, self.clock.now().seconds(), is_handheld(fields), elsewhere))
    }

    fn login_page(&self, query: &str) -> Response<Body> {
        let next = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next");
        page(self.views.login(&local_path(next.as_ref().map_or("/", |(_, value)| value))))
    }

    fn sign_in(&self, fields: &HeaderMap, content: &[u8]) -> Response<Body> {
        let value =
            |name: &str| form_urlencoded::parse(content).find(|(known, _)| known == name).map(|(_, value)| value);
        let user = value("user").and_then(|id| find_user(&id));
        let Some(user) = user else { return plain(StatusCode::BAD_REQUEST, "No such user\n") };
        let session = Session { user, auth_time: self.clock.now().seconds(), arrival: None };
        match self.sessions.start(session, None, fields) {
            Some(Started { cookie, .. }) => see_other(&local_path(&value("next").unwrap_or_default()), cookie),
            None => plain(StatusCode::INTERNAL_SERVER_ERROR, "No randomness\n"),
        }
    }

    fn sign_out(&self, fields: &HeaderMap) -> Response<Body> {
        self.sessions.end(fields);
        see_other("/", REMOVAL)
    }

    fn whoami(&self, fields: &HeaderMap) -> Response<Body> {
        match self.sessions.find(fields) {
            Some(Session { user, auth_time, .. }) => {
                json_response(StatusCode::OK, &json!({"user_id": user.id, "name": user.name, "auth_time": auth_time}))
            }
            None => json_response(StatusCode::UNAUTHORIZED, &json!({})),
        }
    }

    fn login_hook(&self, fields: &HeaderMap, content: &[u8]) -> Response<Body> {
        let Some(message) = self.signed_message(fields, content, "qr.login", LOGIN) else {
            return json_response(StatusCode::UNAUTHORIZED, &json!({}));
        };
        let Some(user) = message["user_id"].as_str().and_then(find_user) else {
            return json_response(StatusCode::NOT_FOUND, &json!({"message": "This account cannot sign in."}));
        };
        let from = message["computer"]["label"].as_str().unwrap_or("another device").to_owned();
        let arrival = Some(Arrival { from, at: self.clock.now().seconds() });
        // Scanning a code is no new authentication: the phone's session is as old as the computer's.
        let auth_time = message["auth_time"].as_u64().unwrap_or_default();
        // Without a number of seconds the cookie ends with the browser.
        let seconds = message["stay"].as_u64();
        let session = Session { user, auth_time, arrival };
        let Some(Started { cookie, name }) = self.sessions.start(session, seconds, fields) else {
            return json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({}));
        };
        let mut response = json_response(StatusCode::OK, &json!({"session": name}));
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        response
    }

    fn revoke_hook(&self, fields: &HeaderMap, content: &[u8]) -> Response<Body> {
        let Some(message) = self.signed_message(fields, content, "qr.revoke", REVOKE) else {
            return json_response(StatusCode::UNAUTHORIZED, &json!({}));
        };
        let text = |member: &str| message[member].as_str().unwrap_or_default();
        self.sessions.revoke(text("user_id"), text("session"));
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    }

    /// The message of a call that is signed, fresh and seen for the first time, and meant for the hook at `path`.
    fn signed_message(&self, fields: &HeaderMap, content: &[u8], kind: &str, path: &str) -> Option<Value> {
        let one = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
        let (id, signatures) = (one("webhook-id")?, one("webhook-signature")?);
        let timestamp: u64 = one("webhook-timestamp")?.parse().ok()?;
        if !webhook::verify(&self.secret, id, timestamp, content, signatures)
            || self.clock.now().seconds().abs_diff(timestamp) > TOLERANCE
        {
            return None;
        }
        let message: Value = serde_json::from_slice(content).ok()?;
        let accepted = is_for_hook(&message, kind, path) && self.sessions.is_first_use(format!("{id}:{timestamp}"));
        accepted.then_some(message)
    }
}

fn is_handheld(fields: &HeaderMap) -> bool {
    let label = device::label(fields.get(header::USER_AGENT));
    ["iPhone", "iPad", "Android", "HarmonyOS"].iter().any(|system| label.ends_with(system))
}

/// Whether a call was signed for the hook at `path`. Any origin is accepted, because the demo has every address of its
/// computer, and only its own qrgate knows its random secret.
fn is_for_hook(message: &Value, kind: &str, path: &str) -> bool {
    let url = message["origin"].as_str().map(|origin| format!("{origin}{path}"));
    message["type"] == kind && message["method"] == "POST" && url.is_some_and(|url| message["url"] == url)
}

/// `next` if it is a path of this site, else the start page.
fn local_path(next: &str) -> String {
    ReturnPath::parse(next, "").map_or("/".to_owned(), |path| path.as_str().to_owned())
}

fn page(html: Result<String, minijinja::Error>) -> Response<Body> {
    let Ok(html) = html else { return plain(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be laid out\n") };
    let mut response = typed(StatusCode::OK, "text/html; charset=utf-8", html);
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    typed(status, "text/plain; charset=utf-8", text)
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    typed(status, "application/json", value.to_string())
}

fn see_other(location: &str, cookie: HeaderValue) -> Response<Body> {
    let mut response = plain(StatusCode::SEE_OTHER, "");
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

fn typed(status: StatusCode, media_type: &'static str, content: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(content));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const NOW: u64 = 1_790_000_000;

    fn toy() -> Toy {
        let secret = Secret::from_bytes(vec![7; 32]);
        Toy::new(secret, Clock::manual(Timestamp(NOW * 1000)), Some("http://192.168.1.20:8080/".to_owned())).unwrap()
    }

    fn ask(toy: &Toy, method: Method, target: &str, fields: &[(&str, &str)], content: &str) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        toy.respond(&head, content.as_bytes())
    }

    fn cookie(response: &Response<Body>) -> String {
        let line = response.headers()[header::SET_COOKIE].to_str().unwrap();
        line.split(';').next().unwrap().to_owned()
    }

    fn call(toy: &Toy, secret: u8, id: &str, timestamp: u64, user: &str) -> Response<Body> {
        call_with(toy, secret, id, timestamp, &message(user))
    }

    fn message(user: &str) -> Value {
        let origin = "http://192.168.1.20:8080";
        let url = format!("{origin}/_qr/login");
        json!({"type": "qr.login", "user_id": user, "origin": origin, "method": "POST", "url": url})
    }

    fn call_with(toy: &Toy, secret: u8, id: &str, timestamp: u64, message: &Value) -> Response<Body> {
        call_at(toy, LOGIN, secret, id, timestamp, message)
    }

    fn call_at(toy: &Toy, path: &str, secret: u8, id: &str, timestamp: u64, message: &Value) -> Response<Body> {
        let content = message.to_string();
        let secret = Secret::from_bytes(vec![secret; 32]);
        let signature = webhook::sign(&[secret], id, timestamp, content.as_bytes());
        let timestamp = timestamp.to_string();
        let fields = [("webhook-id", id), ("webhook-timestamp", &timestamp), ("webhook-signature", &signature)];
        ask(toy, Method::POST, path, &fields, &content)
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
            let response = ask(&toy(), Method::POST, "/login", &[], &format!("user=ana&next={next}"));
            assert_eq!(response.headers()[header::LOCATION], "/", "{next}");
        }
    }

    #[test]
    fn a_signed_call_makes_a_session_once() {
        let toy = toy();
        let response = call(&toy, 7, "id", NOW, "bob");
        assert_eq!(response.status(), 200);
        assert_eq!(whoami(&toy, &cookie(&response)), 200);
        assert_eq!(call(&toy, 7, "id", NOW, "bob").status(), 401, "the same bytes again");
        assert_eq!(call(&toy, 7, "id", NOW + 1, "bob").status(), 200, "a retry is signed afresh");
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
        let response = ask(&toy(), Method::POST, "/login", &fields, "user=ana");
        assert!(response.headers()[header::SET_COOKIE].to_str().unwrap().ends_with("; Secure"));
    }

    #[test]
    fn a_session_lasts_as_long_as_the_person_chose() {
        for (stay, age) in [(json!("browser"), None), (json!(null), None), (json!(28_800), Some("28800"))] {
            let mut message = message("bob");
            message["stay"] = stay;
            let response = call_with(&toy(), 7, "id", NOW, &message);
            let line = response.headers()[header::SET_COOKIE].to_str().unwrap();
            let found = line.split("Max-Age=").nth(1).map(|rest| rest.split(';').next().unwrap());
            assert_eq!(found, age, "{line}");
        }
    }

    async fn text(response: Response<Body>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_revoke_hook_ends_the_named_session_of_its_user_and_no_other() {
        let toy = toy();
        let [one, other] = [NOW, NOW + 1].map(|at| call(&toy, 7, "id", at, "bob"));
        let cookies = [cookie(&one), cookie(&other)];
        let named: Value = serde_json::from_str(&text(one).await).unwrap();
        let revoke = |user: &str, kind: &str, secret: u8, at: u64| {
            let mut message = message(user);
            let url = message["url"].as_str().unwrap().replace("login", "revoke");
            (message["type"], message["url"]) = (kind.into(), url.into());
            message["session"] = named["session"].clone();
            call_at(&toy, REVOKE, secret, "other id", at, &message).status().as_u16()
        };
        assert!(!cookies[0].contains(named["session"].as_str().unwrap()), "the name signs nobody in");
        assert_eq!(revoke("bob", "qr.revoke", 8, NOW), 401);
        assert_eq!(revoke("bob", "qr.login", 7, NOW), 401);
        assert_eq!(revoke("ana", "qr.revoke", 7, NOW), 204, "not her session");
        assert_eq!([whoami(&toy, &cookies[0]), whoami(&toy, &cookies[1])], [200, 200]);
        assert_eq!(revoke("bob", "qr.revoke", 7, NOW + 1), 204);
        assert_eq!([whoami(&toy, &cookies[0]), whoami(&toy, &cookies[1])], [401, 200]);
        assert_eq!(revoke("bob", "qr.revoke", 7, NOW + 2), 204, "gone already");
    }

    #[tokio::test]
    async fn at_localhost_the_page_leads_to_the_address_for_the_phone() {
        let toy = toy();
        let cookie = cookie(&ask(&toy, Method::POST, "/login", &[], "user=ana"));
        for (host, leads) in [
            ("localhost:8080", true),
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("192.168.1.20:8080", false),
            ("10.0.0.4:8080", false),
        ] {
            let home = text(ask(&toy, Method::GET, "/", &[("host", host), ("cookie", &cookie)], "")).await;
            assert_eq!(home.contains("to try it with your phone"), leads, "{host}");
        }
    }

    #[tokio::test]
    async fn a_session_that_the_hook_made_names_the_device_it_came_from() {
        let toy = toy();
        let mut message = message("bob");
        message["computer"] = json!({"label": "Chrome on Linux"});
        let cookie = cookie(&call_with(&toy, 7, "id", NOW, &message));
        let home = text(ask(&toy, Method::GET, "/", &[("cookie", &cookie), ("user-agent", "iPhone")], "")).await;
        assert!(home.contains("Signed in by scanning, a moment ago, from Chrome on Linux."), "{home}");
    }

    #[tokio::test]
    async fn it_speaks_http() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let serving = tokio::task::LocalSet::new();
        serving.spawn_local(toy().serve(listener));
        let mut response = String::new();
        let exchange = async {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
            stream.read_to_string(&mut response).await.unwrap();
        };
        serving.run_until(exchange).await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains("Sign in to Notes"), "{response}");
    }
}
