//! Why a value is refused; the place is added by the reader.

/// What is wrong with a value, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong, as a sentence about the value.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Complaint {
    /// A complaint that also says what to write.
    pub fn with_help(message: impl Into<String>, help: impl Into<String>) -> Complaint {
        Complaint { message: message.into(), help: Some(help.into()) }
    }

    /// The message, with the help in parentheses.
    pub fn in_one_line(self) -> String {
        match self.help {
            Some(help) => format!("{} ({help})", self.message),
            None => self.message,
        }
    }
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
