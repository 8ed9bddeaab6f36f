//! Tries the hooks with the calls that qrgate makes.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::Response;
use http::header::{self, HeaderValue};
use tokio::time::timeout;

use super::advice;
use super::application::ApplicationProbe;
use super::diagnosis::{HookResponse, Known};
use super::grant::{Begun, grant};
use crate::application::{
    HookError, Hooks, IdentifyCall, Identity, LoginCall, Person, RevokeCall, encoded, same_path, session_name,
};
use crate::body::{Body, read_limited};
use crate::cli::app::App;
use crate::cli::report::Finding;
use crate::cli::stack::Stack;
use crate::clock::Clock;
use crate::config::{Config, HookTarget};
use crate::cookies::{self, Browser, Dropped, Jar, Relayed};
use crate::origin::{Origin, Scheme};
use crate::telemetry::Telemetry;
use crate::telemetry::metrics::Hook;
use crate::tls::TlsFileError;
use crate::token::Party;

/// The address of the phone and of the computer in these calls: this machine.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("qrgate/", env!("CARGO_PKG_VERSION"), " (check)"));
/// The largest content that is read.
const MAX_RESPONSE: usize = 64 * 1024;
/// The time limit for the content of a response.
const TIMEOUT: Duration = Duration::from_secs(5);

pub struct HookProbe<'a> {
    config: &'a Config,
    origin: &'a Origin,
    hooks: Hooks,
    known: Cell<Known>,
}

/// The result of a sign-in.
pub struct SignedIn {
    /// The `Set-Cookie` lines of the hook.
    pub lines: Vec<HeaderValue>,
    /// The name of the session. The error is why it is ignored.
    session: Option<Result<String, String>>,
    begun: Begun,
}

impl<'a> HookProbe<'a> {
    pub fn new(config: &'a Config, probe: &'a ApplicationProbe<'a>) -> Result<HookProbe<'a>, TlsFileError> {
        // The report replaces the log of the hooks.
        let telemetry = Telemetry::in_memory(&config.log, Clock::System);
        let hooks = Hooks::new(config, &probe.client, telemetry, Clock::System)?;
        let names = &config.identify.session_cookies;
        let names = if config.identify.are_cookies_named { names.as_slice() } else { &[] };
        let app = App::of_cookies(names);
        let stack = if app.is_none() { Stack::of_cookies(names) } else { None };
        let known = Known { stack, app, whoami: None };
        Ok(HookProbe { config, origin: &probe.origin, hooks, known: Cell::new(known) })
    }

    /// What is known about the application so far.
    pub fn known(&self) -> Known {
        self.known.get()
    }

    /// Without a cookie the identify hook must respond signed out.
    pub async fn signed_out_without_a_cookie(&self) -> Finding {
        if self.config.identify.jwt.is_some() {
            return Finding::ok("no hook: the session cookie is a signed token");
        }
        let response = match self.hooks.probe(Hook::Identify, self.origin).await {
            Ok(response) => self.read(response, &self.config.identify.target).await,
            Err(error) => return self.known().failed_call(&error, &advice::AWAY),
        };
        self.known.set(Known { whoami: Some(response.status), ..self.known() });
        let user = match self.identify("").await {
            Ok(Identity::SignedIn(person)) => Some(person.user),
            Ok(Identity::SignedOut) | Err(_) => None,
        };
        self.known().identify_without_cookie(&response, user.as_deref())
    }

    /// Identifies the session of a cookie.
    pub async fn session_of(&self, cookie: &str) -> Finding {
        let Some(session) = self.session_cookies(cookie) else {
            return self.known().fail("this cookie is not in identify.session_cookies", &advice::UNNAMED);
        };
        match self.identify(&session).await {
            Ok(Identity::SignedIn(person)) if person.allowed => {
                Finding::ok(format!("this cookie is {}", named(&person)))
            }
            Ok(Identity::SignedIn(person)) => {
                Finding::warn(format!("this cookie is {}, who may not sign a phone in", named(&person)))
            }
            Ok(Identity::SignedOut) => self.known().fail("this cookie is signed out", &advice::STALE),
            Err(error) => self.known().failed_call(&error, &advice::UNIDENTIFIED),
        }
    }

    /// The login hook must refuse a call without a signature.
    pub async fn refuses_unsigned(&self) -> Finding {
        match self.hooks.probe(Hook::Login, self.origin).await {
            Ok(response) => self.known().unsigned_login(&self.read(response, &self.config.login.target).await),
            Err(error) => self.known().failed_call(&error, &advice::AWAY),
        }
    }

    /// The revoke hook must refuse a call without a signature. `None` without a revoke hook.
    pub async fn revoke_refuses_unsigned(&self) -> Option<Finding> {
        let hook = self.config.login.revoke.as_ref()?;
        Some(match self.hooks.probe(Hook::Revoke, self.origin).await {
            Ok(response) => self.known().unsigned_revoke(&self.read(response, hook).await),
            Err(error) => self.known().failed_call(&error, &advice::AWAY),
        })
    }

    /// Ends the session of a sign-in by its name. `None` without a revoke hook.
    pub async fn revokes(&self, signed_in: SignedIn) -> Option<Finding> {
        let hook = self.config.login.revoke.as_ref()?;
        let SignedIn { lines, session, begun } = signed_in;
        let name = match session {
            Some(Ok(name)) => name,
            Some(Err(why)) => return Some(self.known().no_session_name(Some(&why))),
            None => return Some(self.known().no_session_name(None)),
        };
        let grant = match begun.revoke(name) {
            Ok(grant) => grant,
            Err(cause) => return Some(Finding::fail(cause, "", "")),
        };
        let call = RevokeCall { origin: self.origin, address: Some(HERE), request_id: "" };
        Some(match self.hooks.try_revoke(grant, call).await {
            Ok(response) => {
                let response = self.read(response, hook).await;
                self.known().signed_revoke(&response, self.is_open(&lines).await, self.origin)
            }
            Err(error) => self.known().failed_call(&error, &advice::AWAY),
        })
    }

    /// Signs `user` in as on a phone.
    ///
    /// # Errors
    ///
    /// The finding that the hook opened no session.
    pub async fn signs_in(&self, user: &str) -> Result<(Finding, SignedIn), Finding> {
        let here = Party { address: Some(HERE), label: "qrgate check".to_owned() };
        let stay = self.config.login.stay.first().copied();
        let granted = grant(user, here.clone(), self.origin, stay);
        let (grant, begun) = granted.map_err(|cause| Finding::fail(cause, "", ""))?;
        let call = LoginCall {
            origin: self.origin,
            phone: &here,
            address: Some(HERE),
            user_agent: Some(&USER_AGENT),
            accept_language: None,
            request_id: "",
        };
        let sent = self.hooks.try_login(grant, call).await;
        let response = sent.map_err(|error| self.known().failed_call(&error, &advice::AWAY))?;
        let lines = response.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
        let response = self.read(response, &self.config.login.target).await;
        let finding = self.known().signed_login(&response, self.origin);
        match finding.is_fine() {
            true => Ok((finding, SignedIn { lines, session: response.session, begun })),
            false => Err(finding),
        }
    }

    /// Relays the lines as to a phone, and identifies the session that its browser would have.
    pub async fn is_session_of(&self, user: &str, lines: &[HeaderValue]) -> Vec<Finding> {
        let relayed = cookies::relay(lines.iter(), self.origin);
        let verified = self.verify(user, &relayed).await;
        // The verification reports a session cookie that is not relayed.
        let is_fine = verified.is_fine();
        let others = relayed.dropped.iter().filter(|dropped| is_fine || !self.is_session(dropped));
        let warnings = others.map(|dropped| Finding::warn(format!("not relayed: {dropped}")));
        warnings.chain([verified]).collect()
    }

    async fn verify(&self, user: &str, relayed: &Relayed) -> Finding {
        let path = self.config.session_path();
        let jar = self.receive(relayed);
        let lost = jar.lost(&path, &self.config.identify.session_cookies);
        let sent = jar.sent_to(&path);
        let Some(session) = sent.as_deref().and_then(|sent| self.session_cookies(sent)) else {
            return self.no_session(sent.as_deref(), &lost);
        };
        match self.identify(&session).await {
            Ok(Identity::SignedIn(person)) if person.user == user && person.allowed => {
                Finding::ok(format!("the new session is {}", named(&person)))
            }
            Ok(Identity::SignedIn(person)) if person.user == user => Finding::warn(format!(
                "the new session is {}, and whoami answers \"allow\": false: this account gets no code. Try an \
                 ordinary account, or change the hook",
                named(&person)
            )),
            Ok(Identity::SignedIn(person)) => {
                self.known().fail(format!("the new session is {}", named(&person)), &advice::OTHER)
            }
            Ok(Identity::SignedOut) => match lost.iter().find(|lost| self.is_session(lost)) {
                Some(lost) => self.known().lost_cookie(lost, self.origin.name()),
                None => self.signed_out(),
            },
            Err(error) => self.known().failed_call(&error, &advice::UNIDENTIFIED),
        }
    }

    /// Whether a browser with these lines is signed in.
    async fn is_open(&self, lines: &[HeaderValue]) -> bool {
        let relayed = cookies::relay(lines.iter(), self.origin);
        let sent = self.receive(&relayed).sent_to(&self.config.session_path());
        match sent.as_deref().and_then(|sent| self.session_cookies(sent)) {
            Some(session) => matches!(self.identify(&session).await, Ok(Identity::SignedIn(_))),
            None => false,
        }
    }

    fn is_session(&self, cookie: &Dropped) -> bool {
        cookie.is_named_by(&self.config.identify.session_cookies)
    }

    /// The cookies of a phone's browser. Browsers keep `Secure` cookies on loopback addresses. Without `public.url` the
    /// origin is a loopback address only because this machine asks; a phone sees another one.
    fn receive<'r>(&self, relayed: &'r Relayed) -> Jar<'r> {
        let received_at = format!("{}{}x/", self.config.public.origins.sub_path(), self.config.tickets.path);
        let browser = Browser::at(self.origin, &received_at, Clock::System.now());
        let trusted =
            self.origin.scheme() == Scheme::Https || (browser.trusted && self.config.public.origins.url.is_some());
        Jar::receive(relayed, &Browser { trusted, ..browser })
    }

    /// Why there is no session cookie among the cookies `sent` to the identify hook.
    fn no_session(&self, sent: Option<&str>, lost: &[Dropped]) -> Finding {
        match (sent, lost.first()) {
            (Some(sent), lost) if !lost.is_some_and(|lost| self.is_session(lost)) => {
                self.known().fail(format!("{} not in identify.session_cookies", names(sent)), &advice::UNNAMED)
            }
            (_, Some(lost)) => self.known().lost_cookie(lost, self.origin.name()),
            (_, None) => self.signed_out(),
        }
    }

    fn signed_out(&self) -> Finding {
        self.known().fail("the new session is signed out", &advice::SIGNED_OUT)
    }

    /// The session cookies in a `Cookie` value.
    fn session_cookies(&self, cookies: &str) -> Option<String> {
        cookies::sessions_in(cookies, &self.config.identify.session_cookies).ok().flatten()
    }

    async fn identify(&self, cookies: &str) -> Result<Identity, HookError> {
        let call = IdentifyCall {
            cookies,
            user_agent: Some(&USER_AGENT),
            address: Some(HERE),
            origin: self.origin,
            again: false,
            request_id: "",
        };
        self.hooks.identify(call).await
    }

    /// Reads what `diagnosis` needs of a hook's response.
    async fn read(&self, response: Response<Body>, hook: &HookTarget) -> HookResponse {
        let (head, content) = response.into_parts();
        let lines = head.headers.get_all(header::SET_COOKIE);
        let now = Clock::System.now();
        let location = head.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let date = head.headers.get(header::DATE).and_then(|value| cookies::parse_date(value.as_bytes()));
        let is_html =
            head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let content = match timeout(TIMEOUT, read_limited(content, MAX_RESPONSE)).await {
            Ok(Ok(content)) => content,
            Ok(Err(_)) | Err(_) => Default::default(),
        };
        let session = match session_name(&content, head.headers.get(header::CONTENT_ENCODING)) {
            Ok(name) => name.map(Ok),
            Err(why) => Some(Err(why)),
        };
        let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&content).ok();
        HookResponse {
            status: head.status.as_u16(),
            location: location.map(str::to_owned),
            same_path: location.and_then(|to| same_path(to, hook.path(), self.config.public.origins.sub_path())),
            cookies: lines.iter().count(),
            kept_cookies: lines.iter().filter(|line| !cookies::deletes(line, now)).count(),
            json: object.is_some(),
            message: object.is_some_and(|object| object.get("message").is_some_and(serde_json::Value::is_string)),
            ahead: date.map(|date| date.saturating_sub(i64::try_from(now.seconds()).unwrap_or(i64::MAX))),
            session,
            encoded: encoded(&content, head.headers.get(header::CONTENT_ENCODING)),
            page: is_html && content.trim_ascii_start().starts_with(b"<"),
        }
    }
}

fn named(person: &Person) -> String {
    match &person.name {
        Some(name) => format!("user {} ({name})", person.user),
        None => format!("user {}", person.user),
    }
}

/// The names in a `Cookie` value.
fn names(jar: &str) -> String {
    let names: Vec<&str> = jar.split("; ").map(|pair| pair.split('=').next().unwrap_or_default()).collect();
    names.join(", ")
}
