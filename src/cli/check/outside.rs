//! Requests the hooks at the public address: neither their paths nor a field that replaces the path may reach one.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use tokio::time::timeout;

use super::advice;
use super::application::ApplicationProbe;
use super::diagnosis::Known;
use crate::application::Client;
use crate::body::{Body, read_limited};
use crate::cli::report::Finding;
use crate::config::{self, Config};
use crate::origin::{Origin, PublicUrl, Scheme};

/// The time limit of each request. The public address may not be reachable from here, or not yet.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The largest content that is compared.
const MAX_RESPONSE: usize = 64 * 1024;

/// A path that the application does not have.
const NOWHERE: &str = "/qrgate-check";
/// Fields whose value some servers and frameworks strip from the front of the path.
const PREFIXES: [&str; 7] = [
    "script_name",
    "script-name",
    "daphne-root-path",
    "x-script-name",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-pathbase",
];
/// Fields whose value some of them use instead of the path.
const PATHS: [&str; 9] = [
    "path_info",
    "path-info",
    "request-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-original-path",
    "x-replaced-path",
    "x-envoy-original-path",
    "x-forwarded-uri",
];

/// What clients can reach at `public.url`. Empty without `public.url`.
pub async fn from_public_url(config: &Config, probe: &ApplicationProbe<'_>, known: Known) -> Vec<Finding> {
    let Some(public) = &config.public.origins.url else { return Vec::new() };
    let paths = config.hidden_paths();
    let Some(outside) = Outside::of(public, probe) else { return Vec::new() };
    let mut findings: Vec<Finding> = outside.moves_to_https(known).await.into_iter().collect();
    if paths.is_empty() {
        return findings;
    }
    match outside.hides(&paths, known).await {
        Ok(hidden) => findings.extend([hidden, outside.moves_nothing(&paths, probe, known).await]),
        Err(finding) => findings.push(finding),
    }
    findings
}

/// The part of a response that is compared.
#[derive(PartialEq, Eq)]
struct Seen {
    status: StatusCode,
    content: Bytes,
}

impl Seen {
    /// Whether this response is the hook's, while the same request without a field gets another one. A hook's content
    /// may differ between calls; then the status decides.
    fn is_moved(&self, hook: &Seen, plain: &Seen) -> bool {
        self.status == hook.status && plain.status != hook.status || self == hook && plain != hook
    }
}

/// Sends requests to the public address.
struct Outside<'a> {
    public: &'a PublicUrl,
    client: Client,
    host: HeaderValue,
}

impl<'a> Outside<'a> {
    fn of(public: &'a PublicUrl, probe: &ApplicationProbe<'_>) -> Option<Outside<'a>> {
        let url = config::application_url(&public.origin.to_string(), Path::new("")).ok()?;
        let host = HeaderValue::from_str(&public.origin.authority()).ok()?;
        Some(Outside { public, client: probe.client.for_server(&url).ok()?, host })
    }

    /// The failure of an http address that redirects browsers to https.
    async fn moves_to_https(&self, known: Known) -> Option<Finding> {
        let origin = &self.public.origin;
        let request = self.request("/").ok()?;
        let response = timeout(TIMEOUT, self.client.send(request)).await.ok()?.ok()?;
        let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
        let leads = location.strip_prefix("https://")?.starts_with(origin.name());
        (origin.scheme() == Scheme::Http && leads)
            .then(|| known.fail(format!("{origin} redirects to {location}"), &advice::PUBLIC_SCHEME))
    }

    /// Whether every hook gives 404 or 400. The error is what is wrong, or that there is no response.
    async fn hides(&self, paths: &[String], known: Known) -> Result<Finding, Finding> {
        let origin = &self.public.origin;
        for path in paths {
            match self.look(path, &[], "").await.map(|seen| seen.status) {
                Ok(StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) => {}
                Ok(
                    status @ (StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT),
                ) => return Err(not_looked_for(origin, &status)),
                Err(cause) => return Err(not_looked_for(origin, &cause)),
                Ok(status) => {
                    let text =
                        format!("{}{path} answers {}; from outside it must be 404", self.public, status.as_u16());
                    return Err(known.fail(text, &advice::OUTSIDE));
                }
            }
        }
        Ok(Finding::ok(format!("the hooks are 404 at {origin}")))
    }

    /// Whether fields that replace the path change nothing.
    async fn moves_nothing(&self, paths: &[String], probe: &ApplicationProbe<'_>, known: Known) -> Finding {
        for path in paths {
            let Ok(hook) = seen(probe.get(path, &probe.origin)).await else { continue };
            let under = format!("{NOWHERE}{path}");
            for (fields, target, value) in [(&PREFIXES[..], under.as_str(), NOWHERE), (&PATHS, NOWHERE, path)] {
                let (plain, moved) = (self.look(target, &[], "").await, self.look(target, fields, value).await);
                if let (Ok(plain), Ok(moved)) = (plain, moved)
                    && moved.is_moved(&hook, &plain)
                {
                    let text = format!("{}{target} reaches {path} with a field such as {}", self.public, fields[0]);
                    return known.fail(text, &advice::MOVED);
                }
            }
        }
        Finding::ok(format!("no field moves a request onto a hook at {}", self.public.origin))
    }

    fn request(&self, path: &str) -> Result<Request<Body>, http::Error> {
        Request::get(format!("{}{path}", self.public.sub_path)).header(header::HOST, &self.host).body(Body::Empty)
    }

    /// The response to a plain GET with these fields. The error is why there is none.
    async fn look(&self, path: &str, fields: &[&'static str], value: &str) -> Result<Seen, String> {
        let mut request = self.request(path).map_err(|error| error.to_string())?;
        let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
        for name in fields {
            request.headers_mut().insert(HeaderName::from_static(name), value.clone());
        }
        seen(self.client.send(request)).await
    }
}

/// The finding for a public address that does not respond, or not yet.
fn not_looked_for(origin: &Origin, cause: &dyn Display) -> Finding {
    Finding::ok(format!("the hooks were not looked for at {origin}: {cause}"))
}

async fn seen<E: Display>(response: impl Future<Output = Result<http::Response<Body>, E>>) -> Result<Seen, String> {
    let whole = async {
        let response = response.await.map_err(|error| error.to_string())?;
        let status = response.status();
        let content = read_limited(response.into_body(), MAX_RESPONSE).await.unwrap_or_default();
        Ok(Seen { status, content })
    };
    timeout(TIMEOUT, whole).await.map_err(|_| format!("no response within {} s", TIMEOUT.as_secs()))?
}
