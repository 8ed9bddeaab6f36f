//! Errors of the store.

use std::fmt;

use redis::RedisError;

use super::reason;

/// A failed call. `op` names the operation, as in metrics.
#[derive(Debug)]
pub enum StoreError {
    /// Redis is unreachable, or responded with an error.
    Redis { op: &'static str, source: RedisError },
    /// No response within `store.timeout`. It is unknown whether a write was executed.
    Timeout { op: &'static str },
    /// The in-memory store is at its capacity.
    Full { op: &'static str },
    /// A row that this version of qrgate cannot decode.
    Unreadable { op: &'static str, source: Option<serde_json::Error> },
    /// Too many swaps were lost to concurrent writers.
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

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Redis { op, source } => write!(f, "the store failed at {op}: {}", reason::reason(source)),
            StoreError::Timeout { op } => write!(f, "the store did not answer in time at {op}"),
            StoreError::Full { op } => write!(f, "the in-memory store is full at {op}"),
            StoreError::Unreadable { op, .. } => write!(f, "a row of the store cannot be read at {op}"),
            StoreError::Contended { op } => write!(f, "too many writers at once at {op}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Redis { source, .. } => Some(source),
            StoreError::Unreadable { source, .. } => source.as_ref().map(|source| source as _),
            StoreError::Timeout { .. } | StoreError::Full { .. } | StoreError::Contended { .. } => None,
        }
    }
}
