//! Strict parsers of addresses and paths in the configuration.

use std::path::{Path, PathBuf};

use http::uri::{Authority, PathAndQuery};

use super::complaint::{Complaint, accept};
use crate::endpoint::ApplicationUrl;
use crate::origin::{Host, Origin, PublicUrl, Scheme};

/// The path of a unix socket: at most 107 bytes (unix(7)).
pub fn unix_path(path: &str, base: &Path) -> Result<PathBuf, Complaint> {
    match path.strip_prefix("//").unwrap_or(path) {
        "" => Err("a path is missing after unix:".into()),
        path if base.join(path).as_os_str().len() > 107 => {
            Err("the path of a unix socket has at most 107 bytes".into())
        }
        path => Ok(base.join(path)),
    }
}

/// `public.url`: an origin, optionally with a sub-path.
pub fn public_url(text: &str) -> Result<PublicUrl, Complaint> {
    let example = "such as \"https://app.example.com\"";
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Complaint::with_help("the scheme is missing", format!("\"https://{text}\"?")));
    };
    let scheme = Scheme::parse(scheme).ok_or_else(|| Complaint::with_help("browsers need http or https", example))?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = Host::parse(host).map_err(|_| {
        in_ascii(host).unwrap_or_else(|| Complaint::with_help("this is not the address of a site", example))
    })?;
    let sub_path = path.trim_end_matches('/');
    if !(sub_path.is_empty() || is_plain_path(sub_path)) {
        return Err("a sub-path consists of letters, digits and -._~ between single slashes".into());
    }
    Ok(PublicUrl { origin: Origin::new(scheme, &host), sub_path: sub_path.to_owned() })
}

/// A host, or `host:port`.
pub fn host(text: &str) -> Result<Host, Complaint> {
    Host::parse(text).map_err(|_| match text.split_once("://") {
        Some((_, rest)) => Complaint::with_help("a host has no scheme", format!("\"{}\"?", rest.trim_end_matches('/'))),
        None => in_ascii(text).unwrap_or_else(|| "this is not a host name or address".into()),
    })
}

/// The complaint about an internationalized name, with its ASCII form (RFC 5891). `None` for a name in ASCII.
pub fn in_ascii(host: &str) -> Option<Complaint> {
    if host.is_ascii() {
        return None;
    }
    let (name, port) = host.split_at(host.rfind(':').unwrap_or(host.len()));
    let message = "this name has to be written in its ASCII form";
    Some(match idna::domain_to_ascii(name) {
        Ok(name) if Host::is_valid(&name) => Complaint::with_help(message, format!("\"{name}{port}\"")),
        _ => Complaint::with_help(message, "xn--…"),
    })
}

/// `application.url`: a server, without a path.
pub fn application_url(text: &str, base: &Path) -> Result<ApplicationUrl, Complaint> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix_path(path, base).map(ApplicationUrl::Unix);
    }
    match hook_url(text)? {
        (url, path) if path.as_str() == "/" => Ok(url),
        _ => Err("the application's address has no path: requests keep the path they came with".into()),
    }
}

/// The URL of a hook on another server.
pub fn hook_url(text: &str) -> Result<(ApplicationUrl, PathAndQuery), Complaint> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Complaint::with_help("the scheme is missing", format!("\"http://{text}\"?")));
    };
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if host.contains('@') {
        return Err("this address takes no user and password".into());
    }
    let host =
        Host::parse(host).map_err(|_| in_ascii(host).unwrap_or_else(|| "this is not a host, or host:port".into()))?;
    let authority = Authority::try_from(host.to_string()).map_err(|_| Complaint::from("this is not a host"))?;
    let url = match scheme.to_ascii_lowercase().as_str() {
        "http" => ApplicationUrl::Http(authority),
        "https" => ApplicationUrl::Https(authority),
        "h2c" => ApplicationUrl::H2c(authority),
        _ => return Err(Complaint::with_help("this scheme is not known", "http://, https://, h2c:// or unix:")),
    };
    let path = if path.is_empty() { "/" } else { path };
    Ok((url, hook_path(path)?))
}

/// The path of a hook, optionally with a query.
pub fn hook_path(text: &str) -> Result<PathAndQuery, Complaint> {
    if !text.starts_with('/') || text.starts_with("//") {
        return Err("a path begins with one slash".into());
    }
    if text.contains(['#', '\\', ' ']) {
        return Err("this is not the path of a request: it has no #, backslash or space".into());
    }
    PathAndQuery::try_from(text).map_err(|_| "this is not the path of a request".into())
}

/// `tickets.path`: begins and ends with a slash, and has only one spelling.
pub fn ticket_path(text: &str) -> Result<String, Complaint> {
    if text == "/" {
        return Err(Complaint::with_help("codes need their own path", "such as \"/qr/\""));
    }
    let Some(inner) = text.strip_suffix('/').filter(|inner| inner.starts_with('/')) else {
        let help = format!("\"/{}/\"?", text.trim_matches('/'));
        return Err(Complaint::with_help("this path begins and ends with a slash", help));
    };
    let is_valid = is_plain_path(inner) && text.len() <= 200;
    accept(text, is_valid, "this path consists of letters, digits and -._~ between single slashes")
}

/// Segments of unreserved characters (RFC 3986, section 2.3), none of them `.` or `..`.
fn is_plain_path(path: &str) -> bool {
    let plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
    };
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain))
}

/// A path of the application that no browser resolves to another origin.
pub fn local_path(text: &str) -> Result<String, Complaint> {
    let is_local = text.starts_with('/')
        && !text.starts_with("//")
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>'));
    accept(text, is_local, "this is not a path of the application: it begins with one slash and has no spaces")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> &'static Path {
        Path::new("/etc/qrgate")
    }

    #[test]
    fn a_public_url_is_an_origin_with_perhaps_a_sub_path() {
        let url = public_url("https://App.example.com:443/shop/eu/").unwrap();
        assert_eq!((url.origin.to_string().as_str(), url.sub_path.as_str()), ("https://app.example.com", "/shop/eu"));
        assert_eq!(public_url("http://a/").unwrap().sub_path, "");
        for bad in [
            "app.example.com",
            "ftp://a",
            "https://",
            "https://u@a",
            "https://a/?x",
            "https://a//b",
            "https://a/../b",
            "https://a b",
        ] {
            assert!(public_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_in_another_script_comes_with_its_ascii_form() {
        let help = |complaint: Complaint| complaint.help.unwrap();
        assert_eq!(help(host("müller.example:8080").unwrap_err()), "\"xn--mller-kva.example:8080\"");
        assert_eq!(help(public_url("https://bücher.example/x").unwrap_err()), "\"xn--bcher-kva.example\"");
        assert_eq!(help(application_url("http://例え.テスト", base()).unwrap_err()), "\"xn--r8jz45g.xn--zckzah\"");
        assert_eq!(help(host("a\u{202e}é.example").unwrap_err()), "xn--…");
        assert!(host("xn--mller-kva.example").is_ok());
    }

    #[test]
    fn an_application_has_no_path_and_no_password() {
        let read = |text| application_url(text, base());
        assert_eq!(read("http://127.0.0.1:8000/").unwrap().to_string(), "http://127.0.0.1:8000");
        assert_eq!(read("h2c://app:50051").unwrap().to_string(), "h2c://app:50051");
        assert_eq!(read("unix:app.sock").unwrap().to_string(), "unix:/etc/qrgate/app.sock");
        for bad in
            ["127.0.0.1:8000", "http://a/b", "http://u:p@a", "tcp://a", "http://", "unix:", "http://a?x", "http://a#x"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hook_elsewhere_keeps_its_path_and_query() {
        let (url, path) = hook_url("https://id.internal/who?x=1").unwrap();
        assert_eq!((url.to_string().as_str(), path.as_str()), ("https://id.internal", "/who?x=1"));
    }

    #[test]
    fn the_ticket_path_cannot_be_spelt_in_two_ways() {
        assert_eq!(ticket_path("/blog/qr/").as_deref(), Ok("/blog/qr/"));
        for bad in ["/", "", "qr", "/qr", "qr/", "//", "/qr//", "/a/../b/", "/q%72/", "/q r/", "/ä/", "/qr;x/"] {
            assert!(ticket_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_return_path_leads_to_another_origin() {
        for good in ["/", "/home?x=1#/a", "/a//b"] {
            assert!(local_path(good).is_ok(), "{good}");
        }
        for bad in ["", "home", "//evil.example", "/\\evil.example", "/a\nb", "/a b", "/ä", "https://evil.example"] {
            assert!(local_path(bad).is_err(), "{bad}");
        }
    }
}
