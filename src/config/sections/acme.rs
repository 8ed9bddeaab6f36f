//! `[listen.acme]`

use std::path::PathBuf;

use super::tls::look_into;
use crate::config::addresses;
use crate::config::complaint::Complaint;
use crate::config::reader::Section;
use crate::endpoint::ApplicationUrl;
use crate::origin::{Host, PublicUrl};
use crate::tls::{self, CertificateFiles, Challenges, ClientTls};

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Maximum number of names in one certificate, as with most authorities.
const MAX_DOMAINS: usize = 100;

/// `[listen.acme]`: certificates from an authority that speaks ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The names in the certificate, lower case. At least one in a checked configuration.
    pub domains: Vec<String>,
    /// A `mailto:` address for the authority's messages.
    pub contact: Option<String>,
    /// The folder with a folder for each authority.
    pub folder: PathBuf,
    /// The URL of the authority's directory, `https`.
    pub directory: String,
    /// Which authorities the directory's own TLS certificate may come from.
    pub tls: ClientTls,
}

impl Acme {
    /// `has_tls`: `[listen.tls]` is given too.
    pub(super) fn read(section: &mut Section<'_, '_>, has_tls: bool) -> Option<Acme> {
        let domains = section.each("domains", domain);
        let contact = section.optional("contact");
        let accepts_terms = section.flag("accept_terms", false);
        let folder = section.text("folder", "/var/lib/qrgate/acme");
        let directory = section.text("directory", LETS_ENCRYPT);
        let ca = section.optional("ca");
        if !section.is_given() {
            return None;
        }
        if has_tls {
            section.refuse_section("folder", "[listen.acme] and [listen.tls] exclude each other: remove one of them");
        }
        if !accepts_terms {
            section.refuse("accept_terms", terms(&directory));
        }
        if domains.len() > MAX_DOMAINS {
            section.refuse("domains", format!("`domains`: at most {MAX_DOMAINS} names fit into one certificate"));
        }
        let contact = contact.and_then(|contact| section.parse("contact", &contact, mailto));
        let directory = section.parse("directory", &directory, directory_url).unwrap_or_default();
        if is_lets_encrypt(&directory)
            && let Some(private) = domains.iter().find(|domain| !is_public(domain))
        {
            section.refuse("domains", not_public(private));
        }
        if let Some(ca) = &ca {
            look_into(section, "ca", ca, tls::certificates);
        }
        let tls = ClientTls { ca: ca.map(|ca| section.resolve(&ca)), ..ClientTls::default() };
        Some(Acme { domains, contact, folder: section.resolve(&folder), directory, tls })
    }

    /// Uses the host of `public.url` if no domain is given and a certificate for it can be issued.
    pub(super) fn complete(&mut self, url: Option<&PublicUrl>) {
        if self.domains.is_empty()
            && let Some(url) = url
        {
            self.domains.extend(self.domain_of(url));
        }
    }

    /// The host of `public.url` as the only domain, or why no certificate for it can be issued.
    pub(in crate::config) fn domain_of(&self, url: &PublicUrl) -> Result<String, Complaint> {
        let domain = domain(url.origin.name())?;
        match is_lets_encrypt(&self.directory) && !is_public(&domain) {
            true => Err(not_public(&domain)),
            false => Ok(domain),
        }
    }

    /// The folder of this authority: its account, the certificate, and what the processes share. Another directory has
    /// another folder, so that a test authority's certificate is not taken for the real one's.
    pub fn authority_folder(&self) -> PathBuf {
        let name = self.directory.strip_prefix("https://").unwrap_or(&self.directory);
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' };
        self.folder.join(name.chars().map(plain).collect::<String>().trim_matches(['-', '.']))
    }

    /// One file with the private key and the chain, so that both are replaced at once.
    pub fn certificate_files(&self) -> CertificateFiles {
        let file = self.authority_folder().join("certificate.pem");
        CertificateFiles { certificate: file.clone(), key: file }
    }

    pub fn challenges(&self) -> Challenges {
        Challenges::new(self.authority_folder().join("challenges"))
    }
}

/// One name of a certificate.
fn domain(text: &str) -> Result<String, Complaint> {
    if text.contains('*') {
        let help = "name each host; for a wildcard, get the certificate with another program and use [listen.tls]";
        return Err(Complaint::with_help("a wildcard needs control of the DNS zone, which qrgate does not have", help));
    }
    let host = addresses::host(text)?;
    let is_address = host.name().starts_with('[') || host.name().parse::<std::net::IpAddr>().is_ok();
    match (host.port(), is_address) {
        (Some(_), _) => Err("a domain has no port".into()),
        (None, true) => Err("certificates are for names, and this is an address".into()),
        (None, false) => Ok(host.name().to_owned()),
    }
}

/// Whether a public authority may issue for this name: not one of the names that RFC 6761, RFC 6762, RFC 8375 and ICANN
/// reserve for local use.
fn is_public(domain: &str) -> bool {
    let reserved = ["local", "localhost", "internal", "test", "invalid", "example", "home.arpa", "onion"];
    let ends = |end: &&str| domain.strip_suffix(*end).is_some_and(|rest| rest.ends_with('.'));
    domain.contains('.') && !reserved.iter().any(ends)
}

fn not_public(domain: &str) -> Complaint {
    let help = "a private authority can: listen.acme.directory and listen.acme.ca";
    Complaint::with_help(format!("`domains`: no public authority issues a certificate for {domain}"), help)
}

fn is_lets_encrypt(directory: &str) -> bool {
    directory.split('/').nth(2).is_some_and(|host| host.ends_with(".letsencrypt.org"))
}

fn terms(directory: &str) -> Complaint {
    let terms = match is_lets_encrypt(directory) {
        true => "https://letsencrypt.org/repository/ (Subscriber Agreement)".to_owned(),
        false => format!("the terms that {directory} names (termsOfService), if any"),
    };
    Complaint::with_help(format!("`accept_terms` must be true: read {terms}"), "accept_terms = true")
}

fn mailto(text: &str) -> Result<String, Complaint> {
    match text.strip_prefix("mailto:") {
        Some(address) if address.contains('@') && address.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(text.to_owned())
        }
        None if text.contains('@') => {
            Err(Complaint::with_help("a contact is a URL (RFC 8555, section 7.3)", format!("\"mailto:{text}\"")))
        }
        _ => Err("this is not the URL of a mailbox, such as \"mailto:admin@example.com\"".into()),
    }
}

fn directory_url(text: &str) -> Result<String, Complaint> {
    let (url, _) = addresses::hook_url(text)?;
    match url {
        ApplicationUrl::Https(authority) if Host::is_valid(authority.as_str()) => Ok(text.to_owned()),
        _ => Err("ACME needs https (RFC 8555, section 6.1)".into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{LEAST, read, refused};

    const PUBLIC: &str = "[public]\nurl = \"https://app.example.com\"\n";

    #[test]
    fn the_host_of_the_public_url_is_the_default_domain() {
        let text = format!("{LEAST}{PUBLIC}[listen.acme]\naccept_terms = true\n");
        let acme = read(&text, &[]).unwrap().listen.acme.unwrap();
        assert_eq!(acme.domains, ["app.example.com"]);
        assert_eq!(acme.directory, "https://acme-v02.api.letsencrypt.org/directory");
        let folder = acme.authority_folder();
        assert_eq!(folder.to_str(), Some("/var/lib/qrgate/acme/acme-v02.api.letsencrypt.org-directory"));
        assert!(read(&format!("{LEAST}{PUBLIC}"), &[("QRGATE_LISTEN__ACME__ACCEPT_TERMS", "true")]).is_ok());
    }

    #[test]
    fn addresses_without_a_scheme_speak_tls() {
        let text = format!("{LEAST}{PUBLIC}[listen]\naddress = [\":0\", \"http://127.0.0.1:80\"]\n");
        let text = text.replace(":0", "127.0.0.1:443") + "[listen.acme]\naccept_terms = true\n";
        let listen = read(&text, &[]).unwrap().listen;
        assert_eq!(listen.addresses.iter().map(|address| address.tls).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn every_mistake_is_reported_at_its_place() {
        let accepted = format!("{PUBLIC}[listen.acme]\naccept_terms = true\n");
        for (more, said) in [
            (format!("{PUBLIC}[listen.acme]\n"), "5:9: `accept_terms` must be true: read https://letsencrypt.org"),
            (
                format!("{PUBLIC}[listen.acme]\naccept_terms = false\ndirectory = \"https://ca.internal/acme\""),
                "6:16: `accept_terms` must be true: read the terms that https://ca.internal/acme names",
            ),
            (
                format!("{accepted}domains = [\"a.example.com\", \"*.example.com\"]"),
                "7:29: `domains`: a wildcard needs",
            ),
            (format!("{accepted}domains = \"192.0.2.1\""), "7:11: `domains`: certificates are for names"),
            (format!("{accepted}domains = \"a.example.com:443\""), "7:11: `domains`: a domain has no port"),
            (format!("{accepted}domains = \"box.local\""), "7:11: `domains`: no public authority issues"),
            (format!("{accepted}contact = \"admin@example.com\""), "\"mailto:admin@example.com\""),
            (format!("{accepted}directory = \"http://ca.internal/\""), "7:13: `directory`: ACME needs https"),
            (format!("{accepted}ca = \"none.pem\""), "7:6: `ca`: none.pem does not exist"),
            (format!("{accepted}[listen.tls]\n"), "exclude each other"),
            (
                "[listen.acme]\naccept_terms = true\n".to_owned(),
                "`domains` is missing in [listen.acme], and there is no public.url",
            ),
            (accepted.replace("app.example.com", "203.0.113.5"), "4:7: `url`: certificates are for names"),
            (
                accepted.replace("app.example.com", "qr.home.arpa"),
                "no public authority issues a certificate for qr.home.arpa",
            ),
            (accepted.replace("accept_terms", "accept_term"), "did you mean `accept_terms`?"),
        ] {
            let shown = refused(&more);
            assert!(shown.contains(said), "{said}: {shown}");
        }
    }

    #[test]
    fn another_directory_has_another_folder() {
        let folder = |directory: &str| {
            let more = "accept_terms = true\nfolder = \"certificates\"\n";
            let text = format!("{LEAST}{PUBLIC}[listen.acme]\n{more}directory = \"{directory}\"\n");
            read(&text, &[]).unwrap().listen.acme.unwrap().authority_folder().to_str().unwrap().to_owned()
        };
        assert_eq!(
            folder("https://ca.internal:9000/acme/../acme"),
            "/nowhere/certificates/ca.internal-9000-acme-..-acme"
        );
        assert_eq!(folder("https://[::1]:9000/dir"), "/nowhere/certificates/--1--9000-dir".replace("/--1", "/1"));
    }
}
