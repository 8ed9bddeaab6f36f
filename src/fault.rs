//! Every fault: what failed, on which side, and the status of the response.
//!
//! A refusal, such as an expired code, is not a fault; `qr/` has pages for those. `reply/` turns a fault into a page.

use std::fmt;

use http::StatusCode;

use crate::application::{ClientError, HookError};
use crate::body::{BodyError, ReadError};
use crate::fields::{BadResponse, Malformed};
use crate::forwarded::ForwardedError;
use crate::secret::NoRandomness;
use crate::store::StoreError;

/// A request that failed.
#[derive(Debug)]
pub enum Fault {
    /// The application gave no response.
    Application(ClientError),
    /// The application gave a response that must not be forwarded.
    BadResponse(BadResponse),
    /// The request's framing.
    Malformed(Malformed),
    /// The request's host.
    Host(ForwardedError),
    /// The request's target.
    Target,
    /// The request's content could not be read.
    Content(ReadError),
    /// The request's content broke off on its way to the application.
    Upload(ClientError),
    /// The store.
    Store(StoreError),
    /// The identify hook.
    Identify(HookError),
    /// qrgate itself.
    Internal(&'static str),
}

/// The side that a fault is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Downstream,
    /// The application's or the store's.
    Behind,
    /// Ours.
    Ours,
}

impl Fault {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Fault::Application(error) if error.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            Fault::Application(ClientError::Full(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Application(_) | Fault::BadResponse(_) => StatusCode::BAD_GATEWAY,
            Fault::Malformed(malformed) => malformed.status(),
            Fault::Content(ReadError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Fault::Content(ReadError::Broken(BodyError::TooSlow)) => StatusCode::REQUEST_TIMEOUT,
            Fault::Upload(error) if matches!(error.content(), Some(BodyError::TooSlow)) => StatusCode::REQUEST_TIMEOUT,
            Fault::Host(_) | Fault::Target | Fault::Content(ReadError::Broken(_)) | Fault::Upload(_) => {
                StatusCode::BAD_REQUEST
            }
            Fault::Store(_) | Fault::Identify(_) => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The side it is on.
    pub fn side(&self) -> Side {
        match self {
            Fault::Malformed(_) | Fault::Host(_) | Fault::Target | Fault::Content(_) | Fault::Upload(_) => {
                Side::Downstream
            }
            Fault::Application(_) | Fault::BadResponse(_) | Fault::Store(_) | Fault::Identify(_) => Side::Behind,
            Fault::Internal(_) => Side::Ours,
        }
    }

    /// The label of `qrgate_application_errors_total`; none for faults of others.
    pub fn application_error(&self) -> Option<&'static str> {
        match self {
            Fault::Application(error) => Some(error.kind()),
            Fault::BadResponse(_) => Some("bad_answer"),
            _ => None,
        }
    }

    /// Whether the next bytes on the connection may belong to the request that could not be read.
    pub fn spoils_connection(&self) -> bool {
        matches!(self, Fault::Malformed(_) | Fault::Host(_) | Fault::Target | Fault::Upload(_))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Application(error) => error.fmt(f),
            Fault::BadResponse(error) => error.fmt(f),
            Fault::Malformed(error) => error.fmt(f),
            Fault::Host(error) => error.fmt(f),
            Fault::Content(error) => error.fmt(f),
            Fault::Upload(error) => error.fmt(f),
            Fault::Store(error) => error.fmt(f),
            Fault::Identify(error) => error.fmt(f),
            Fault::Target => f.write_str("the request's target is malformed"),
            Fault::Internal(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Fault::Application(error) => Some(error),
            Fault::BadResponse(error) => Some(error),
            Fault::Malformed(error) => Some(error),
            Fault::Host(error) => Some(error),
            Fault::Content(error) => Some(error),
            Fault::Upload(error) => Some(error),
            Fault::Store(error) => Some(error),
            Fault::Identify(error) => Some(error),
            Fault::Target | Fault::Internal(_) => None,
        }
    }
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Fault {
        match error {
            ClientError::Content(_) => Fault::Upload(error),
            _ => Fault::Application(error),
        }
    }
}

impl From<BadResponse> for Fault {
    fn from(error: BadResponse) -> Fault {
        Fault::BadResponse(error)
    }
}

impl From<Malformed> for Fault {
    fn from(error: Malformed) -> Fault {
        Fault::Malformed(error)
    }
}

impl From<ForwardedError> for Fault {
    fn from(error: ForwardedError) -> Fault {
        Fault::Host(error)
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Fault {
        Fault::Content(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Store(error)
    }
}

impl From<HookError> for Fault {
    fn from(error: HookError) -> Fault {
        Fault::Identify(error)
    }
}

impl From<NoRandomness> for Fault {
    fn from(_: NoRandomness) -> Fault {
        Fault::Internal("the operating system gave no random bytes")
    }
}
