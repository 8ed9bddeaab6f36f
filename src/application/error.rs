//! Why a request got no response, and whether the server can have processed it.

use std::error::Error;
use std::fmt;
use std::io;

use crate::body::{BodyError, Cause};
use crate::fields::BadResponse;

/// Why a request got no response.
#[derive(Debug)]
pub enum ClientError {
    /// No connection: refused, unreachable, unknown name, TLS refused.
    Connect(io::Error),
    /// No connection within `connect_timeout`.
    ConnectTimeout,
    /// A new connection was closed before the request was written.
    NotSent(Cause),
    /// Every HTTP/2 connection carries as many requests as the server allows, and no more connections are opened.
    Full(usize),
    /// The server refused the stream, or closed the connection before it, without processing any of the request.
    Refused(Cause),
    /// No response within `response_timeout`.
    Timeout,
    /// The connection ended before the first byte of a response.
    Ended(Cause),
    /// The connection ended within the head of the response, or that head breaks the rules.
    Broken(Cause),
    /// A response that two recipients could interpret differently.
    BadResponse(BadResponse),
    /// The request's own content was incomplete: the fault is the sender's.
    Content(BodyError),
}

impl ClientError {
    /// Whether the server cannot have processed any of the request.
    pub fn nothing_sent(&self) -> bool {
        match self {
            ClientError::Connect(_)
            | ClientError::ConnectTimeout
            | ClientError::NotSent(_)
            | ClientError::Full(_)
            | ClientError::Refused(_) => true,
            ClientError::Timeout
            | ClientError::Ended(_)
            | ClientError::Broken(_)
            | ClientError::BadResponse(_)
            | ClientError::Content(_) => false,
        }
    }

    /// Why the request's own content was incomplete, if that is the cause.
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

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Connect(error) => write!(f, "no connection: {error}"),
            ClientError::ConnectTimeout => f.write_str("no connection within application.connect_timeout"),
            ClientError::NotSent(error) => write!(f, "the connection was closed before the request was sent: {error}"),
            ClientError::Full(connections) => write!(
                f,
                "each of the {connections} HTTP/2 connections to the application carries as many requests as it allows \
                 (SETTINGS_MAX_CONCURRENT_STREAMS)"
            ),
            ClientError::Refused(error) => write!(f, "the application refused the request unprocessed: {error}"),
            ClientError::Timeout => f.write_str("no response within application.response_timeout"),
            ClientError::Ended(error) | ClientError::Broken(error) => {
                write!(f, "the connection ended without a response: {error}")
            }
            ClientError::BadResponse(error) => error.fmt(f),
            ClientError::Content(error) => write!(f, "the request's content is incomplete: {error}"),
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ClientError::Connect(error) => Some(error),
            ClientError::NotSent(error)
            | ClientError::Refused(error)
            | ClientError::Ended(error)
            | ClientError::Broken(error) => Some(&**error),
            ClientError::BadResponse(error) => Some(error),
            ClientError::Content(error) => Some(error),
            ClientError::ConnectTimeout | ClientError::Full(_) | ClientError::Timeout => None,
        }
    }
}
