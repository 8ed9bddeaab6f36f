//! Which of a client's fields pass, by their names and by proxy.toml.

use http::header::{self, HeaderName};

use super::connection::{KEEP_ALIVE, is_connection_specific};
use super::managed::{MOVING, OURS, contains_byte, is_managed, is_qrgate, is_spelling, is_usual};
use super::request_id::X_REQUEST_ID;

/// The settings for the names of a client's fields.
#[derive(Clone, Debug, Default)]
pub struct FieldRules {
    /// `application.underscores_in_headers`: whether a name may hold `_`.
    pub underscores: bool,
    /// `public.proxy_headers`: names that trusted proxies alone may send.
    pub proxy_headers: Vec<HeaderName>,
}

impl FieldRules {
    /// Whether the application gets a client's field of that name. `trusted`: whether a trusted proxy sends it.
    pub fn pass(&self, name: &HeaderName, trusted: bool) -> bool {
        if self.proxy_headers.is_empty() && is_usual(name) {
            return true;
        }
        if !self.underscores && contains_byte::<b'_'>(name.as_str().as_bytes()) {
            return false;
        }
        match self.proxy_headers.iter().find(|listed| is_spelling(name.as_str(), listed.as_str())) {
            Some(listed) => trusted && name == listed,
            None => !is_managed(name.as_str()),
        }
    }
}

/// Reads an entry of `public.proxy_headers`, or returns why no proxy may send a field of that name.
pub fn proxy_header(text: &str) -> Result<HeaderName, &'static str> {
    static FRAMING: [HeaderName; 5] =
        [header::HOST, header::CONTENT_LENGTH, header::TRAILER, header::EXPECT, KEEP_ALIVE];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_plain = text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-');
    let name = HeaderName::from_bytes(text.as_bytes()).ok().filter(|_| is_plain);
    let name = name.ok_or("is not a field name of letters, digits and `-` between them")?;
    if FRAMING.contains(&name) || is_connection_specific(&name) {
        return Err("is about the connection or the framing of a message");
    }
    if OURS.contains(&name.as_str()) || name == X_REQUEST_ID || is_qrgate(name.as_str()) {
        return Err("is a field that qrgate sets itself");
    }
    match MOVING.contains(&name.as_str()) {
        true => Err("can move a request to another path or host, past what qrgate hides"),
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::managed::OF_PROXIES;
    use super::*;

    #[test]
    fn a_proxy_may_not_send_what_moves_or_frames_a_request() {
        let refused = ["Host", "te", "Trailer", "X-Forwarded-For", "forwarded", "x-request-id", "X-Qrgate-A"];
        for name in refused.iter().chain(&MOVING).chain(&[
            "X_User",
            "x-user-",
            "-x",
            "",
            "a b",
            "x.y",
            "é",
            "content-length",
            "upgrade",
        ]) {
            assert!(proxy_header(name).is_err(), "{name}");
        }
        for name in OF_PROXIES.iter().chain(&["X-Forwarded-User", "remote-user", "x-ssl-client-verify"]) {
            assert!(proxy_header(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_listed_field_passes_from_a_trusted_proxy_in_its_own_spelling() {
        let listed = ["cf-connecting-ip", "remote-user"].map(HeaderName::from_static);
        let rules = FieldRules { underscores: true, proxy_headers: listed.into() };
        let pass = |name: &str, trusted| rules.pass(&HeaderName::from_bytes(name.as_bytes()).unwrap(), trusted);
        for name in ["CF-Connecting-IP", "Remote-User"] {
            assert!(pass(name, true) && !pass(name, false), "{name}");
            assert!(!pass(&name.replace('-', "_"), true) && !pass(&name.replace('-', "."), true), "{name}");
        }
        assert!(!pass("True-Client-IP", true), "it is not listed");
        assert!(pass("x_own", false) && pass("accept", false));
        assert!(!FieldRules::default().pass(&HeaderName::from_static("x_own"), true));
        let rules = FieldRules { proxy_headers: vec![header::COOKIE], ..FieldRules::default() };
        assert!(!rules.pass(&header::COOKIE, false), "a usual name may be listed too");
    }
}
