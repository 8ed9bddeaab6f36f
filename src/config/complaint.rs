//! Why a value is refused; the reader adds the place.

use thiserror::Error;

/// What is wrong with a value, and what to write instead. `Display` has both in one line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}{}", .help.as_ref().map_or(String::new(), |help| format!(" ({help})")))]
pub struct Complaint {
    pub message: String,
    pub help: Option<String>,
}

impl Complaint {
    pub fn with_help(message: impl Into<String>, help: impl Into<String>) -> Complaint {
        Complaint { message: message.into(), help: Some(help.into()) }
    }
}

/// `text` if it is valid, else the complaint.
pub fn accept(text: &str, is_valid: bool, complaint: impl Into<Complaint>) -> Result<String, Complaint> {
    if is_valid { Ok(text.to_owned()) } else { Err(complaint.into()) }
}

impl From<&str> for Complaint {
    fn from(message: &str) -> Complaint {
        Complaint { message: message.to_owned(), help: None }
    }
}

impl From<String> for Complaint {
    fn from(message: String) -> Complaint {
        Complaint { message, help: None }
    }
}
