//! The cookies that a browser stores from `Set-Cookie` lines, and those that it sends then (RFC 6265bis, sections 5.7
//! and 5.8).

use crate::clock::Timestamp;
use crate::origin::{Origin, Scheme};

use super::dropped::{DropReason, Dropped, printable};
use super::pair::cookie_field;
use super::relay::Relayed;
use super::set_cookie::SetCookie;

/// A browser without cookies, at an address of the public origin.
#[derive(Clone, Copy, Debug)]
pub struct Browser<'a> {
    pub origin: &'a Origin,
    /// The path of the response that sets the cookies.
    pub received_at: &'a str,
    /// Whether it keeps `Secure` cookies of that origin.
    pub trusted: bool,
    pub now: Timestamp,
}

impl<'a> Browser<'a> {
    /// A browser that trusts the origin as Chromium and Firefox do: https, and plain http on loopback.
    pub fn at(origin: &'a Origin, received_at: &'a str, now: Timestamp) -> Browser<'a> {
        let trusted = origin.scheme() == Scheme::Https || origin.is_loopback();
        Browser { origin, received_at, trusted, now }
    }
}

/// The stored cookies, and the refused ones.
pub struct Jar<'a> {
    stored: Vec<StoredCookie<'a>>,
    dropped: Vec<Dropped>,
}

impl<'a> Jar<'a> {
    /// Applies these lines in order. A refused line changes nothing; it does not delete a cookie either.
    pub fn receive(relayed: &'a Relayed, browser: &Browser<'_>) -> Jar<'a> {
        let mut jar = Jar { stored: Vec::new(), dropped: relayed.dropped.clone() };
        for line in &relayed.lines {
            jar.add(&SetCookie::parse(line.as_bytes()), browser);
        }
        jar
    }

    fn add(&mut self, cookie: &SetCookie<'a>, browser: &Browser<'_>) {
        let new = StoredCookie::new(cookie, browser.received_at);
        let refusal = cookie.refusal(browser.origin, &new.path, browser.trusted);
        if let Some(reason) = refusal {
            return self.dropped.push(Dropped::new(cookie.name, reason));
        }
        let known = self.stored.iter().position(|other| other.is_replaced_by(&new));
        if cookie.is_deletion(browser.now) {
            known.map(|at| self.stored.remove(at));
            return self.dropped.push(Dropped::new(cookie.name, DropReason::Expired));
        }
        match known {
            // A cookie that is replaced keeps its place (section 5.7, step 23).
            Some(at) => self.stored[at] = new,
            None => self.stored.push(new),
        }
    }

    /// Whether there is no cookie for any path.
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty()
    }

    /// The `Cookie` value of a request to `path`, `None` without a cookie for it. Of two cookies with one name both are
    /// sent, the one with the longer path first.
    pub fn sent_to(&self, path: &str) -> Option<String> {
        let mut sent: Vec<&StoredCookie> = self.stored.iter().filter(|stored| stored.is_sent_to(path)).collect();
        sent.sort_by_key(|stored| std::cmp::Reverse(stored.path.len()));
        cookie_field(sent.into_iter().map(|stored| (stored.name, stored.value)))
    }

    /// The cookies of which a request to `path` has no value, and why: those that match `patterns`, or all if none does.
    pub fn lost(&self, path: &str, patterns: &[String]) -> Vec<Dropped> {
        let (sent, elsewhere): (Vec<&StoredCookie>, Vec<&StoredCookie>) =
            self.stored.iter().partition(|stored| stored.is_sent_to(path));
        let sent: Vec<String> = sent.into_iter().map(|stored| printable(stored.name)).collect();
        let elsewhere = elsewhere.into_iter().map(|stored| Dropped::new(stored.name, DropReason::Path));
        let lost = self.dropped.iter().cloned().chain(elsewhere);
        let lost: Vec<Dropped> = lost.filter(|dropped| !sent.contains(&dropped.name)).collect();
        match lost.iter().any(|dropped| dropped.is_named_by(patterns)) {
            true => lost.into_iter().filter(|dropped| dropped.is_named_by(patterns)).collect(),
            false => lost,
        }
    }
}

/// A cookie in a browser's jar.
struct StoredCookie<'a> {
    name: &'a [u8],
    value: &'a [u8],
    domain: Option<Vec<u8>>,
    path: Vec<u8>,
    partitioned: bool,
}

impl<'a> StoredCookie<'a> {
    fn new(cookie: &SetCookie<'a>, received_at: &str) -> StoredCookie<'a> {
        let path = match cookie.path {
            Some(path) if path.starts_with(b"/") => path.to_vec(),
            _ => default_path(received_at).as_bytes().to_vec(),
        };
        let domain = cookie.domain.map(|domain| domain.strip_prefix(b".").unwrap_or(domain).to_ascii_lowercase());
        StoredCookie { name: cookie.name, value: cookie.value, domain, path, partitioned: cookie.partitioned }
    }

    fn is_replaced_by(&self, other: &StoredCookie<'_>) -> bool {
        (self.name, &self.domain, &self.path, self.partitioned)
            == (other.name, &other.domain, &other.path, other.partitioned)
    }

    /// Section 5.1.4: the same path, or one above it that ends at a slash.
    fn is_sent_to(&self, path: &str) -> bool {
        let rest = path.as_bytes().strip_prefix(&*self.path);
        rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || self.path.ends_with(b"/"))
    }
}

/// Section 5.1.4: the directory of the address.
fn default_path(address: &str) -> &str {
    match address.rfind('/') {
        Some(at) if at > 0 && address.starts_with('/') => &address[..at],
        _ => "/",
    }
}
