//! The address of a hook, and the requests that are sent there.
//!
//! A request has only the fields that docs/recipes/README.md lists; no other field of a client is passed on.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri};
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use super::client::Client;
use super::hook_error::HookError;
use super::webhook::{self, JSON};
use crate::body::Body;
use crate::config::{HookTarget, HostMode};
use crate::endpoint::ApplicationUrl;
use crate::forwarded::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, X_REAL_IP};
use crate::origin::Origin;
use crate::secret::Secret;
use crate::ticket::{Grant, RevokeGrant};
use crate::tls::TlsFileError;
use crate::token::Party;

/// The address of a hook, and the client that calls it.
pub struct HookAddress {
    pub client: Client,
    path: PathAndQuery,
    /// The address that is called, for the log.
    pub called: String,
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

impl HookAddress {
    /// # Errors
    ///
    /// [`TlsFileError`] if the hook has its own `url` and a file of `application.tls` cannot be used.
    pub fn new(
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

    pub fn path(&self) -> &str {
        self.path.path()
    }

    /// Sends a request; the response is not judged.
    pub async fn send(&self, request: Request<Body>, limit: Duration) -> Result<Response<Body>, HookError> {
        let sent = timeout(limit, self.client.send(request)).await.map_err(|_| HookError::TimedOut(limit))?;
        sent.map_err(HookError::Unreachable)
    }

    /// A call without a signature, which the hook must refuse.
    pub fn unsigned(&self, origin: &Origin) -> Request<Body> {
        let mut request = self.request(Method::POST, Body::full("{}"), origin, None);
        request.headers_mut().insert(header::CONTENT_TYPE, JSON);
        request
    }

    pub fn without_cookie(&self, origin: &Origin) -> Request<Body> {
        self.request(Method::GET, Body::Empty, origin, None)
    }

    pub fn identify_request(&self, call: &IdentifyCall<'_>) -> Result<Request<Body>, HookError> {
        let mut request = self.request(Method::GET, Body::Empty, call.origin, call.address);
        let fields = request.headers_mut();
        set(fields, header::USER_AGENT, call.user_agent);
        if !call.cookies.is_empty() {
            let cookies = HeaderValue::from_bytes(call.cookies.as_bytes());
            fields.insert(header::COOKIE, cookies.map_err(|_| HookError::UnusableCookie)?);
        }
        Ok(request)
    }

    pub fn login_request(&self, secrets: &[Secret], grant: &Grant, call: &LoginCall<'_>) -> Request<Body> {
        let message = LoginMessage {
            r#type: "qr.login",
            user_id: &grant.user,
            ticket: &grant.hook_id,
            issued_at: grant.issued_at,
            auth_time: grant.auth_time,
            amr: ["qr"],
            origin: call.origin.to_string(),
            method: "POST",
            url: self.url(call.origin),
            phone: Device {
                address: call.phone.address,
                user_agent: call.user_agent.map(|value| String::from_utf8_lossy(value.as_bytes())),
                label: &call.phone.label,
            },
            computer: Device { address: grant.computer.address, user_agent: None, label: &grant.computer.label },
            stay: grant.stay.map(|stay| stay.seconds().map_or_else(|| stay.to_string().into(), Value::from)),
        };
        let id = (grant.hook_id.as_str(), grant.timestamp);
        let mut request = self.signed(secrets, id, &message, call.origin, call.address);
        let fields = request.headers_mut();
        set(fields, header::USER_AGENT, call.user_agent);
        set(fields, header::ACCEPT_LANGUAGE, call.accept_language);
        request
    }

    pub fn revoke_request(&self, secrets: &[Secret], grant: &RevokeGrant, call: &RevokeCall<'_>) -> Request<Body> {
        let message = RevokeMessage {
            r#type: "qr.revoke",
            user_id: &grant.session.user,
            session: &grant.session.name,
            ticket: &grant.session.login_id,
            issued_at: grant.session.issued.seconds(),
            origin: call.origin.to_string(),
            method: "POST",
            url: self.url(call.origin),
        };
        self.signed(secrets, (&grant.session.revoke_id, grant.timestamp), &message, call.origin, call.address)
    }

    /// A signed call. `id` and `timestamp` are those of Standard Webhooks.
    fn signed(
        &self,
        secrets: &[Secret],
        (id, timestamp): (&str, u64),
        message: &impl Serialize,
        origin: &Origin,
        client: Option<IpAddr>,
    ) -> Request<Body> {
        // Strings and numbers always have a JSON form.
        let content = Bytes::from(serde_json::to_vec(message).unwrap_or_default());
        let mut request = self.request(Method::POST, Body::full(content.clone()), origin, client);
        webhook::add_fields(request.headers_mut(), secrets, id, timestamp, &content);
        request
    }

    /// The hook's address in the signed message: under the public origin, or on the hook's own server.
    fn url(&self, origin: &Origin) -> String {
        match self.is_elsewhere {
            true => self.called.clone(),
            false => format!("{origin}{}", self.path),
        }
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
