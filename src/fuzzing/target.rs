//! Request-targets: no interpretation of a forwarded target is a reserved path, and it is forwarded unchanged.

use http::uri::Uri;
use http::{Method, uri::PathAndQuery};
use unicode_normalization::UnicodeNormalization;

use super::lines::percent_decoded;
use crate::target::{Reserved, Route, TicketRoute, decide};

/// A configuration, for the implementation and for the independent rule.
struct SetUp {
    reserved: Reserved,
    ticket_path: &'static str,
    hooks: [&'static str; 2],
}

thread_local!(static SET_UPS: [SetUp; 2] = [
    SetUp {
        reserved: Reserved::new("/qr/", &["/_qr/whoami".to_owned(), "/_qr/login".to_owned()], ""),
        ticket_path: "/qr/",
        hooks: ["/_qr/whoami", "/_qr/login"],
    },
    SetUp {
        reserved: Reserved::new("/blog/qr/", &["/api/v1/login/?from=qr".to_owned(), "/a/%77ho;v=1".to_owned()], ""),
        ticket_path: "/blog/qr/",
        hooks: ["/api/v1/login", "/a/who"],
    },
]);

/// The input is a request-target as in a request line.
///
/// - A target with any interpretation that is a reserved path is not forwarded.
/// - A forwarded path is visible ASCII without a backslash, and unchanged byte for byte.
/// - A route of qrgate has exactly one spelling. A path without `%` that names no route belongs to the application.
/// - The query has no effect.
pub fn check(data: &[u8]) {
    let Ok(uri) = Uri::try_from(data) else { return };
    SET_UPS.with(|set_ups| set_ups.iter().for_each(|set_up| judge(&uri, data, set_up)));
}

/// Whether the first property holds for a target in the default configuration. True for an invalid target.
pub fn keeps_the_rule(target: &str) -> bool {
    let Ok(uri) = target.parse::<Uri>() else { return true };
    SET_UPS.with(|[set_up, _]| {
        decide(&Method::GET, &uri, &set_up.reserved) != Route::Forward || !any_reading_is_reserved(uri.path(), set_up)
    })
}

/// Whether an interpretation of a path is reserved in the default configuration.
pub fn is_reserved_in_some_reading(path: &str) -> bool {
    SET_UPS.with(|[set_up, _]| any_reading_is_reserved(path, set_up))
}

fn judge(uri: &Uri, data: &[u8], set_up: &SetUp) {
    let path = uri.path();
    let route = decide(&Method::GET, uri, &set_up.reserved);
    match route {
        Route::Forward => {
            assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'));
            assert!(!any_reading_is_reserved(path, set_up), "{path:?} is reserved in some reading");
            if data.starts_with(b"/") {
                let sent = uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
                let came = data.split(|byte| *byte == b'#').next().unwrap_or_default();
                assert_eq!(sent.as_bytes(), came, "forwarded as it came");
            }
        }
        Route::Ticket(TicketRoute::Unknown) | Route::Hidden => {
            let names_something = |word: &str| path.to_ascii_lowercase().contains(word);
            let reserved_words = ["qr", "login", "who"];
            assert!(
                path.contains('%') || reserved_words.into_iter().any(names_something),
                "{path:?} is the application's"
            );
        }
        Route::Ticket(ref route) => {
            let spelled = match route {
                TicketRoute::Start => String::new(),
                TicketRoute::StartWithoutSlash => return assert_eq!(format!("{path}/"), set_up.ticket_path),
                TicketRoute::Status(view) => format!("status/{view}"),
                TicketRoute::Approve => "approve".to_owned(),
                TicketRoute::Undo => "undo".to_owned(),
                TicketRoute::Token(token) => format!("{token}/"),
                TicketRoute::TokenWithoutSlash(token) => token.to_owned(),
                TicketRoute::Code => "code/".to_owned(),
                TicketRoute::CodeWithoutSlash => "code".to_owned(),
                TicketRoute::InvalidCode => "invalid_code/".to_owned(),
                TicketRoute::Unknown | TicketRoute::Unstripped => return,
            };
            assert_eq!(path, format!("{}{spelled}", set_up.ticket_path), "one spelling");
        }
        Route::Malformed => return,
    }
    for query in ["", "?", "?x=/qr/&/../_qr/login"] {
        let other = format!("{path}{query}");
        if let Ok(other) = other.parse::<Uri>() {
            assert_eq!(decide(&Method::GET, &other, &set_up.reserved), route, "the query takes part");
        }
    }
}

/// An independent, slow implementation: every combination of steps, in every round of decoding, in two orders.
fn any_reading_is_reserved(path: &str, set_up: &SetUp) -> bool {
    let steps: [fn(&str) -> String; 7] = [
        widened,
        |text| if text.is_ascii() { text.to_owned() } else { text.nfkc().collect() },
        |text| text.replace('\\', "/"),
        |text| each(text, |segment| segment.split(';').next().unwrap_or_default()),
        |text| each(text, str::trim),
        merged,
        without_dots,
    ];
    let mut round = path.to_owned();
    for decodings in 0..=3 {
        if decodings > 0 && !round.contains('%') {
            return false;
        }
        if decodings > 0 {
            round = decoded(&round);
        }
        for backwards in [false, true] {
            let mut readings = vec![round.clone()];
            for index in 0..steps.len() {
                let step = steps[if backwards { steps.len() - 1 - index } else { index }];
                for reading in readings.clone() {
                    let after = step(&reading);
                    if after != reading && !readings.contains(&after) {
                        readings.push(after);
                    }
                }
            }
            if readings.iter().any(|reading| is_reserved(reading, set_up)) {
                return true;
            }
        }
    }
    false
}

fn is_reserved(text: &str, set_up: &SetUp) -> bool {
    let text = text.to_lowercase();
    let is_hook = |hook: &str| match text.strip_prefix(hook) {
        Some(behind) => !behind.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
        None => false,
    };
    format!("{text}/") == set_up.ticket_path
        || text.starts_with(set_up.ticket_path)
        || set_up.hooks.into_iter().any(is_hook)
}

fn decoded(text: &str) -> String {
    let mut bytes = percent_decoded(text);
    let mut short = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        // An overlong two-byte form decodes to an ASCII character.
        match (first, rest.first()) {
            (0xC0..=0xC1, Some(&second @ 0x80..=0xBF)) => {
                short.push((first & 1) << 6 | (second & 0x3F));
                bytes.drain(..2);
            }
            _ => {
                short.push(first);
                bytes.drain(..1);
            }
        }
    }
    String::from_utf8_lossy(&short).into_owned()
}

/// `%u002f` as one character.
fn widened(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("%u").or_else(|| rest.find("%U")) {
        out.push_str(&rest[..at]);
        let digits = rest.get(at + 2..at + 6).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let wide = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match wide {
            Some(c) => out.push(c),
            None => out.push_str(&rest[at..at + 2]),
        }
        rest = &rest[if wide.is_some() { at + 6 } else { at + 2 }..];
    }
    out + rest
}

fn merged(text: &str) -> String {
    let mut text = text.to_owned();
    while text.contains("//") {
        text = text.replace("//", "/");
    }
    text
}

fn without_dots(text: &str) -> String {
    let mut kept = Vec::new();
    for segment in text.split('/').skip(1) {
        if segment == ".." {
            kept.pop();
        } else if segment != "." {
            kept.push(segment);
        }
    }
    format!("/{}", kept.join("/"))
}

fn each(text: &str, change: impl Fn(&str) -> &str) -> String {
    text.split('/').map(change).collect::<Vec<_>>().join("/")
}
