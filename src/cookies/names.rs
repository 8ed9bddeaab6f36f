//! Names of cookies: qrgate's own, and patterns such as `wordpress_*`.

/// The browser cookie, which identifies the browser and nothing else: its name on https and on plain http. A claim
/// cookie has the same name followed by `-` and the ticket's short id.
const BROWSER_COOKIES: [&str; 2] = ["__Host-qrgate", "qrgate"];

/// Hexadecimal digits of a ticket's short id.
const SHORT_ID: usize = 8;

/// Whether a cookie of this name is qrgate's own: the browser cookie or a claim cookie. Other names that begin like
/// them, such as `qrgate-theme`, are the application's.
pub fn is_own(name: &[u8]) -> bool {
    let behind = |own: &&str| name.strip_prefix(own.as_bytes());
    BROWSER_COOKIES.iter().find_map(behind).is_some_and(|rest| match rest {
        [] => true,
        [b'-', ticket @ ..] => {
            ticket.len() == SHORT_ID && ticket.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        }
        _ => false,
    })
}

/// The name of the browser cookie on an origin of that kind.
pub fn browser_name(https: bool) -> &'static str {
    BROWSER_COOKIES[usize::from(!https)]
}

/// The name of the claim cookie of the ticket with this short id, on an origin of that kind.
pub fn claim_name(https: bool, ticket: &str) -> String {
    format!("{}-{ticket}", browser_name(https))
}

/// Whether `name` matches a pattern in which `*` stands for any bytes. Only the last `*` is backtracked to, so that the
/// time is at most the product of both lengths, whatever name an attacker chose.
pub(super) fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut in_pattern, mut in_name) = (0, 0);
    let mut star = None;
    while in_name < name.len() {
        match (pattern.get(in_pattern), star) {
            (Some(b'*'), _) => {
                in_pattern += 1;
                star = Some((in_pattern, in_name));
            }
            (Some(byte), _) if *byte == name[in_name] => {
                in_pattern += 1;
                in_name += 1;
            }
            (_, Some((after, from))) => {
                (in_pattern, in_name) = (after, from + 1);
                star = Some((after, from + 1));
            }
            (_, None) => return false,
        }
    }
    pattern[in_pattern..].iter().all(|byte| *byte == b'*')
}
