//! Edits a client's header fields for the application: some are dropped, qrgate's are added.
//!
//! The map of a forwarded request is not changed: the fields that pass are written straight into the request, which
//! saves most of the cost of editing a map.

use std::net::IpAddr;
use std::rc::Rc;

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::connection::{connection_options, is_connection_specific, is_end_to_end};
use super::request_id::X_REQUEST_ID;
use super::rules::FieldRules;
use crate::cookies;
use crate::forwarded::{Downstream, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO, X_REAL_IP};
use crate::http1::fields::lists;
use crate::origin::Scheme;
use crate::peer::AddressText;

/// What qrgate adds to a request for the application.
pub struct ManagedFields<'a> {
    pub downstream: &'a Downstream,
    pub request_id: &'a HeaderValue,
    /// The `Host` that the application gets.
    pub host: HeaderValue,
    /// Whether `Forwarded` is sent too.
    pub forwarded: bool,
    /// Which of the client's fields pass.
    pub rules: &'a Rc<FieldRules>,
}

/// An edit of a request's fields.
#[derive(Debug, Default)]
pub struct Edit {
    /// Which of a client's fields pass. `None` for qrgate's own requests.
    rules: Option<Rc<FieldRules>>,
    /// Whether a trusted proxy sends them.
    trusted: bool,
    /// Names that `Connection` removes.
    named: Vec<HeaderName>,
    added: Vec<(HeaderName, HeaderValue)>,
}

impl Edit {
    /// For fields of qrgate's own requests, which all pass.
    pub fn nothing() -> Edit {
        Edit::default()
    }

    /// The edit of a client's fields. `Cookie` lines are edited in place, if necessary.
    pub fn of_client(headers: &mut HeaderMap, managed: ManagedFields<'_>) -> Edit {
        // One pass over the names saves look-ups of fields that most requests do not have.
        let (mut has_cookie, mut has_connection, mut has_te) = (false, false, false);
        for name in headers.keys() {
            has_cookie |= *name == header::COOKIE;
            has_connection |= *name == header::CONNECTION;
            has_te |= *name == header::TE;
        }
        if has_cookie {
            cookies::remove_own(headers);
            join_cookies(headers);
        }
        let mut named = if has_connection { connection_options(headers) } else { Vec::new() };
        named.retain(|name| !is_end_to_end(name));
        let (rules, trusted) = (Some(managed.rules.clone()), managed.downstream.trusted);
        let mut edit = Edit { rules, trusted, named, added: Vec::with_capacity(10) };
        if has_te && headers.get(header::TE).is_some_and(|te| lists(te.as_bytes(), b"trailers")) {
            edit.add(header::TE, HeaderValue::from_static("trailers"));
            edit.add(header::CONNECTION, HeaderValue::from_static("te"));
        }
        edit.add_managed(managed);
        edit
    }

    /// Adds a field, which replaces an earlier one of that name.
    pub fn add(&mut self, name: HeaderName, value: HeaderValue) {
        self.added.retain(|(known, _)| *known != name);
        self.added.push((name, value));
    }

    fn add_managed(&mut self, managed: ManagedFields<'_>) {
        let Downstream { client, scheme, host, port, .. } = managed.downstream;
        let client = address_value(client.forwarded_for());
        if managed.forwarded {
            self.added.push((header::FORWARDED, forwarded_value(&client, *scheme, host)));
        }
        // One by one: an array of them would be moved twice.
        self.added.push((X_FORWARDED_FOR, client.clone()));
        self.added.push((X_REAL_IP, client));
        self.added.push((X_FORWARDED_PROTO, HeaderValue::from_static(scheme.as_str())));
        self.added.push((X_FORWARDED_HOST, host.clone()));
        self.added.push((X_FORWARDED_PORT, port_value(*port)));
        self.added.push((X_REQUEST_ID, managed.request_id.clone()));
        self.added.push((header::HOST, managed.host));
    }

    /// The fields that the application gets: those that pass, then the added ones.
    pub fn fields<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        let passing = headers.iter().filter(|(name, _)| self.passes(name));
        passing.chain(self.added.iter().map(|(name, value)| (name, value)))
    }

    /// Whether the application gets a field of that name.
    pub fn has(&self, headers: &HeaderMap, name: &HeaderName) -> bool {
        let passes = || headers.contains_key(name) && self.passes(name);
        self.added.iter().any(|(added, _)| added == name) || passes()
    }

    /// Replaces the map by these fields.
    pub fn apply(self, headers: &mut HeaderMap) {
        if self.rules.is_some() || !self.added.is_empty() {
            *headers = self.fields(headers).map(|(name, value)| (name.clone(), value.clone())).collect();
        }
    }

    fn passes(&self, name: &HeaderName) -> bool {
        static REQUEST_ID: HeaderName = X_REQUEST_ID;
        let Some(rules) = &self.rules else { return true };
        !is_connection_specific(name)
            && !matches!(*name, header::HOST | header::EXPECT)
            && *name != REQUEST_ID
            && !self.named.contains(name)
            && rules.pass(name, self.trusted)
    }
}

/// Joins `Cookie` lines: HTTP/2 may split them, HTTP/1.1 has one (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    if lines.next().is_none() || lines.next().is_none() {
        return;
    }
    let joined = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, joined);
    }
}

fn port_value(port: u16) -> HeaderValue {
    match port {
        80 => HeaderValue::from_static("80"),
        443 => HeaderValue::from_static("443"),
        other => HeaderValue::from(other),
    }
}

fn address_value(address: IpAddr) -> HeaderValue {
    // The text of an address is always a valid field value.
    HeaderValue::from_str(AddressText::of(address).as_str()).unwrap_or(HeaderValue::from_static("127.0.0.1"))
}

/// RFC 7239, section 4. IPv6 addresses and hosts with a port are quoted.
fn forwarded_value(client: &HeaderValue, scheme: Scheme, host: &HeaderValue) -> HeaderValue {
    let mut text = BytesMut::from(&b"for="[..]);
    if client.as_bytes().contains(&b':') {
        text.put_slice(b"\"[");
        text.put_slice(client.as_bytes());
        text.put_slice(b"]\"");
    } else {
        text.put_slice(client.as_bytes());
    }
    text.put_slice(b";proto=");
    text.put_slice(scheme.as_str().as_bytes());
    text.put_slice(b";host=\"");
    text.put_slice(host.as_bytes());
    text.put_slice(b"\"");
    HeaderValue::from_maybe_shared(text.freeze()).unwrap_or(HeaderValue::from_static("for=unknown"))
}
