//! Checks what `[listen.acme]` depends on: the present certificate, and where the domains lead as this machine sees it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;

use crate::acme;
use crate::admin::in_words;
use crate::cli::report::Finding;
use crate::clock::{Clock, Timestamp};
use crate::config::{Acme, Address, Config, Socket};

/// Time limit for the lookup of a name.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The findings for `[listen.acme]`. Empty without that section.
pub async fn by_acme(config: &Config) -> Vec<Finding> {
    let Some(acme) = &config.listen.acme else { return Vec::new() };
    let mut findings = vec![so_far(acme, Clock::System.now())];
    findings.extend(ports(&config.listen.addresses));
    let own: BTreeSet<IpAddr> =
        if_addrs::get_if_addrs().unwrap_or_default().iter().map(|interface| interface.ip().to_canonical()).collect();
    for domain in &acme.domains {
        findings.push(leads_here(domain, &addresses(domain).await, &own));
    }
    findings
}

fn so_far(acme: &Acme, now: Timestamp) -> Finding {
    let file = acme.certificate_files().certificate;
    match acme::present(acme).map(|facts| facts.not_after) {
        Some(expiry) if expiry > now => {
            Finding::ok(format!("{} is valid for {}", file.display(), in_words(now.until(expiry))))
        }
        Some(_) => Finding::fail(
            format!("{} has expired", file.display()),
            "The renewal has failed, or qrgate did not run.",
            "`qrgate status` and the log have the cause",
        ),
        None => Finding::warn(format!("{} is not there yet: qrgate orders it when it runs", file.display())),
    }
}

/// A warning if no address listens on a port that the authority connects to. Something may forward one of them.
fn ports(addresses: &[Address]) -> Option<Finding> {
    let is_validated_at = |address: &Address| match address.socket {
        Socket::Tcp(at) => at.port() == if address.tls { 443 } else { 80 },
        Socket::Systemd(_) => true,
        Socket::Unix(_) => false,
    };
    (!addresses.iter().any(is_validated_at)).then(|| {
        Finding::warn(
            "the authority connects to port 443 of each domain, or to port 80 where an http:// address listens; \
             listen.address has neither, so something must forward one of them",
        )
    })
}

/// The addresses of a name. Empty if it has none, or if the lookup takes too long.
async fn addresses(domain: &str) -> BTreeSet<IpAddr> {
    let found = timeout(TIMEOUT, tokio::net::lookup_host((domain, 443))).await;
    found.into_iter().flatten().flatten().map(|address| address.ip().to_canonical()).collect()
}

fn leads_here(domain: &str, found: &BTreeSet<IpAddr>, own: &BTreeSet<IpAddr>) -> Finding {
    let list = |addresses: Vec<&IpAddr>| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let here = list(found.intersection(own).collect());
    let elsewhere = list(found.difference(own).collect());
    match (here.as_str(), elsewhere.as_str()) {
        ("", "") => Finding::fail(
            format!("{domain} has no address"),
            "The authority looks the name up to validate it, and finds nothing.",
            format!("an A or AAAA record of {domain} with the public address of this machine"),
        ),
        (_, "") => Finding::ok(format!("{domain} leads here ({here})")),
        ("", _) => Finding::warn(format!(
            "{domain} leads to {elsewhere}, which is no address of this machine: right behind NAT or a load balancer; \
             otherwise the authority asks another machine"
        )),
        _ => Finding::warn(format!(
            "{domain} leads here ({here}) and to {elsewhere}: the authority may ask there instead, and an old AAAA \
             record is a common cause of failures"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Level;

    #[test]
    fn a_domain_is_compared_with_the_addresses_of_this_machine() {
        let set = |list: &[&str]| list.iter().map(|address| address.parse().unwrap()).collect::<BTreeSet<IpAddr>>();
        let own = set(&["203.0.113.5", "2001:db8::5"]);
        for (found, level, part) in [
            (&["203.0.113.5", "2001:db8::5"][..], Level::Ok, "leads here (203.0.113.5, 2001:db8::5)"),
            (&[], Level::Fail, "has no address"),
            (&["198.51.100.1"], Level::Warn, "NAT"),
            (&["203.0.113.5", "2001:db8::bad"], Level::Warn, "and to 2001:db8::bad"),
        ] {
            let finding = leads_here("a.example", &set(found), &own);
            assert!(finding.level == level && finding.text.contains(part), "{finding:?}");
        }
    }

    #[test]
    fn a_port_that_nothing_listens_on_is_a_warning() {
        let address = |at: &str, tls| Address { socket: Socket::Tcp(at.parse().unwrap()), tls };
        assert!(ports(&[address("0.0.0.0:8443", true), address("0.0.0.0:8080", false)]).is_some());
        assert!(ports(&[address("0.0.0.0:8443", true), address("0.0.0.0:80", false)]).is_none());
        assert!(ports(&[address("[::]:443", true)]).is_none());
    }
}
