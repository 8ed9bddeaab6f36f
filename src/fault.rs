//! Every fault: what failed, on which side, and the status of the response.
//!
//! A refusal, such as an expired code, is not a fault; `qr/` has pages for those. `reply/` turns a fault into a page.

use http::StatusCode;
use thiserror::Error;

use crate::application::{ClientError, HookError};
use crate::body::{BodyError, ReadError};
use crate::fields::{BadResponse, Malformed};
use crate::forwarded::ForwardedError;
use crate::secret::NoRandomness;
use crate::store::StoreError;

/// A request that failed.
#[derive(Debug, Error)]
pub enum Fault {
    /// The application gave no response.
    #[error("{0}")]
    Application(#[source] ClientError),
    /// The application gave a response that must not be forwarded.
    #[error("{0}")]
    BadResponse(#[from] BadResponse),
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("{0}")]
    Host(#[from] ForwardedError),
    #[error("the request's target is malformed")]
    Target,
    /// The request's content could not be read.
    #[error("{0}")]
    Content(#[from] ReadError),
    /// The request's content broke off on its way to the application.
    #[error("{0}")]
    Upload(#[source] ClientError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Identify(#[from] HookError),
    #[error("{0}")]
    Internal(&'static str),
}

/// The side that a fault is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's side.
    Downstream,
    /// The application's or the store's side.
    Behind,
    Ours,
}

impl Fault {
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

    pub fn side(&self) -> Side {
        match self {
            Fault::Malformed(_) | Fault::Host(_) | Fault::Target | Fault::Content(_) | Fault::Upload(_) => {
                Side::Downstream
            }
            Fault::Application(_) | Fault::BadResponse(_) | Fault::Store(_) | Fault::Identify(_) => Side::Behind,
            Fault::Internal(_) => Side::Ours,
        }
    }

    /// The label in `qrgate_application_errors_total`. `None` if the application did not fail.
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

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Fault {
        match error {
            ClientError::Content(_) => Fault::Upload(error),
            _ => Fault::Application(error),
        }
    }
}

impl From<NoRandomness> for Fault {
    fn from(_: NoRandomness) -> Fault {
        Fault::Internal("the operating system gave no random bytes")
    }
}
