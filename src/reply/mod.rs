//! The result of a step or a refusal as a value, and the one place that turns it into an HTTP response.
//!
//! A [`Reply`] has the page, the cookies and the audit events. [`Responder::respond`] adds the header fields that all
//! of qrgate's own responses have.

mod event;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::asked::Asked;
use crate::body::Body;
use crate::clock::seconds_up;
use crate::cookies;
use crate::device::{Devices, Kind};
use crate::fault::Fault;
use crate::pages::{Context, Failure, Page, Pages};
use crate::target::{Route, TicketRoute};
use crate::telemetry::{Telemetry, Topic};
use crate::token::{BrowserId, ClaimKey, TicketId};

pub use self::event::Event;

#[derive(Debug)]
pub struct Reply {
    pub what: What,
    /// The devices of the sign-in, for the texts of a page.
    pub devices: Devices,
    /// The cookies to set, in this order.
    pub cookies: Vec<Cookie>,
    /// The audit events, in this order.
    pub events: Vec<Event>,
    /// The methods of the address, for a 405.
    pub allow: Option<&'static str>,
    /// Whether the connection ends with the response.
    pub closes: bool,
}

#[derive(Debug)]
pub enum What {
    /// A page; the status belongs to it.
    Page(Page),
    See(String),
    Moved(String),
    Json {
        status: StatusCode,
        text: String,
        /// How long a client over its limit must wait.
        retry_after: Option<Duration>,
    },
    Events(Body),
    /// The key authorization that an ACME authority asks for (RFC 8555, section 8.3).
    Validation(Vec<u8>),
}

#[derive(Debug)]
pub enum Cookie {
    /// Identifies this browser, and nothing else, until it is closed.
    Browser(BrowserId),
    /// Makes this browser the holder of a ticket, until the store drops the ticket.
    Claim {
        id: TicketId,
        key: ClaimKey,
        /// How long the store keeps the ticket.
        lasts: Duration,
    },
    /// A `Set-Cookie` line of the application, verbatim.
    Relayed(Vec<u8>),
}

impl Reply {
    fn new(what: What) -> Reply {
        Reply { what, devices: Devices::default(), cookies: Vec::new(), events: Vec::new(), allow: None, closes: false }
    }

    pub fn page(page: Page) -> Reply {
        Reply::new(What::Page(page))
    }

    pub fn failure(failure: Failure) -> Reply {
        Reply::page(Page::Error(failure))
    }

    /// The page for a fault. Under the ticket path, the phone and the computer get different texts.
    pub fn of_fault(fault: &Fault, route: &Route) -> Reply {
        let is_phones = matches!(route, Route::Ticket(route) if route.is_phones());
        let failure = match fault {
            Fault::Store(_) | Fault::Identify(_) if is_phones => Failure::UnavailableHere,
            Fault::Store(_) => Failure::Unavailable,
            Fault::Identify(_) => Failure::ApplicationAway,
            other => Failure::Status(other.status()),
        };
        Reply { closes: fault.spoils_connection(), ..Reply::failure(failure) }
    }

    /// 405, with the methods that the address has.
    pub fn not_allowed(allow: &'static str) -> Reply {
        Reply { allow: Some(allow), ..Reply::failure(Failure::Status(StatusCode::METHOD_NOT_ALLOWED)) }
    }

    /// Sends the browser on by GET.
    pub fn see(location: impl Into<String>) -> Reply {
        Reply::new(What::See(location.into()))
    }

    /// Sends the browser to the address's one spelling, with the same method.
    pub fn moved(location: impl Into<String>) -> Reply {
        Reply::new(What::Moved(location.into()))
    }

    pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Reply {
        let text = serde_json::to_string(value).unwrap_or_default();
        Reply::new(What::Json { status, text, retry_after: None })
    }

    /// 429 for a script.
    pub fn try_later(retry_after: Duration) -> Reply {
        Reply::new(What::Json {
            status: StatusCode::TOO_MANY_REQUESTS,
            text: "{}".to_owned(),
            retry_after: Some(retry_after),
        })
    }

    pub fn events(events: impl Stream<Item = Bytes> + 'static) -> Reply {
        Reply::new(What::Events(Body::stream(events)))
    }

    pub fn validation(key_authorization: Vec<u8>) -> Reply {
        Reply::new(What::Validation(key_authorization))
    }

    /// For a code that the device with this label shows.
    pub fn shown_on(mut self, label: &str) -> Reply {
        self.devices.shown_on = Kind::of(label);
        self
    }

    /// For a code that the device with this label scans or types.
    pub fn read_on(mut self, label: &str) -> Reply {
        self.devices.read_on = Kind::of(label);
        self
    }

    pub fn noting(mut self, event: Event) -> Reply {
        self.events.push(event);
        self
    }

    pub fn setting(mut self, cookie: impl Into<Option<Cookie>>) -> Reply {
        self.cookies.extend(cookie.into());
        self
    }
}

pub struct Responder {
    pub pages: Arc<Pages>,
    /// The ticket path as browsers see it: the sub-path of `public.url` and `tickets.path`.
    pub ticket_path: String,
    /// The application's own start page, as browsers see it.
    pub home: String,
    pub telemetry: Telemetry,
}

impl Responder {
    /// Writes the reply's audit events and makes the response.
    pub fn respond(&self, reply: Reply, asked: &Asked) -> Response<Body> {
        for event in &reply.events {
            event.record(&self.telemetry, asked.client.peer, Some(asked.request_id()));
        }
        // A redirect from an address of the application may be cached.
        let is_own = asked.route != Route::Forward || !matches!(reply.what, What::Moved(_));
        let mut response = self.show(reply.what, reply.devices, asked);
        let headers = response.headers_mut();
        for cookie in &reply.cookies {
            headers.extend(set_cookie(cookie, asked.is_https()).map(|line| (header::SET_COOKIE, line)));
        }
        if let Some(allow) = reply.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if reply.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if is_own {
            harden(headers, asked);
        }
        response
    }

    fn show(&self, what: What, devices: Devices, asked: &Asked) -> Response<Body> {
        match what {
            What::Page(page) => self.page(&page, devices, asked),
            What::See(location) => redirect(StatusCode::SEE_OTHER, &location),
            What::Moved(location) => redirect(StatusCode::PERMANENT_REDIRECT, &location),
            What::Json { status, text, retry_after } => {
                let mut response = with_type(status, "application/json", Body::full(Bytes::from(text)));
                set_retry_after(&mut response, retry_after.map(|wait| seconds_up(wait).max(1)));
                response
            }
            What::Validation(content) => with_type(StatusCode::OK, "application/octet-stream", Body::full(content)),
            What::Events(events) => {
                let mut response = with_type(StatusCode::OK, "text/event-stream", events);
                let buffering = HeaderName::from_static("x-accel-buffering");
                response.headers_mut().insert(buffering, HeaderValue::from_static("no"));
                response
            }
        }
    }

    fn page(&self, page: &Page, devices: Devices, asked: &Asked) -> Response<Body> {
        let context = Context {
            lang: asked.lang,
            origin: &asked.origin,
            ticket_path: &self.ticket_path,
            home: &self.home,
            request_id: asked.request_id(),
            devices,
        };
        let rendered = self.pages.render(page, &context);
        let content = Body::full(Bytes::from(rendered.html));
        let mut response = with_type(rendered.status, "text/html; charset=utf-8", content);
        if let Ok(policy) = HeaderValue::from_str(&rendered.policy) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if let Page::Error(failure) = page {
            set_retry_after(&mut response, failure.retry_after());
        }
        if let Some(problem) = rendered.problem {
            self.telemetry.warn_once(
                Topic::Template,
                &problem,
                "a template of pages.templates failed; the built-in one was shown",
                &[("cause", &problem)],
            );
        }
        response
    }
}

fn with_type(status: StatusCode, kind: &'static str, content: Body) -> Response<Body> {
    let mut response = Response::new(content);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn redirect(status: StatusCode, location: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn set_retry_after(response: &mut Response<Body>, seconds: Option<u64>) {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// The `Set-Cookie` line. `HttpOnly` keeps scripts of the site from reading or replacing qrgate's cookies;
/// `SameSite=Lax` lets it come with the scanned link.
fn set_cookie(cookie: &Cookie, https: bool) -> Option<HeaderValue> {
    let mut line = match cookie {
        Cookie::Relayed(line) => return HeaderValue::from_bytes(line).ok(),
        Cookie::Browser(browser) => cookie::Cookie::new(cookies::browser_name(https), browser.text().to_string()),
        Cookie::Claim { id, key, lasts } => {
            let mut line = cookie::Cookie::new(cookies::claim_name(https, &id.short()), key.text().to_string());
            line.set_max_age(cookie::time::Duration::seconds(i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX)));
            line
        }
    };
    line.set_path("/");
    line.set_http_only(true);
    line.set_secure(https);
    line.set_same_site(cookie::SameSite::Lax);
    HeaderValue::from_str(&line.to_string()).ok()
}

/// The security fields of every response of qrgate's own.
fn harden(headers: &mut HeaderMap, asked: &Asked) {
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
    if asked.isolated {
        let name = HeaderName::from_static("cross-origin-opener-policy");
        headers.insert(name, HeaderValue::from_static("same-origin"));
    }
    // The sandboxed page's own origin is `null`, and it sends no credentials: every origin may read these three.
    if matches!(asked.route, Route::Ticket(TicketRoute::Status(_) | TicketRoute::Approve | TicketRoute::Undo)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
}
