//! Calls of the application's hooks: identify says who is signed in, login opens a session, and revoke ends it.
//!
//! Redirects are never followed, responses never cached, and targets come from the configuration only. Every call is
//! timed, and a failed one is logged with its likely cause, the address called and the request id.

use std::cell::Cell;
use std::time::Duration;

use http::header;
use http::{Request, Response, StatusCode};
use tokio::time::{Instant, timeout};

use super::client::Client;
use super::hook_address::{HookAddress, IdentifyCall, LoginCall, RevokeCall};
use super::hook_error::{HookError, MAX_RESPONSE};
use super::identity::{self, Identity, Pointers};
use super::sign_in::{self, LoginOutcome};
use crate::body::{Body, ReadError, read_limited};
use crate::clock::Clock;
use crate::config::Config;
use crate::jwt::Verifier;
use crate::origin::Origin;
use crate::secret::Secret;
use crate::telemetry::Telemetry;
use crate::telemetry::metrics::Hook;
use crate::ticket::{Grant, RevokeGrant};
use crate::tls::TlsFileError;

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
        let request = self.identify.identify_request(call)?;
        let response = self.identify.client.send(request).await.map_err(HookError::Unreachable)?;
        let (head, body) = response.into_parts();
        let path = self.identify.path();
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
        let request = self.login.login_request(&self.secrets, &grant, &call);
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

    /// Asks to end the session in the grant. One grant is one call, so it is taken by value.
    ///
    /// # Errors
    ///
    /// [`HookError`] unless the response confirms, within `login.timeout`, that the session has ended. It is logged
    /// here.
    pub async fn revoke(&self, grant: RevokeGrant, call: RevokeCall<'_>) -> Result<(), HookError> {
        let hook = self.revoke_hook()?;
        let start = Instant::now();
        let sent = hook.send(hook.revoke_request(&self.secrets, &grant, &call), self.login_timeout).await;
        let result = sent.and_then(|response| {
            sign_in::judge_revocation(response.status(), response.headers(), hook.path(), &self.sub_path)
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

    fn revoke_hook(&self) -> Result<&HookAddress, HookError> {
        self.revoke.as_ref().ok_or(HookError::NotConfigured)
    }

    /// Calls a hook without a cookie or a signature, for `qrgate check`: the hook must refuse. The response is not
    /// judged.
    ///
    /// # Errors
    ///
    /// [`HookError`] if the application cannot be reached, or has no such hook.
    pub async fn probe(&self, hook: Hook, origin: &Origin) -> Result<Response<Body>, HookError> {
        match hook {
            Hook::Identify => self.identify.send(self.identify.without_cookie(origin), self.identify_timeout).await,
            Hook::Login => self.login.send(self.login.unsigned(origin), self.login_timeout).await,
            Hook::Revoke => {
                let hook = self.revoke_hook()?;
                hook.send(hook.unsigned(origin), self.login_timeout).await
            }
        }
    }

    /// The call that [`Hooks::login`] makes, for `qrgate check`. The response is not judged.
    ///
    /// # Errors
    ///
    /// As [`Hooks::probe`].
    pub async fn try_login(&self, grant: Grant, call: LoginCall<'_>) -> Result<Response<Body>, HookError> {
        self.login.send(self.login.login_request(&self.secrets, &grant, &call), self.login_timeout).await
    }

    /// The call that [`Hooks::revoke`] makes, for `qrgate check`. The response is not judged.
    ///
    /// # Errors
    ///
    /// As [`Hooks::probe`].
    pub async fn try_revoke(&self, grant: RevokeGrant, call: RevokeCall<'_>) -> Result<Response<Body>, HookError> {
        let hook = self.revoke_hook()?;
        hook.send(hook.revoke_request(&self.secrets, &grant, &call), self.login_timeout).await
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
        let path = self.login.path();
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

/// The JSON pointer of a claim, whose name may be a URL (RFC 6901, section 3). An empty name gives an empty pointer.
fn claim_pointer(name: &str) -> String {
    match name.is_empty() {
        true => String::new(),
        false => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
    }
}

#[cfg(test)]
#[path = "hooks_tests.rs"]
mod tests;
