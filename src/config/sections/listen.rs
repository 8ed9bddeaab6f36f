//! `[listen]`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::acme::Acme;
use super::tls::listen_tls;
use crate::config::addresses;
use crate::config::complaint::Complaint;
use crate::config::place::At;
use crate::config::reader::Section;
use crate::origin::Scheme;
use crate::tls::CertificateFiles;

/// `[listen]`: where connections come in.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The public addresses, at least one.
    pub addresses: Vec<Address>,
    /// The admin listener; `None` when `off`.
    pub admin: Option<SocketAddr>,
    /// Whether a PROXY protocol header is required (and accepted from trusted proxies only).
    pub proxy_protocol: bool,
    /// The number of worker threads; never 0.
    pub workers: usize,
    /// Whether an http request is redirected to `public.url`.
    pub redirect_to_https: bool,
    pub tls: Option<CertificateFiles>,
    /// Instead of `tls`.
    pub acme: Option<Acme>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub socket: Socket,
    /// Whether it is an `https` address.
    pub tls: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// A socket passed by systemd, by its name.
    Systemd(String),
}

impl Listen {
    /// The files of the certificate for clients, from `[listen.tls]` or `[listen.acme]`.
    pub fn certificate_files(&self) -> Option<CertificateFiles> {
        self.tls.clone().or_else(|| self.acme.as_ref().map(Acme::certificate_files))
    }

    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Listen {
        let list = section.list("address", &["127.0.0.1:8080"]);
        let admin = section.parsed("admin", "127.0.0.1:9180", admin);
        let proxy_protocol = section.flag("proxy_protocol", false);
        let workers = section.integer("workers", 0, 0..=1024, "between 0 (one per core) and 1024");
        let redirect_to_https = section.flag("redirect_to_https", false);
        let (tls, has_tls) = section.table("tls", |section| (listen_tls(section), section.is_given()));
        let acme = section.table("acme", |section| Acme::read(section, has_tls));
        let addresses = public_addresses(section, &list, tls.is_some() || acme.is_some());
        if (tls.is_some() || acme.is_some()) && !addresses.is_empty() && addresses.iter().all(|address| !address.tls) {
            section.warn(if acme.is_some() { "acme" } else { "tls" }, "is not used: every address says http://");
        }
        let is_admin =
            |address: &Address| matches!(address.socket, Socket::Tcp(at) if Some(at) == admin && at.port() != 0);
        if addresses.iter().any(is_admin) {
            section.refuse("admin", "`admin` must not be a public address");
        }
        let workers = if workers == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { workers };
        Listen { addresses, admin, proxy_protocol, workers, redirect_to_https, tls, acme }
    }
}

fn public_addresses(section: &mut Section<'_, '_>, list: &[At<String>], has_tls: bool) -> Vec<Address> {
    if list.is_empty() {
        section.refuse("address", "`address`: at least one address is needed");
    }
    let base = section.base();
    let mut addresses: Vec<Address> = Vec::new();
    for entry in list {
        let parsed = section.parse_entry("address", entry, |text| socket(text, base));
        let Some((socket, scheme)) = parsed else { continue };
        let tls = scheme.map_or(has_tls, |scheme| scheme == Scheme::Https);
        let mut refuse = |message| section.refuse_at("address", entry.place.clone(), message);
        if tls && !has_tls {
            refuse("`address`: https needs a certificate: [listen.tls] or [listen.acme]");
        }
        let is_any_port = matches!(&socket, Socket::Tcp(at) if at.port() == 0);
        if !is_any_port && addresses.iter().any(|known| known.socket == socket) {
            refuse("`address`: this one is listed twice");
        }
        addresses.push(Address { socket, tls });
    }
    addresses
}

/// An entry of `listen.address`: the socket, and the scheme if one is written.
fn socket(text: &str, base: &Path) -> Result<(Socket, Option<Scheme>), Complaint> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => match Scheme::parse(scheme) {
            Some(scheme) => (Some(scheme), rest.strip_suffix('/').unwrap_or(rest)),
            None => return Err("only http:// or https:// may stand in front of an address".into()),
        },
        None => (None, text),
    };
    let socket = if let Some(path) = rest.strip_prefix("unix:") {
        Socket::Unix(addresses::unix_path(path, base)?)
    } else if let Some(name) = rest.strip_prefix("systemd:") {
        match !name.is_empty() && name.len() <= 255 && name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            true => Socket::Systemd(name.to_owned()),
            false => return Err("systemd: needs the name of a socket (FileDescriptorName=)".into()),
        }
    } else {
        Socket::Tcp(ip_and_port(rest)?)
    };
    Ok((socket, scheme))
}

/// `listen.admin`: an address, or `off`.
fn admin(text: &str) -> Result<Option<SocketAddr>, Complaint> {
    match text {
        "off" => Ok(None),
        _ => ip_and_port(text).map(Some),
    }
}

fn ip_and_port(text: &str) -> Result<SocketAddr, Complaint> {
    text.parse().map_err(|_| {
        let help = match text.rsplit_once(':') {
            Some(("", port)) => format!("every interface: \"0.0.0.0:{port}\" or \"[::]:{port}\""),
            Some(("localhost", port)) => format!("\"127.0.0.1:{port}\""),
            _ => "an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".to_owned(),
        };
        Complaint::with_help("this is not an address to listen on", help)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read_with_or_without_a_scheme() {
        let read = |text| socket(text, Path::new("/etc/qrgate"));
        assert_eq!(read("0.0.0.0:80"), Ok((Socket::Tcp("0.0.0.0:80".parse().unwrap()), None)));
        assert_eq!(read("https://[::]:443").unwrap().1, Some(Scheme::Https));
        assert_eq!(read("unix:/run/q.sock"), Ok((Socket::Unix("/run/q.sock".into()), None)));
        assert_eq!(read("unix:q.sock"), Ok((Socket::Unix("/etc/qrgate/q.sock".into()), None)));
        assert_eq!(read("http://systemd:web"), Ok((Socket::Systemd("web".into()), Some(Scheme::Http))));
        for bad in ["", ":8080", "localhost:80", "1.2.3.4", "unix:", "systemd:", "ftp://1.2.3.4:1", "1.2.3.4:99999"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
