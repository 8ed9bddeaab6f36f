//! One request under the ticket path: who sends it, which origin they see, and how it is answered.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};

use crate::body::Body;
use crate::cookies;
use crate::device;
use crate::fields::text_of;
use crate::forwarded::Downstream;
use crate::origin::{Origin, Scheme};
use crate::pages::{Context, Lang, Page};
use crate::telemetry::Topic;
use crate::token::{BrowserId, ClaimKey, Opened, TicketId};

use super::Qr;

/// What every step needs to know about the request it answers.
pub struct Visit {
    /// Its head, as it came.
    pub head: Parts,
    /// Who sends it.
    pub downstream: Downstream,
    /// The public origin, admitted.
    pub origin: Origin,
    /// The language of the answer.
    pub lang: Lang,
    /// The id that error pages and log lines bear.
    pub request_id: String,
    /// How much content came, for the log.
    pub bytes_in: Rc<Cell<u64>>,
}

impl Visit {
    /// The browser cookie; none if it is missing, doubled or misshapen.
    pub fn browser(&self) -> Option<BrowserId> {
        let https = self.origin.scheme() == Scheme::Https;
        cookies::browser(&self.head.headers, https).ok().flatten().and_then(BrowserId::parse)
    }

    /// The claim keys that this browser sent for a ticket: only those that qrgate made, which needs no look at the
    /// store. At most one of them is the holder's.
    pub fn claim_keys(&self, opened: &Opened) -> Vec<ClaimKey> {
        let (key, id) = (opened.key(), opened.id());
        let name = cookies::claim_name(self.origin.scheme() == Scheme::Https, &id.short());
        let sent = cookies::claims(&self.head.headers, &name);
        sent.filter_map(ClaimKey::parse).filter(|claim_key| key.made_claim_key(&id, claim_key)).collect()
    }

    /// The named field's value, if it is text.
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        text_of(&self.head.headers, name)
    }

    /// What the browser calls itself.
    pub fn user_agent(&self) -> Option<&str> {
        self.text(&header::USER_AGENT)
    }

    /// The sender's label, as pages and events show it.
    pub fn label(&self) -> String {
        device::label(self.head.headers.get(header::USER_AGENT))
    }

    /// Whether this is a fetch ahead of a person, or no fetch of a page at all.
    pub fn is_prefetch(&self) -> bool {
        let ahead = ["sec-purpose", "purpose", "x-moz"].iter().any(|name| self.head.headers.contains_key(*name));
        ahead || self.head.method == http::Method::HEAD
    }

    /// A value of the query; the first of its name.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.head.uri.query().unwrap_or("");
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// The fields of a form, the first of each name.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded` content, whatever it was called.
    pub fn parse(content: &[u8]) -> Form {
        Form(form_urlencoded::parse(content).into_owned().collect())
    }

    /// The value of that name; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }
}

/// A page with the fields that every answer under the ticket path bears (product contract, section 9).
pub fn page(qr: &Qr, visit: &Visit, page: &Page<'_>) -> Response<Body> {
    let context = Context {
        lang: visit.lang,
        origin: &visit.origin,
        ticket_path: &qr.ticket_path,
        home: &qr.home,
        request_id: &visit.request_id,
    };
    let rendered = qr.pages.render(page, &context);
    let mut response = Response::new(Body::full(Bytes::from(rendered.html)));
    *response.status_mut() = StatusCode::from_u16(rendered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::from_str(&rendered.policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if let Page::Error(failure) = page
        && let Some(seconds) = failure.retry_after()
    {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(problem) = rendered.problem {
        qr.telemetry.warn_once(
            Topic::Template,
            &problem,
            "a template of pages.templates failed; the built-in one was shown",
            &[("cause", &problem)],
        );
    }
    response
}

/// Sends the browser on, with `See Other` unless another status is named.
pub fn redirect(status: StatusCode, location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// JSON for the page's script.
pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::full(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// JSON for a client that asks too often.
pub fn try_later(retry_after: Duration) -> Response<Body> {
    let mut response = json(StatusCode::TOO_MANY_REQUESTS, &serde_json::json!({}));
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

/// Lets every origin read the answer, without credentials: the sandboxed page's own origin is `null`.
pub fn readable_by_all(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// Sets the browser cookie: this browser, and nothing else. It lasts as long as the browser runs.
pub fn set_browser_cookie(response: &mut Response<Body>, browser: &BrowserId, origin: &Origin) {
    let name = cookies::browser_name(origin.scheme() == Scheme::Https).to_owned();
    set_cookie(response, cookie::Cookie::new(name, browser.text().to_string()), origin);
}

/// Sets the claim cookie: this browser holds this ticket, until the store forgets it.
pub fn set_claim_cookie(
    response: &mut Response<Body>,
    id: &TicketId,
    key: &ClaimKey,
    lasts: Duration,
    origin: &Origin,
) {
    let name = cookies::claim_name(origin.scheme() == Scheme::Https, &id.short());
    let mut cookie = cookie::Cookie::new(name, key.text().to_string());
    let seconds = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
    cookie.set_max_age(cookie::time::Duration::seconds(seconds));
    set_cookie(response, cookie, origin);
}

/// `HttpOnly` keeps scripts of the site from reading or replacing it; `SameSite=Lax` lets it come with the scanned link.
fn set_cookie(response: &mut Response<Body>, mut cookie: cookie::Cookie<'_>, origin: &Origin) {
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_secure(origin.scheme() == Scheme::Https);
    cookie.set_same_site(cookie::SameSite::Lax);
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The fields of product contract, section 9, on whatever is answered under the ticket path.
///
/// Where `isolated`, no page of another origin keeps a hold of this one ([`isolates`]).
pub fn harden(headers: &mut HeaderMap, isolated: bool) {
    const FIELDS: [(HeaderName, &str); 5] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "strict-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    for (name, value) in FIELDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"));
    if isolated {
        let name = HeaderName::from_static("cross-origin-opener-policy");
        headers.insert(name, HeaderValue::from_static("same-origin"));
    }
}

/// Whether browsers isolate a page of this origin: on plain http they do not and say so in their console, but loopback
/// they trust.
pub fn isolates(origin: &Origin) -> bool {
    origin.scheme() == Scheme::Https || origin.is_loopback()
}
