//! The receiver of events: one POST for each try, signed as Standard Webhooks.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>. The address comes from
//! the configuration only, redirects are not followed, and the content of a response has no effect.

use std::time::Duration;

use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri};
use thiserror::Error;
use tokio::time::timeout;

use super::client::{Client, ClientSettings};
use super::error::ClientError;
use super::webhook;
use crate::body::{Body, read_limited};
use crate::config::Events;
use crate::deadline::Deadlines;
use crate::secret::Secret;
use crate::tls::TlsFileError;

/// Time limit for the head of the response, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for its content, which is read only so that the connection can be reused.
const CONTENT_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest that a call can take.
pub const LONGEST: Duration = Duration::from_secs(TIMEOUT.as_secs() + CONTENT_TIMEOUT.as_secs());
/// The largest content of a response that is read.
const MAX_CONTENT: usize = 64 * 1024;

/// One event for the receiver.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `webhook-id`: the same for all tries.
    pub id: &'a str,
    /// `webhook-timestamp`: the time of this try, in seconds since the epoch.
    pub timestamp: u64,
    pub content: &'a [u8],
}

/// A connection to the receiver, for one thread.
pub struct Receiver {
    client: Client,
    path: PathAndQuery,
    called: String,
    host: HeaderValue,
    secrets: Vec<Secret>,
}

/// Why an event was not delivered. `Display` quotes nothing of the response.
#[derive(Debug, Error)]
pub enum Undelivered {
    #[error("no response: {0}")]
    Unreachable(#[source] ClientError),
    #[error("no response within {:?}", TIMEOUT)]
    TimedOut,
    /// Any status but 2xx, and its `Retry-After` in seconds.
    #[error("status {}", .0.as_u16())]
    Status(StatusCode, Option<Duration>),
}

impl Receiver {
    /// `settings` has the timeouts of the application's connections. Must be called on a local runtime.
    ///
    /// # Errors
    ///
    /// [`TlsFileError`] if a file of `[events.tls]` cannot be used.
    pub fn new(events: &Events, settings: ClientSettings, deadlines: Deadlines) -> Result<Receiver, TlsFileError> {
        let settings = ClientSettings { tls: events.tls.clone(), ..settings };
        let client = Client::new(&events.url, settings, deadlines)?.for_hooks();
        let host = events.url.host_field();
        // Without the query, where other webhook receivers expect their password.
        let called = format!("{}{}", events.url, events.path.path());
        Ok(Receiver { client, path: events.path.clone(), called, host, secrets: events.secrets.clone() })
    }

    /// The address that is called, for the log.
    pub fn called(&self) -> &str {
        &self.called
    }

    /// Sends an event.
    ///
    /// # Errors
    ///
    /// [`Undelivered`] unless a response with status 2xx begins within 10 seconds.
    pub async fn send(&self, call: Call<'_>) -> Result<(), Undelivered> {
        self.send_signed(call, &self.secrets).await
    }

    /// Like [`Receiver::send`], with these secrets in place of the configured ones.
    ///
    /// # Errors
    ///
    /// As [`Receiver::send`].
    pub async fn send_signed(&self, call: Call<'_>, secrets: &[Secret]) -> Result<(), Undelivered> {
        let sent = timeout(TIMEOUT, self.client.send(self.request(call, secrets))).await;
        let response = sent.map_err(|_| Undelivered::TimedOut)?.map_err(Undelivered::Unreachable)?;
        let (status, retry_after) = (response.status(), retry_after(&response));
        drop(timeout(CONTENT_TIMEOUT, read_limited(response.into_body(), MAX_CONTENT)).await);
        match status.is_success() {
            true => Ok(()),
            false => Err(Undelivered::Status(status, retry_after)),
        }
    }

    fn request(&self, call: Call<'_>, secrets: &[Secret]) -> Request<Body> {
        let mut request = Request::new(Body::full(call.content.to_vec()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(self.path.clone());
        let fields = request.headers_mut();
        fields.insert(header::HOST, self.host.clone());
        fields.insert(header::USER_AGENT, HeaderValue::from_static(concat!("qrgate/", env!("CARGO_PKG_VERSION"))));
        webhook::add_fields(fields, secrets, call.id, call.timestamp, call.content);
        request
    }
}

impl Undelivered {
    /// Whether the receiver wants no more events: a 410 (Standard Webhooks).
    pub fn is_gone(&self) -> bool {
        matches!(self, Undelivered::Status(StatusCode::GONE, _))
    }

    /// How long the receiver asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Undelivered::Status(_, retry_after) => *retry_after,
            Undelivered::Unreachable(_) | Undelivered::TimedOut => None,
        }
    }
}

/// `Retry-After` in seconds (RFC 9110, section 10.2.3). A date is ignored: the two clocks may differ.
fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waits(value: &[u8]) -> Option<Duration> {
        let response = Response::builder().header(header::RETRY_AFTER, value).body(());
        response.ok().and_then(|response| retry_after(&response))
    }

    #[test]
    fn retry_after_is_a_number_of_seconds() {
        assert_eq!(waits(b" 120 "), Some(Duration::from_secs(120)));
        for other in [&b"Wed, 21 Oct 2026 07:28:00 GMT"[..], b"-1", b"1.5", b"", b"\xff"] {
            assert_eq!(waits(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn no_retry_after_panics(value: Vec<u8>) {
            let _ = waits(&value);
        }
    }
}
