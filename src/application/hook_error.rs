//! Why a hook call gave neither a result nor a refusal.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::error::ClientError;
use crate::body::ReadError;

/// The largest hook response that is read, in bytes.
pub const MAX_RESPONSE: usize = 64 * 1024;

/// A hook could not be called, or its response is outside the contract. `Display` gives the likely cause, for the log
/// and the audit trail; it quotes nothing of the response.
#[derive(Debug)]
pub enum HookError {
    /// There is no revoke hook in the configuration.
    NotConfigured,
    /// A session cookie does not fit into a `Cookie` field.
    UnusableCookie,
    /// No connection within the hook's timeout; nothing was sent.
    NotConnected(Duration),
    /// No complete response within the hook's timeout.
    TimedOut(Duration),
    /// The request got no response.
    Unreachable(ClientError),
    /// The response's content broke off, or is over [`MAX_RESPONSE`].
    Unreadable(ReadError),
    /// A status that means neither yes nor no, and its likely cause.
    Status(u16, &'static str),
    /// A redirect without a `Location`.
    NoLocation(u16),
    /// A redirect to the hook's own path.
    SamePath(u16, SamePath),
    /// A redirect of the login hook to another path.
    Redirect(u16),
    /// Success of the login hook without a `Set-Cookie`.
    NoCookie(u16),
    /// Content that is not JSON, or not a JSON object.
    NotJson(u16, NotJson),
    /// A user id that is neither an id nor a way to say "signed out".
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotJson {
    /// JSON in an encoding; the text says which.
    Encoded(String),
    /// HTML.
    Page,
    /// Nothing.
    Empty,
    /// Text with a syntax error in this line.
    Syntax(usize),
    /// Anything but an object, where the login hook refuses; the text is the likely cause.
    NotAnObject(&'static str),
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
    /// fail again until somebody changes the configuration.
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

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HookError::NotConfigured => f.write_str("login.revoke_path is not set"),
            HookError::UnusableCookie => f.write_str("a session cookie holds control characters"),
            HookError::NotConnected(limit) => write!(f, "no connection within {limit:?}"),
            HookError::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
            HookError::Unreachable(error) => write!(f, "the application did not answer: {error}"),
            HookError::Unreadable(ReadError::TooLarge) => {
                write!(f, "the response is over {} KiB long", MAX_RESPONSE / 1024)
            }
            HookError::Unreadable(ReadError::Broken(_)) => f.write_str("the response broke off"),
            HookError::Status(status, cause) => write!(f, "answered {status}: {cause}"),
            HookError::NoLocation(status) => write!(f, "answered {status} without a Location"),
            HookError::SamePath(status, SamePath::Slash) => {
                write!(f, "redirects {status} to its own path: the application's route differs by its last slash")
            }
            HookError::SamePath(status, SamePath::Same) => write!(
                f,
                "redirects {status} to its own path: it does not believe X-Forwarded-Proto or Host (Django \
                 SECURE_PROXY_SSL_HEADER, gunicorn and uvicorn --forwarded-allow-ips, Express trust proxy)"
            ),
            HookError::Redirect(status) => {
                write!(f, "redirects {status} elsewhere: a login wall stands in front of the hook; exempt its path")
            }
            HookError::NoCookie(status) => write!(
                f,
                "answered {status} but no Set-Cookie: either the path does not reach the hook, or the application holds \
                 the request for plain http and keeps back a Secure session cookie (Express trust proxy)"
            ),
            HookError::NotJson(status, content) => write!(f, "answered {status} {content}"),
            HookError::UserId(cause) => f.write_str(cause),
        }
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotJson::Encoded(how) => write!(f, "with {how}"),
            NotJson::Page => f.write_str("with a page instead of JSON: the path does not reach the hook"),
            NotJson::Empty => f.write_str("without content"),
            NotJson::Syntax(line) => write!(f, "but not JSON (line {line})"),
            NotJson::NotAnObject(cause) => write!(f, "without a JSON object: {cause}"),
        }
    }
}

impl Error for HookError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            HookError::Unreachable(error) => Some(error),
            HookError::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}
