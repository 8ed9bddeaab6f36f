//! Decides whether a request target belongs to qrgate, is hidden, is malformed, or belongs to the application.
//!
//! Applications read paths in many ways: they decode once or twice, merge slashes, remove dots, fold case, cut `;…`,
//! try suffixes. A path that *any* of these readings takes for a reserved one, and that is not exactly a canonical
//! route of qrgate, is handled here and never forwarded (docs/conformance.md, section F). Readings are for comparison
//! only: a target is forwarded byte for byte.

use http::uri::Scheme;
use http::{Method, Uri};
use memchr::{memchr, memchr_iter};

mod readings;
mod root;
mod shortened;
#[cfg(test)]
mod tests;
mod work;

use root::{ByteSet, Root, behind_script, is_name_byte, matched};
use shortened::Shortener;
use work::{TooMuchWork, Work};

/// The paths that qrgate handles or hides.
#[derive(Clone, Debug)]
pub struct Reserved {
    ticket_path: String,
    ticket_root: Root,
    hooks: Vec<Root>,
    /// The ticket path behind the sub-path of `public.url`, as it arrives where no proxy strips that.
    unstripped: Option<Root>,
    shortener: Option<Shortener>,
}

/// The result of the decision about a request-target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A path under the ticket path.
    Ticket(TicketRoute),
    /// A hook's path in any reading: 404.
    Hidden,
    /// A target that must not be forwarded: 400.
    Malformed,
    /// A path of the application.
    Forward,
}

/// The routes under the ticket path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketRoute {
    /// `/qr/`
    Start,
    /// `/qr`
    StartWithoutSlash,
    /// `/qr/status/<view>`
    Status(String),
    /// `/qr/approve`
    Approve,
    /// `/qr/undo`
    Undo,
    /// `/qr/<token>/`
    Token(String),
    /// `/qr/<token>`
    TokenWithoutSlash(String),
    /// `/qr/code/`
    Code,
    /// `/qr/code`
    CodeWithoutSlash,
    /// `/qr/invalid_code/`
    InvalidCode,
    /// Any other path under the ticket path, in any reading.
    Unknown,
    /// Any path under the sub-path of `public.url` and the ticket path: the proxy in front should have stripped the
    /// sub-path.
    Unstripped,
}

impl TicketRoute {
    /// The name in logs and metrics: a pattern, never the path itself.
    pub fn pattern(&self) -> &'static str {
        match self {
            TicketRoute::Start | TicketRoute::StartWithoutSlash => "/qr/",
            TicketRoute::Status(_) => "/qr/status/:view",
            TicketRoute::Approve => "/qr/approve",
            TicketRoute::Undo => "/qr/undo",
            TicketRoute::Token(_) | TicketRoute::TokenWithoutSlash(_) => "/qr/:token/",
            TicketRoute::Code | TicketRoute::CodeWithoutSlash => "/qr/code/",
            TicketRoute::InvalidCode => "/qr/invalid_code/",
            TicketRoute::Unknown | TicketRoute::Unstripped => "/qr/:other",
        }
    }

    /// The allowed methods, for `Allow`.
    pub fn allow(&self) -> &'static str {
        match self {
            TicketRoute::Status(_) | TicketRoute::InvalidCode => "GET, HEAD",
            TicketRoute::Undo => "POST",
            _ => "GET, HEAD, POST",
        }
    }

    /// Whether the route belongs to the phone, so that its pages address the person with the phone.
    pub fn is_phones(&self) -> bool {
        matches!(
            self,
            TicketRoute::Token(_)
                | TicketRoute::TokenWithoutSlash(_)
                | TicketRoute::Code
                | TicketRoute::CodeWithoutSlash
                | TicketRoute::InvalidCode
        )
    }
}

impl Reserved {
    /// `ticket_path` begins and ends with a slash; `hidden` are the hooks' paths, whose queries do not matter.
    ///
    /// A proxy in front strips `sub_path` (empty, or `/` and more). Where it does not, requests must not reach the
    /// application either: they hold live tokens, or call a hook of an application that strips the sub-path itself.
    pub fn new(ticket_path: &str, hidden: &[String], sub_path: &str) -> Reserved {
        let ticket_root = Root::new(ticket_path.as_bytes());
        let mut hooks: Vec<Root> = hidden.iter().flat_map(|path| Root::of_hook(path)).collect();
        let mut unstripped = None;
        if !sub_path.is_empty() {
            hooks.extend(hidden.iter().flat_map(|path| Root::of_hook(&format!("{sub_path}{path}"))));
            unstripped = Some(Root::new(format!("{sub_path}{ticket_path}").as_bytes()));
        }
        let shortener = Shortener::new(std::iter::once(&ticket_root).chain(&unstripped).chain(&hooks));
        Reserved { ticket_path: ticket_path.to_owned(), ticket_root, hooks, unstripped, shortener }
    }

    /// The route of a path in this reading, if it is reserved. Frameworks take any suffix behind a hook's path
    /// (`.json`, `/`), and servers take any path behind a script's name (`/index.php/_qr/login`, `/_qr/login.php/x`).
    fn route_of(&self, reading: &[u8], work: &mut Work) -> Result<Option<Route>, TooMuchWork> {
        if self.begins_with_hook(reading, work)? {
            return Ok(Some(Route::Hidden));
        }
        for dot in memchr_iter(b'.', reading) {
            work.spend(150)?;
            if let Some(behind) = behind_script(&reading[dot + 1..])
                && self.begins_with_hook(behind, work)?
            {
                return Ok(Some(Route::Hidden));
            }
        }
        if self.ticket_root.is_above(reading) {
            return Ok(Some(Route::Ticket(TicketRoute::Unknown)));
        }
        let unstripped = self.unstripped.as_ref().is_some_and(|root| root.is_above(reading));
        Ok(unstripped.then_some(Route::Ticket(TicketRoute::Unstripped)))
    }

    fn begins_with_hook(&self, text: &[u8], work: &mut Work) -> Result<bool, TooMuchWork> {
        for hook in &self.hooks {
            let matched = matched(text, &hook.path);
            work.spend(30 + 8 * matched)?;
            if matched == hook.path.len() && !text.get(matched).is_some_and(is_name_byte) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a reading of the path may contain all segments of a reserved path.
    fn may_be_in(&self, path: &[u8], work: &mut Work) -> Result<bool, TooMuchWork> {
        let has_segments = |reading: &[u8], work: &mut Work| Ok(self.has_segments_in(reading, work)?.then_some(()));
        Ok(readings::search(path.to_vec(), readings::REPLACING, work, has_segments)?.is_some())
    }

    /// Whether a text contains all segments of a reserved path, at any position.
    fn has_segments_in(&self, text: &[u8], work: &mut Work) -> Result<bool, TooMuchWork> {
        work.spend(text.len())?;
        let bytes_used = ByteSet::of(text);
        for root in std::iter::once(&self.ticket_root).chain(&self.hooks) {
            // Most texts lack a byte of every reserved path.
            if bytes_used.has_all_of(root.bytes_used) && root.has_segments_in(text, work)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Decides which route a target takes. The query has no effect.
///
/// `Malformed` are targets that must not reach an origin server: without a leading slash, with a raw backslash in the
/// path, a raw control character or byte above 0x7F anywhere, with user information, of another scheme than `http` and
/// `https` (RFC 9110, section 7.4), `*` for anything but OPTIONS; and targets whose readings exceed the budget.
pub fn decide(method: &Method, uri: &Uri, reserved: &Reserved) -> Route {
    let path = uri.path();
    // Over HTTP/2 the authority comes with `*` (RFC 9113, section 8.3.1).
    if path == "*" {
        return if method == Method::OPTIONS { Route::Forward } else { Route::Malformed };
    }
    let query = uri.query().unwrap_or("");
    if uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
        return Route::Malformed;
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Route::Malformed;
    }
    if !path.starts_with('/') || !path.bytes().all(is_path_byte) || !query.bytes().all(|b| b.is_ascii_graphic()) {
        return Route::Malformed;
    }
    if let Some(route) = canonical(path, reserved) {
        return Route::Ticket(route);
    }
    match judge(path, reserved, &mut Work::new()) {
        Ok(route) => route.unwrap_or(Route::Forward),
        Err(TooMuchWork) => Route::Malformed,
    }
}

/// The route of a path that is not canonical, if any reading of it is reserved.
fn judge(path: &str, reserved: &Reserved, work: &mut Work) -> Result<Option<Route>, TooMuchWork> {
    work.spend(8 * path.len())?;
    // Most requests return here, after a search for a few letters.
    let found = reserved.has_segments_in(path.as_bytes(), work)?;
    if !found && memchr(b'%', path.as_bytes()).is_none() {
        return Ok(None);
    }
    let path = match &reserved.shortener {
        Some(shortener) => shortener.shorten(path.as_bytes(), work)?,
        None => path.as_bytes().to_vec(),
    };
    match found || reserved.may_be_in(&path, work)? {
        true => readings::search(path, readings::ALL, work, |reading, work| reserved.route_of(reading, work)),
        false => Ok(None),
    }
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'\\'
}

/// The exact routes, compared byte for byte.
fn canonical(path: &str, reserved: &Reserved) -> Option<TicketRoute> {
    if path.len() + 1 == reserved.ticket_path.len() && reserved.ticket_path.starts_with(path) {
        return Some(TicketRoute::StartWithoutSlash);
    }
    let rest = path.strip_prefix(reserved.ticket_path.as_str())?;
    match rest {
        "" => return Some(TicketRoute::Start),
        "approve" => return Some(TicketRoute::Approve),
        "undo" => return Some(TicketRoute::Undo),
        "code/" => return Some(TicketRoute::Code),
        "code" => return Some(TicketRoute::CodeWithoutSlash),
        "invalid_code/" => return Some(TicketRoute::InvalidCode),
        _ => {}
    }
    if let Some(view) = rest.strip_prefix("status/") {
        return is_base64url(view, 43).then(|| TicketRoute::Status(view.to_owned()));
    }
    match rest.strip_suffix('/') {
        Some(token) => is_base64url(token, 44).then(|| TicketRoute::Token(token.to_owned())),
        None => is_base64url(rest, 44).then(|| TicketRoute::TokenWithoutSlash(rest.to_owned())),
    }
}

fn is_base64url(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
