//! A WebSocket to a server of HTTP/2: HTTP/1.1's upgrade becomes an extended CONNECT (RFC 8441), its success a 101.
//!
//! In HTTP/2 there is no key to prove anything with: that the server read it is ours to say, and what it said is the 200.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;

use super::answer::Answer;
use super::error::ClientError;
use crate::body::Body;
use crate::fields::{BadAnswer, Edit};
use crate::tunnel::Far;
use crate::websocket;

/// Whether a request is a WebSocket's handshake, whole enough to be said in HTTP/2. Any other upgrade, and a handshake
/// that no server would take, is for HTTP/1.1.
pub fn fits(head: &Parts, edit: &Edit) -> bool {
    let named = |(name, value): (&_, &HeaderValue)| {
        *name == header::UPGRADE && value.as_bytes().eq_ignore_ascii_case(b"websocket")
    };
    head.method == Method::GET && websocket::key_of(&head.headers).is_some() && edit.fields(&head.headers).any(named)
}

/// The same question in HTTP/2 (RFC 8441, section 5), and the key that HTTP/1.1 wants answered.
pub fn ask(mut request: Request<Body>) -> (Request<Body>, Option<HeaderValue>) {
    *request.method_mut() = Method::CONNECT;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let headers = request.headers_mut();
    for name in [header::CONNECTION, header::UPGRADE, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
    let key = headers.remove(header::SEC_WEBSOCKET_KEY);
    (request, key)
}

/// The answer in HTTP/1.1's words.
///
/// # Errors
///
/// [`BadAnswer::NoUpgrade`] for a success that opens nothing.
pub async fn read(mut response: Response<Body>, key: Option<HeaderValue>) -> Result<Answer, ClientError> {
    match response.status() {
        StatusCode::OK => {}
        status if status.is_success() => return Err(ClientError::BadAnswer(BadAnswer::NoUpgrade)),
        _ => return Ok(Answer { response, switched: None }),
    }
    let stream = hyper::upgrade::on(&mut response).await.map_err(|error| ClientError::Broken(error.into()))?;
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.version_mut() = Version::HTTP_11;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Some(key) = key {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, websocket::accept_of(&key));
    }
    let switched = Some((Far::Stream(TokioIo::new(stream)), Bytes::new()));
    Ok(Answer { response: response.map(|_| Body::Empty), switched })
}
