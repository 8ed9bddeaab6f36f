//! HTTP for the ACME library, with the client that also connects to the application. The library requires `Send`, which
//! the client is not, so requests go to a task on the client's thread.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::CertificateError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::trouble::Trouble;
use crate::application::{Client, ClientError, ClientSettings};
use crate::body::{Body, read_limited};
use crate::clock::{Clock, Timestamp};
use crate::deadline::Deadlines;
use crate::endpoint::ApplicationUrl;
use crate::tls::ClientTls;

/// Timeout of connecting to the authority.
const CONNECT: Duration = Duration::from_secs(10);
/// Timeout of a whole request.
const WHOLE: Duration = Duration::from_secs(30);
/// The largest response. A chain has a few KiB.
const LARGEST: usize = 1024 * 1024;
/// A clock that differs by more seconds is named when something fails.
const SKEW: i64 = 300;

/// A connection to an authority, for the library.
#[derive(Clone)]
pub struct Transport {
    calls: mpsc::UnboundedSender<Call>,
    observed: Arc<Observed>,
}

struct Call {
    request: Request<Bytes>,
    sender: oneshot::Sender<Result<Response<Bytes>, Trouble>>,
}

/// Header fields of the last responses that outlive them.
#[derive(Debug, Default)]
struct Observed {
    /// `Retry-After` of a refusal, in milliseconds since the epoch; 0: none.
    retry_after: AtomicU64,
    /// The authority's clock minus ours, in seconds.
    skew: AtomicI64,
}

impl Transport {
    /// Starts the task, on the current local runtime. It ends with the last clone.
    pub fn start(tls: ClientTls, clock: Clock) -> Transport {
        let (calls, mut waiting) = mpsc::unbounded_channel::<Call>();
        let observed = Arc::new(Observed::default());
        let observing = observed.clone();
        tokio::task::spawn_local(async move {
            let mut origin = Origin { tls, deadlines: Deadlines::start(), known: None };
            while let Some(Call { request, sender }) = waiting.recv().await {
                let response = timeout(WHOLE, origin.send(request)).await.unwrap_or_else(|_| {
                    let advice = "The next try may succeed; its status page may say more";
                    Err(Trouble::new("the authority did not respond within 30 s", advice))
                });
                if let Ok(response) = &response {
                    observing.observe(response.status(), response.headers(), clock.now());
                }
                let _ = sender.send(response);
            }
        });
        Transport { calls, observed }
    }

    /// The time that a refusal named in `Retry-After` (RFC 8555, section 6.6), once.
    pub fn take_retry_after(&self) -> Option<Timestamp> {
        Some(self.observed.retry_after.swap(0, Ordering::Relaxed)).filter(|at| *at > 0).map(Timestamp)
    }

    /// A sentence about a clock that differs from the authority's.
    pub fn skew(&self) -> Option<String> {
        let skew = self.observed.skew.load(Ordering::Relaxed);
        let direction = if skew > 0 { "behind" } else { "ahead of" };
        (skew.abs() > SKEW)
            .then(|| format!("This machine's clock is {} s {direction} the authority's: set it", skew.abs()))
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let calls = self.calls.clone();
        Box::pin(async move {
            let (head, content) = request.into_parts();
            let content = content.collect().await.map(|content| content.to_bytes()).unwrap_or_default();
            let (sender, response) = oneshot::channel();
            let call = Call { request: Request::from_parts(head, content), sender };
            let ended = || Error::Other(Box::new(Trouble::new("the task that talks to the authority has ended", "")));
            calls.send(call).map_err(|_| ended())?;
            let response = response.await.map_err(|_| ended())?;
            response.map(|response| response.map(Full::new).into()).map_err(|trouble| Error::Other(Box::new(trouble)))
        })
    }
}

impl Observed {
    fn observe(&self, status: StatusCode, fields: &HeaderMap, now: Timestamp) {
        let text = |name| fields.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let date = |text| httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok();
        if let Some(theirs) = text(header::DATE).and_then(date) {
            let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
            self.skew.store(seconds(theirs.as_secs()) - seconds(now.seconds()), Ordering::Relaxed);
        }
        if status.is_client_error() || status.is_server_error() {
            let until = text(header::RETRY_AFTER).and_then(|text| match text.trim().parse() {
                Ok(seconds) => Some(now + Duration::from_secs(seconds)),
                Err(_) => date(text).map(|at| Timestamp(0) + at),
            });
            self.retry_after.store(until.map_or(0, |at| at.0), Ordering::Relaxed);
        }
    }
}

/// The client for the origin of the last request. Nearly always all URLs of a directory have the same origin.
struct Origin {
    tls: ClientTls,
    deadlines: Deadlines,
    known: Option<(ApplicationUrl, Client)>,
}

impl Origin {
    async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, Trouble> {
        let (mut head, content) = request.into_parts();
        let client = self.client(&head.uri)?;
        let host = HeaderValue::from_str(head.uri.authority().map_or("", |authority| authority.as_str()));
        let host = host.map_err(|error| Trouble::new(format!("{}: {error}", head.uri), ""))?;
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        head.headers.insert(header::HOST, host);
        // The library's value names the library only (RFC 8555, section 6.1).
        const AGENT: &str = concat!("qrgate/", env!("CARGO_PKG_VERSION"), " instant-acme");
        head.headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        let address = std::mem::replace(&mut head.uri, Uri::from(path));
        let body = if content.is_empty() { Body::Empty } else { Body::full(content) };
        let response = client.send(Request::from_parts(head, body)).await;
        let (head, content) = response.map_err(|error| unreachable(&address, &error))?.into_parts();
        let content = read_limited(content, LARGEST)
            .await
            .map_err(|error| Trouble::new(format!("{address}: the response is incomplete: {error}"), ""))?;
        Ok(Response::from_parts(head, content))
    }

    fn client(&mut self, uri: &Uri) -> Result<&Client, Trouble> {
        let Some(authority) = uri.authority().filter(|_| uri.scheme() == Some(&Scheme::HTTPS)) else {
            return Err(Trouble::new(format!("the authority's directory names {uri}, which is not https"), ""));
        };
        let url = ApplicationUrl::Https(authority.clone());
        let known = match self.known.take() {
            Some(known) if known.0 == url => known,
            _ => {
                let settings = ClientSettings {
                    connect_timeout: CONNECT,
                    response_timeout: Some(WHOLE),
                    keep_alive: Duration::from_secs(5),
                    idle_timeout: WHOLE,
                    tls: self.tls.clone(),
                };
                let client = Client::new(&url, settings, self.deadlines.clone());
                (url, client.map_err(|error| Trouble::new(error.to_string(), "See listen.acme.ca"))?)
            }
        };
        Ok(&self.known.insert(known).1)
    }
}

/// Why the authority sent no response, and what to do about it.
fn unreachable(address: &Uri, error: &ClientError) -> Trouble {
    if error.is_timeout() {
        return Trouble::new(format!("{address}: no response in time"), "See that this machine may connect to it");
    }
    let ClientError::Connect(cause) = error else { return Trouble::new(format!("{address}: {error}"), "") };
    let advice = match certificate_error(cause) {
        Some(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "Its certificate has expired, or this machine's clock is ahead"
        }
        Some(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "Its certificate is not valid yet: this machine's clock is behind"
        }
        Some(CertificateError::UnknownIssuer | CertificateError::Other(_)) => {
            "For a private authority, listen.acme.ca names the file of the certificate that vouches for its TLS"
        }
        Some(_) => "See listen.acme.directory",
        None => "See that this machine resolves the name and may connect to it",
    };
    Trouble::new(format!("{address}: {cause}"), advice)
}

fn certificate_error(error: &io::Error) -> Option<&CertificateError> {
    let mut cause: Option<&(dyn StdError + 'static)> = error.get_ref().map(|error| error as _);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return Some(why);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observe(status: u16, fields: &[(header::HeaderName, &str)], now: Timestamp) -> Transport {
        let observed = Arc::new(Observed::default());
        let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        observed.observe(StatusCode::from_u16(status).unwrap(), &fields.collect(), now);
        Transport { calls: mpsc::unbounded_channel().0, observed }
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let now = Timestamp(1_000_000_000_000);
        let after = |status, value: &str| observe(status, &[(header::RETRY_AFTER, value)], now).take_retry_after();
        assert_eq!(after(429, "3600"), Some(now + Duration::from_secs(3600)));
        assert_eq!(after(503, "Sun, 09 Sep 2001 02:46:40 GMT"), Some(now + Duration::from_secs(3600)));
        assert_eq!(after(429, "soon"), None);
        assert_eq!(after(200, "3600"), None, "the poll interval of an order");
    }

    #[test]
    fn a_clock_that_differs_is_named() {
        let now = Timestamp(1_000_000_000_000);
        let skew = |date: &str| observe(200, &[(header::DATE, date)], now).skew();
        assert_eq!(skew("Sun, 09 Sep 2001 01:46:45 GMT"), None);
        assert!(skew("Mon, 10 Sep 2001 01:46:40 GMT").unwrap().contains("clock is 86400 s behind"));
        assert!(skew("Sat, 08 Sep 2001 01:46:40 GMT").unwrap().contains("clock is 86400 s ahead"));
    }
}
