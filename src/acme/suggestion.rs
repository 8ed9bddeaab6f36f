//! When the authority wants a certificate renewed: ACME Renewal Information (RFC 9773).

use std::time::Duration;

use instant_acme::{Account, CertificateIdentifier, Error};
use rustls::pki_types::Der;

use super::folder::Registered;
use super::schedule;
use super::transport::Transport;
use super::trouble::Trouble;
use crate::clock::Timestamp;
use crate::secret::random_fraction;
use crate::telemetry::Telemetry;
use crate::tls::Facts;

/// How soon an authority is asked again after a failure, or when it makes no suggestions.
const PAUSE: Duration = Duration::from_secs(6 * 3600);
/// The limits of how long a suggestion is used, whatever the authority says.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(86_400);
/// A time further away was stored while the clock was wrong.
const FURTHEST: Duration = Duration::from_secs(2 * 86_400);

/// The suggestion for one certificate.
pub struct Suggestion {
    certificate: String,
    window: (i64, i64),
    /// `None`: the authority makes no suggestion.
    at: Option<Timestamp>,
    /// When to ask again.
    until: Timestamp,
}

impl Suggestion {
    /// When to renew the certificate, if the suggestion is about this one.
    pub fn of(&self, facts: &Facts) -> Option<Timestamp> {
        self.at.filter(|_| identifier(facts).is_some_and(|id| id.to_string() == self.certificate))
    }
}

/// How the authority identifies the certificate (section 4.1). `None` if it does not name its authority's key.
pub fn identifier(facts: &Facts) -> Option<CertificateIdentifier<'static>> {
    let key = facts.authority_key.as_ref()?;
    Some(CertificateIdentifier::new(Der::from_slice(key), Der::from_slice(&facts.serial)).into_owned())
}

/// Asks when to renew this certificate, unless `last` is still valid. After a failure the last suggestion stays, or
/// else the certificate is renewed after two thirds of its life.
pub async fn ask(
    facts: &Facts,
    last: Option<Suggestion>,
    account: Registered,
    transport: Transport,
    now: Timestamp,
    telemetry: &Telemetry,
) -> Option<Suggestion> {
    let id = identifier(facts)?;
    let certificate = id.to_string();
    let last = last.filter(|last| last.certificate == certificate);
    if last.as_ref().is_some_and(|last| now < last.until && last.until < now + FURTHEST) {
        return last;
    }
    let asked = async {
        let account = Account::builder_with_http(Box::new(transport)).from_credentials(account.credentials).await?;
        account.renewal_info(&id).await
    };
    match asked.await {
        Ok((info, lasts)) => {
            let window = (info.suggested_window.start.unix_timestamp(), info.suggested_window.end.unix_timestamp());
            let same = last.filter(|last| last.window == window).and_then(|last| last.at);
            let (start, end) = (Timestamp::from_seconds(window.0), Timestamp::from_seconds(window.1));
            let draw = || schedule::within(start, end, random_fraction());
            let until = now + lasts.clamp(SHORTEST, LONGEST);
            Some(Suggestion { certificate, window, at: Some(same.unwrap_or_else(draw)), until })
        }
        Err(error) => {
            if !matches!(error, Error::Unsupported(_)) {
                telemetry.debug("no renewal information", &[("cause", &Trouble::from(error))]);
            }
            let (window, at) = last.map_or(((0, 0), None), |last| (last.window, last.at));
            Some(Suggestion { certificate, window, at, until: now + PAUSE })
        }
    }
}
