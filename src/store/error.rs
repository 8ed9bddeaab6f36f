//! Errors of the store. Their messages name the code of a Redis error, and nothing of commands or data, which the rest of
//! it may repeat.

use redis::{ErrorKind, RedisError};
use thiserror::Error;

/// A failed call. `op` names the operation, as in metrics.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Redis is unreachable, or responded with an error.
    #[error("the store failed at {op}: {}", reason(source))]
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
            StoreError::Redis { source, .. } => code(source),
            _ => None,
        }
    }

    /// The rest of Redis' error. It may contain commands and keys, and must not be logged.
    pub fn detail(&self) -> Option<&str> {
        match self {
            StoreError::Redis { source, .. } => code(source).and(source.detail()),
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

/// The code at the start of Redis' error, such as `WRONGPASS`. `None` if the error is not from the server.
fn code(error: &RedisError) -> Option<&str> {
    let code = error.code().filter(|code| is_code(code))?;
    match (code, error.detail()) {
        ("ERR", Some(detail)) => Some(code_in_script(detail).unwrap_or(code)),
        _ => Some(code),
    }
}

/// The code, or why Redis could not be reached.
pub(super) fn reason(error: &RedisError) -> String {
    match code(error) {
        Some(code) => code.to_owned(),
        None if matches!(error.kind(), ErrorKind::Io | ErrorKind::Client | ErrorKind::InvalidClientConfig) => {
            error.to_string()
        }
        None => error.category().to_owned(),
    }
}

/// Redis before 7.0 wraps an error inside a script into another one: `… @user_script: 3: -OOM command not …`.
fn code_in_script(detail: &str) -> Option<&str> {
    if detail.contains("ACL failure in script") || detail.contains("The user executing the script can't") {
        return Some("NOPERM");
    }
    detail.split_whitespace().find_map(|word| word.strip_prefix('-').filter(|word| is_code(word)))
}

fn is_code(word: &str) -> bool {
    (2..=32).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(line: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).and_then(redis::Value::extract_error);
        value.expect_err(line)
    }

    #[test]
    fn only_the_code_of_an_error_is_reported() {
        for (line, said) in [
            ("WRONGPASS invalid username-password pair or user is disabled.", "WRONGPASS"),
            ("NOAUTH Authentication required.", "NOAUTH"),
            ("NOPERM User qrgate has no permissions to run the 'evalsha' command", "NOPERM"),
            ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS"),
            ("READONLY You can't write against a read only replica.", "READONLY"),
            ("LOADING Redis is loading the dataset in memory", "LOADING"),
            ("OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
            ("MISCONF Redis is configured to save RDB snapshots", "MISCONF"),
            ("BUSY Redis is busy running a script.", "BUSY"),
            ("CLUSTERDOWN The cluster is down", "CLUSTERDOWN"),
            ("MOVED 3999 127.0.0.1:6381", "MOVED"),
            ("ERR unknown command 'SECRET', with args beginning with: 'SECRET'", "ERR"),
            (
                "ERR Error running script (call to f_0): @user_script:7: @user_script: 7: -OOM command not allowed",
                "OOM",
            ),
            ("ERR Error running script: @user_script: 3: -READONLY You can't write SECRET", "READONLY"),
            ("ERR ACL failure in script: User qrgate can't run SECRET", "NOPERM"),
            ("secret SECRET", "extension error"),
        ] {
            let error = answered(line);
            assert_eq!(reason(&error), said, "{line}");
        }
    }

    #[test]
    fn why_redis_cannot_be_reached_is_reported() {
        let refused = RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        assert_eq!((code(&refused), reason(&refused).as_str()), (None, "connection refused"));
        let rejected = RedisError::from((ErrorKind::AuthenticationFailed, "Password authentication failed"));
        assert_eq!(reason(&rejected), "authentication failed");
    }
}
