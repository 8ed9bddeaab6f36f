//! Why a browser does not get, does not keep or does not send a cookie (RFC 6265bis, section 5.7).

use std::fmt;

use super::names::fits;

/// A cookie that is lost, and the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its name, printable and at most 64 characters long. Never its value.
    pub name: String,
    /// The rule.
    pub reason: DropReason,
}

/// The rule that a cookie breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// It would replace qrgate's own cookie. Not relayed.
    OwnName,
    /// It is for a `Domain` that is neither the public host nor a parent of it. Not relayed.
    ForeignDomain,
    /// A control character anywhere in the line.
    ControlCharacter,
    /// No name: it identifies no session.
    Nameless,
    /// Name and value are longer than 4096 bytes together.
    TooLong,
    /// `Secure` on an origin that browsers do not trust with it.
    SecureOnHttp,
    /// `SameSite=None` without `Secure`.
    SameSiteNone,
    /// `Partitioned` without `Secure`.
    Partitioned,
    /// The name has a prefix whose conditions are not met.
    Prefix(Prefix),
    /// The line, or a later one, deletes it; or its time is over.
    Expired,
    /// Its `Path` does not cover `identify.path`.
    Path,
}

/// The prefixes of names that browsers know, in any letter case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `__Secure-`
    Secure,
    /// `__Host-`
    Host,
    /// `__Http-`
    Http,
    /// `__Host-Http-`
    HostHttp,
}

impl Dropped {
    pub(super) fn new(name: &[u8], reason: DropReason) -> Dropped {
        Dropped { name: printable(name), reason }
    }

    /// Whether its name fits one of these patterns.
    pub fn is_named_by(&self, patterns: &[String]) -> bool {
        patterns.iter().any(|pattern| fits(pattern.as_bytes(), self.name.as_bytes()))
    }
}

/// A name as it may stand in a log.
pub(super) fn printable(name: &[u8]) -> String {
    name.escape_ascii().take(64).map(char::from).collect()
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::OwnName => "is qrgate's own name",
            DropReason::ForeignDomain => "is for a foreign Domain",
            DropReason::ControlCharacter => "holds a control character",
            DropReason::Nameless => "has no name",
            DropReason::TooLong => "is longer than 4096 bytes with its value",
            DropReason::SecureOnHttp => "is Secure, and the public origin is http",
            DropReason::SameSiteNone => "is SameSite=None without Secure",
            DropReason::Partitioned => "is Partitioned without Secure",
            DropReason::Prefix(Prefix::Secure) => "lacks what the prefix __Secure- asks for: Secure",
            DropReason::Prefix(Prefix::Host) => "lacks what the prefix __Host- asks for: Secure, Path=/ and no Domain",
            DropReason::Prefix(Prefix::Http) => "lacks what the prefix __Http- asks for: Secure and HttpOnly",
            DropReason::Prefix(Prefix::HostHttp) => {
                "lacks what the prefix __Host-Http- asks for: Secure, HttpOnly, Path=/ and no Domain"
            }
            DropReason::Expired => "is deleted or expired",
            DropReason::Path => "has a Path that does not cover identify.path",
        })
    }
}

/// The text for a log line: the first few, and the number of the others.
pub fn list(dropped: &[Dropped]) -> String {
    const MOST: usize = 6;
    let mut said: Vec<String> = dropped.iter().take(MOST).map(Dropped::to_string).collect();
    if dropped.len() > MOST {
        said.push(format!("and {} more", dropped.len() - MOST));
    }
    said.join("; ")
}
