//! Upgrades: the request to the application, and the check of its 101.
//!
//! A WebSocket over HTTP/2 arrives as an extended CONNECT (RFC 8441). The application always gets an HTTP/1.1 upgrade
//! (RFC 6455).

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::ext::Protocol;

use crate::body::{Body, BytesIn};
use crate::fault::Fault;
use crate::fields::{BadResponse, Edit, asks_for_upgrade, prepare_upgrade_response};
use crate::secret::NoRandomness;
use crate::tunnel::{Tunnel, TunnelSlot};
use crate::websocket::{accept_of, draw_key};
use crate::wire::Wire;

/// An upgrade that a client requests.
pub struct Wanted {
    protocol: HeaderValue,
    /// qrgate's key for a WebSocket over HTTP/2, where the client sends none.
    own_key: Option<HeaderValue>,
}

/// Whether a request is the extended CONNECT of a WebSocket.
pub fn is_extended_websocket(extensions: &http::Extensions) -> bool {
    extensions.get::<Protocol>().is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"))
}

impl Wanted {
    /// The upgrade in a request, if it is complete.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] if the key for a WebSocket over HTTP/2 cannot be generated.
    pub fn of(head: &Parts, has_content: bool) -> Result<Option<Wanted>, NoRandomness> {
        if head.method == Method::CONNECT && is_extended_websocket(&head.extensions) {
            let protocol = HeaderValue::from_static("websocket");
            return Ok(Some(Wanted { protocol, own_key: Some(draw_key()?) }));
        }
        let protocol = asks_for_upgrade(&head.method, head.version, &head.headers, has_content);
        Ok(protocol.map(|protocol| Wanted { protocol, own_key: None }))
    }

    /// Whether the client's content belongs to the tunnel, as in an extended CONNECT.
    pub fn is_content_tunnelled(&self) -> bool {
        self.own_key.is_some()
    }

    /// Adds the upgrade to the request for the application.
    pub fn ask(&self, head: &mut Parts, edit: &mut Edit) {
        edit.add(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        edit.add(header::UPGRADE, self.protocol.clone());
        if let Some(key) = &self.own_key {
            head.method = Method::GET;
            head.headers.insert(header::SEC_WEBSOCKET_KEY, key.clone());
            head.headers.entry(header::SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
        }
    }

    /// Checks a response other than 101. To a client, success of an extended CONNECT means an open tunnel.
    ///
    /// # Errors
    ///
    /// [`BadResponse::NoUpgrade`] for such a success.
    pub fn decline(&self, status: StatusCode) -> Result<(), BadResponse> {
        if self.own_key.is_some() && status.is_success() { Err(BadResponse::NoUpgrade) } else { Ok(()) }
    }

    /// Checks the 101 and puts the application's side into `tunnel`.
    ///
    /// # Errors
    ///
    /// [`BadResponse::UnaskedUpgrade`] if it does not name exactly the requested protocol.
    pub fn accept(
        self,
        mut response: Response<Body>,
        switched: Option<(Wire, Bytes)>,
        tunnel: &TunnelSlot,
        idle_timeout: Duration,
        bytes_in: BytesIn,
    ) -> Result<Response<Body>, Fault> {
        let named = response.headers().get_all(header::UPGRADE).iter().collect::<Vec<_>>();
        let same = named.len() == 1 && named[0].as_bytes().eq_ignore_ascii_case(self.protocol.as_bytes());
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        let keyed = self.own_key.as_ref().is_none_or(|key| accepted == Some(&accept_of(key)));
        let (true, true, Some((application, ahead))) = (same, keyed, switched) else {
            return Err(BadResponse::UnaskedUpgrade.into());
        };
        let ended = Box::new(move |to_application, _to_client| bytes_in.set(bytes_in.get() + to_application));
        tunnel.fill(Tunnel { application, ahead, idle_timeout, ended });
        prepare_upgrade_response(response.headers_mut(), &self.protocol);
        let mut response = response.map(|_| Body::Empty);
        if self.own_key.is_some() {
            *response.status_mut() = StatusCode::OK;
            for name in [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_ACCEPT] {
                response.headers_mut().remove(name);
            }
        }
        Ok(response)
    }
}
