//! Is this request-target one of ours, hidden, malformed, or the application's? One function decides, once.
//!
//! Applications read paths in many ways: they decode once or twice, merge slashes, remove dots, fold case, cut `;…`, try
//! suffixes. A path that *any* of these readings takes for a reserved one, and that is not exactly a canonical route of
//! ours, is answered here and never forwarded (threat table, section F). Readings are for comparison only: what is
//! forwarded arrives byte for byte as it came.

use http::{Method, Uri};

mod readings;
#[cfg(test)]
mod tests;

/// The paths that are not the application's to answer.
#[derive(Clone, Debug)]
pub struct Reserved {
    ticket_path: String,
    ticket_root: Root,
    hooks: Vec<Root>,
}

/// A reserved path without its final slash, in lower case.
#[derive(Clone, Debug)]
struct Root {
    path: Vec<u8>,
    /// Its segments, the longest first: no reading is this path without their letters.
    letters: Vec<Vec<u8>>,
}

/// Whose a request-target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// An address under the ticket path.
    Ticket(TicketRoute<'a>),
    /// A hook's path in some spelling: 404.
    Hidden,
    /// No target that may be forwarded: 400.
    Malformed,
    /// The application's.
    Forward,
}

/// The addresses under the ticket path (product contract, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketRoute<'a> {
    /// `/qr/`
    Start,
    /// `/qr`
    StartWithoutSlash,
    /// `/qr/status/<view>`
    Status(&'a str),
    /// `/qr/approve`
    Approve,
    /// `/qr/<token>/`
    Token(&'a str),
    /// `/qr/<token>`
    TokenWithoutSlash(&'a str),
    /// `/qr/invalid_code/`
    InvalidCode,
    /// Anything else under it, in any spelling.
    Unknown,
}

impl TicketRoute<'_> {
    /// What logs and metrics call it: a pattern, never the address.
    pub fn pattern(&self) -> &'static str {
        match self {
            TicketRoute::Start | TicketRoute::StartWithoutSlash => "/qr/",
            TicketRoute::Status(_) => "/qr/status/:view",
            TicketRoute::Approve => "/qr/approve",
            TicketRoute::Token(_) | TicketRoute::TokenWithoutSlash(_) => "/qr/:token/",
            TicketRoute::InvalidCode => "/qr/invalid_code/",
            TicketRoute::Unknown => "/qr/:other",
        }
    }

    /// The methods that it answers, for `Allow`.
    pub fn allow(&self) -> &'static str {
        match self {
            TicketRoute::Status(_) | TicketRoute::InvalidCode => "GET, HEAD",
            TicketRoute::Start
            | TicketRoute::StartWithoutSlash
            | TicketRoute::Approve
            | TicketRoute::Token(_)
            | TicketRoute::TokenWithoutSlash(_)
            | TicketRoute::Unknown => "GET, HEAD, POST",
        }
    }

    /// Whether it is the phone's side: a page there speaks to whoever holds the phone.
    pub fn is_phones(&self) -> bool {
        matches!(self, TicketRoute::Token(_) | TicketRoute::TokenWithoutSlash(_) | TicketRoute::InvalidCode)
    }
}

impl Reserved {
    /// `ticket_path` begins and ends with a slash; `hidden` are the hooks' paths, whose queries do not matter.
    pub fn new(ticket_path: &str, hidden: &[String]) -> Reserved {
        Reserved {
            ticket_path: ticket_path.to_owned(),
            ticket_root: Root::new(ticket_path.as_bytes()),
            hooks: hidden.iter().flat_map(|path| Root::of_hook(path)).collect(),
        }
    }

    /// Whether a path, read in this way, is one of ours.
    fn claims(&self, reading: &[u8]) -> Option<Claim> {
        if self.hooks.iter().any(|hook| hook.is_hook_of(reading)) {
            return Some(Claim::Hook);
        }
        let behind = strip_prefix(reading, &self.ticket_root.path)?;
        matches!(behind, [] | [b'/', ..]).then_some(Claim::Ticket)
    }

    /// Whether a text holds all letters of a reserved path, wherever they stand.
    fn has_letters(&self, text: &[u8]) -> bool {
        self.ticket_root.has_letters(text) || self.hooks.iter().any(|hook| hook.has_letters(text))
    }
}

impl Root {
    fn new(path: &[u8]) -> Root {
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let path = path[..end].to_ascii_lowercase();
        let mut letters: Vec<Vec<u8>> = path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        letters.retain(|segment| !segment.is_empty());
        letters.sort_by_key(|segment| std::cmp::Reverse(segment.len()));
        Root { path, letters }
    }

    /// A hook's path may itself be written with encoded letters or dots: then it is hidden in each of its readings. One
    /// that ends in `.php` is hidden without that too: Apache (MultiViews) and nginx (`try_files $uri.php`) add it.
    fn of_hook(path: &str) -> Vec<Root> {
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let mut roots = Vec::new();
        let collect = |reading: &[u8]| {
            let root = Root::new(reading);
            if let Some(bare) = root.path.strip_suffix(b".php").filter(|bare| !bare.ends_with(b"/")) {
                roots.push(Root::new(bare));
            }
            roots.push(root);
            None::<()>
        };
        // Should there be too many: the first are the path as it stands and its nearest relatives.
        let _ = readings::search(path, collect);
        roots.retain(|root| !root.path.is_empty());
        roots
    }

    fn has_letters(&self, text: &[u8]) -> bool {
        self.letters.iter().all(|letters| contains(text, letters))
    }

    /// Whether a reading is this path, this path with more after it, or ends in it behind a script's name: frameworks
    /// take any suffix (`.json`, `/`) and PHP any path behind a script (`/index.php/_qr/login`, `/_qr/login.php/x`).
    fn is_hook_of(&self, reading: &[u8]) -> bool {
        let named_at = |at: usize| {
            let behind = strip_prefix(&reading[at..], &self.path)?.first();
            Some(behind.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_')))
        };
        let behind_script = || {
            let scripts = reading.windows(4).enumerate().filter(|(_, window)| window.eq_ignore_ascii_case(b".php"));
            scripts.map(|(at, _)| at + 4).any(|at| named_at(at) == Some(true))
        };
        named_at(0) == Some(true) || behind_script()
    }
}

/// What follows `prefix` (lower case), if `text` begins with it in any letter case.
fn strip_prefix<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whether `letters` (lower case, not empty) stand in `text` in any letter case.
fn contains(text: &[u8], letters: &[u8]) -> bool {
    let first = letters.first().copied().unwrap_or_default();
    text.windows(letters.len())
        .any(|window| window[0].to_ascii_lowercase() == first && window.eq_ignore_ascii_case(letters))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    Ticket,
    Hook,
}

/// Decides whose a target is. The query never takes part.
///
/// `Malformed` are targets that no origin server should see: without a leading slash, with a raw backslash in the path,
/// a raw control character or byte above 0x7F anywhere, with user information, `*` for anything but OPTIONS; and one
/// that holds a reserved path's letters and was made to be read in more ways than can be tried.
pub fn decide<'a>(method: &Method, uri: &'a Uri, reserved: &Reserved) -> Route<'a> {
    let path = uri.path();
    if path == "*" && uri.authority().is_none() {
        return if method == Method::OPTIONS { Route::Forward } else { Route::Malformed };
    }
    let query = uri.query().unwrap_or("");
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Route::Malformed;
    }
    if !path.starts_with('/') || !path.bytes().all(is_path_byte) || !query.bytes().all(|b| b.is_ascii_graphic()) {
        return Route::Malformed;
    }
    if let Some(route) = canonical(path, reserved) {
        return Route::Ticket(route);
    }
    // Most requests end here, after a look for a few letters.
    if !readings::may_hold(path, |text| reserved.has_letters(text)) {
        return Route::Forward;
    }
    match readings::search(path, |reading| reserved.claims(reading)) {
        Ok(Some(Claim::Hook)) => Route::Hidden,
        Ok(Some(Claim::Ticket)) => Route::Ticket(TicketRoute::Unknown),
        Ok(None) => Route::Forward,
        Err(readings::TooMany) => Route::Malformed,
    }
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'\\'
}

/// The exact addresses; case and every byte count.
fn canonical<'a>(path: &'a str, reserved: &Reserved) -> Option<TicketRoute<'a>> {
    if path.len() + 1 == reserved.ticket_path.len() && reserved.ticket_path.starts_with(path) {
        return Some(TicketRoute::StartWithoutSlash);
    }
    let rest = path.strip_prefix(reserved.ticket_path.as_str())?;
    match rest {
        "" => return Some(TicketRoute::Start),
        "approve" => return Some(TicketRoute::Approve),
        "invalid_code/" => return Some(TicketRoute::InvalidCode),
        _ => {}
    }
    if let Some(view) = rest.strip_prefix("status/") {
        return is_base64url(view, 43).then_some(TicketRoute::Status(view));
    }
    match rest.strip_suffix('/') {
        Some(token) => is_base64url(token, 44).then_some(TicketRoute::Token(token)),
        None => is_base64url(rest, 44).then_some(TicketRoute::TokenWithoutSlash(rest)),
    }
}

fn is_base64url(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
