//! `[application]`

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;

use super::tls::client_tls;
use crate::config::addresses;
use crate::config::complaint::Complaint;
use crate::config::reader::Section;
use crate::endpoint::ApplicationUrl;
use crate::origin::Host;
use crate::tls::ClientTls;

/// `[application]`: the server to which requests are forwarded.
#[derive(Clone, Debug)]
pub struct Application {
    pub url: ApplicationUrl,
    pub host: HostMode,
    /// Until a connection is established, TLS included.
    pub connect_timeout: Duration,
    /// Until the head of the response; `None` when `off`.
    pub response_timeout: Option<Duration>,
    /// How long an idle connection is kept open.
    pub keep_alive: Duration,
    /// How long a body or an upgraded connection may transfer no byte.
    pub idle_timeout: Duration,
    /// Whether `Forwarded` (RFC 7239) is sent too.
    pub forwarded: bool,
    /// Whether a client's header field with `_` in its name is forwarded.
    pub underscores_in_headers: bool,
    pub tls: ClientTls,
}

/// Which `Host` the application gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostMode {
    /// The public one.
    #[default]
    Preserve,
    /// That of `application.url`.
    Application,
    Fixed(Host),
}

impl HostMode {
    /// The `Host` of requests to `application.url`. `None`: the public one.
    pub fn field(&self, url: &ApplicationUrl) -> Option<HeaderValue> {
        match self {
            HostMode::Preserve => None,
            HostMode::Application => Some(url.host_field()),
            HostMode::Fixed(host) => HeaderValue::from_str(&host.to_string()).ok(),
        }
    }
}

impl Application {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Application {
        let base = section.base();
        let url = section.required("url", "url = \"http://127.0.0.1:8000\"");
        let url = url.and_then(|url| section.parse("url", &url, |text| addresses::application_url(text, base)));
        let is_unix = matches!(url, Some(ApplicationUrl::Unix(_)));
        let speaks_tls = url.as_ref().is_none_or(ApplicationUrl::speaks_tls);
        Application {
            url: url.unwrap_or(ApplicationUrl::Unix(PathBuf::new())),
            host: section.parsed("host", "preserve", |text| host_mode(text, is_unix)),
            connect_timeout: section.timeout("connect_timeout", "5s"),
            response_timeout: section.timeout_or_off("response_timeout", "60s"),
            keep_alive: section.timeout("keep_alive", "4s"),
            idle_timeout: section.timeout("idle_timeout", "300s"),
            forwarded: section.flag("forwarded", false),
            underscores_in_headers: section.flag("underscores_in_headers", false),
            tls: section.table("tls", |section| client_tls(section, speaks_tls, true)),
        }
    }
}

fn host_mode(text: &str, is_unix: bool) -> Result<HostMode, Complaint> {
    match text {
        "preserve" => Ok(HostMode::Preserve),
        "application" if is_unix => {
            Err(Complaint::with_help("a unix socket has no name", "\"preserve\", or a fixed name"))
        }
        "application" => Ok(HostMode::Application),
        _ => addresses::host(text).map(HostMode::Fixed),
    }
}
