//! Errors of the store.

use redis::RedisError;
use thiserror::Error;

use super::reason;

/// A failed call. `op` names the operation, as in metrics.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Redis is unreachable, or responded with an error.
    #[error("the store failed at {op}: {}", reason::reason(source))]
    Redis { op: &'static str, source: RedisError },
    /// No response within `store.timeout`. It is unknown whether a write was executed.
    #[error("the store did not answer in time at {op}")]
    Timeout { op: &'static str },
    /// The in-memory store is at its capacity.
    #[error("the in-memory store is full at {op}")]
    Full { op: &'static str },
    /// A row that this version of qrgate cannot decode.
    #[error("a row of the store cannot be read at {op}")]
    Unreadable { op: &'static str, source: Option<serde_json::Error> },
    /// Too many swaps were lost to concurrent writers.
    #[error("too many writers at once at {op}")]
    Contended { op: &'static str },
}

impl StoreError {
    /// The code at the start of Redis' error, such as `WRONGPASS`.
    pub fn code(&self) -> Option<&str> {
        match self {
            StoreError::Redis { source, .. } => reason::code(source),
            _ => None,
        }
    }

    /// The rest of Redis' error. It may contain commands and keys, and must not be logged.
    pub fn detail(&self) -> Option<&str> {
        match self {
            StoreError::Redis { source, .. } => reason::code(source).and(source.detail()),
            _ => None,
        }
    }
}

/// Treats an unreadable row as absent: it grants nothing and must not fail the request.
pub fn readable<T>(found: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match found {
        Err(StoreError::Unreadable { .. }) => Ok(None),
        found => found,
    }
}
