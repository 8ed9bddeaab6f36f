//! Checks in the configuration whether codes can be typed, and whether clients' addresses are known well enough for
//! `tickets.code = "near"`.

use crate::cli::report::Finding;
use crate::config::{CodeReach, Config, Socket};
use crate::origin::is_private_address;

/// The effect of `tickets.code` with this configuration.
pub fn reach(config: &Config) -> Finding {
    match config.tickets.code {
        CodeReach::Off => Finding::ok("none to type (tickets.code = \"off\")"),
        CodeReach::Anywhere => Finding::ok("typed from any address; the number still has to match"),
        CodeReach::Near if is_behind_an_undeclared_proxy(config) => Finding::warn(
            "no code can be typed: with tickets.code = \"near\" the address of each device must be known, and qrgate \
             listens on this machine only while public.trusted_proxies names no proxy",
        ),
        CodeReach::Near if is_on_a_private_network(config) => Finding::warn(
            "with tickets.code = \"near\" both devices need one address, and on a private network each has its own: \
             set tickets.code = \"anywhere\" if devices are to type codes there",
        ),
        CodeReach::Near => Finding::ok("typed at the address of the device that shows it (tickets.code = \"near\")"),
    }
}

/// Whether clients arrive through a proxy on this machine whose forwarding fields are not trusted.
fn is_behind_an_undeclared_proxy(config: &Config) -> bool {
    let is_elsewhere = config.public.origins.url.as_ref().is_some_and(|url| !url.origin.is_loopback());
    let is_here = config.listen.addresses.iter().all(|address| match &address.socket {
        Socket::Tcp(at) => at.ip().is_loopback(),
        Socket::Unix(_) => true,
        Socket::Systemd(_) => false,
    });
    is_elsewhere && is_here && config.public.trusted_proxies.is_empty()
}

/// Whether browsers reach qrgate at a private address, by its `public.url` or because it listens there.
fn is_on_a_private_network(config: &Config) -> bool {
    match &config.public.origins.url {
        Some(url) => url.origin.is_private() && !url.origin.is_loopback(),
        None => config.listen.addresses.iter().any(|address| match &address.socket {
            Socket::Tcp(at) => !at.ip().is_loopback() && (at.ip().is_unspecified() || is_private_address(at.ip())),
            Socket::Unix(_) | Socket::Systemd(_) => false,
        }),
    }
}
