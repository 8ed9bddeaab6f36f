//! `[events]`

use http::uri::PathAndQuery;

use super::tls::client_tls;
use crate::config::addresses;
use crate::config::complaint::Complaint;
use crate::config::reader::Section;
use crate::config::secrets;
use crate::endpoint::ApplicationUrl;
use crate::secret::Secret;
use crate::tls::ClientTls;

/// `[events]`: where the ends of tickets are reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    pub url: ApplicationUrl,
    pub path: PathAndQuery,
    /// What events are signed with, newest first; several while they are rotated. Never empty.
    pub secrets: Vec<Secret>,
    /// For `https`.
    pub tls: ClientTls,
}

impl Events {
    /// `None` without a `url`: there is no receiver.
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<Events> {
        let target = section.parsed_unless_empty("url", addresses::hook_url);
        let source = secrets::source(section, "secret");
        let secrets = source.map(|source| secrets::secrets(section, "secret", source));
        let speaks_tls = target.as_ref().is_none_or(|(url, _)| url.speaks_tls());
        let tls = section.table("tls", |section| client_tls(section, speaks_tls, false));
        let (url, path) = target?;
        if secrets.is_none() {
            let help = "qrgate secret > events.secret, then secret_file = \"events.secret\" in [events]";
            let message = "events.secret is needed with events.url: the receiver verifies each event with it";
            section.refuse_section("secret", Complaint::with_help(message, help));
        }
        Some(Events { url, path, secrets: secrets.unwrap_or_default(), tls })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{LEAST, OTHER, SECRET, read};

    #[test]
    fn events_need_an_address_and_a_secret_of_their_own() {
        let third = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        let text =
            |events: &str| format!("{LEAST}[login]\nsecret = \"{OTHER}\"\n[tickets]\nsecret = \"{SECRET}\"\n{events}");
        assert_eq!(read(&text(""), &[]).unwrap().events, None);
        assert_eq!(read(&text(&format!("[events]\nsecret = \"{third}\"\n")), &[]).unwrap().events, None);
        let url = "[events]\nurl = \"https://hooks.example/qr?x=1\"\n";
        let events = read(&text(&format!("{url}secret = \"{third}\"\n")), &[]).unwrap().events.unwrap();
        assert_eq!((events.url.to_string().as_str(), events.path.as_str()), ("https://hooks.example", "/qr?x=1"));
        let events =
            read(&text(""), &[("QRGATE_EVENTS__URL", "http://127.0.0.1:1/x"), ("QRGATE_EVENTS__SECRET", third)]);
        assert_eq!(events.unwrap().events.unwrap().secrets.len(), 1);
        let refused = |text: &str| read(text, &[]).unwrap_err().to_string();
        assert!(refused(&text(url)).contains("events.secret is needed with events.url"));
        for secret in [OTHER, SECRET] {
            let said = refused(&text(&format!("{url}secret = \"{secret}\"\n")));
            assert!(said.contains("`secret` of [events] is also"), "{said}");
        }
        let warned = |url: &str| {
            let config = read(&text(&format!("[events]\nurl = \"{url}\"\nsecret = \"{third}\"\n")), &[]).unwrap();
            config.warnings.iter().any(|warning| warning.key == "events.url")
        };
        assert!(warned("http://hooks.example/x") && warned("h2c://198.51.100.7:81/x"));
        assert!(
            !warned("https://hooks.example/x") && !warned("http://127.0.0.1:8000/x") && !warned("http://10.0.0.7/x")
        );
        assert!(refused(&text("[events]\nurl = \"hooks.example\"\n")).contains("the scheme is missing"));
    }
}
