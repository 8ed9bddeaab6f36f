//! `[listen.tls]`, `[application.tls]`, `[store.tls]` and `[events.tls]`

use std::path::Path;

use crate::config::addresses;
use crate::config::complaint::Complaint;
use crate::config::files;
use crate::config::reader::Section;
use crate::tls::{self, CertificateFiles, ClientTls, TlsFileError};

/// `[listen.tls]`
pub(super) fn listen_tls(section: &mut Section<'_, '_>) -> Option<CertificateFiles> {
    let (certificate, key) = (section.optional("certificate"), section.optional("key"));
    if !section.is_given() {
        return None;
    }
    for (name, file) in [("certificate", &certificate), ("key", &key)] {
        if file.is_none() {
            section.refuse_section(name, format!("`{name}` is missing in [listen.tls]"));
        }
    }
    pair(section, certificate, key)
}

/// `[application.tls]`, `[store.tls]` and `[events.tls]`. `speaks_tls`: the server is reached by TLS. `with_name`: the
/// section has the key `server_name`.
pub(super) fn client_tls(section: &mut Section<'_, '_>, speaks_tls: bool, with_name: bool) -> ClientTls {
    let ca = section.optional("ca");
    let (certificate, key) = (section.optional("certificate"), section.optional("key"));
    let server_name = if with_name { section.optional("server_name") } else { None };
    if !section.is_given() {
        return ClientTls::default();
    }
    if !speaks_tls {
        section.refuse_section("ca", "this section is for an address with TLS, and `url` has none");
        return ClientTls::default();
    }
    if certificate.is_some() != key.is_some() {
        let missing = if certificate.is_none() { "certificate" } else { "key" };
        section.refuse_section(missing, format!("`{missing}` is missing: certificate and key go together"));
    }
    if let Some(ca) = &ca {
        look_into(section, "ca", ca, tls::certificates);
    }
    let identity = pair(section, certificate, key);
    let server_name = server_name.and_then(|name| section.parse("server_name", &name, host_name));
    ClientTls { ca: ca.map(|ca| section.resolve(&ca)), identity, server_name }
}

/// Reads a certificate and its key, and reports what is wrong with each, or that they do not belong together. `None`
/// unless both are named.
fn pair(section: &mut Section<'_, '_>, certificate: Option<String>, key: Option<String>) -> Option<CertificateFiles> {
    let chain = certificate.as_deref().and_then(|file| look_into(section, "certificate", file, tls::certificates));
    let private = key.as_deref().and_then(|file| look_into(section, "key", file, tls::private_key));
    let (certificate, key) = (certificate?, key?);
    let files = CertificateFiles { certificate: section.resolve(&certificate), key: section.resolve(&key) };
    if let (Some(chain), Some(private)) = (chain, private)
        && let Err(error) = tls::certified_key(&files, chain, private)
    {
        let (name, shown) = if error.file == files.key { ("key", key) } else { ("certificate", certificate) };
        let complaint = files::tls_complaint(&shown, section.base(), error);
        let _ = section.parse(name, &shown, |_| Err::<(), _>(complaint));
    }
    Some(files)
}

/// Reads the file that the key `name` names, and reports what is wrong with it.
pub(super) fn look_into<T>(
    section: &mut Section<'_, '_>,
    name: &str,
    file: &str,
    read: impl Fn(&Path) -> Result<T, TlsFileError>,
) -> Option<T> {
    let (path, base) = (section.resolve(file), section.base());
    section.parse(name, file, |shown| read(&path).map_err(|error| files::tls_complaint(shown, base, error)))
}

fn host_name(text: &str) -> Result<String, Complaint> {
    match addresses::host(text)? {
        host if host.port().is_some() => Err("a name has no port".into()),
        host => Ok(host.name().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::tests::{LEAST, read_in};

    #[test]
    fn a_key_that_is_another_certificates_is_reported_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        fs::write(folder.path().join("c.pem"), made.cert.pem()).unwrap();
        fs::write(folder.path().join("k.pem"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        for (address, section) in [("http://127.0.0.1:1", "listen"), ("https://127.0.0.1:1", "application")] {
            let pair = "certificate = \"c.pem\"\nkey = \"k.pem\"";
            let text = format!("[application]\nurl = \"{address}\"\n[{section}.tls]\n{pair}\n");
            let said = read_in(folder.path(), &text, &[]).unwrap_err().to_string();
            assert!(said.starts_with("proxy.toml:5:7: `key`: k.pem is not the key of c.pem"), "{said}");
        }
    }

    #[test]
    fn a_file_that_is_no_certificate_or_no_key_is_called_by_its_name_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let (made, other) = (
            rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap(),
            rcgen::generate_simple_self_signed(vec!["b.example".to_owned()]).unwrap(),
        );
        let key = made.signing_key.serialize_pem();
        let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let text = format!("{LEAST}[listen.tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\n");
        for (certificate, private, said) in [
            (
                made.cert.pem(),
                block("ENCRYPTED PRIVATE KEY"),
                "proxy.toml:5:7: `key`: k.pem holds an encrypted private key",
            ),
            (key.clone(), made.cert.pem(), "4:15: `certificate`: c.pem holds a private key and no certificate"),
            (made.cert.pem(), block("EC PARAMETERS"), "5:7: `key`: k.pem holds parameters and no private key"),
            (
                format!("{}{}", other.cert.pem(), made.cert.pem()),
                key,
                "4:15: `certificate`: c.pem has the certificate of this key in place 2",
            ),
        ] {
            fs::write(folder.path().join("c.pem"), certificate).unwrap();
            fs::write(folder.path().join("k.pem"), private).unwrap();
            let shown = read_in(folder.path(), &text, &[]).unwrap_err().to_string();
            assert!(shown.contains(said), "{said}: {shown}");
        }
    }
}
