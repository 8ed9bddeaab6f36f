//! What a request asks for, worked out once: whose address it is, who sends it, and which origin its browser shows.

use http::HeaderValue;

use crate::forwarded::Client;
use crate::origin::{Origin, Scheme};
use crate::pages::Lang;
use crate::target::Route;

/// A request that qrgate responds to itself. The exchange makes it; steps and responses only read it.
pub struct Asked {
    pub route: Route,
    pub client: Client,
    /// The origin in the browser's address bar.
    pub origin: Origin,
    /// Whether that is one of `public.url` and `public.hosts`.
    pub admitted: bool,
    /// Whether the response opts into cross-origin isolation.
    pub isolated: bool,
    pub lang: Lang,
    /// `X-Request-ID`, for error pages, audit events and log lines.
    pub request_id: HeaderValue,
}

impl Asked {
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or("")
    }

    /// Whether browsers show the page's origin as https.
    pub fn is_https(&self) -> bool {
        self.origin.scheme() == Scheme::Https
    }
}
