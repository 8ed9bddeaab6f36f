//! The result of a request.

use bytes::Bytes;
use http::Response;

use crate::body::Body;
use crate::wire::Wire;

/// A response, its content still streaming.
pub struct ServerResponse {
    pub response: Response<Body>,
    /// After a 101: the socket, and the bytes already read from it after the head.
    pub switched: Option<(Wire, Bytes)>,
}
