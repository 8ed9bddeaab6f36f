//! One request, one answer: the five steps that every request takes, in one place.

mod ids;
mod line;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version, request};

use crate::body::{Body, BytesIn};
use crate::config::ApplicationUrl;
use crate::fault::{Fault, Side};
use crate::fields::{X_REQUEST_ID, check_framing, kept_request_id};
use crate::forward::{Forwarder, is_forbidden};
use crate::forwarded::{Downstream, TrustedProxies, resolve};
use crate::origin::{Host, Origin, PublicOrigins, Scheme};
use crate::pages::{Context as PageContext, Failure, Page, Pages};
use crate::peer::Peer;
use crate::qr::{Qr, Visit, harden, isolates};
use crate::target::{Reserved, Route, TicketRoute, decide, ticket_route};
use crate::telemetry::{Recorder, Topic};
use crate::tunnel::TunnelSlot;

use self::line::{Known, Line, PathOf};

pub use self::ids::RequestIds;
pub use self::line::Recorded;

/// What answers requests on one worker.
pub struct Exchange {
    /// Whose word about others counts.
    pub trusted: TrustedProxies,
    /// Which origins browsers may see.
    pub public: PublicOrigins,
    /// The host of a request of HTTP/1.0 that names none.
    pub default_host: HeaderValue,
    /// The application's own address, which no browser should be sent to.
    pub application: ApplicationUrl,
    /// Which paths are not the application's.
    pub reserved: Reserved,
    /// `limits.header_count`: hyper counts them in HTTP/1.1 only.
    pub header_count: usize,
    /// `listen.redirect_to_https`: `public.url`, its sub-path included, without a last slash.
    pub https: Option<String>,
    /// The way to the application.
    pub forwarder: Forwarder,
    /// Everything under the ticket path.
    pub qr: Qr,
    /// The error page.
    pub pages: Arc<Pages>,
    /// This worker's end of the telemetry.
    pub recorder: Rc<Recorder>,
    /// Makes request ids.
    pub ids: RequestIds,
}

/// Whose a target is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ticket,
    /// The ticket path's, behind the sub-path of `public.url`.
    Unstripped,
    Hook,
    Application,
    Nobodys,
}

impl Whose {
    /// Sorts a request, and hides its path from the log before anything can refuse it: what lies under the ticket path,
    /// or was written so oddly that it might, may hold a token.
    fn of(route: Route<'_>, known: &mut Known) -> Whose {
        match route {
            Route::Ticket(route) => {
                known.path = PathOf::Pattern(route.pattern());
                if route == TicketRoute::Unstripped { Whose::Unstripped } else { Whose::Ticket }
            }
            Route::Malformed => {
                known.path = PathOf::Pattern("(malformed)");
                Whose::Nobodys
            }
            Route::Hidden => Whose::Hook,
            Route::Forward => Whose::Application,
        }
    }
}

impl Exchange {
    /// Answers a request. The access line is written when the answer's content has ended, or the tunnel that it opened.
    pub async fn answer(self: Rc<Self>, request: Request<Body>, peer: Peer, tunnel: TunnelSlot) -> Response<Recorded> {
        let began = Instant::now();
        let request_id = kept_request_id(request.headers()).cloned().unwrap_or_else(|| self.ids.next());
        let known = Known {
            method: request.method().clone(),
            route: "malformed",
            path: PathOf::Own(
                request.uri().path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
            ),
            client: peer.address.as_ip(),
            request_id,
            traceparent: request.headers().get("traceparent").cloned(),
            began,
            bytes_in: BytesIn::default(),
            application: None,
            isolated: false,
            accept_language: request.headers().get(header::ACCEPT_LANGUAGE).cloned(),
            origin: None,
        };
        let mut line = Line::begin(known, self.recorder.clone());
        let known = &mut line.known;
        let is_head = known.method == Method::HEAD;
        let (mut head, content) = request.into_parts();
        let mut response = match self.route(&mut head, content, peer, known, &tunnel).await {
            Ok(response) => response,
            Err(fault) => self.apologise(&fault, known),
        };
        if is_head && known.route != "forward" {
            response = without_content(response);
        }
        if known.route != "forward" || response.status().is_server_error() {
            response.headers_mut().entry(X_REQUEST_ID).or_insert(known.request_id.clone());
        }
        line.status = response.status().as_u16();
        let opened = response.status() == StatusCode::SWITCHING_PROTOCOLS || line.known.method == Method::CONNECT;
        let line = if opened { line.along(&tunnel) } else { Some(line) };
        response.map(|content| Recorded { content, line })
    }

    async fn route(
        &self,
        head: &mut request::Parts,
        content: Body,
        peer: Peer,
        known: &mut Known,
        tunnel: &TunnelSlot,
    ) -> Result<Response<Body>, Fault> {
        let route = decide(&head.method, &head.uri, &self.reserved);
        let allow = allowed(route);
        let whose = Whose::of(route, known);
        known.isolated =
            matches!(whose, Whose::Ticket | Whose::Unstripped | Whose::Nobodys) && self.is_isolated(head, &peer);
        check_framing(head.version, &head.headers, self.header_count)?;
        if is_forbidden(&head.method, &head.extensions) {
            return Ok(self.not_allowed(allow, known));
        }
        if head.version == Version::HTTP_10 && whose == Whose::Application {
            self.name_host(head);
        }
        let downstream = resolve(head, &peer, &self.trusted)?;
        known.client = downstream.client.address.or(peer.address.as_ip());
        self.report_ignored(&downstream);
        if let Some(location) = self.https_address(head, &downstream, whose) {
            known.route = "redirect";
            let mut response = moved(&location);
            if whose == Whose::Ticket {
                harden(response.headers_mut(), known.isolated);
            }
            return Ok(response);
        }
        match whose {
            Whose::Nobodys => Err(Fault::Target),
            Whose::Hook => {
                known.route = "hidden";
                known.origin = self.origin_of(&downstream);
                Ok(self.error_page(404, known))
            }
            Whose::Ticket | Whose::Unstripped => {
                // The route borrows the head, which the visit owns: it is told by its own copy of the target.
                let uri = head.uri.clone();
                let route = match whose {
                    Whose::Unstripped => TicketRoute::Unstripped,
                    _ => ticket_route(&uri, &self.reserved),
                };
                known.route = route.pattern();
                let head = std::mem::replace(head, Request::new(()).into_parts().0);
                // Boxed: a forwarded request must not carry the room that a ticket's needs.
                Ok(Box::pin(self.visit(head, content, downstream, route, known)).await)
            }
            Whose::Application => {
                known.route = "forward";
                let forwarded = self
                    .forwarder
                    .forward(head, content, &downstream, &known.request_id, &known.bytes_in, tunnel)
                    .await
                    .inspect_err(|_| known.origin = self.origin_of(&downstream))?;
                known.application = Some(forwarded.took);
                if forwarded.response.status().is_redirection() {
                    self.report_internal_address(&forwarded.response, &downstream);
                }
                Ok(forwarded.response)
            }
        }
    }

    /// `Host` came with HTTP/1.1 (RFC 9112, section 3.2); health checks speak HTTP/1.0 without it.
    fn name_host(&self, head: &mut request::Parts) {
        if !head.headers.contains_key(header::HOST) {
            let named = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
            head.headers.insert(header::HOST, named.unwrap_or_else(|| self.default_host.clone()));
        }
    }

    async fn visit(
        &self,
        head: request::Parts,
        content: Body,
        downstream: Downstream,
        route: TicketRoute<'_>,
        known: &Known,
    ) -> Response<Body> {
        let lang = self.pages.language(head.headers.get(header::ACCEPT_LANGUAGE));
        let request_id = known.request_id.to_str().unwrap_or("").to_owned();
        let host = match downstream.host() {
            Ok(host) => host,
            Err(error) => return self.apologise(&error.into(), known),
        };
        let (origin, is_known) = self.origin(downstream.scheme, &host);
        let visit = Rc::new(Visit { head, downstream, origin, lang, request_id, bytes_in: known.bytes_in.clone() });
        let mut response = if is_known {
            match self.qr.handle(&visit, route, content).await {
                Ok(response) => response,
                Err(fault) => {
                    self.log(&fault, known);
                    self.qr.failed(&visit, failure_of(&fault, route))
                }
            }
        } else {
            self.qr.failed(&visit, Failure::UnknownHost { host: &host.to_string() })
        };
        harden(response.headers_mut(), isolates(&visit.origin));
        if matches!(route, TicketRoute::Status(_) | TicketRoute::Approve) {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        response
    }

    /// The public origin, or what the request makes of itself where its host is none of ours; and whether it is ours.
    fn origin(&self, scheme: Scheme, host: &Host) -> (Origin, bool) {
        match self.public.admit(scheme, host) {
            Some(origin) => (origin, true),
            None => (Origin::new(scheme, host), false),
        }
    }

    fn origin_of(&self, downstream: &Downstream) -> Option<Origin> {
        downstream.host().ok().map(|host| self.origin(downstream.scheme, &host).0)
    }

    fn is_isolated(&self, head: &request::Parts, peer: &Peer) -> bool {
        let Ok(downstream) = resolve(head, peer, &self.trusted) else { return false };
        self.origin_of(&downstream).is_some_and(|origin| isolates(&origin))
    }

    /// Where a request that came by http must go instead.
    fn https_address(&self, head: &request::Parts, downstream: &Downstream, whose: Whose) -> Option<String> {
        let https = self.https.as_ref().filter(|_| downstream.scheme == Scheme::Http)?;
        let answers = matches!(whose, Whose::Ticket | Whose::Application);
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        answers.then(|| format!("{https}{target}"))
    }

    fn report_ignored(&self, downstream: &Downstream) {
        if let Some(field) = &downstream.ignored {
            self.recorder.ignored_field(field, downstream.client.peer, downstream.behind_undeclared_proxy());
        }
        if downstream.doubtful_proto {
            let peer = downstream.client.peer;
            let message = "X-Forwarded-Proto of a trusted proxy is not one http or https; the connection decides";
            let key = peer.to_string();
            self.recorder.telemetry().warn_once(Topic::DoubtfulProto, &key, message, &[("peer", &peer)]);
        }
    }

    /// A redirect to the application's own address leads browsers nowhere, or past qrgate. The response is not changed.
    fn report_internal_address(&self, response: &Response<Body>, downstream: &Downstream) {
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        if !location.is_some_and(|location| self.application.is_named_by(location)) {
            return;
        }
        // Browsers may well know the application's address: where it is the public one too.
        let public = self.origin_of(downstream).map(|origin| format!("//{}", origin.authority()));
        if !public.is_some_and(|public| self.application.is_named_by(&public)) {
            let message = "the application redirects browsers to its own address; see application.host";
            let key = self.application.authority();
            self.recorder.telemetry().warn_once(Topic::OwnAddress, key, message, &[("address", &self.application)]);
        }
    }

    /// A fault becomes a page: here and nowhere else.
    fn apologise(&self, fault: &Fault, known: &Known) -> Response<Body> {
        self.log(fault, known);
        let mut response = self.error_page(fault.status().as_u16(), known);
        if let Some(wait) = fault.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        if fault.side() == Side::Downstream {
            // What follows on this connection may be the rest of what could not be read.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn log(&self, fault: &Fault, known: &Known) {
        let telemetry = self.recorder.telemetry();
        if let Some(kind) = fault.application_error() {
            telemetry.metrics().application_error(kind);
        }
        let request_id = known.request_id.to_str().unwrap_or("");
        match fault.side() {
            Side::Downstream => telemetry.debug("request refused", &[("cause", fault), ("request_id", &request_id)]),
            Side::Behind => telemetry.warn("no good answer", &[("cause", fault), ("request_id", &request_id)]),
            Side::Ours => telemetry.error("internal error", &[("cause", fault), ("request_id", &request_id)]),
        }
    }

    fn not_allowed(&self, allow: &'static str, known: &mut Known) -> Response<Body> {
        known.route = "refused";
        let mut response = self.error_page(405, known);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        response
    }

    fn error_page(&self, status: u16, known: &Known) -> Response<Body> {
        // A request that could not be read came to no origin.
        let origin = known.origin.clone().or_else(|| Origin::parse("http://localhost"));
        let Some(origin) = origin else { return Response::default() };
        let context = PageContext {
            lang: self.pages.language(known.accept_language.as_ref()),
            origin: &origin,
            ticket_path: self.qr.ticket_path(),
            home: self.qr.home(),
            request_id: known.request_id.to_str().unwrap_or(""),
        };
        let rendered = self.pages.render(&Page::Error(Failure::Status(status)), &context);
        let mut response = Response::new(Body::full(rendered.html));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        if let Ok(policy) = HeaderValue::from_str(&rendered.policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        harden(headers, known.isolated);
        response
    }
}

/// The methods for `Allow` where a request's own is never forwarded.
fn allowed(route: Route<'_>) -> &'static str {
    match route {
        Route::Ticket(route) => route.allow(),
        Route::Hidden | Route::Malformed | Route::Forward => "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    }
}

/// What the pages say of a fault under the ticket path: the phone and the computer are told differently.
fn failure_of(fault: &Fault, route: TicketRoute<'_>) -> Failure<'static> {
    match fault {
        Fault::Store(_) | Fault::Identify(_) if route.is_phones() => Failure::UnavailableHere,
        Fault::Store(_) | Fault::Identify(_) => Failure::Unavailable,
        other => Failure::Status(other.status().as_u16()),
    }
}

fn moved(location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// HEAD: the fields of the answer, and its length, without it (RFC 9110, section 9.3.2).
fn without_content(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = http_body::Body::size_hint(response.body()).exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| Body::Empty)
}
