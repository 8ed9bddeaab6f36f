//! Forwards a request to the application, and its response back.
//!
//! The head is edited in place, the content is streamed, and the target is forwarded byte for byte. The caller has
//! decided that the request is to be forwarded.

mod upgrade;

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Uri, Version};

use crate::application::{Client, ServerResponse};
use crate::body::{Body, BodyError, BytesIn, Relay, read_limited};
use crate::config::Application;
use crate::deadline::{Deadlines, IdleTimeout};
use crate::fault::Fault;
use crate::fields::{
    BadResponse, Edit, FieldRules, ManagedFields, check_trailers, prepare_request_trailers, prepare_response,
};
use crate::forwarded::Downstream;
use crate::tunnel::TunnelSlot;

use upgrade::Wanted;

/// Forwards the requests of one worker.
pub struct Forwarder {
    client: Rc<Client>,
    /// The `Host` for the application. `None`: the client's.
    host: Option<HeaderValue>,
    forwarded: bool,
    rules: Rc<FieldRules>,
    idle_timeout: Duration,
    deadlines: Deadlines,
}

/// The result of forwarding a request.
pub struct Forwarded {
    /// The response, its content still streaming.
    pub response: Response<Body>,
    /// Time from sending the request to the head of the response.
    pub took: Duration,
}

impl Forwarder {
    /// `rules` decides which fields of a client are forwarded.
    pub fn new(application: &Application, rules: FieldRules, client: Rc<Client>, deadlines: Deadlines) -> Forwarder {
        Forwarder {
            client,
            host: application.host.field(&application.url),
            forwarded: application.forwarded,
            rules: Rc::new(rules),
            idle_timeout: application.idle_timeout,
            deadlines,
        }
    }

    /// Forwards the request and returns the response when its head has arrived. The request's head is consumed.
    ///
    /// An accepted upgrade is put into `tunnel`, for the client's connection.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the application is unreachable or too slow, or its response must not be forwarded.
    pub async fn forward(
        &self,
        head: &mut Parts,
        content: Body,
        downstream: &Downstream,
        request_id: &HeaderValue,
        bytes_in: &BytesIn,
        tunnel: &TunnelSlot,
    ) -> Result<Forwarded, Fault> {
        let content = coming(content).await?;
        let wanted = Wanted::of(head, content.is_some())?;
        let host = self.host.clone().unwrap_or_else(|| downstream.host.clone());
        let managed = ManagedFields { downstream, request_id, host, forwarded: self.forwarded, rules: &self.rules };
        let mut edit = Edit::of_client(&mut head.headers, managed);
        // Origin-form (RFC 9112, section 3.2.1), with `/` for an absolute target without a path.
        head.uri = head.uri.path_and_query().cloned().map_or(Uri::from_static("/"), Uri::from);
        head.version = Version::HTTP_11;
        head.extensions.clear();
        if let Some(wanted) = &wanted {
            wanted.ask(head, &mut edit);
        }
        let content = content.filter(|_| !wanted.as_ref().is_some_and(Wanted::is_content_tunnelled));
        let body = content.map_or(Body::Empty, |content| self.relay(content, bytes_in.clone()));

        let began = Instant::now();
        let ServerResponse { mut response, switched } = self.client.exchange(head, body, edit, tunnel).await?;
        let took = began.elapsed();
        match (response.status(), wanted) {
            (StatusCode::SWITCHING_PROTOCOLS, None) => return Err(BadResponse::UnaskedUpgrade.into()),
            (StatusCode::SWITCHING_PROTOCOLS, Some(wanted)) => {
                let response = wanted.accept(response, switched, tunnel, self.idle_timeout, bytes_in.clone())?;
                return Ok(Forwarded { response, took });
            }
            (status, wanted) => {
                wanted.map_or(Ok(()), |wanted| wanted.decline(status))?;
                prepare_response(response.headers_mut());
            }
        }
        *response.version_mut() = Version::HTTP_11;
        Ok(Forwarded { response, took })
    }

    fn relay(&self, inner: Body, counted: BytesIn) -> Body {
        let rules = self.rules.clone();
        let trailers = move |trailers: &mut HeaderMap| {
            check_trailers(trailers).map_err(|malformed| BodyError::Broken(malformed.into()))?;
            prepare_request_trailers(trailers, &rules);
            Ok(())
        };
        let (idle, deadline) = (IdleTimeout::new(self.idle_timeout), self.deadlines.register());
        Body::Other(Box::pin(Relay { inner, idle, deadline, counted: Some(counted), trailers, held: None }))
    }
}

/// The content, if there is any.
///
/// A length of zero is verified first. In HTTP/2 content can follow nevertheless, when the application already has the
/// complete request (docs/conformance.md, H3).
async fn coming(content: Body) -> Result<Option<Body>, Fault> {
    if http_body::Body::is_end_stream(&content) {
        return Ok(None);
    }
    if http_body::Body::size_hint(&content).exact() == Some(0) {
        Box::pin(read_limited(content, 0)).await?;
        return Ok(None);
    }
    Ok(Some(content))
}

/// Whether a method is never forwarded (RFC 9110, sections 9.3.6 and 9.3.8). The extended CONNECT of a WebSocket (RFC
/// 8441) is.
pub fn is_forbidden(method: &Method, extensions: &http::Extensions) -> bool {
    *method == Method::TRACE || *method == Method::CONNECT && !upgrade::is_extended_websocket(extensions)
}

#[cfg(test)]
mod tests;
