//! Why there is no response to a request, and whether the server can have processed it.

use std::io;

use thiserror::Error;

use crate::body::{BodyError, Cause};
use crate::fields::BadResponse;

/// Why there is no response to a request.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No connection: refused, unreachable, unknown name, TLS refused.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    #[error("no connection within application.connect_timeout")]
    ConnectTimeout,
    #[error("the connection was closed before the request was sent: {0}")]
    NotSent(#[source] Cause),
    #[error(
        "each of the {0} HTTP/2 connections to the application carries as many requests as it allows \
         (SETTINGS_MAX_CONCURRENT_STREAMS)"
    )]
    Full(usize),
    /// The server refused the stream, or closed the connection before it, without processing any of the request.
    #[error("the application refused the request unprocessed: {0}")]
    Refused(#[source] Cause),
    #[error("no response within application.response_timeout")]
    Timeout,
    /// The connection ended before the first byte of a response.
    #[error("the connection ended without a response: {0}")]
    Ended(#[source] Cause),
    /// The connection ended within the head of the response, or that head is malformed.
    #[error("the connection ended without a response: {0}")]
    Broken(#[source] Cause),
    /// A response that two recipients could interpret differently.
    #[error("{0}")]
    BadResponse(#[source] BadResponse),
    /// The client sent incomplete content.
    #[error("the request's content is incomplete: {0}")]
    Content(#[source] BodyError),
}

impl ClientError {
    /// Whether the server cannot have processed any of the request.
    pub fn nothing_sent(&self) -> bool {
        matches!(
            self,
            ClientError::Connect(_)
                | ClientError::ConnectTimeout
                | ClientError::NotSent(_)
                | ClientError::Full(_)
                | ClientError::Refused(_)
        )
    }

    /// Why the request's content was incomplete, if that is the cause.
    pub fn content(&self) -> Option<&BodyError> {
        match self {
            ClientError::Content(error) => Some(error),
            _ => None,
        }
    }

    /// The label of `qrgate_application_errors_total`.
    pub fn kind(&self) -> &'static str {
        match self {
            ClientError::Connect(_) => "connect",
            ClientError::ConnectTimeout => "connect_timeout",
            ClientError::NotSent(_) => "closed",
            ClientError::Full(_) => "full",
            ClientError::Refused(_) => "refused",
            ClientError::Timeout => "timeout",
            ClientError::Ended(_) | ClientError::Broken(_) => "broken",
            ClientError::BadResponse(_) => "bad_answer",
            ClientError::Content(_) => "request",
        }
    }

    /// Whether a time limit was exceeded.
    pub fn is_timeout(&self) -> bool {
        matches!(self, ClientError::ConnectTimeout | ClientError::Timeout)
    }
}
