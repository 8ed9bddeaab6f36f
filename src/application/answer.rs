//! What came of a request.

use bytes::Bytes;
use http::Response;

use crate::body::Body;
use crate::tunnel::Far;

/// An answer, its content still streaming.
pub struct Answer {
    /// The answer.
    pub response: Response<Body>,
    /// After a 101: what the other protocol is spoken over, and what was read from it after the head.
    pub switched: Option<(Far, Bytes)>,
}
