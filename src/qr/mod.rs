//! Everything under the ticket path: one file per step of the journey.
//!
//! `start` and `mint` are the computer's way to a code, `status` and `approve` serve the page that holds it, `open`,
//! `press` and `redeem` are the phone's side. Rules are in `ticket.rs`; here they meet the store, the hooks and the
//! pages. Nothing is minted, claimed or spent by GET or HEAD.

mod approve;
mod audit;
mod holder;
mod identity;
mod mint;
mod open;
mod press;
mod redeem;
mod start;
mod status;
mod visit;

use std::net::IpAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use tokio::time::timeout;

use crate::application::Hooks;
use crate::body::{Body, BodyError, ReadError, read_limited};
use crate::clock::Clock;
use crate::config::{Config, HookTarget, Rate, SameNetwork, ShowAccount};
use crate::device;
use crate::fault::Fault;
use crate::forwarded::Client;
use crate::limits::Limiter;
use crate::pages::{Failure, Page, Pages};
use crate::peer::PeerAddress;
use crate::return_path::ReturnPath;
use crate::stage::Stages;
use crate::store::{Row, Stepped, Store};
use crate::target::TicketRoute;
use crate::telemetry::{Step, Telemetry, Topic};
use crate::token::{Approval, PageFacts, TicketId, TicketSecrets};

use visit::{Form, page, redirect};
pub use visit::{Visit, harden, isolates};

/// The largest form that is read.
const FORM_LIMIT: usize = 8 * 1024;

/// The flows under the ticket path, for one worker. Cheap to clone.
#[derive(Clone)]
pub struct Qr(Rc<Inner>);

/// What the flows are made of.
pub struct Parts {
    /// Where tickets are kept.
    pub store: Arc<Store>,
    /// What tokens are derived with.
    pub secrets: Arc<TicketSecrets>,
    /// What people see.
    pub pages: Arc<Pages>,
    /// `limits.opens_per_client`, for the whole process.
    pub opens: Arc<Limiter>,
    /// `limits.redeems_per_client`, for the whole process.
    pub redeems: Arc<Limiter>,
    /// This worker's way to the application's hooks.
    pub hooks: Hooks,
    /// Events and counters.
    pub telemetry: Telemetry,
    /// Whether the process is about to end.
    pub stages: Stages,
    /// For what only the application's clock could judge better: the age of a sign-in, the expiry of a cookie.
    pub clock: Clock,
}

/// The parts, and the settings that the flows read.
pub struct Inner {
    parts: Parts,
    /// The sub-path of `public.url`, or nothing.
    sub_path: String,
    /// As browsers see it: sub-path and `tickets.path`.
    ticket_path: String,
    /// The application's own start page.
    home: String,
    session_cookies: Vec<String>,
    login_url: String,
    reauth_url: String,
    max_auth_age: Option<Duration>,
    require_fetch_metadata: bool,
    lifetime: Duration,
    approval: Approval,
    same_network: SameNetwork,
    show_account: ShowAccount,
    codes_per_user: Rate,
    redirect: String,
    verify: bool,
    /// Where a cookie must reach to identify its session: sub-path and `identify.path`.
    identify_path: String,
    /// How long a redeem may take before it frees itself.
    lease: Duration,
    /// How long a form may take to arrive.
    form_timeout: Duration,
}

impl Deref for Qr {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Deref for Inner {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Qr {
    /// Takes from the configuration what the flows read.
    pub fn new(config: &Config, parts: Parts) -> Qr {
        let sub_path = config.public.sub_path().to_owned();
        let identify_path = match &config.identify.target {
            HookTarget::Path(path) => format!("{sub_path}{}", path.path()),
            HookTarget::Url(_, path) => path.path().to_owned(),
        };
        let with_sub_path = |url: &str| if url.starts_with('/') { format!("{sub_path}{url}") } else { url.to_owned() };
        Qr(Rc::new(Inner {
            ticket_path: format!("{sub_path}{}", config.tickets.path),
            home: format!("{sub_path}/"),
            session_cookies: config.identify.session_cookies.clone(),
            login_url: with_sub_path(&config.identify.login_url),
            reauth_url: with_sub_path(&config.identify.reauth_url),
            max_auth_age: config.identify.max_auth_age,
            require_fetch_metadata: config.tickets.require_fetch_metadata,
            lifetime: config.tickets.lifetime,
            approval: config.tickets.approval,
            same_network: config.tickets.same_network,
            show_account: config.tickets.show_account,
            codes_per_user: config.limits.codes_per_user,
            redirect: config.login.redirect.clone(),
            verify: config.login.verify,
            lease: 2 * config.identify.timeout + config.login.timeout + Duration::from_secs(2),
            form_timeout: config.limits.header_timeout,
            identify_path,
            sub_path,
            parts,
        }))
    }

    /// The ticket path as browsers see it.
    pub fn ticket_path(&self) -> &str {
        &self.ticket_path
    }

    /// The application's own start page, as browsers see it.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Answers a request under the ticket path.
    ///
    /// # Errors
    ///
    /// [`Fault`] when something outside is away; the door makes the page for it.
    pub async fn handle(
        &self,
        visit: &Rc<Visit>,
        route: TicketRoute<'_>,
        content: Body,
    ) -> Result<Response<Body>, Fault> {
        // A step leaves an audit event: it waits for room in the log, but not for ever.
        self.telemetry.room_for_event().await;
        // Boxed one by one: the request for a page must not carry the room that a redeem needs.
        let method = &visit.head.method;
        let reads = method == Method::GET || method == Method::HEAD;
        let posts = method == Method::POST;
        match route {
            TicketRoute::Start if reads => Box::pin(start::start(self, visit)).await,
            TicketRoute::Start if posts => Box::pin(mint::mint(self, visit, content)).await,
            TicketRoute::StartWithoutSlash | TicketRoute::TokenWithoutSlash(_) => Ok(self.add_slash(visit)),
            TicketRoute::Status(view) if reads => Box::pin(status::status(self, visit, view)).await,
            TicketRoute::Approve if reads || posts => Box::pin(approve::approve(self, visit, content)).await,
            TicketRoute::Token(token) if reads => Box::pin(open::open(self, visit, token)).await,
            TicketRoute::Token(token) if posts => Box::pin(press::press(self, visit, token, content)).await,
            TicketRoute::InvalidCode if reads => Ok(page(self, visit, &Page::InvalidCode)),
            TicketRoute::Start
            | TicketRoute::Status(_)
            | TicketRoute::Approve
            | TicketRoute::Token(_)
            | TicketRoute::InvalidCode => Ok(self.not_allowed(visit, route.allow())),
            TicketRoute::Unknown => Ok(self.failed(visit, Failure::Status(404))),
            TicketRoute::Unstripped => Ok(self.unstripped(visit)),
        }
    }

    fn unstripped(&self, visit: &Visit) -> Response<Body> {
        let key = "unstripped sub-path";
        self.telemetry.warn_once(
            Topic::SubPath,
            key,
            "the proxy in front does not strip the sub-path of public.url",
            &[("sub_path", &self.sub_path)],
        );
        self.failed(visit, Failure::NotStripped { sub_path: &self.sub_path })
    }

    /// The page for something that could not be done.
    pub fn failed(&self, visit: &Visit, failure: Failure<'_>) -> Response<Body> {
        page(self, visit, &Page::Error(failure))
    }

    fn not_allowed(&self, visit: &Visit, allow: &'static str) -> Response<Body> {
        let mut response = self.failed(visit, Failure::Status(405));
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        response
    }

    fn add_slash(&self, visit: &Visit) -> Response<Body> {
        let query = visit.head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let location = format!("{}{}/{query}", self.sub_path, visit.head.uri.path());
        redirect(StatusCode::PERMANENT_REDIRECT, &location)
    }

    /// Where a signed-out person goes, with the way back filled in; none where the operator named no place.
    fn login_url(&self, next: Option<&ReturnPath>) -> Option<String> {
        let back = match next {
            Some(next) => format!("{}?from=login&next={}", self.ticket_path, percent_encode(next.as_str())),
            None => format!("{}?from=login", self.ticket_path),
        };
        fill_in(&self.login_url, &back)
    }

    /// Where a person with too old a sign-in goes, with the way back filled in.
    fn reauth_url(&self, next: Option<&ReturnPath>) -> Option<String> {
        let back = match next {
            Some(next) => format!("{}?next={}", self.ticket_path, percent_encode(next.as_str())),
            None => self.ticket_path.clone(),
        };
        fill_in(&self.reauth_url, &back)
    }

    fn admit_open(&self, visit: &Visit) -> Result<(), Duration> {
        admit(&self.opens, visit)
    }

    /// Takes back what [`Qr::admit_open`] counted, for a request that opened what it named.
    fn forgive_open(&self, visit: &Visit) {
        let Client { peer, address, many } = visit.downstream.client;
        match address {
            Some(address) => self.opens.forgive(address),
            None => self.opens.forgive_peer(peer, many),
        }
    }

    fn admit_redeem(&self, visit: &Visit) -> Result<(), Duration> {
        admit(&self.redeems, visit)
    }

    fn same_network_of(&self, computer: Option<IpAddr>, phone: Option<IpAddr>) -> Option<bool> {
        match self.same_network {
            SameNetwork::Off => None,
            SameNetwork::Hint | SameNetwork::Require => device::same_network(computer, phone),
        }
    }

    async fn read_form(&self, visit: &Visit, content: Body) -> Result<Form, Fault> {
        // In all, and not since the last byte: these requests come before any limit.
        let content = timeout(self.form_timeout, read_limited(content, FORM_LIMIT)).await;
        let content = content.unwrap_or(Err(ReadError::Broken(BodyError::TooSlow)))?;
        visit.bytes_in.set(content.len() as u64);
        Ok(Form::parse(&content))
    }

    /// Counts an expiry once, by whoever meets it first. A store that is away now counts it later.
    async fn note_expiry(&self, peer: PeerAddress, id: &TicketId, row: &Row, facts: &PageFacts) {
        if !row.ticket.is_expired(row.now) || row.ticket.expiry_noted {
            return;
        }
        let noted = self.store.step(id, None, |ticket, now| ticket.note_expiry(now).map(|step| (step, ()))).await;
        if noted.is_ok_and(|stepped| matches!(stepped, Stepped::Done(..))) {
            audit::bare_step(self, peer, Step::Expired, id, facts);
        }
    }
}

fn admit(limiter: &Limiter, visit: &Visit) -> Result<(), Duration> {
    let Client { peer, address, many } = visit.downstream.client;
    match address {
        Some(address) => limiter.admit(address),
        None => limiter.admit_peer(peer, many),
    }
}

fn fill_in(template: &str, back: &str) -> Option<String> {
    (!template.is_empty()).then(|| template.replace("{return}", &percent_encode(back)))
}

/// Percent-encodes all but the unreserved characters (RFC 3986, section 2.3).
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
