//! Checks that involve more than one section.

use std::net::IpAddr;

use super::complaint::Complaint;
use super::reader::Section;
use super::sections::{Approval, Config, Events, HookTarget, Listen, Socket};
use super::store_address::StoreUrl;
use crate::endpoint::{ApplicationUrl, Endpoint, HostPort};
use crate::origin::{Host, Origin, Scheme};

/// Checks the sections against each other. A value that already has a problem is left out, so that it hides no other.
pub(super) fn check(config: &Config, root: &mut Section<'_, '_>) {
    let Config { listen, public, application, login, tickets, .. } = config;
    let is_https = public.origins.url.as_ref().is_some_and(|url| url.origin.scheme() == Scheme::Https);
    if listen.proxy_protocol && public.trusted_proxies.is_empty() && root.is_sound("public.trusted_proxies") {
        let help = "name the proxy's address in public.trusted_proxies";
        let message = "`proxy_protocol`: no peer is trusted to send it, so no client could connect";
        root.refuse("listen.proxy_protocol", Complaint::with_help(message, help));
    }
    if listen.redirect_to_https && !is_https && root.is_sound("public.url") {
        root.refuse("listen.redirect_to_https", "`redirect_to_https` needs an https address in public.url");
    }
    check_domains(config, root);
    if is_where_we_listen(listen, &application.url) {
        root.refuse("application.url", "`url`: this is where qrgate itself listens, so requests would loop");
    }
    if !matches!(config.store.url, StoreUrl::Memory) && tickets.secrets.is_empty() && root.is_sound("tickets.secret") {
        let help = "qrgate secret > ticket.secret, then secret_file = \"ticket.secret\" in [tickets]";
        let message = "tickets.secret is needed with Redis: every process must open the same codes";
        root.refuse("tickets.secret", Complaint::with_help(message, help));
    }
    if tickets.secrets.iter().any(|secret| login.secrets.contains(secret)) {
        let message = "`secret` of [tickets] is also login.secret: the application knows that one, and anyone who reads \
                       it there could forge codes";
        root.refuse("tickets.secret", Complaint::with_help(message, "make another one: qrgate secret"));
    }
    for (key, others) in [("tickets.secret", &tickets.secrets), ("login.secret", &login.secrets)] {
        if config.events.iter().any(|events| events.secrets.iter().any(|secret| others.contains(secret))) {
            let message = format!("`secret` of [events] is also {key}: its receiver could forge more than those");
            root.refuse("events.secret", Complaint::with_help(message, "make another one: qrgate secret"));
        }
    }
    if root.is_sound("tickets.path") {
        check_paths(config, root);
    }
    advise(config, root);
}

/// The domains of `[listen.acme]`, which may come from `public.url`.
fn check_domains(config: &Config, root: &mut Section<'_, '_>) {
    let Some(acme) = &config.listen.acme else { return };
    if !root.is_sound("listen.acme.domains") || !root.is_sound("public.url") {
        return;
    }
    match &config.public.origins.url {
        Some(url) if acme.domains.is_empty() => {
            if let Err(Complaint { message, help }) = acme.domain_of(url) {
                let message = format!("`url`: {}", message.trim_start_matches("`domains`: "));
                root.refuse("public.url", Complaint { message, help });
            }
        }
        None if acme.domains.is_empty() => {
            let message = "`domains` is missing in [listen.acme], and there is no public.url to take it from";
            root.refuse("listen.acme.domains", Complaint::with_help(message, "domains = [\"app.example.com\"]"));
        }
        Some(url) if !acme.domains.iter().any(|domain| domain == url.origin.name()) => {
            let sentence = format!("does not have {}, the host of public.url", url.origin.name());
            root.warn("listen.acme.domains", sentence);
        }
        _ => {}
    }
}

fn is_where_we_listen(listen: &Listen, application: &ApplicationUrl) -> bool {
    let endpoint = application.endpoint();
    listen.addresses.iter().any(|address| match (&address.socket, &endpoint) {
        (Socket::Unix(own), Endpoint::Unix(theirs)) => own == theirs,
        (Socket::Tcp(own), Endpoint::Tcp(HostPort { host, port })) => {
            let host = if host == "localhost" { "127.0.0.1" } else { host };
            let is_reached = |ip: IpAddr| ip == own.ip() || (own.ip().is_unspecified() && ip.is_loopback());
            *port == own.port() && host.parse().is_ok_and(is_reached)
        }
        _ => false,
    })
}

/// The ticket path and a hook must not lie inside each other, and the sign-in page not under the ticket path.
fn check_paths(config: &Config, root: &mut Section<'_, '_>) {
    let own = config.tickets.path.to_ascii_lowercase();
    let hooks = [
        ("identify.path", Some(&config.identify.target)),
        ("login.path", Some(&config.login.target)),
        ("login.revoke_path", config.login.revoke.as_ref()),
    ];
    for (key, target) in hooks {
        let Some(HookTarget::Path(path)) = target else { continue };
        let path = format!("{}/", path.path().trim_end_matches('/').to_ascii_lowercase());
        let is_sound = root.is_sound(key) && root.is_sound(&key.replace("path", "url"));
        if is_sound && (path.starts_with(&own) || own.starts_with(&path)) {
            let place = if root.is_set(key) { key } else { "tickets.path" };
            root.refuse(place, format!("`{key}` and tickets.path must not lie inside each other"));
        }
    }
    let login_url = config.identify.login_url.as_ref().map(|url| url.as_str().to_ascii_lowercase());
    if login_url.is_some_and(|url| url.starts_with(&own)) {
        let message = "`login_url` is the application's own page, not one under tickets.path";
        root.refuse("identify.login_url", message);
    }
}

/// Warns of allowed settings that may surprise an operator.
fn advise(config: &Config, root: &mut Section<'_, '_>) {
    let Config { listen, public, tickets, .. } = config;
    match &public.origins.url {
        None if public.origins.hosts.is_empty() => {
            root.warn("public.url", "is not set: codes work on loopback and private addresses only");
        }
        Some(url) if url.origin.scheme() == Scheme::Http && !url.origin.is_private() => {
            root.warn("public.url", "is plain http: anyone on the network path can take a code or a session");
        }
        Some(url) if url.origin.scheme() == Scheme::Https && reads_http(config) => match listen.proxy_protocol {
            true => root.warn(
                "listen.proxy_protocol",
                "is on: no forwarded field counts after a preamble, so without [listen.tls] the scheme reads http",
            ),
            false => root.warn(
                "public.trusted_proxies",
                "is empty; behind a proxy the scheme will read http, and the application may refuse its own forms",
            ),
        },
        _ => {}
    }
    if !public.proxy_headers.is_empty() && public.trusted_proxies.is_empty() {
        root.warn("public.proxy_headers", "passes nothing: public.trusted_proxies is empty");
    } else if !public.proxy_headers.is_empty() && listen.proxy_protocol {
        root.warn(
            "public.proxy_headers",
            "passes nothing: no field is a proxy's after a preamble (listen.proxy_protocol)",
        );
    }
    if let Some(url) = &public.origins.url
        && format!("{}/", url.sub_path.to_ascii_lowercase()).ends_with(&tickets.path.to_ascii_lowercase())
    {
        let (origin, sub_path, path) = (&url.origin, &url.sub_path, &tickets.path);
        let sentence = format!(
            "ends in tickets.path, so codes have the address {origin}{sub_path}{path}: it is the address of the site, \
             without {path}"
        );
        root.warn("public.url", sentence);
    }
    if let Some(Events { url: ApplicationUrl::Http(host) | ApplicationUrl::H2c(host), .. }) = &config.events
        // A name without a dot belongs to a private network.
        && host.host().contains(['.', ':'])
        && !Host::parse(host.as_str()).is_ok_and(|host| Origin::new(Scheme::Http, &host).is_private())
    {
        root.warn("events.url", "is plain http: anyone on the network path can read who signed in from where");
    }
    if matches!(config.store.url, StoreUrl::Memory) {
        root.warn("store.url", "is \"memory:\": codes are lost on restart and not shared between processes");
    }
    if tickets.approval == Approval::Phone {
        root.warn("tickets.approval", "is \"phone\": a photographed code is enough to sign in");
    }
}

/// Whether nothing can tell qrgate that a request came by https.
fn reads_http(config: &Config) -> bool {
    (config.public.trusted_proxies.is_empty() || config.listen.proxy_protocol)
        && !config.listen.addresses.iter().any(|address| address.tls)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::tests::{LEAST, OTHER, SECRET, read, read_in, refused};

    #[test]
    fn what_is_wrong_alone_hides_nothing_that_is_wrong_together() {
        let said = refused(
            "[listen]\nproxy_protocol = true\nredirect_to_https = true\nworkers = 9999\nadmin = \"127.0.0.1:8080\"\n\
             [listen.tls]\n[identify]\npath = \"/qr/whoami\"\nlogin_url = \"/qr/in\"\n[login]\ntimeout = \"0s\"\n\
             [pages]\naccent = \"red\"\n",
        );
        for part in [
            "`proxy_protocol`: no peer is trusted",
            "`redirect_to_https` needs",
            "`workers` must be",
            "`admin` must not be a public address",
            "`certificate` is missing",
            "`key` is missing",
            "`identify.path` and tickets.path",
            "`login_url` is the application's own page",
            "`timeout` must be",
            "`accent`: ",
            "10 errors, nothing started",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn a_public_address_that_ends_in_the_ticket_path_is_a_warning() {
        let warned = |url: &str, path: &str| {
            let text = format!("{LEAST}[public]\nurl = \"{url}\"\n[tickets]\npath = \"{path}\"\n");
            let warnings = read(&text, &[]).unwrap().warnings;
            warnings
                .into_iter()
                .map(|warning| warning.to_string())
                .find(|warning| warning.starts_with("public.url ends in tickets.path"))
                .unwrap_or_default()
        };
        assert!(warned("https://a.example/qr/", "/qr/").contains("https://a.example/qr/qr/:"));
        assert!(warned("https://a.example/shop/QR", "/qr/").contains("https://a.example/shop/QR/qr/:"));
        for (url, path) in
            [("https://a.example", "/qr/"), ("https://a.example/myqr", "/qr/"), ("https://a.example/qr", "/x/")]
        {
            assert_eq!(warned(url, path), "");
        }
    }

    #[test]
    fn a_secret_of_the_hook_is_not_also_one_of_the_codes() {
        let folder = tempfile::tempdir().unwrap();
        let unpadded = SECRET.trim_end_matches('=');
        fs::write(folder.path().join("s"), format!("{unpadded}\n")).unwrap();
        let third = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        for tickets in [
            format!("secret = \"{unpadded}\""),
            format!("secret = [\"{third}\", \"{SECRET}\"]"),
            "secret_file = \"s\"".to_owned(),
            "secret_env = \"S\"".to_owned(),
        ] {
            let text = format!("{LEAST}[login]\nsecret = [\"{OTHER}\", \"{SECRET}\"]\n[tickets]\n{tickets}\n");
            let shown = read_in(folder.path(), &text, &[("S", SECRET)]).unwrap_err().to_string();
            assert!(shown.starts_with("proxy.toml:6:") && shown.contains("is also login.secret"), "{shown}");
            assert!(shown.contains("could forge codes") && shown.ends_with("1 error, nothing started"), "{shown}");
        }
        let text = format!("{LEAST}[login]\nsecret = \"{OTHER}\"\n[tickets]\nsecret = \"{SECRET}\"\n");
        assert!(read(&text, &[]).is_ok());
        let shown = read(&text, &[("QRGATE_TICKETS__SECRET", OTHER)]).unwrap_err().to_string();
        assert!(shown.starts_with("QRGATE_TICKETS__SECRET: `secret` of [tickets] is also login.secret"), "{shown}");
    }

    #[test]
    fn settings_that_a_proxy_protocol_makes_useless_are_warned_of() {
        let warnings = |more: &str| {
            let public = "[public]\nurl = \"https://a.example\"\nproxy_headers = [\"X-HTTPS\"]\n";
            read(&format!("{LEAST}{public}{more}"), &[])
                .unwrap()
                .warnings
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let none = warnings("");
        assert!(none.contains("passes nothing: public.trusted_proxies is empty"), "{none}");
        let preamble = warnings("trusted_proxies = [\"10.0.0.1\"]\n[listen]\nproxy_protocol = true\n");
        assert!(preamble.contains("so without [listen.tls] the scheme reads http"), "{preamble}");
        assert!(preamble.contains("no field is a proxy's after a preamble"), "{preamble}");
        let declared = warnings("trusted_proxies = [\"10.0.0.1\"]\n");
        assert!(!declared.contains("passes nothing") && !declared.contains("scheme"), "{declared}");
    }
}
