//! Tries the application itself: whether it responds, and whether it has nothing at the ticket path.

use std::time::Instant;

use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode, Uri};

use crate::application::{Client, ClientError, ClientSettings};
use crate::body::Body;
use crate::cli::report::Finding;
use crate::config::{Application, Config, Socket};
use crate::deadline::Deadlines;
use crate::forwarded::{X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO};
use crate::origin::{Host, Origin, Scheme};

/// Sends requests to the application as browsers do.
pub struct ApplicationProbe<'a> {
    settings: &'a Application,
    /// The origin that browsers show.
    pub origin: Origin,
    pub client: Client,
}

impl<'a> ApplicationProbe<'a> {
    /// Must be called on a local runtime.
    ///
    /// # Errors
    ///
    /// When a file of `application.tls` cannot be used; the text says which.
    pub fn new(config: &'a Config) -> Result<ApplicationProbe<'a>, String> {
        let settings = &config.application;
        let client = Client::new(&settings.url, ClientSettings::from(settings), Deadlines::start())
            .map_err(|error| error.to_string())?;
        Ok(ApplicationProbe { settings, origin: origin_of(config)?, client })
    }

    /// Whether the application responds at `/`.
    pub async fn responds(&self) -> Finding {
        let start = Instant::now();
        let (url, response) = (&self.settings.url, self.get("/", &self.origin).await);
        let took = start.elapsed().as_millis();
        match response {
            Ok(response) if response.status().is_server_error() => {
                Finding::warn(format!("{url} answered {} at /; see its own log", response.status().as_u16()))
            }
            Ok(response) if self.redirects_to_itself(&response) => Finding::warn(format!(
                "{url} redirects browsers to its own address, which they cannot reach: application.host = \
                 \"preserve\", or the public address in the application's own settings"
            )),
            Ok(response) => Finding::ok(format!("{url} answered {} in {took} ms", response.status().as_u16())),
            Err(error) => {
                let cause = match error.nothing_sent() {
                    true => {
                        "The application does not run, or listens elsewhere. In a container, 127.0.0.1 is the container."
                    }
                    false => "Something took the connection and did not answer as a web server does.",
                };
                Finding::fail(format!("{url}: {error}"), cause, "start it; or application.url")
            }
        }
    }

    fn redirects_to_itself(&self, response: &Response<Body>) -> bool {
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let is_public = self.settings.url.is_named_by(&format!("//{}", self.origin.authority()));
        response.status().is_redirection() && !is_public && location.is_some_and(|to| self.settings.url.is_named_by(to))
    }

    /// Whether the application has nothing at the ticket path.
    pub async fn leaves_alone(&self, path: &str) -> Finding {
        match self.get(path, &self.origin).await {
            Ok(response) if response.status() == StatusCode::NOT_FOUND => {
                Finding::ok(format!("the application answers 404 at {path}"))
            }
            Ok(response) => Finding::warn(format!(
                "the application answers {} at {path}; what it has there cannot be reached (tickets.path)",
                response.status().as_u16()
            )),
            Err(error) => Finding::warn(format!("{path} at the application: {error}")),
        }
    }

    /// The response to a GET as a browser at `origin` sends it.
    pub async fn get(&self, path: &str, origin: &Origin) -> Result<Response<Body>, ClientError> {
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = path.parse().unwrap_or(Uri::from_static("/"));
        let fields = request.headers_mut();
        let public = HeaderValue::from_str(&origin.authority()).ok();
        let host = self.settings.host.field(&self.settings.url).or_else(|| public.clone());
        for (name, value) in [(header::HOST, host), (X_FORWARDED_HOST, public)] {
            if let Some(value) = value {
                fields.insert(name, value);
            }
        }
        fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static(origin.scheme().as_str()));
        fields.insert(X_FORWARDED_PORT, HeaderValue::from(origin.port()));
        self.client.send(request).await
    }
}

/// `public.url`, else the first of `public.hosts`, else the address where qrgate listens.
fn origin_of(config: &Config) -> Result<Origin, String> {
    if let Some(url) = &config.public.origins.url {
        return Ok(url.origin.clone());
    }
    let address = config.listen.addresses.first();
    let scheme = if address.is_some_and(|address| address.tls) { Scheme::Https } else { Scheme::Http };
    let own = match address.map(|address| &address.socket) {
        Some(Socket::Tcp(at)) if !at.ip().is_unspecified() => at.to_string(),
        Some(Socket::Tcp(at)) => format!("127.0.0.1:{}", at.port()),
        Some(Socket::Unix(_) | Socket::Systemd(_)) | None => "localhost".to_owned(),
    };
    let host = config.public.origins.hosts.first().cloned().or_else(|| Host::parse(&own).ok());
    host.map(|host| Origin::new(scheme, &host)).ok_or_else(|| format!("{own} is no public address; set public.url"))
}
