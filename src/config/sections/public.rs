//! `[public]`

use http::HeaderName;

use crate::config::addresses;
use crate::config::complaint::Complaint;
use crate::config::reader::Section;
use crate::fields;
use crate::forwarded::TrustedProxies;
use crate::origin::PublicOrigins;

/// `[public]`: what browsers and the proxies in front of qrgate see.
#[derive(Clone, Debug)]
pub struct Public {
    /// `url` and `hosts`
    pub origins: PublicOrigins,
    /// The peers whose forwarded fields are used.
    pub trusted_proxies: TrustedProxies,
    /// Header fields that only a trusted proxy may send.
    pub proxy_headers: Vec<HeaderName>,
}

impl Public {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Public {
        let url = section.parsed_unless_empty("url", addresses::public_url);
        Public {
            origins: PublicOrigins { url, hosts: section.each("hosts", addresses::host) },
            trusted_proxies: trusted_proxies(section),
            proxy_headers: section.each("proxy_headers", proxy_header),
        }
    }
}

fn trusted_proxies(section: &mut Section<'_, '_>) -> TrustedProxies {
    // Each entry by itself first, so that a problem is shown at its place.
    let entries = section.each("trusted_proxies", |text| {
        TrustedProxies::parse(&[text.to_owned()]).map_err(Complaint::from).map(|_| text.to_owned())
    });
    TrustedProxies::parse(&entries).unwrap_or_else(|why| {
        section.refuse("trusted_proxies", format!("`trusted_proxies`: {why}"));
        TrustedProxies::default()
    })
}

fn proxy_header(text: &str) -> Result<HeaderName, Complaint> {
    fields::proxy_header(text).map_err(|why| format!("`{text}` {why}").into())
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{LEAST, read};

    #[test]
    fn proxy_headers_are_names_that_a_proxy_may_send() {
        let with = |list: &str| {
            read(&format!("{LEAST}[public]\ntrusted_proxies = [\"10.0.0.1\"]\nproxy_headers = {list}\n"), &[])
        };
        let config = with("[\"CF-Connecting-IP\", \"x-forwarded-user\"]").unwrap();
        assert_eq!(config.public.proxy_headers, ["cf-connecting-ip", "x-forwarded-user"]);
        assert!(!config.application.underscores_in_headers);
        let shown = with("[\"Script-Name\", \"Host\", \"X-Real-IP\", \"a_b\"]").unwrap_err().to_string();
        for words in [
            "`Script-Name` can move a request",
            "`Host` is about",
            "`X-Real-IP` is a field that qrgate sets",
            "`a_b` is not",
        ] {
            assert!(shown.contains(&format!("`proxy_headers`: {words}")), "{words} in {shown}");
        }
    }
}
