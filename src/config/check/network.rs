//! `[listen]`, `[public]`, `[application]` and `[limits]`.

use std::path::Path;
use std::time::Duration;

use http::HeaderName;

use crate::config::addresses::{self, Complaint};
use crate::config::files;
use crate::config::findings::Findings;
use crate::config::model::{Address, Application, ApplicationUrl, HostMode, Limits, Listen, Socket};
use crate::config::place::At;
use crate::config::raw;
use crate::fields;
use crate::forwarded::TrustedProxies;
use crate::origin::{Host, PublicOrigins, Scheme};
use crate::tls::{self, ClientTls, ListenTls, TlsFileError};

const DAY: Duration = Duration::from_secs(86_400);
const INSTANT: Duration = Duration::from_millis(1);

/// `[listen]`
pub fn listen(raw: raw::Listen, findings: &mut Findings<'_>) -> Option<Listen> {
    let raw::Listen { address, admin, proxy_protocol, workers, redirect_to_https, tls } = raw;
    let tls = listen_tls(tls, findings);
    let has_tls = matches!(tls, Some(Some(_)));
    let addresses = listen_addresses(&address, has_tls, findings);
    let admin_at = admin.place.clone();
    let admin = findings.parse("admin", &admin, addresses::admin);
    let workers = findings.within("workers", workers, 0, 1024, "between 0 (one per core) and 1024");
    if let (Some(addresses), Some(Some(admin))) = (&addresses, &admin) {
        let public = |address: &Address| address.socket == Socket::Tcp(*admin) && admin.port() != 0;
        if addresses.iter().any(public) {
            findings.refuse(&admin_at, "`admin` must not be a public address");
        }
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Some(Listen {
        addresses: addresses?,
        admin: admin?,
        proxy_protocol: proxy_protocol.value,
        workers: workers.map(|workers| if workers == 0 { cores() } else { workers })?,
        redirect_to_https: redirect_to_https.value,
        tls: tls?,
    })
}

fn listen_addresses(list: &At<Vec<At<String>>>, has_tls: bool, findings: &mut Findings<'_>) -> Option<Vec<Address>> {
    if list.value.is_empty() {
        findings.refuse(&list.place, "`address`: at least one address is needed");
        return None;
    }
    let before = findings.problems.len();
    let mut addresses: Vec<Address> = Vec::new();
    for at in &list.value {
        let base = findings.base;
        let Some((socket, scheme)) = findings.parse("address", at, |text| addresses::socket(text, base)) else {
            continue;
        };
        let tls = scheme.map_or(has_tls, |scheme| scheme == Scheme::Https);
        if tls && !has_tls {
            findings.refuse(&at.place, "`address`: https needs a certificate and a key in [listen.tls]");
        }
        let twice = |known: &Address| known.socket == socket && !matches!(&socket, Socket::Tcp(ip) if ip.port() == 0);
        if addresses.iter().any(twice) {
            findings.refuse(&at.place, "`address`: this one is there twice");
        }
        addresses.push(Address { socket, tls });
    }
    if has_tls && !addresses.is_empty() && addresses.iter().all(|address| !address.tls) {
        findings.warn("listen.tls is not used: every address says http://");
    }
    (findings.problems.len() == before).then_some(addresses)
}

fn listen_tls(raw: raw::ListenTls, findings: &mut Findings<'_>) -> Option<Option<ListenTls>> {
    let raw::ListenTls { header, certificate, key } = raw;
    let Some(header) = header else { return Some(None) };
    for (name, at) in [("certificate", &certificate), ("key", &key)] {
        if at.is_none() {
            findings.refuse(&header, format!("`{name}` is missing in [listen.tls]"));
        }
    }
    pem_pair(certificate.as_ref(), key.as_ref(), findings);
    Some(Some(ListenTls { certificate: findings.path(&certificate?.value), key: findings.path(&key?.value) }))
}

/// A certificate and its key: each on its own, then whether they belong together.
fn pem_pair(certificate: Option<&At<String>>, key: Option<&At<String>>, findings: &mut Findings<'_>) {
    let chain = certificate.and_then(|at| pem("certificate", at, findings, tls::certificates));
    let private = key.and_then(|at| pem("key", at, findings, tls::private_key));
    if let (Some(chain), Some(private), Some(key), Some(certificate)) = (chain, private, key, certificate) {
        let files = ListenTls { certificate: findings.path(&certificate.value), key: findings.path(&key.value) };
        let pair = tls::certified_key(&files, chain, private, &rustls::crypto::aws_lc_rs::default_provider());
        if let Err(error) = pair {
            let (name, at) = if error.file == files.key { ("key", key) } else { ("certificate", certificate) };
            let complaint = files::tls_complaint(&at.value, findings.base, error);
            let _ = findings.parse(name, at, |_| Err::<(), _>(complaint));
        }
    }
}

fn pem<T>(
    name: &str,
    at: &At<String>,
    findings: &mut Findings<'_>,
    read: impl Fn(&Path) -> Result<T, TlsFileError>,
) -> Option<T> {
    let (path, base) = (findings.path(&at.value), findings.base);
    findings.parse(name, at, |shown| read(&path).map_err(|error| files::tls_complaint(shown, base, error)))
}

/// `[application.tls]` and `[store.tls]`. `wanted`: whether something here speaks TLS.
pub fn client_tls(raw: raw::ClientTls, wanted: bool, findings: &mut Findings<'_>) -> Option<ClientTls> {
    let raw::ClientTls { header, ca, certificate, key, server_name } = raw;
    let Some(header) = header else { return Some(ClientTls::default()) };
    if !wanted {
        findings.refuse(&header, "this section is for an address with TLS, and `url` has none");
        return None;
    }
    if certificate.is_some() != key.is_some() {
        let missing = if certificate.is_none() { "certificate" } else { "key" };
        findings.refuse(&header, format!("`{missing}` is missing: certificate and key go together"));
    }
    if let Some(at) = &ca {
        pem("ca", at, findings, tls::certificates);
    }
    pem_pair(certificate.as_ref(), key.as_ref(), findings);
    let named = server_name.as_ref().map(|at| findings.parse("server_name", at, server_name_of));
    let server_name = match named {
        Some(name) => Some(name?),
        None => None,
    };
    let path = |at: Option<At<String>>| at.map(|at| findings.path(&at.value));
    Some(ClientTls { ca: path(ca), certificate: path(certificate), key: path(key), server_name })
}

fn server_name_of(text: &str) -> Result<String, Complaint> {
    match addresses::host(text)? {
        host if host.port().is_some() => Err("a name has no port".into()),
        host => Ok(host.name().to_owned()),
    }
}

/// `public.url` and `public.hosts`
pub fn public(raw: raw::Public, findings: &mut Findings<'_>) -> Option<PublicOrigins> {
    let raw::Public { url, hosts, trusted_proxies: _, proxy_headers: _ } = raw;
    let url = match url.value.is_empty() {
        true => Some(None),
        false => findings.parse("url", &url, addresses::public_url).map(Some),
    };
    let parsed: Vec<Option<Host>> = hosts.value.iter().map(|at| findings.parse("hosts", at, addresses::host)).collect();
    let hosts = parsed.into_iter().collect::<Option<Vec<Host>>>();
    Some(PublicOrigins { url: url?, hosts: hosts? })
}

/// `public.trusted_proxies`
pub fn trusted_proxies(list: &At<Vec<At<String>>>, findings: &mut Findings<'_>) -> Option<TrustedProxies> {
    let before = findings.problems.len();
    for at in &list.value {
        if let Err((_, why)) = TrustedProxies::parse(std::slice::from_ref(&at.value)) {
            findings.refuse(&at.place, format!("`trusted_proxies`: {why}"));
        }
    }
    if findings.problems.len() > before {
        return None;
    }
    let entries: Vec<String> = list.value.iter().map(|at| at.value.clone()).collect();
    match TrustedProxies::parse(&entries) {
        Ok(trusted) => Some(trusted),
        Err((index, why)) => {
            let place = list.value.get(index).map_or(&list.place, |at| &at.place);
            findings.refuse(place, format!("`trusted_proxies`: {why}"));
            None
        }
    }
}

/// `public.proxy_headers`
pub fn proxy_headers(list: &At<Vec<At<String>>>, findings: &mut Findings<'_>) -> Option<Vec<HeaderName>> {
    let mut parse = |at: &At<String>| {
        let refused = |why| Complaint::from(format!("`{}` {why}", at.value));
        findings.parse("proxy_headers", at, |text| fields::proxy_header(text).map_err(refused))
    };
    // Every entry is looked at, whatever is wrong with the others.
    let parsed: Vec<Option<HeaderName>> = list.value.iter().map(&mut parse).collect();
    parsed.into_iter().collect()
}

/// `[application]`
pub fn application(raw: raw::Application, findings: &mut Findings<'_>) -> Option<Application> {
    let raw::Application {
        url,
        host,
        connect_timeout,
        response_timeout,
        keep_alive,
        idle_timeout,
        forwarded,
        underscores_in_headers,
        tls,
    } = raw;
    let base = findings.base;
    let url = url.and_then(|url| findings.parse("url", &url, |text| addresses::application_url(text, base)));
    let host = host_mode(&host, url.as_ref(), findings);
    let speaks_tls = url.as_ref().is_none_or(|url| matches!(url, ApplicationUrl::Https(_)));
    let tls = client_tls(tls, speaks_tls, findings);
    let connect_timeout = timeout("connect_timeout", connect_timeout, findings);
    let keep_alive = timeout("keep_alive", keep_alive, findings);
    let idle_timeout = timeout("idle_timeout", idle_timeout, findings);
    let response_timeout = match response_timeout.value {
        Some(value) => timeout("response_timeout", response_timeout.with(value), findings).map(Some),
        None => Some(None),
    };
    Some(Application {
        url: url?,
        host: host?,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        keep_alive: keep_alive?,
        idle_timeout: idle_timeout?,
        forwarded: forwarded.value,
        underscores_in_headers: underscores_in_headers.value,
        tls: tls?,
    })
}

fn host_mode(at: &At<String>, url: Option<&ApplicationUrl>, findings: &mut Findings<'_>) -> Option<HostMode> {
    match at.value.as_str() {
        "preserve" => Some(HostMode::Preserve),
        "application" if matches!(url, Some(ApplicationUrl::Unix(_))) => {
            let help = "\"preserve\", or a fixed name";
            findings.refuse(&at.place, Complaint::with_help("`host`: a unix socket has no name", help));
            None
        }
        "application" => Some(HostMode::Application),
        _ => findings.parse("host", at, addresses::host).map(HostMode::Fixed),
    }
}

/// A span that is neither nothing nor more than a day.
pub fn timeout(name: &str, at: At<Duration>, findings: &mut Findings<'_>) -> Option<Duration> {
    findings.within(name, at, INSTANT, DAY, "between 1ms and 1d")
}

/// `[limits]`
pub fn limits(raw: raw::Limits, findings: &mut Findings<'_>) -> Option<Limits> {
    let raw::Limits {
        header_size,
        header_count,
        connections,
        connections_per_client,
        header_timeout,
        keep_alive,
        drain_timeout,
        codes_per_user,
        opens_per_client,
        redeems_per_client,
    } = raw;
    let kib = 1024;
    let header_size = findings.within("header_size", header_size, kib, 1024 * kib, "between 1KiB and 1MiB");
    let header_count = findings.within("header_count", header_count, 10, 10_000, "between 10 and 10000");
    let connections = findings.within("connections", connections, 1, 10_000_000, "at least 1");
    let header_timeout = timeout("header_timeout", header_timeout, findings);
    let keep_alive = timeout("keep_alive", keep_alive, findings);
    let drain_timeout = findings.within("drain_timeout", drain_timeout, Duration::ZERO, DAY, "at most 1d");
    Some(Limits {
        header_size: header_size?,
        header_count: header_count?,
        connections: connections?,
        connections_per_client: Some(connections_per_client.value).filter(|most| *most > 0),
        header_timeout: header_timeout?,
        keep_alive: keep_alive?,
        drain_timeout: drain_timeout?,
        codes_per_user: codes_per_user.value,
        opens_per_client: opens_per_client.value,
        redeems_per_client: redeems_per_client.value,
    })
}
