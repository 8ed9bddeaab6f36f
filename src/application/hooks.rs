//! Calls of the application's hooks: identify says who is signed in, login opens a session, and revoke ends it.
//!
//! A call has only the fields that docs/recipes/README.md lists; no other field of a client is passed on. Redirects are
//! never followed, responses never cached, and targets come from the configuration only. Every call is timed, and a
//! failed one is logged with its likely cause, the address called and the request id.

use std::borrow::Cow;
use std::cell::Cell;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::client::Client;
use super::hook_error::{HookError, MAX_RESPONSE};
use super::identity::{self, Identity, Pointers};
use super::sign_in::{self, LoginOutcome};
use super::webhook::{self, JSON};
use crate::body::{Body, ReadError, read_limited};
use crate::clock::Clock;
use crate::config::{Config, HookTarget, HostMode};
use crate::endpoint::ApplicationUrl;
use crate::forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, X_REAL_IP};
use crate::jwt::Verifier;
use crate::origin::Origin;
use crate::secret::Secret;
use crate::telemetry::Telemetry;
use crate::telemetry::metrics::Hook;
use crate::ticket::{Grant, RevokeGrant};
use crate::tls::TlsFileError;
use crate::token::Party;

/// Time limit for the content of a successful login call. The sign-in does not depend on it.
const MAX_WAIT_FOR_A_NAME: Duration = Duration::from_secs(1);

/// A worker's connections to the hooks.
pub struct Hooks {
    identify: HookAddress,
    pointers: Pointers,
    identify_timeout: Duration,
    jwt: Option<Verifier>,
    login: HookAddress,
    secrets: Vec<Secret>,
    login_timeout: Duration,
    revoke: Option<HookAddress>,
    sub_path: String,
    telemetry: Telemetry,
    clock: Clock,
}

/// The address of a hook, and the client that calls it.
struct HookAddress {
    client: Client,
    path: PathAndQuery,
    /// The address that is called, for the log.
    called: String,
    /// Whether the hook is on another server, and not a path of the application.
    is_elsewhere: bool,
    /// The `Host` of a call. `None`: the public one.
    host: Option<HeaderValue>,
}

/// A session to identify.
#[derive(Clone, Copy, Debug)]
pub struct IdentifyCall<'a> {
    /// The session cookies and nothing else, as one `Cookie` field: `a=1; b=2`.
    pub cookies: &'a str,
    /// `User-Agent` of the browser that owns the session.
    pub user_agent: Option<&'a HeaderValue>,
    /// Its address, as forwarded requests carry it.
    pub address: Option<IpAddr>,
    pub origin: &'a Origin,
    /// Whether the session that showed the code is identified again, at a redeem. The `exp` of a JWT is checked at the
    /// mint only.
    pub again: bool,
    /// `X-Request-ID` of the request that causes the call, for the log.
    pub request_id: &'a str,
}

/// What a login call contains in addition to the grant.
#[derive(Clone, Copy, Debug)]
pub struct LoginCall<'a> {
    pub origin: &'a Origin,
    pub phone: &'a Party,
    /// The phone's address, as forwarded requests carry it.
    pub address: Option<IpAddr>,
    pub user_agent: Option<&'a HeaderValue>,
    pub accept_language: Option<&'a HeaderValue>,
    /// `X-Request-ID` of the press, for the log.
    pub request_id: &'a str,
}

/// What a revoke call contains in addition to the grant.
#[derive(Clone, Copy, Debug)]
pub struct RevokeCall<'a> {
    pub origin: &'a Origin,
    /// The computer's address, as forwarded requests carry it.
    pub address: Option<IpAddr>,
    /// `X-Request-ID` of the press, for the log.
    pub request_id: &'a str,
}

impl Hooks {
    /// Hooks that are called with the settings of the application's `client`.
    ///
    /// # Errors
    ///
    /// [`TlsFileError`] if a hook has its own `url` and a file of `application.tls` cannot be used.
    pub fn new(config: &Config, client: &Client, telemetry: Telemetry, clock: Clock) -> Result<Hooks, TlsFileError> {
        let (asked, login) = (&config.identify, &config.login);
        let application = &config.application;
        let address = |target| HookAddress::new(target, &application.url, &application.host, client);
        Ok(Hooks {
            identify: address(&asked.target)?,
            pointers: Pointers {
                user_id: asked.jwt.as_ref().map_or(asked.user_id.clone(), |jwt| claim_pointer(&jwt.user_id)),
                name: asked.jwt.as_ref().map_or(asked.name.clone(), |jwt| claim_pointer(&jwt.name)),
                allowed: asked.allowed.clone(),
                auth_time: asked.auth_time.clone(),
            },
            identify_timeout: asked.timeout,
            jwt: asked.jwt.as_ref().map(|jwt| jwt.verifier.clone()),
            login: address(&login.target)?,
            secrets: login.secrets.clone(),
            login_timeout: login.timeout,
            revoke: login.revoke.as_ref().map(address).transpose()?,
            sub_path: config.public.origins.sub_path().to_owned(),
            telemetry,
            clock,
        })
    }

    /// Identifies the owner of a session. Results are not cached.
    ///
    /// # Errors
    ///
    /// [`HookError`] if there is no response within `identify.timeout`, or one outside the contract. That is neither
    /// "signed in" nor "signed out". It is logged here.
    pub async fn identify(&self, call: IdentifyCall<'_>) -> Result<Identity, HookError> {
        if let Some(jwt) = &self.jwt {
            return Ok(self.read_token(jwt, &call));
        }
        let start = Instant::now();
        let identified = timeout(self.identify_timeout, self.ask(&call)).await;
        let result = identified.unwrap_or(Err(HookError::TimedOut(self.identify_timeout)));
        let outcome = match &result {
            Ok(Identity::SignedIn(_)) => "signed_in",
            Ok(Identity::SignedOut) => "signed_out",
            Err(_) => "failed",
        };
        self.telemetry.metrics().hook(Hook::Identify, outcome, start.elapsed());
        if let Err(error) = &result {
            self.telemetry.failed("identify", error);
            let url = &self.identify.called;
            self.telemetry.error("identify hook", &[("url", url), ("cause", error), ("request_id", &call.request_id)]);
        }
        result
    }

    /// Without a hook: the session cookie is a valid token, or the person is signed out.
    fn read_token(&self, jwt: &Verifier, call: &IdentifyCall<'_>) -> Identity {
        let now = self.clock.now();
        let token = call.cookies.split_once('=').map_or("", |(_, value)| value);
        let claims = jwt.claims(token, now, call.again);
        let identity = claims.and_then(|claims| identity::judge_json(&claims, &self.pointers, now).ok());
        identity.unwrap_or(Identity::SignedOut)
    }

    async fn ask(&self, call: &IdentifyCall<'_>) -> Result<Identity, HookError> {
        let mut request = self.identify.request(Method::GET, Body::Empty, call.origin, call.address);
        let fields = request.headers_mut();
        set(fields, header::USER_AGENT, call.user_agent);
        if !call.cookies.is_empty() {
            let cookies = HeaderValue::from_bytes(call.cookies.as_bytes());
            fields.insert(header::COOKIE, cookies.map_err(|_| HookError::UnusableCookie)?);
        }
        let response = self.identify.client.send(request).await.map_err(HookError::Unreachable)?;
        let (head, body) = response.into_parts();
        let path = self.identify.path.path();
        if let Some(identity) = identity::judge_head(head.status, &head.headers, path, &self.sub_path)? {
            return Ok(identity);
        }
        let content = read_limited(body, MAX_RESPONSE).await.map_err(HookError::Unreadable)?;
        let encoding = head.headers.get(header::CONTENT_ENCODING);
        identity::judge_content(&content, encoding, &self.pointers, self.clock.now())
    }

    /// Asks for one session of the person in the grant. One grant is one call, so it is taken by value. A failure is
    /// logged here.
    pub async fn login(&self, grant: Grant, call: LoginCall<'_>) -> LoginOutcome {
        let start = Instant::now();
        let request = self.login_request(&grant, &call);
        let begun = Cell::new(false);
        let mut content = None;
        let mut outcome = match timeout(self.login_timeout, self.sign_in(request, &begun, &mut content)).await {
            Ok(outcome) => outcome,
            // The call may have been sent, so the application may have created a session.
            Err(_) if begun.get() => LoginOutcome::Failed(HookError::TimedOut(self.login_timeout)),
            Err(_) => LoginOutcome::Failed(HookError::NotConnected(self.login_timeout)),
        };
        // Outside the timeout, because the session is valid without a name.
        if let (LoginOutcome::Session { name, .. }, Some(content), Some(_)) = (&mut outcome, content, &self.revoke) {
            *name = self.session_name(content).await;
        }
        self.telemetry.metrics().hook(Hook::Login, outcome.label(), start.elapsed());
        if let LoginOutcome::Failed(error) = &outcome {
            self.telemetry.failed("login", error);
            let (url, attempt) = (&self.login.called, grant.attempt);
            self.telemetry.error(
                "login hook",
                &[("url", url), ("attempt", &attempt), ("cause", error), ("request_id", &call.request_id)],
            );
        }
        outcome
    }

    fn login_request(&self, grant: &Grant, call: &LoginCall<'_>) -> Request<Body> {
        let message = LoginMessage {
            r#type: "qr.login",
            user_id: &grant.user,
            ticket: &grant.hook_id,
            issued_at: grant.issued_at,
            auth_time: grant.auth_time,
            amr: ["qr"],
            origin: call.origin.to_string(),
            method: "POST",
            url: self.login.url(call.origin),
            phone: Device {
                address: call.phone.address,
                user_agent: call.user_agent.map(|value| String::from_utf8_lossy(value.as_bytes())),
                label: &call.phone.label,
            },
            computer: Device { address: grant.computer.address, user_agent: None, label: &grant.computer.label },
            stay: grant.stay.map(|stay| stay.seconds().map_or_else(|| stay.to_string().into(), Value::from)),
        };
        let id = (grant.hook_id.as_str(), grant.timestamp);
        let mut request = self.signed(&self.login, id, &message, call.origin, call.address);
        let fields = request.headers_mut();
        set(fields, header::USER_AGENT, call.user_agent);
        set(fields, header::ACCEPT_LANGUAGE, call.accept_language);
        request
    }

    /// A signed call. `id` and `timestamp` are those of Standard Webhooks.
    fn signed(
        &self,
        hook: &HookAddress,
        (id, timestamp): (&str, u64),
        message: &impl Serialize,
        origin: &Origin,
        client: Option<IpAddr>,
    ) -> Request<Body> {
        // Strings and numbers always have a JSON form.
        let content = Bytes::from(serde_json::to_vec(message).unwrap_or_default());
        let mut request = hook.request(Method::POST, Body::full(content.clone()), origin, client);
        webhook::add_fields(request.headers_mut(), &self.secrets, id, timestamp, &content);
        request
    }

    /// Asks to end the session in the grant. One grant is one call, so it is taken by value.
    ///
    /// # Errors
    ///
    /// [`HookError`] unless the response confirms, within `login.timeout`, that the session has ended. It is logged
    /// here.
    pub async fn revoke(&self, grant: RevokeGrant, call: RevokeCall<'_>) -> Result<(), HookError> {
        let hook = self.revoke_hook()?;
        let start = Instant::now();
        let sent = hook.send(self.revoke_request(hook, &grant, &call), self.login_timeout).await;
        let result = sent.and_then(|response| {
            sign_in::judge_revocation(response.status(), response.headers(), hook.path.path(), &self.sub_path)
        });
        let outcome = result.as_ref().map_or_else(HookError::outcome, |()| "revoked");
        self.telemetry.metrics().hook(Hook::Revoke, outcome, start.elapsed());
        if let Err(error) = &result {
            let url = &hook.called;
            self.telemetry.failed("revoke", error);
            self.telemetry.error("revoke hook", &[("url", url), ("cause", error), ("request_id", &call.request_id)]);
        }
        result
    }

    fn revoke_request(&self, hook: &HookAddress, grant: &RevokeGrant, call: &RevokeCall<'_>) -> Request<Body> {
        let message = RevokeMessage {
            r#type: "qr.revoke",
            user_id: &grant.session.user,
            session: &grant.session.name,
            ticket: &grant.session.login_id,
            issued_at: grant.session.issued.seconds(),
            origin: call.origin.to_string(),
            method: "POST",
            url: hook.url(call.origin),
        };
        self.signed(hook, (&grant.session.revoke_id, grant.timestamp), &message, call.origin, call.address)
    }

    fn revoke_hook(&self) -> Result<&HookAddress, HookError> {
        self.revoke.as_ref().ok_or(HookError::NotConfigured)
    }

    /// Calls the identify hook without a cookie, for `qrgate check`. The response is not judged.
    ///
    /// # Errors
    ///
    /// [`HookError`] if the application cannot be reached.
    pub async fn probe_identify(&self, origin: &Origin) -> Result<Response<Body>, HookError> {
        let request = self.identify.request(Method::GET, Body::Empty, origin, None);
        self.identify.send(request, self.identify_timeout).await
    }

    /// Calls the login hook without a signature, for `qrgate check`: the hook must refuse.
    ///
    /// # Errors
    ///
    /// As [`Hooks::probe_identify`].
    pub async fn probe_login(&self, origin: &Origin) -> Result<Response<Body>, HookError> {
        self.login.send(self.login.unsigned(origin), self.login_timeout).await
    }

    /// The call that [`Hooks::login`] makes, for `qrgate check`. The response is not judged.
    ///
    /// # Errors
    ///
    /// As [`Hooks::probe_identify`].
    pub async fn try_login(&self, grant: Grant, call: LoginCall<'_>) -> Result<Response<Body>, HookError> {
        self.login.send(self.login_request(&grant, &call), self.login_timeout).await
    }

    /// Calls the revoke hook without a signature, for `qrgate check`: the hook must refuse.
    ///
    /// # Errors
    ///
    /// As [`Hooks::probe_identify`], and [`HookError::NotConfigured`].
    pub async fn probe_revoke(&self, origin: &Origin) -> Result<Response<Body>, HookError> {
        let hook = self.revoke_hook()?;
        hook.send(hook.unsigned(origin), self.login_timeout).await
    }

    /// The call that [`Hooks::revoke`] makes, for `qrgate check`. The response is not judged.
    ///
    /// # Errors
    ///
    /// As [`Hooks::probe_revoke`].
    pub async fn try_revoke(&self, grant: RevokeGrant, call: RevokeCall<'_>) -> Result<Response<Body>, HookError> {
        let hook = self.revoke_hook()?;
        hook.send(self.revoke_request(hook, &grant, &call), self.login_timeout).await
    }

    /// The name of the session in a successful response of the login hook. Without a valid one the sign-in succeeds but
    /// cannot be undone; the log has the reason.
    async fn session_name(&self, response: Response<Body>) -> Option<String> {
        let (head, body) = response.into_parts();
        let encoding = head.headers.get(header::CONTENT_ENCODING);
        let named = match timeout(MAX_WAIT_FOR_A_NAME, read_limited(body, MAX_RESPONSE)).await {
            Ok(Ok(content)) => sign_in::session_name(&content, encoding),
            Ok(Err(error)) => Err(HookError::Unreadable(error).to_string()),
            Err(_) => Err(format!("the content took longer than {MAX_WAIT_FOR_A_NAME:?}")),
        };
        named.unwrap_or_else(|cause| {
            let url = &self.login.called;
            self.telemetry.warn("the login hook names no session", &[("url", url), ("cause", &cause)]);
            None
        })
    }

    /// Sets `content` to a response with 200, whose content is not read yet.
    async fn sign_in(
        &self,
        request: Request<Body>,
        begun: &Cell<bool>,
        content: &mut Option<Response<Body>>,
    ) -> LoginOutcome {
        let response = match self.login.client.send_telling(request, || begun.set(true)).await {
            Ok(response) => response,
            Err(error) => return LoginOutcome::Failed(HookError::Unreachable(error)),
        };
        let (head, body) = response.into_parts();
        let path = self.login.path.path();
        if let Some(outcome) = sign_in::judge_head(head.status, &head.headers, path, &self.sub_path) {
            *content = (head.status == StatusCode::OK).then_some(Response::from_parts(head, body));
            return outcome;
        }
        let encoding = head.headers.get(header::CONTENT_ENCODING);
        match read_limited(body, MAX_RESPONSE).await {
            Ok(content) => sign_in::judge_refusal(head.status, &content, encoding),
            // A refusal is short; this is a page.
            Err(ReadError::TooLarge) => sign_in::judge_refusal(head.status, b"", None),
            Err(error) => LoginOutcome::Failed(HookError::Unreadable(error)),
        }
    }
}

impl HookAddress {
    fn new(
        target: &HookTarget,
        application: &ApplicationUrl,
        host: &HostMode,
        client: &Client,
    ) -> Result<HookAddress, TlsFileError> {
        let (client, server, path, host) = match target {
            HookTarget::Path(path) => (client.for_hooks(), application, path, host.field(application)),
            HookTarget::Url(url, path) => (client.for_server(url)?.for_hooks(), url, path, Some(url.host_field())),
        };
        let is_elsewhere = matches!(target, HookTarget::Url(..));
        Ok(HookAddress { client, path: path.clone(), called: format!("{server}{path}"), is_elsewhere, host })
    }

    /// The hook's address in the signed message: under the public origin, or on the hook's own server.
    fn url(&self, origin: &Origin) -> String {
        match self.is_elsewhere {
            true => self.called.clone(),
            false => format!("{origin}{}", self.path),
        }
    }

    /// Sends a request; the response is not judged.
    async fn send(&self, request: Request<Body>, limit: Duration) -> Result<Response<Body>, HookError> {
        let sent = timeout(limit, self.client.send(request)).await.map_err(|_| HookError::TimedOut(limit))?;
        sent.map_err(HookError::Unreachable)
    }

    /// A call without a signature, which the hook must refuse.
    fn unsigned(&self, origin: &Origin) -> Request<Body> {
        let mut request = self.request(Method::POST, Body::full("{}"), origin, None);
        request.headers_mut().insert(header::CONTENT_TYPE, JSON);
        request
    }

    /// A request with the fields that every hook receives.
    fn request(&self, method: Method, body: Body, origin: &Origin, client: Option<IpAddr>) -> Request<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(self.path.clone());
        let authority = HeaderValue::from_str(&origin.authority()).ok();
        let fields = request.headers_mut();
        set(fields, header::HOST, self.host.as_ref().or(authority.as_ref()));
        fields.insert(header::ACCEPT, JSON);
        set(fields, X_FORWARDED_HOST, authority.as_ref());
        fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static(origin.scheme().as_str()));
        fields.insert(X_FORWARDED_PORT, HeaderValue::from(origin.port()));
        let client = client.and_then(|address| HeaderValue::from_str(&address.to_string()).ok());
        set(fields, X_FORWARDED_FOR, client.as_ref());
        set(fields, X_REAL_IP, client.as_ref());
        request
    }
}

/// The JSON pointer of a claim, whose name may be a URL (RFC 6901, section 3). An empty name gives an empty pointer.
fn claim_pointer(name: &str) -> String {
    match name.is_empty() {
        true => String::new(),
        false => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
    }
}

fn set(fields: &mut HeaderMap, name: HeaderName, value: Option<&HeaderValue>) {
    if let Some(value) = value {
        fields.insert(name, value.clone());
    }
}

/// The content of a login call. It contains the type, method, address and origin because the signature covers only the
/// content.
#[derive(Serialize)]
struct LoginMessage<'a> {
    r#type: &'static str,
    user_id: &'a str,
    ticket: &'a str,
    issued_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    amr: [&'static str; 1],
    origin: String,
    method: &'static str,
    url: String,
    phone: Device<'a>,
    computer: Device<'a>,
    /// `"browser"`, or seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    stay: Option<Value>,
}

#[derive(Serialize)]
struct Device<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
    label: &'a str,
}

/// The content of a revoke call.
#[derive(Serialize)]
struct RevokeMessage<'a> {
    r#type: &'static str,
    user_id: &'a str,
    session: &'a str,
    ticket: &'a str,
    issued_at: u64,
    origin: String,
    method: &'static str,
    url: String,
}

#[cfg(test)]
#[path = "hooks_tests.rs"]
mod tests;
