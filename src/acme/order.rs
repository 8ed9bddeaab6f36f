//! One order: from the domains to a certificate (RFC 8555, section 7.4).

use std::fmt;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};

use super::folder::LockedFolder;
use super::trouble::Trouble;
use crate::config::Acme;

/// How long an authority may take to validate, and then to issue.
const TIMEOUT: Duration = Duration::from_secs(180);

/// How a domain is validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// On port 443, in a handshake (RFC 8737).
    TlsAlpn,
    /// On port 80, by a request (RFC 8555, section 8.3).
    Http,
}

impl Challenge {
    fn kind(self) -> ChallengeType {
        match self {
            Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
            Challenge::Http => ChallengeType::Http01,
        }
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Challenge::TlsAlpn => "tls-alpn-01",
            Challenge::Http => "http-01",
        })
    }
}

/// What is ordered.
pub struct Wanted<'a> {
    pub acme: &'a Acme,
    pub challenge: Challenge,
    /// The certificate to be replaced, where the authority keeps track of that (RFC 9773, section 5).
    pub replaces: Option<CertificateIdentifier<'a>>,
}

/// Orders a certificate for the domains of `[listen.acme]`. Returns its private key and its chain, in PEM.
pub async fn order(account: &Account, wanted: Wanted<'_>, folder: &LockedFolder<'_>) -> Result<String, Trouble> {
    let Wanted { acme, challenge, replaces } = wanted;
    let identifiers: Vec<Identifier> = acme.domains.iter().cloned().map(Identifier::Dns).collect();
    let new = NewOrder::new(&identifiers);
    let new = match replaces {
        Some(replaced) => new.replaces(replaced),
        None => new,
    };
    let mut order = account.new_order(&new).await?;
    folder.clear_challenges();
    let done = fulfil(&mut order, acme, challenge, folder).await;
    folder.clear_challenges();
    done.map_err(Trouble::after_order)
}

async fn fulfil(
    order: &mut Order,
    acme: &Acme,
    challenge: Challenge,
    folder: &LockedFolder<'_>,
) -> Result<String, Trouble> {
    let policy = RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(TIMEOUT);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let authorization = authorization?;
        if authorization.status != AuthorizationStatus::Valid {
            prepare(authorization, acme, challenge, folder).await?;
        }
    }
    let ready = order.poll_ready(&policy).await;
    if !matches!(ready, Ok(OrderStatus::Ready)) {
        // The order reports that it failed; its authorizations have the reason.
        let reason = failed_validation(order, challenge).await;
        return Err(reason.unwrap_or_else(|| match ready {
            Ok(_) => Trouble::new("the authority refused the order without a reason", ""),
            Err(error) => error.into(),
        }));
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&policy).await?;
    Ok(format!("{key}{chain}"))
}

/// Puts the response to a challenge where every process finds it, and reports it to the authority.
async fn prepare(
    mut authorization: AuthorizationHandle<'_>,
    acme: &Acme,
    challenge: Challenge,
    folder: &LockedFolder<'_>,
) -> Result<(), Trouble> {
    let domain = authorization.identifier().to_string();
    let Some(mut offered) = authorization.challenge(challenge.kind()) else {
        let text = format!("the authority offers no {challenge} for {domain}");
        return Err(Trouble::new(text, "List an http:// address for http-01, an https:// address for tls-alpn-01"));
    };
    let (challenges, response) = (acme.challenges(), offered.key_authorization());
    match challenge {
        Challenge::TlsAlpn => {
            let pem = validation_certificate(&domain, response.digest().as_ref())
                .map_err(|error| Trouble::new(format!("no certificate for a challenge of {domain}: {error}"), ""))?;
            folder.put(&challenges.certificate_file(&domain.to_ascii_lowercase()), pem.as_bytes())?;
        }
        Challenge::Http => {
            let file = challenges.token_file(&offered.token);
            let file = file.ok_or_else(|| Trouble::new("the authority sent a malformed token", ""))?;
            folder.put(&file, response.as_str().as_bytes())?;
        }
    }
    Ok(offered.set_ready().await?)
}

/// A self-signed certificate for one name with the digest in `acmeIdentifier` (RFC 8737, section 3), and its key.
fn validation_certificate(domain: &str, digest: &[u8]) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::new(vec![domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    Ok(key.serialize_pem() + &params.self_signed(&key)?.pem())
}

/// The first authorization that failed, and why.
async fn failed_validation(order: &mut Order, challenge: Challenge) -> Option<Trouble> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let state = authorization.refresh().await.ok()?;
        if state.status == AuthorizationStatus::Invalid {
            let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
            return Some(Trouble::validation(&state.identifier().to_string(), &challenge.to_string(), problem));
        }
    }
    None
}
