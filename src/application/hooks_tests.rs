//! The hooks against a real server that records what it was asked.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::{Hooks, IdentifyCall, LoginCall, RevokeCall};
use crate::application::identity::{Identity, Pointers};
use crate::application::sign_in::LoginOutcome;
use crate::application::{Client, ClientSettings, HookError, webhook};
use crate::clock::{Clock, Timestamp};
use crate::config::{HookTarget, HostMode, Level, Log, LogFormat};
use crate::deadline::Deadlines;
use crate::endpoint::ApplicationUrl;
use crate::jwt::{Algorithm, Verifier};
use crate::origin::{Host, Origin};
use crate::ports::unused;
use crate::secret::Secret;
use crate::telemetry::Telemetry;
use crate::ticket::{Grant, RevokeGrant};
use crate::token::{NewSession, Party};

const NOW: u64 = 1_790_000_000;

/// One application: answers everything with the same bytes, and remembers the requests.
struct Application {
    asked: Rc<RefCell<Vec<String>>>,
    hooks: Hooks,
    telemetry: Telemetry,
    origin: Origin,
    secrets: Vec<Secret>,
    url: ApplicationUrl,
}

impl Application {
    async fn answering(answer: &'static str) -> Application {
        Application::with(answer, HostMode::Preserve, Duration::from_secs(2)).await
    }

    async fn with(answer: &'static str, host: HostMode, timeout: Duration) -> Application {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = ApplicationUrl::Http(listener.local_addr().unwrap().to_string().parse().unwrap());
        let asked = Rc::new(RefCell::new(Vec::new()));
        let record = asked.clone();
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(answer_one(stream, answer, record.clone()));
            }
        });
        Application::at(url, asked, host, timeout)
    }

    fn at(url: ApplicationUrl, asked: Rc<RefCell<Vec<String>>>, host: HostMode, timeout: Duration) -> Application {
        let settings = ClientSettings {
            connect_timeout: Duration::from_secs(1),
            response_timeout: None,
            keep_alive: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(5),
            tls: Default::default(),
        };
        let client = Client::new(&url, settings, Deadlines::start()).unwrap();
        let log = Log { format: LogFormat::Text, access: false, level: Level::Info };
        let telemetry = Telemetry::in_memory(&log, Clock::default());
        let secrets = vec![Secret::random().unwrap(), Secret::random().unwrap()];
        let address = |path: &str| {
            super::HookAddress::new(&HookTarget::Path(path.parse().unwrap()), &url, &host, &client).unwrap()
        };
        let hooks = Hooks {
            identify: address("/_qr/whoami"),
            pointers: Pointers {
                user_id: "/user_id".to_owned(),
                name: "/name".to_owned(),
                allowed: "/allow".to_owned(),
                auth_time: "/auth_time".to_owned(),
            },
            identify_timeout: timeout,
            jwt: None,
            login: address("/_qr/login"),
            secrets: secrets.clone(),
            login_timeout: timeout,
            revoke: Some(address("/_qr/revoke")),
            sub_path: String::new(),
            telemetry: telemetry.clone(),
            clock: Clock::manual(Timestamp(NOW * 1000)),
        };
        let origin = Origin::parse("https://app.example:8443").unwrap();
        Application { asked, hooks, telemetry, origin, secrets, url }
    }

    async fn identify(&self) -> Result<Identity, HookError> {
        let user_agent = HeaderValue::from_static("Firefox");
        let call = IdentifyCall {
            cookies: "sessionid=a%7Cb; other=2",
            user_agent: Some(&user_agent),
            address: Some("203.0.113.7".parse().unwrap()),
            origin: &self.origin,
            again: false,
            request_id: "r1",
        };
        self.hooks.identify(call).await
    }

    async fn login(&self) -> LoginOutcome {
        let computer = Party { address: None, label: "Firefox on Linux".to_owned() };
        let phone = Party { address: Some("203.0.113.9".parse().unwrap()), label: "Safari on iPhone".to_owned() };
        let (user_agent, language) = (HeaderValue::from_static("iPhone"), HeaderValue::from_static("de"));
        let call = LoginCall {
            origin: &self.origin,
            phone: &phone,
            address: phone.address,
            user_agent: Some(&user_agent),
            accept_language: Some(&language),
            request_id: "r2",
        };
        self.hooks.login(Grant::for_test("42", "hookid", computer, NOW), call).await
    }

    async fn revoke(&self) -> Result<(), HookError> {
        let text = |text: &str| text.to_owned();
        let (login_id, revoke_id) = (text("hookid"), text("revokeid"));
        let issued = Timestamp((NOW - 30) * 1000);
        let session = NewSession { user: text("42"), name: text("s7"), login_id, revoke_id, issued };
        let address = Some("203.0.113.7".parse().unwrap());
        let call = RevokeCall { origin: &self.origin, address, request_id: "r3" };
        self.hooks.revoke(RevokeGrant::for_test(session, NOW), call).await
    }

    fn asked(&self) -> String {
        self.asked.borrow().first().cloned().unwrap_or_default()
    }
}

async fn answer_one(mut stream: TcpStream, answer: &'static str, asked: Rc<RefCell<Vec<String>>>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).await.unwrap_or(0);
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if read == 0 || is_whole(&text) {
            asked.borrow_mut().push(text);
            break;
        }
    }
    if answer.is_empty() {
        return std::future::pending().await;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// The value of a field that is there exactly once.
fn field<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let mut values = request
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": "))
        .filter(|(each, _)| each.eq_ignore_ascii_case(name));
    let value = values.next();
    assert!(values.next().is_none(), "{name} twice in {request}");
    value.map(|(_, value)| value)
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(test));
}

const ANA: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 30\r\nConnection: close\r\n\r\n{\"user_id\":\"42\",\"name\":\"Ana\"}\n";

#[test]
fn the_identify_hook_gets_the_cookies_and_the_contracts_fields_and_no_other() {
    run(async {
        let application = Application::answering(ANA).await;
        let Ok(Identity::SignedIn(person)) = application.identify().await else { panic!("signed in") };
        assert_eq!((person.user.as_str(), person.name.as_deref()), ("42", Some("Ana")));
        let asked = application.asked();
        assert!(asked.starts_with("GET /_qr/whoami HTTP/1.1\r\n"), "{asked}");
        for (name, value) in [
            ("host", "app.example:8443"),
            ("cookie", "sessionid=a%7Cb; other=2"),
            ("accept", "application/json"),
            ("user-agent", "Firefox"),
            ("x-forwarded-for", "203.0.113.7"),
            ("x-real-ip", "203.0.113.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example:8443"),
            ("x-forwarded-port", "8443"),
        ] {
            assert_eq!(field(&asked, name), Some(value), "{name}");
        }
        assert_eq!(asked.lines().take_while(|line| !line.is_empty()).count(), 1 + 9, "{asked}");
    });
}

#[test]
fn the_login_hook_gets_a_message_that_every_secret_signed() {
    run(async {
        let application = Application::answering(
            "HTTP/1.1 204 No Content\r\nSet-Cookie: sessionid=new; Path=/\r\nSet-Cookie: csrf=1\r\nConnection: close\r\n\r\n",
        )
        .await;
        let LoginOutcome::Session { cookies, .. } = application.login().await else { panic!("a session") };
        assert_eq!(cookies, ["sessionid=new; Path=/", "csrf=1"]);
        let asked = application.asked();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /_qr/login HTTP/1.1\r\n"), "{head}");
        assert_eq!(field(&asked, "content-type"), Some("application/json"));
        assert_eq!(field(&asked, "accept-language"), Some("de"));
        assert_eq!(field(&asked, "user-agent"), Some("iPhone"));
        assert_eq!(field(&asked, "webhook-id"), Some("hookid"));
        assert_eq!(field(&asked, "webhook-timestamp"), Some("1790000000"));
        assert_eq!(field(&asked, "cookie"), None);
        for secret in &application.secrets {
            let signatures = field(&asked, "webhook-signature").unwrap();
            assert!(webhook::verify(secret, "hookid", NOW, body.as_bytes(), signatures));
        }
        let message: serde_json::Value = serde_json::from_str(body).unwrap();
        let expected = serde_json::json!({
            "type": "qr.login", "user_id": "42", "ticket": "hookid", "issued_at": NOW - 30, "amr": ["qr"],
            "origin": "https://app.example:8443", "method": "POST", "url": "https://app.example:8443/_qr/login",
            "phone": {"address": "203.0.113.9", "user_agent": "iPhone", "label": "Safari on iPhone"},
            "computer": {"label": "Firefox on Linux"},
        });
        assert_eq!(message, expected);
    });
}

#[test]
fn the_revoke_hook_gets_a_signed_message_under_an_id_of_its_own() {
    run(async {
        let application = Application::answering("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
        application.revoke().await.unwrap();
        let asked = application.asked();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /_qr/revoke HTTP/1.1\r\n"), "{head}");
        assert_eq!(field(&asked, "content-type"), Some("application/json"));
        assert_eq!(field(&asked, "webhook-id"), Some("revokeid"));
        assert_eq!(field(&asked, "webhook-timestamp"), Some("1790000000"));
        assert_eq!((field(&asked, "cookie"), field(&asked, "x-forwarded-for")), (None, Some("203.0.113.7")));
        for secret in &application.secrets {
            let signatures = field(&asked, "webhook-signature").unwrap();
            assert!(webhook::verify(secret, "revokeid", NOW, body.as_bytes(), signatures));
        }
        let message: serde_json::Value = serde_json::from_str(body).unwrap();
        let expected = serde_json::json!({
            "type": "qr.revoke", "user_id": "42", "session": "s7", "ticket": "hookid", "issued_at": NOW - 30,
            "origin": "https://app.example:8443", "method": "POST", "url": "https://app.example:8443/_qr/revoke",
        });
        assert_eq!(message, expected);
    });
}

#[test]
fn a_revocation_without_success_is_an_error_that_is_logged_and_counted() {
    run(async {
        let broken = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        for (answer, outcome) in [(broken, "failed"), ("", "failed")] {
            let application = Application::with(answer, HostMode::Preserve, Duration::from_millis(200)).await;
            let error = application.revoke().await.unwrap_err();
            assert!(!error.nothing_sent(), "{error}");
            let written = application.telemetry.written();
            let url = format!("url={}/_qr/revoke", application.url);
            assert!(written.contains("revoke hook") && written.contains(&url), "{written}");
            let metrics = application.telemetry.metrics().render(crate::telemetry::Format::Prometheus);
            let counted = format!("qrgate_hook_duration_seconds_count{{hook=\"revoke\",outcome=\"{outcome}\"}} 1");
            assert!(metrics.contains(&counted), "{metrics}");
        }
    });
}

#[test]
fn a_session_is_open_whatever_the_content_beside_its_cookies_and_the_log_says_what_was_ignored() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nSet-Cookie: sessionid=new; Path=/\r\n";
    let with = |rest: &str| -> &'static str { Box::leak(format!("{HEAD}{rest}").into_boxed_str()) };
    let json = |content: &str| with(&format!("Content-Length: {}\r\n\r\n{content}", content.len()));
    for (answer, name, ignored) in [
        (json(r#"{"session":"s7"}"#), Some("s7"), None),
        (json("{}"), None, None),
        (json(""), None, None),
        (json(r#"{"session":7}"#), None, Some("`session` is not a string")),
        (json("<html>"), None, Some("the content is not a JSON object")),
        (with("Content-Length: 99\r\n\r\n{\"session\""), None, Some("the response broke off")),
        ("HTTP/1.1 204 No Content\r\nSet-Cookie: sessionid=new; Path=/\r\n\r\n", None, None),
    ] {
        run(async {
            let application = Application::answering(answer).await;
            let LoginOutcome::Session { cookies, name: named } = application.login().await else {
                panic!("a session: {answer}")
            };
            assert_eq!((cookies.len(), named.as_deref()), (1, name), "{answer}");
            let written = application.telemetry.written();
            assert_eq!(written.contains("the login hook names no session"), ignored.is_some(), "{written}");
            assert!(written.contains(ignored.unwrap_or_default()), "{written}");
        });
    }
}

#[test]
fn a_fixed_host_reaches_the_hooks_too() {
    run(async {
        let host = HostMode::Fixed(Host::parse("inside.example").unwrap());
        let application = Application::with(ANA, host, Duration::from_secs(2)).await;
        application.identify().await.unwrap();
        let asked = application.asked();
        assert_eq!(field(&asked, "host"), Some("inside.example"));
        assert_eq!(field(&asked, "x-forwarded-host"), Some("app.example:8443"));
    });
}

#[test]
fn a_silent_application_is_an_error_and_a_failed_call() {
    run(async {
        let application = Application::with("", HostMode::Preserve, Duration::from_millis(50)).await;
        assert!(application.identify().await.is_err());
        assert!(matches!(application.login().await, LoginOutcome::Failed(error) if !error.nothing_sent()));
        let written = application.telemetry.written();
        for (hook, path, request_id) in [("identify", "whoami", "r1"), ("login", "login", "r2")] {
            let line = written.lines().find(|line| line.contains(&format!("{hook} hook"))).unwrap();
            let url = format!("url={}/_qr/{path}", application.url);
            assert!(line.contains(&url) && line.contains(&format!("request_id={request_id}")), "{line}");
        }
        let metrics = application.telemetry.metrics().render(crate::telemetry::Format::Prometheus);
        assert!(metrics.contains("qrgate_hook_duration_seconds_count{hook=\"identify\",outcome=\"failed\"} 1"));
        assert!(metrics.contains("qrgate_hook_duration_seconds_count{hook=\"login\",outcome=\"failed\"} 1"));
    });
}

#[test]
fn a_refused_connection_has_sent_nothing() {
    run(async {
        let gone = unused();
        let url = ApplicationUrl::Http(gone.to_string().parse().unwrap());
        let application = Application::at(url, Rc::default(), HostMode::Preserve, Duration::from_secs(2));
        assert!(application.identify().await.is_err());
        assert!(matches!(application.login().await, LoginOutcome::Failed(error) if error.nothing_sent()));
    });
}

#[test]
fn redirects_are_not_followed() {
    run(async {
        let application = Application::answering(
            "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert_eq!(application.identify().await.unwrap(), Identity::SignedOut);
        assert!(matches!(application.login().await, LoginOutcome::Failed(HookError::Redirect(302))));
        assert_eq!(application.asked.borrow().len(), 2);
    });
}

#[test]
fn an_answer_without_end_is_cut_off() {
    run(async {
        let endless: &'static str = Box::leak(
            format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{{\"user_id\":\"42\",\"x\":\"{}\"}}",
                "a".repeat(70_000)
            )
            .into_boxed_str(),
        );
        let application = Application::answering(endless).await;
        assert!(application.identify().await.unwrap_err().to_string().contains("64 KiB"));
    });
}

#[test]
fn a_token_is_judged_without_a_call() {
    run(async {
        let mut application = Application::answering(ANA).await;
        let secret = b"0123456789abcdef0123456789abcdef";
        application.hooks.jwt = Some(Verifier::with_key(Algorithm::Hs256, secret).unwrap());
        application.hooks.pointers.user_id = super::claim_pointer("https://example/user~id");
        let token = |exp: u64| {
            let claims = format!("{{\"https://example/user~id\":42,\"exp\":{exp}}}");
            let message = format!(
                "{}.{}",
                BASE64URL_NOPAD.encode(br#"{"alg":"HS256"}"#),
                BASE64URL_NOPAD.encode(claims.as_bytes())
            );
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
            format!("session={message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
        };
        let (fresh, ended) = (token(NOW + 60), token(NOW));
        let two = format!("{fresh}; {fresh}");
        for (cookies, again, signed_in) in
            [(&fresh, false, true), (&ended, false, false), (&ended, true, true), (&two, false, false)]
        {
            let origin = &application.origin;
            let call = IdentifyCall { cookies, user_agent: None, address: None, origin, again, request_id: "" };
            let identity = application.hooks.identify(call).await.unwrap();
            assert_eq!(matches!(identity, Identity::SignedIn(person) if person.user == "42"), signed_in, "{cookies}");
        }
        assert!(application.asked.borrow().is_empty());
    });
}
