//! Checks what people open before they are signed in: the sign-in page, and the address for a phone.

use super::application::ApplicationProbe;
use super::diagnosis::Known;
use crate::cli::demo::addresses::Reach;
use crate::cli::report::Finding;
use crate::config::{Config, Socket};
use crate::origin::{Origin, Scheme};

/// Whether `identify.login_url` names a page, and one that can redirect back.
pub async fn sign_in_page(config: &Config, probe: &ApplicationProbe<'_>, known: Known) -> Vec<Finding> {
    let Some(login_url) = &config.identify.login_url else {
        return vec![Finding::warn("not set: a signed-out person gets a page that leads nowhere")];
    };
    let (url, mut findings) = (login_url.as_str(), Vec::new());
    if !url.contains("{return}") {
        findings
            .push(Finding::warn(format!("{url} has no {{return}}: after the sign-in nothing leads back to the code")));
    }
    if url.starts_with('/') {
        let response = probe.get(&login_url.fill(&format!("{}?from=login", config.tickets.path)), &probe.origin).await;
        findings.extend(response.ok().map(|response| known.sign_in_page(url, response.status().as_u16())));
    }
    findings
}

/// Whether the application accepts the address of this machine in its network. Without `public.url` a phone uses that.
pub async fn network_address(config: &Config, probe: &ApplicationProbe<'_>, known: Known) -> Option<Finding> {
    let origin = network_origin(config)?;
    let here = probe.get("/", &probe.origin).await.ok()?.status().as_u16();
    let there = probe.get("/", &origin).await.ok()?.status().as_u16();
    Some(known.network_address(&origin, here, there))
}

fn network_origin(config: &Config) -> Option<Origin> {
    let public = &config.public.origins;
    let is_named = public.url.is_some() || !public.hosts.is_empty();
    let listens = config.listen.addresses.iter().filter(|_| !is_named).find_map(|address| match &address.socket {
        Socket::Tcp(at) if !at.ip().is_loopback() => Some((*at, address.tls)),
        Socket::Tcp(_) | Socket::Unix(_) | Socket::Systemd(_) => None,
    });
    let (at, tls) = listens?;
    let scheme = if tls { Scheme::Https } else { Scheme::Http };
    Origin::parse(&format!("{scheme}://{}", Reach::of(at).best_host()?))
}
