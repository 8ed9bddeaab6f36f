//! The grammar of `Forwarded` (RFC 7239, section 4).

use std::net::{IpAddr, SocketAddr};

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
pub(super) fn parse_node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

/// One element of a `Forwarded` list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) node: Option<IpAddr>,
    pub(super) proto: Option<String>,
    pub(super) host: Option<String>,
    /// Which of `for`, `proto` and `host` were seen: each may occur once.
    seen: [bool; 3],
}

impl Element {
    fn set(&mut self, name: &str, value: String) -> Option<()> {
        let Some(known) = ["for", "proto", "host"].iter().position(|known| name.eq_ignore_ascii_case(known)) else {
            return Some(());
        };
        if std::mem::replace(&mut self.seen[known], true) {
            return None;
        }
        match known {
            0 => self.node = parse_node(&value),
            1 => self.proto = Some(value),
            _ => self.host = Some(value),
        }
        Some(())
    }
}

/// Parses a `Forwarded` line (RFC 7239, section 4). `None` if it is malformed.
pub(super) fn parse_forwarded(line: &str) -> Option<Vec<Element>> {
    let mut elements = vec![Element::default()];
    let mut rest = line.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return None;
        }
        let (value, after) = parse_value(after)?;
        elements.last_mut()?.set(name, value)?;
        let after = after.trim_start_matches([' ', '\t']);
        rest = match after.chars().next() {
            None => "",
            Some(';') => after[1..].trim_start_matches([' ', '\t']),
            Some(',') => {
                elements.push(Element::default());
                after[1..].trim_start_matches([' ', '\t'])
            }
            Some(_) => return None,
        };
    }
    Some(elements)
}

/// A token or a quoted string, and the rest.
fn parse_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_forwarded_says_is_read_back(node in any::<[u8; 4]>(), host in "[a-z]{1,9}\\.example", https in any::<bool>()) {
            let proto = if https { "https" } else { "http" };
            let line = format!("for={}; proto={proto};host=\"{host}\"", Ipv4Addr::from(node));
            let node = Some(IpAddr::from(node));
            let expected = Element { node, proto: Some(proto.into()), host: Some(host), seen: [true; 3] };
            prop_assert_eq!(parse_forwarded(&line), Some(vec![expected]));
        }
    }
}
