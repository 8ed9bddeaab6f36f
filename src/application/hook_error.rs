//! Why a hook call gave neither a result nor a refusal.

use std::time::Duration;

use thiserror::Error;

use super::error::ClientError;
use crate::body::ReadError;

/// The largest hook response that is read, in bytes.
pub const MAX_RESPONSE: usize = 64 * 1024;

/// A hook could not be called, or its response is outside the contract. `Display` gives the likely cause, for the log
/// and the audit trail; it quotes nothing of the response.
#[derive(Debug, Error)]
pub enum HookError {
    #[error("login.revoke_path is not set")]
    NotConfigured,
    #[error("a session cookie holds control characters")]
    UnusableCookie,
    /// Nothing was sent.
    #[error("no connection within {0:?}")]
    NotConnected(Duration),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the application did not answer: {0}")]
    Unreachable(#[source] ClientError),
    /// The response's content broke off, or is over [`MAX_RESPONSE`].
    #[error("the response {}", unread(.0))]
    Unreadable(#[source] ReadError),
    /// A status that means neither yes nor no, and its likely cause.
    #[error("answered {0}: {1}")]
    Status(u16, &'static str),
    #[error("answered {0} without a Location")]
    NoLocation(u16),
    #[error("redirects {0} to its own path: {cause}", cause = .1.cause())]
    SamePath(u16, SamePath),
    /// A redirect of the login hook to another path.
    #[error("redirects {0} elsewhere: a login wall stands in front of the hook; exempt its path")]
    Redirect(u16),
    /// Success of the login hook without a `Set-Cookie`.
    #[error(
        "answered {0} but no Set-Cookie: either the path does not reach the hook, or the application holds the request \
         for plain http and keeps back a Secure session cookie (Express trust proxy)"
    )]
    NoCookie(u16),
    /// Content that is not JSON, or not a JSON object.
    #[error("answered {0} {1}")]
    NotJson(u16, NotJson),
    /// Why the user id is neither an id nor a way to say "signed out".
    #[error("{0}")]
    UserId(&'static str),
}

/// How a redirect leads back to the path it was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamePath {
    /// The path is the same: scheme or host differ.
    Same,
    /// The path differs by its last slash.
    Slash,
}

/// What the content is instead of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotJson {
    /// JSON in an encoding; the text says which.
    #[error("with {0}")]
    Encoded(String),
    #[error("with a page instead of JSON: the path does not reach the hook")]
    Page,
    #[error("without content")]
    Empty,
    /// The line with a syntax error.
    #[error("but not JSON (line {0})")]
    Syntax(usize),
    /// JSON other than an object, where the login hook refuses. The text is the likely cause.
    #[error("without a JSON object: {0}")]
    NotAnObject(&'static str),
}

impl SamePath {
    fn cause(self) -> &'static str {
        match self {
            SamePath::Slash => "the application's route differs by its last slash",
            SamePath::Same => {
                "it does not believe X-Forwarded-Proto or Host (Django SECURE_PROXY_SSL_HEADER, gunicorn and uvicorn \
                 --forwarded-allow-ips, Express trust proxy)"
            }
        }
    }
}

fn unread(error: &ReadError) -> String {
    match error {
        ReadError::TooLarge => format!("is over {} KiB long", MAX_RESPONSE / 1024),
        ReadError::Broken(_) => "broke off".to_owned(),
    }
}

impl HookError {
    /// Whether the application cannot have seen the call.
    pub fn nothing_sent(&self) -> bool {
        match self {
            HookError::NotConfigured | HookError::NotConnected(_) => true,
            HookError::Unreachable(error) => error.nothing_sent(),
            _ => false,
        }
    }

    /// Whether the application was too slow.
    pub fn is_timeout(&self) -> bool {
        match self {
            HookError::NotConnected(_) | HookError::TimedOut(_) => true,
            HookError::Unreachable(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// The `outcome` label of `qrgate_hook_duration_seconds` for the login hook: `misconfigured` if the same call would
    /// fail again until the configuration changes.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            HookError::NotConnected(_)
            | HookError::TimedOut(_)
            | HookError::Unreachable(_)
            | HookError::Unreadable(_)
            | HookError::Status(0..400 | 500.., _) => "failed",
            _ => "misconfigured",
        }
    }
}
