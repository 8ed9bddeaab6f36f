//! A request under the ticket path, and its form.

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
use crate::reply::Cookie;
use crate::return_path::ReturnPath;
use crate::secret::NoRandomness;
use crate::token::{BrowserId, ClaimKey, Opened, Party};

/// Maximum length of a form, in bytes.
const FORM_LIMIT: usize = 8 * 1024;

/// A request, as the steps see it.
pub struct Visit {
    pub asked: Asked,
    pub head: Parts,
    /// Bytes of content received, for the log.
    pub bytes_in: BytesIn,
}

impl Visit {
    /// The browser cookie. `None` if it is missing, doubled or malformed.
    pub fn browser(&self) -> Option<BrowserId> {
        cookies::browser(&self.head.headers, self.asked.is_https()).ok().flatten().and_then(BrowserId::parse)
    }

    /// The browser cookie, or a new one, which the reply must set.
    pub fn browser_or_new(&self) -> Result<(BrowserId, Option<Cookie>), NoRandomness> {
        match self.browser() {
            Some(browser) => Ok((browser, None)),
            None => BrowserId::random().map(|browser| (browser.clone(), Some(Cookie::Browser(browser)))),
        }
    }

    /// The claim keys that this browser sent for a ticket, without forged ones, which are detected without the store.
    /// At most one is the holder's.
    pub fn claim_keys(&self, opened: &Opened) -> Vec<ClaimKey> {
        let (key, id) = (opened.key(), opened.id());
        let name = cookies::claim_name(self.asked.is_https(), &id.short());
        let sent = cookies::claims(&self.head.headers, &name);
        sent.filter_map(ClaimKey::parse).filter(|claim_key| key.made_claim_key(&id, claim_key)).collect()
    }

    /// The value of a header field, if it is text.
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The sender, as shown in pages and events.
    pub fn party(&self) -> Party {
        Party { address: self.asked.client.address, label: device::label(self.head.headers.get(header::USER_AGENT)) }
    }

    /// Why a guard refused this request, for the log, with both origins if they differ.
    pub fn reason_of(&self, refusal: GuardRefusal) -> String {
        match refusal {
            GuardRefusal::Origin => {
                let sent = self.text(&header::ORIGIN).unwrap_or("none");
                format!("{refusal}: {sent}, not {}", self.asked.origin)
            }
            _ => refusal.to_string(),
        }
    }

    /// The origin of a refused form, if only its scheme or port differs from the public origin. `public.url` does not
    /// match the address bar then.
    pub fn misnamed_origin(&self, refusal: GuardRefusal) -> Option<String> {
        let sent = Origin::parse(self.text(&header::ORIGIN)?)?;
        (refusal == GuardRefusal::Origin && sent.name() == self.asked.origin.name()).then(|| sent.to_string())
    }

    /// Whether this is a prefetch or a HEAD request.
    pub fn is_prefetch(&self) -> bool {
        let ahead = ["sec-purpose", "purpose", "x-moz"].iter().any(|name| self.head.headers.contains_key(*name));
        ahead || self.head.method == http::Method::HEAD
    }

    /// The first value of that name in the query.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.head.uri.query().unwrap_or("");
        form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The return path in the query, if it is safe.
    pub fn next(&self, sub_path: &str) -> Option<ReturnPath> {
        self.query("next").and_then(|text| ReturnPath::parse(&text, sub_path))
    }

    /// Reads the form.
    ///
    /// # Errors
    ///
    /// [`Fault::Content`] if it is too large, incomplete or takes longer than `within`.
    pub async fn read_form(&self, content: Body, within: Duration) -> Result<Form, Fault> {
        // A total timeout, not an idle timeout: these requests are not limited otherwise.
        let content = timeout(within, read_limited(content, FORM_LIMIT)).await;
        let content = content.unwrap_or(Err(ReadError::Broken(BodyError::TooSlow)))?;
        self.bytes_in.set(content.len() as u64);
        Ok(Form::parse(&content))
    }
}

/// The fields of a form. Of fields with the same name the first counts.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded` content, whatever its media type.
    pub fn parse(content: &[u8]) -> Form {
        Form(form_urlencoded::parse(content).into_owned().collect())
    }

    /// The return path in the form, if it is safe.
    pub fn next(&self, sub_path: &str) -> Option<ReturnPath> {
        ReturnPath::parse(self.get("next"), sub_path)
    }

    /// The value of a field. Empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }
}
