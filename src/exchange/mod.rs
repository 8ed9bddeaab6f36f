//! From a request to its response: the steps that every request passes through.

mod ids;
mod line;

use std::fmt::Display;
use std::rc::Rc;
use std::time::Instant;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version, request};

use crate::asked::Asked;
use crate::body::{Body, BytesIn};
use crate::config::StoreUrl;
use crate::endpoint::ApplicationUrl;
use crate::fault::{Fault, Side};
use crate::fields::{Malformed, X_REQUEST_ID, check_framing, kept_request_id};
use crate::forward::{Forwarder, is_forbidden};
use crate::forwarded::{Client, Downstream, ForwardedError, TrustedProxies, resolve};
use crate::origin::{Origin, PublicOrigins, Scheme};
use crate::pages::Failure;
use crate::peer::Peer;
use crate::qr::{self, Qr, Visit};
use crate::reply::{Reply, Responder};
use crate::target::{Reserved, Route, TicketRoute, decide};
use crate::telemetry::{Recorder, Topic};
use crate::tls::Challenges;
use crate::tunnel::TunnelSlot;

use self::line::{Line, PathOf, RequestRecord};

pub use self::ids::RequestIds;
pub use self::line::Recorded;

/// The field of W3C Trace Context. It is searched for linearly, because most requests have few fields and not this one.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Responds to requests on one worker.
pub struct Exchange {
    pub trusted: TrustedProxies,
    pub public: PublicOrigins,
    /// The host of an HTTP/1.0 request without one.
    pub default_host: HeaderValue,
    /// The application's address, to which no browser should be redirected.
    pub application: ApplicationUrl,
    /// The store's address, for the log.
    pub store: StoreUrl,
    /// The paths that are not the application's.
    pub reserved: Reserved,
    /// `limits.header_count`, checked here for HTTP/2.
    pub header_count: usize,
    /// If `listen.redirect_to_https` is set, `public.url` with its sub-path, without a final slash.
    pub https: Option<String>,
    /// Pending validations of domains, where `[listen.acme]` is set.
    pub challenges: Option<Challenges>,
    pub forwarder: Forwarder,
    pub qr: Rc<Qr>,
    pub responder: Responder,
    pub recorder: Rc<Recorder>,
    pub ids: RequestIds,
}

impl Exchange {
    /// Responds to a request. The access line is written after the response's content or the tunnel has ended.
    pub async fn respond(self: Rc<Self>, request: Request<Body>, peer: Peer, tunnel: TunnelSlot) -> Response<Recorded> {
        let began = Instant::now();
        let trace = request.headers().iter().find(|(name, _)| **name == TRACEPARENT);
        let request_id = kept_request_id(request.headers()).cloned().unwrap_or_else(|| self.ids.next());
        let record = RequestRecord {
            method: request.method().clone(),
            route: "malformed",
            path: PathOf::Own(
                request.uri().path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
            ),
            client: peer.address.as_ip(),
            request_id,
            traceparent: trace.map(|(_, trace)| trace.clone()),
            began,
            bytes_in: BytesIn::default(),
            application: None,
        };
        let mut line = Line::begin(record, self.recorder.clone());
        let record = &mut line.record;
        let is_head = record.method == Method::HEAD;
        let (mut head, content) = request.into_parts();
        let mut response = self.response_to(&mut head, content, &peer, record, &tunnel).await;
        if is_head && record.route != "forward" {
            response = without_content(response);
        }
        if record.route != "forward" || response.status().is_server_error() {
            response.headers_mut().entry(X_REQUEST_ID).or_insert(record.request_id.clone());
        }
        line.status = response.status().as_u16();
        let opened = response.status() == StatusCode::SWITCHING_PROTOCOLS || line.record.method == Method::CONNECT;
        let line = if opened { line.along(&tunnel) } else { Some(line) };
        response.map(|content| Recorded { content, line })
    }

    async fn response_to(
        &self,
        head: &mut request::Parts,
        content: Body,
        peer: &Peer,
        record: &mut RequestRecord,
        tunnel: &TunnelSlot,
    ) -> Response<Body> {
        let route = decide(&head.method, &head.uri, &self.reserved);
        hide_path(&route, record);
        let framing = check_framing(head.version, &head.headers, self.header_count);
        if head.version == Version::HTTP_10 && route == Route::Forward {
            self.name_host(head);
        }
        let resolved = resolve(head, peer, &self.trusted);
        let refusal = self.refusal(head, &route, framing, &resolved, record);
        let languages = head.headers.get(header::ACCEPT_LANGUAGE).cloned();
        let reply = match (refusal, &resolved) {
            (Some(refusal), _) => refusal,
            (None, Ok(downstream)) if route == Route::Forward => {
                match self.forward(head, content, downstream, record, tunnel).await {
                    Ok(response) => return response,
                    Err(fault) => self.reply_to(&fault, &route, record),
                }
            }
            (None, resolved) => {
                let asked = self.asked(route, resolved.as_ref().ok(), peer, languages.as_ref(), record);
                let head = std::mem::replace(head, Request::new(()).into_parts().0);
                // Boxed, so that the future of a forwarded request stays small.
                return Box::pin(self.visit(asked, head, content, record)).await;
            }
        };
        self.responder.respond(reply, &self.asked(route, resolved.as_ref().ok(), peer, languages.as_ref(), record))
    }

    /// The refusal of a request, before any step. Sets the route of the access line.
    fn refusal(
        &self,
        head: &request::Parts,
        route: &Route,
        framing: Result<(), Malformed>,
        resolved: &Result<Downstream, ForwardedError>,
        record: &mut RequestRecord,
    ) -> Option<Reply> {
        if let Err(malformed) = framing {
            return Some(self.reply_to(&malformed.into(), route, record));
        }
        if is_forbidden(&head.method, &head.extensions) {
            record.route = "refused";
            return Some(Reply::not_allowed(allowed(route)));
        }
        let downstream = match resolved {
            Ok(downstream) => downstream,
            Err(error) => return Some(self.reply_to(&(*error).into(), route, record)),
        };
        record.client = downstream.client.address.or(downstream.client.peer.as_ip());
        self.report_proxy(downstream);
        if let Some(validation) = self.validation(head, downstream, route) {
            record.route = "challenge";
            return Some(Reply::validation(validation));
        }
        if let Some(location) = self.https_address(head, downstream, route) {
            record.route = "redirect";
            return Some(Reply::moved(location));
        }
        match route {
            Route::Malformed => return Some(self.reply_to(&Fault::Target, route, record)),
            Route::Hidden => {
                record.route = "hidden";
                return Some(Reply::failure(Failure::Status(StatusCode::NOT_FOUND)));
            }
            Route::Ticket(route) => record.route = route.pattern(),
            Route::Forward => record.route = "forward",
        }
        None
    }

    /// Adds the `Host` that HTTP/1.0 does not require (RFC 9112, section 3.2) and health checks omit.
    fn name_host(&self, head: &mut request::Parts) {
        if !head.headers.contains_key(header::HOST) {
            let named = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
            head.headers.insert(header::HOST, named.unwrap_or_else(|| self.default_host.clone()));
        }
    }

    async fn forward(
        &self,
        head: &mut request::Parts,
        content: Body,
        downstream: &Downstream,
        record: &mut RequestRecord,
        tunnel: &TunnelSlot,
    ) -> Result<Response<Body>, Fault> {
        let forwarded =
            self.forwarder.forward(head, content, downstream, &record.request_id, &record.bytes_in, tunnel).await?;
        record.application = Some(forwarded.took);
        if forwarded.response.status().is_redirection() {
            self.report_internal_address(&forwarded.response, downstream);
        }
        Ok(forwarded.response)
    }

    async fn visit(&self, asked: Asked, head: request::Parts, content: Body, record: &RequestRecord) -> Response<Body> {
        let visit = Rc::new(Visit { asked, head, bytes_in: record.bytes_in.clone() });
        let reply = match qr::take(&self.qr, &visit, content).await {
            Ok(reply) => reply,
            Err(fault) => self.reply_to(&fault, &visit.asked.route, record),
        };
        self.responder.respond(reply, &visit.asked)
    }

    /// The facts that qrgate's own responses need. A forwarded request needs them only if it fails.
    fn asked(
        &self,
        route: Route,
        downstream: Option<&Downstream>,
        peer: &Peer,
        languages: Option<&HeaderValue>,
        record: &RequestRecord,
    ) -> Asked {
        let origin = downstream.and_then(|downstream| self.origin(downstream));
        let is_trustworthy = origin.as_ref().is_some_and(|(origin, _)| origin.is_trustworthy());
        let (origin, admitted) = origin.unwrap_or_else(|| (Origin::localhost(), false));
        let unknown = Client { peer: peer.address, address: peer.address.as_ip(), many: false };
        Asked {
            client: downstream.map_or(unknown, |downstream| downstream.client),
            isolated: is_trustworthy && matches!(route, Route::Ticket(_) | Route::Malformed),
            origin,
            admitted,
            lang: self.responder.pages.language(languages),
            request_id: record.request_id.clone(),
            route,
        }
    }

    /// The public origin, and whether it is configured. If not, the origin as the request has it.
    fn origin(&self, downstream: &Downstream) -> Option<(Origin, bool)> {
        let host = downstream.host()?;
        let seen = Origin::at(downstream.scheme, &host, downstream.port);
        Some(self.public.admit(&host, &seen).map_or((seen, false), |origin| (origin, true)))
    }

    /// The response to a pending HTTP-01 validation (RFC 8555, section 8.3). Other tokens are the application's.
    fn validation(&self, head: &request::Parts, downstream: &Downstream, route: &Route) -> Option<Vec<u8>> {
        let challenges = self.challenges.as_ref()?;
        let token = head.uri.path().strip_prefix("/.well-known/acme-challenge/")?;
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        let is_plain = downstream.scheme == Scheme::Http && *route == Route::Forward;
        challenges.key_authorization(token).filter(|_| reads && is_plain)
    }

    /// The https URL that a request by http is redirected to.
    fn https_address(&self, head: &request::Parts, downstream: &Downstream, route: &Route) -> Option<String> {
        let https = self.https.as_ref().filter(|_| downstream.scheme == Scheme::Http)?;
        let moves = match route {
            Route::Ticket(route) => *route != TicketRoute::Unstripped,
            Route::Forward => true,
            Route::Hidden | Route::Malformed => false,
        };
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        moves.then(|| format!("{https}{target}"))
    }

    fn report_proxy(&self, downstream: &Downstream) {
        if let Some(field) = &downstream.ignored {
            self.recorder.ignored_field(field, downstream.client.peer, downstream.behind_undeclared_proxy());
        }
        if downstream.doubtful_proto {
            let peer = downstream.client.peer;
            let message = "X-Forwarded-Proto of a trusted proxy is not one http or https; the connection decides";
            let key = peer.to_string();
            self.recorder.telemetry().warn_once(Topic::DoubtfulProto, &key, message, &[("peer", &peer)]);
        }
        if downstream.trusted {
            self.recorder.declared_proxy(downstream.client.peer);
            if downstream.scheme == Scheme::Https && self.public.hosts.is_empty() {
                self.report_scheme();
            }
        }
    }

    /// Warns if a proxy says https and `public.url` http: every form under the ticket path would be refused.
    fn report_scheme(&self) {
        let Some(url) = self.public.url.as_ref().filter(|url| url.origin.scheme() == Scheme::Http) else { return };
        let message = "requests come by https, but public.url is http; set it to https";
        self.recorder.telemetry().warn_once(Topic::PublicScheme, "", message, &[("public.url", &url.origin)]);
    }

    /// Warns about a redirect to the application's own address, which bypasses qrgate or fails. The response is not
    /// changed.
    fn report_internal_address(&self, response: &Response<Body>, downstream: &Downstream) {
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        if !location.is_some_and(|location| self.application.is_named_by(location)) {
            return;
        }
        // Unless the application's address is the public one too.
        let public = self.origin(downstream).map(|(origin, _)| format!("//{}", origin.authority()));
        if !public.is_some_and(|public| self.application.is_named_by(&public)) {
            let message = "the application redirects browsers to its own address; see application.host";
            let key = self.application.authority();
            self.recorder.telemetry().warn_once(Topic::OwnAddress, key, message, &[("address", &self.application)]);
        }
    }

    /// Logs a fault and turns it into a reply.
    fn reply_to(&self, fault: &Fault, route: &Route, record: &RequestRecord) -> Reply {
        let telemetry = self.recorder.telemetry();
        if let Some(kind) = fault.application_error() {
            telemetry.metrics().application_error(kind);
        }
        let request_id = record.request_id.to_str().unwrap_or("");
        let fields: [(&str, &dyn Display); 2] = [("cause", fault), ("request_id", &request_id)];
        match (fault, fault.side()) {
            // The hooks log it, with the called address.
            (Fault::Identify(_), _) => {}
            (Fault::Store(_), _) => {
                telemetry.warn("store unavailable", &[("store", &self.store), fields[0], fields[1]]);
            }
            (_, Side::Downstream) => telemetry.debug("request refused", &fields),
            (_, Side::Behind) => {
                telemetry.failed("application", fault);
                telemetry.warn("bad response from the application", &fields);
            }
            (_, Side::Ours) => telemetry.error("internal error", &fields),
        }
        Reply::of_fault(fault, route)
    }
}

/// Hides a path that may contain a token from the log, before anything can refuse the request: it is under the ticket
/// path, or malformed in a way that it might be.
fn hide_path(route: &Route, record: &mut RequestRecord) {
    match route {
        Route::Ticket(route) => record.path = PathOf::Pattern(route.pattern()),
        Route::Malformed => record.path = PathOf::Pattern("(malformed)"),
        Route::Hidden | Route::Forward => {}
    }
}

/// The value of `Allow` for a method that is never forwarded.
fn allowed(route: &Route) -> &'static str {
    match route {
        Route::Ticket(route) => route.allow(),
        Route::Hidden | Route::Malformed | Route::Forward => "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    }
}

/// The response to HEAD: header fields and length without the content (RFC 9110, section 9.3.2).
fn without_content(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = http_body::Body::size_hint(response.body()).exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| Body::Empty)
}
