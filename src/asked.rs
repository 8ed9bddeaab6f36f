//! The facts of a request that qrgate responds to itself, determined once: route, client and origin.

use http::HeaderValue;

use crate::forwarded::Client;
use crate::origin::{Origin, Scheme};
use crate::pages::Lang;
use crate::target::Route;

/// Made by the exchange; steps and responses only read it.
pub struct Asked {
    pub route: Route,
    pub client: Client,
    /// The origin in the browser's address bar.
    pub origin: Origin,
    /// Whether the origin is in `public.url` or `public.hosts`.
    pub admitted: bool,
    /// Whether the response has `Cross-Origin-Opener-Policy`.
    pub isolated: bool,
    pub lang: Lang,
    /// `X-Request-ID`, for error pages, audit events and log lines.
    pub request_id: HeaderValue,
}

impl Asked {
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or("")
    }

    /// Whether the origin is https.
    pub fn is_https(&self) -> bool {
        self.origin.scheme() == Scheme::Https
    }
}
