//! Why a browser does not get, does not keep or does not send a cookie (RFC 6265bis, section 5.7).

use thiserror::Error;

use super::names::fits;

/// A cookie that a browser drops, and the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}: {reason}")]
pub struct Dropped {
    /// The name, printable and at most 64 characters long. Never the value.
    pub name: String,
    pub reason: DropReason,
}

/// The rule that a cookie breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DropReason {
    /// Would replace qrgate's cookie. Not relayed.
    #[error("is qrgate's own name")]
    OwnName,
    /// The `Domain` is neither the public host nor a parent of it. Not relayed.
    #[error("is for a foreign Domain")]
    ForeignDomain,
    #[error("holds a control character")]
    ControlCharacter,
    /// Without a name it identifies no session.
    #[error("has no name")]
    Nameless,
    #[error("is longer than 4096 bytes with its value")]
    TooLong,
    /// `Secure` on an origin that browsers do not trust with it.
    #[error("is Secure, and the public origin is http")]
    SecureOnHttp,
    #[error("is SameSite=None without Secure")]
    SameSiteNone,
    #[error("is Partitioned without Secure")]
    Partitioned,
    /// The name has a prefix whose conditions are not met.
    #[error("lacks what the prefix {0}")]
    Prefix(Prefix),
    /// The line or a later one deletes it, or it has expired.
    #[error("is deleted or expired")]
    Expired,
    #[error("has a Path that does not cover identify.path")]
    Path,
}

/// The prefixes of names that browsers know, in any letter case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Prefix {
    #[error("__Secure- asks for: Secure")]
    Secure,
    #[error("__Host- asks for: Secure, Path=/ and no Domain")]
    Host,
    #[error("__Http- asks for: Secure and HttpOnly")]
    Http,
    #[error("__Host-Http- asks for: Secure, HttpOnly, Path=/ and no Domain")]
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

/// A name that is safe in a log.
pub(super) fn printable(name: &[u8]) -> String {
    name.escape_ascii().take(64).map(char::from).collect()
}

/// The text for a log line: the first few cookies, and the number of the others.
pub fn list(dropped: &[Dropped]) -> String {
    const MAX_LISTED: usize = 6;
    let mut texts: Vec<String> = dropped.iter().take(MAX_LISTED).map(Dropped::to_string).collect();
    if dropped.len() > MAX_LISTED {
        texts.push(format!("and {} more", dropped.len() - MAX_LISTED));
    }
    texts.join("; ")
}
