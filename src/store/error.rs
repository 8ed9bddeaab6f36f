//! How a call of the store fails.

use std::fmt;

use redis::RedisError;

use super::reason;

/// The store did not do what it was asked. `op` is a metric's label.
#[derive(Debug)]
pub enum StoreError {
    /// Redis cannot be reached, or answered with an error.
    Redis { op: &'static str, source: RedisError },
    /// No answer within `store.timeout`. Whether a write happened is not known.
    Timeout { op: &'static str },
    /// As many tickets or users as the in-memory store holds.
    Full { op: &'static str },
    /// A row that this version of qrgate cannot read.
    Unreadable { op: &'static str, source: Option<serde_json::Error> },
    /// Others were faster, again and again.
    Contended { op: &'static str },
}

impl StoreError {
    /// The word with which Redis began its error, such as `WRONGPASS`.
    pub fn code(&self) -> Option<&str> {
        match self {
            StoreError::Redis { source, .. } => reason::code(source),
            _ => None,
        }
    }

    /// The rest of what Redis said. It may name commands and keys, and is not for the log.
    pub fn detail(&self) -> Option<&str> {
        match self {
            StoreError::Redis { source, .. } => reason::code(source).and(source.detail()),
            _ => None,
        }
    }
}

/// What cannot be read is none of ours: nobody gets in by it, and it is in nobody's way.
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
