//! One request under the ticket path, and the forms it brings.

use std::time::Duration;

use http::header::{self, HeaderName};
use http::request::Parts;
use tokio::time::timeout;

use crate::asked::Asked;
use crate::body::{Body, BodyError, BytesIn, ReadError, read_limited};
use crate::cookies;
use crate::device;
use crate::fault::Fault;
use crate::guard::GuardRefusal;
use crate::origin::Origin;
use crate::return_path::ReturnPath;
use crate::token::{BrowserId, ClaimKey, Opened, Party};

/// The largest form that is read.
const FORM_LIMIT: usize = 8 * 1024;

/// What every step needs to know about its request.
pub struct Visit {
    pub asked: Asked,
    /// Its head, as it came.
    pub head: Parts,
    /// How much content came, for the log.
    pub bytes_in: BytesIn,
}

impl Visit {
    /// The browser cookie; none if it is missing, doubled or misshapen.
    pub fn browser(&self) -> Option<BrowserId> {
        cookies::browser(&self.head.headers, self.asked.is_https()).ok().flatten().and_then(BrowserId::parse)
    }

    /// The claim keys that this browser sent for a ticket: only those that qrgate made, which needs no look at the
    /// store. At most one of them is the holder's.
    pub fn claim_keys(&self, opened: &Opened) -> Vec<ClaimKey> {
        let (key, id) = (opened.key(), opened.id());
        let name = cookies::claim_name(self.asked.is_https(), &id.short());
        let sent = cookies::claims(&self.head.headers, &name);
        sent.filter_map(ClaimKey::parse).filter(|claim_key| key.made_claim_key(&id, claim_key)).collect()
    }

    /// The named field's value, if it is text.
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The sender, as pages and events show it.
    pub fn party(&self) -> Party {
        Party { address: self.asked.client.address, label: device::label(self.head.headers.get(header::USER_AGENT)) }
    }

    /// Why a guard refused this request, for the log: with both origins where they differ.
    pub fn reason_of(&self, refusal: GuardRefusal) -> String {
        match refusal {
            GuardRefusal::Origin => {
                let sent = self.text(&header::ORIGIN).unwrap_or("none");
                format!("{refusal}: {sent}, not {}", self.asked.origin)
            }
            _ => refusal.to_string(),
        }
    }

    /// The origin that sent a refused form, if only its scheme or port differs from the public origin: then `public.url` is
    /// not what the address bar shows.
    pub fn misnamed_origin(&self, refusal: GuardRefusal) -> Option<String> {
        let sent = Origin::parse(self.text(&header::ORIGIN)?)?;
        (refusal == GuardRefusal::Origin && sent.name() == self.asked.origin.name()).then(|| sent.to_string())
    }

    /// Whether this is a fetch ahead of a person, or no fetch of a page at all.
    pub fn is_prefetch(&self) -> bool {
        let ahead = ["sec-purpose", "purpose", "x-moz"].iter().any(|name| self.head.headers.contains_key(*name));
        ahead || self.head.method == http::Method::HEAD
    }

    /// A value of the query; the first of its name.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.head.uri.query().unwrap_or("");
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The place to land of the query, where it is a safe one.
    pub fn next(&self, sub_path: &str) -> Option<ReturnPath> {
        self.query("next").and_then(|text| ReturnPath::parse(&text, sub_path))
    }

    /// Reads the form that the request brings.
    ///
    /// # Errors
    ///
    /// [`Fault::Content`] when it is too large, ends early or takes longer than `within`.
    pub async fn read_form(&self, content: Body, within: Duration) -> Result<Form, Fault> {
        // In all, and not since the last byte: these requests come before any limit.
        let content = timeout(within, read_limited(content, FORM_LIMIT)).await;
        let content = content.unwrap_or(Err(ReadError::Broken(BodyError::TooSlow)))?;
        self.bytes_in.set(content.len() as u64);
        Ok(Form::parse(&content))
    }
}

/// The fields of a form, the first of each name.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded` content, whatever it was called.
    pub fn parse(content: &[u8]) -> Form {
        Form(form_urlencoded::parse(content).into_owned().collect())
    }

    /// The place to land that the form names, where it is a safe one.
    pub fn next(&self, sub_path: &str) -> Option<ReturnPath> {
        ReturnPath::parse(self.get("next"), sub_path)
    }

    /// The value of that name; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }
}
