//! Which of the login hook's `Set-Cookie` lines are relayed to the phone.

use http::header::HeaderValue;

use crate::clock::Timestamp;
use crate::origin::{Origin, Scheme};

use super::dropped::{DropReason, Dropped};
use super::set_cookie::{SetCookie, names_own};

/// The login hook's `Set-Cookie` lines, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// The lines to relay, in order, unchanged except for an added `Secure`.
    pub lines: Vec<HeaderValue>,
    /// The others.
    pub dropped: Vec<Dropped>,
}

/// Checks lines for a browser on `origin`: qrgate's own and those of a foreign `Domain` are dropped, `Secure` is added
/// on https. Deletions are relayed like any other line.
pub fn relay<'a>(lines: impl Iterator<Item = &'a HeaderValue>, origin: &Origin) -> Relayed {
    let mut relayed = Relayed::default();
    for line in lines {
        let cookie = SetCookie::parse(line.as_bytes());
        match judge(line, &cookie, origin) {
            Ok(line) => relayed.lines.push(line),
            Err(reason) => relayed.dropped.push(Dropped::new(cookie.name, reason)),
        }
    }
    relayed
}

fn judge(line: &HeaderValue, cookie: &SetCookie<'_>, origin: &Origin) -> Result<HeaderValue, DropReason> {
    let bytes = line.as_bytes();
    if bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(DropReason::ControlCharacter);
    }
    if names_own(line) {
        return Err(DropReason::OwnName);
    }
    if cookie.is_foreign(origin) {
        return Err(DropReason::ForeignDomain);
    }
    if origin.scheme() == Scheme::Https && !cookie.secure {
        let secured = HeaderValue::from_bytes(&[bytes, b"; Secure"].concat());
        return secured.map_err(|_| DropReason::ControlCharacter);
    }
    Ok(line.clone())
}

/// Whether a `Set-Cookie` line deletes a cookie.
pub fn deletes(line: &HeaderValue, now: Timestamp) -> bool {
    SetCookie::parse(line.as_bytes()).is_deletion(now)
}
