//! From raw to finished values. Every section is looked at, whatever is wrong with the others.
//!
//! Each raw struct is taken apart by name, without `..`: a key that is added and forgotten here does not compile.

mod hooks;
mod network;
mod rest;

use super::addresses::Complaint;
use super::findings::Findings;
use super::model::{
    Application, ApplicationUrl, Approval, Config, HookTarget, Identify, Listen, Login, Socket, StoreUrl, Tickets,
};
use super::place::{At, Place};
use super::raw::Raw;
use super::secrets;
use crate::forwarded::TrustedProxies;
use crate::origin::{PublicOrigins, Scheme};

/// Checks everything. None if a problem was found.
pub fn config(raw: Raw, findings: &mut Findings<'_>) -> Option<Config> {
    let Raw { listen, public, application, identify, login, tickets, store, limits, pages, log } = raw;
    let places = Places {
        address: listen.address.place.clone(),
        proxy_protocol: listen.proxy_protocol.clone(),
        redirect: listen.redirect_to_https.clone(),
        application: application.url.as_ref().map_or(Place::Nowhere, |url| url.place.clone()),
        identify: identify.path.place.clone(),
        login: login.path.place.clone(),
        login_url: identify.login_url.place.clone(),
        tickets: tickets.path.place.clone(),
        ticket_secret: secrets::place(&tickets.secret),
        verify: login.verify.place.clone(),
    };
    let listen = network::listen(listen, findings);
    let trusted_proxies = network::trusted_proxies(&public.trusted_proxies, findings);
    let proxy_headers = network::proxy_headers(&public.proxy_headers, findings);
    let public = network::public(public, findings);
    let application = network::application(application, findings);
    let identify = hooks::identify(identify, findings);
    let login = hooks::login(login, findings);
    let store = rest::store(store, findings);
    let shared = store.as_ref().is_some_and(|store| !matches!(store.url, StoreUrl::Memory));
    let tickets = hooks::tickets(tickets, shared, findings);
    let limits = network::limits(limits, findings);
    let pages = rest::pages(pages, findings);
    let log = rest::log(log);
    let parts = Parts {
        listen: listen.as_ref(),
        public: public.as_ref(),
        trusted_proxies: trusted_proxies.as_ref(),
        application: application.as_ref(),
        identify: identify.as_ref(),
        login: login.as_ref(),
        tickets: tickets.as_ref(),
    };
    together(&parts, &places, findings);
    let mut config = Config {
        listen: listen?,
        public: public?,
        trusted_proxies: trusted_proxies?,
        proxy_headers: proxy_headers?,
        application: application?,
        identify: identify?,
        login: login?,
        tickets: tickets?,
        store: store?,
        limits: limits?,
        pages: pages?,
        log,
        warnings: Vec::new(),
    };
    advise(&config, findings);
    config.warnings = findings.warnings.clone();
    findings.problems.is_empty().then_some(config)
}

/// Where the values stand that are judged together.
struct Places {
    address: Place,
    proxy_protocol: At<bool>,
    redirect: At<bool>,
    application: Place,
    identify: Place,
    login: Place,
    login_url: Place,
    tickets: Place,
    ticket_secret: Place,
    verify: Place,
}

/// The sections that are right by themselves.
struct Parts<'c> {
    listen: Option<&'c Listen>,
    public: Option<&'c PublicOrigins>,
    trusted_proxies: Option<&'c TrustedProxies>,
    application: Option<&'c Application>,
    identify: Option<&'c Identify>,
    login: Option<&'c Login>,
    tickets: Option<&'c Tickets>,
}

/// Values that are right alone and wrong together. What is wrong alone elsewhere hides none of this.
fn together(parts: &Parts<'_>, places: &Places, findings: &mut Findings<'_>) {
    if places.proxy_protocol.value && parts.trusted_proxies.is_some_and(TrustedProxies::is_empty) {
        let help = "name the proxy's address in public.trusted_proxies";
        let message = "`proxy_protocol`: nobody is trusted to send it, so nobody could connect";
        findings.refuse(&places.proxy_protocol.place, Complaint::with_help(message, help));
    }
    let is_https = |public: &PublicOrigins| public.url.as_ref().is_some_and(|url| url.origin.scheme() == Scheme::Https);
    if places.redirect.value && parts.public.is_some_and(|public| !is_https(public)) {
        findings.refuse(&places.redirect.place, "`redirect_to_https` needs an https address in public.url");
    }
    if let (Some(listen), Some(application)) = (parts.listen, parts.application)
        && fronts_itself(listen, application)
    {
        let place = if places.application == Place::Nowhere { &places.address } else { &places.application };
        findings.refuse(place, "`url`: this is where qrgate itself listens, so requests would go round for ever");
    }
    if let (Some(login), Some(tickets)) = (parts.login, parts.tickets)
        && tickets.secrets.iter().any(|secret| login.secrets.contains(secret))
    {
        let message = "`secret` of [tickets] is also login.secret: the application knows that one, and whoever reads it \
                       there could forge codes";
        findings.refuse(&places.ticket_secret, Complaint::with_help(message, "make another one: qrgate secret"));
    }
    apart(parts, places, findings);
}

fn fronts_itself(listen: &Listen, application: &Application) -> bool {
    listen.addresses.iter().any(|address| match (&address.socket, &application.url) {
        (Socket::Unix(ours), ApplicationUrl::Unix(theirs)) => ours == theirs,
        (
            Socket::Tcp(ours),
            ApplicationUrl::Http(theirs) | ApplicationUrl::H2c(theirs) | ApplicationUrl::Https(theirs),
        ) => {
            let name = theirs.host().trim_start_matches('[').trim_end_matches(']');
            let name = if name == "localhost" { "127.0.0.1" } else { name };
            let usual = if matches!(application.url, ApplicationUrl::Https(_)) { 443 } else { 80 };
            let same_port = theirs.port_u16().unwrap_or(usual) == ours.port();
            let nearby = |ip: std::net::IpAddr| ip == ours.ip() || (ours.ip().is_unspecified() && ip.is_loopback());
            same_port && name.parse().is_ok_and(nearby)
        }
        _ => false,
    })
}

/// The ticket path, the hooks and the way to sign in must not lie inside each other.
fn apart(parts: &Parts<'_>, places: &Places, findings: &mut Findings<'_>) {
    if let Some(tickets) = parts.tickets {
        let ours = tickets.path.to_ascii_lowercase();
        let mut hook = |name: &str, target: Option<&HookTarget>, place: &Place| {
            let Some(HookTarget::Path(path)) = target else { return };
            let path = format!("{}/", path.path().trim_end_matches('/').to_ascii_lowercase());
            if path.starts_with(&ours) || ours.starts_with(&path) {
                let place = if *place == Place::Nowhere { &places.tickets } else { place };
                findings.refuse(place, format!("`{name}` and tickets.path must not lie inside each other"));
            }
        };
        hook("identify.path", parts.identify.map(|identify| &identify.target), &places.identify);
        hook("login.path", parts.login.map(|login| &login.target), &places.login);
        if parts.identify.is_some_and(|identify| identify.login_url.to_ascii_lowercase().starts_with(&ours)) {
            let message = "`login_url` is the application's own page, not one under tickets.path";
            findings.refuse(&places.login_url, message);
        }
    }
    if let (Some(identify), Some(login)) = (parts.identify, parts.login)
        && login.verify
        && identify.jwt.is_none()
        && identify.session_cookies.is_empty()
    {
        findings.refuse(&places.verify, "`verify` needs session cookies to try");
    }
}

/// What an operator should know before the first person does.
fn advise(config: &Config, findings: &mut Findings<'_>) {
    let PublicOrigins { url, hosts } = &config.public;
    match url {
        None if hosts.is_empty() => {
            findings.warn("public.url is not set: codes work on loopback and private addresses only");
        }
        Some(url) if url.origin.scheme() == Scheme::Http && !url.origin.is_private() => {
            findings.warn("public.url is plain http: whoever is on the way can take a code or a session");
        }
        Some(url) if url.origin.scheme() == Scheme::Https && nobody_says_https(config) => {
            findings.warn(if config.listen.proxy_protocol {
                "listen.proxy_protocol: no forwarded field counts after a preamble, so without [listen.tls] the scheme reads http"
            } else {
                "public.trusted_proxies is empty; behind a proxy the scheme will read http"
            });
        }
        _ => {}
    }
    if !config.proxy_headers.is_empty() && config.trusted_proxies.is_empty() {
        findings.warn("public.proxy_headers passes nothing: public.trusted_proxies is empty");
    } else if !config.proxy_headers.is_empty() && config.listen.proxy_protocol {
        findings.warn(
            "public.proxy_headers passes nothing: no field is a proxy's after a preamble (listen.proxy_protocol)",
        );
    }
    if let Some(url) = url
        && format!("{}/", url.sub_path.to_ascii_lowercase()).ends_with(&config.tickets.path.to_ascii_lowercase())
    {
        let (sub_path, path) = (&url.sub_path, &config.tickets.path);
        findings.warn(format!(
            "public.url ends in tickets.path, so codes have the address {}{sub_path}{path}: it is the address of the site, \
             without {path}",
            url.origin
        ));
    }
    if matches!(config.store.url, StoreUrl::Memory) {
        findings.warn("store.url is \"memory:\": codes are lost on restart and not shared between processes");
    }
    if config.tickets.approval == Approval::Phone {
        findings.warn("tickets.approval is \"phone\": a photographed code is enough to sign in");
    }
}

fn nobody_says_https(config: &Config) -> bool {
    (config.trusted_proxies.is_empty() || config.listen.proxy_protocol)
        && !config.listen.addresses.iter().any(|address| address.tls)
}
