//! Why there is no new certificate, and what to do about it.

use std::fmt;
use std::io;
use std::path::Path;

use instant_acme::{Error, Problem};

use crate::clock::Timestamp;

/// Why an attempt failed. `Display` says what happened and what to do next; problem documents (RFC 7807) are quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    text: String,
    advice: String,
    /// The type of the authority's problem document, without its prefix.
    pub problem: Option<String>,
    /// Whether an order was placed.
    pub ordered: bool,
    /// No attempt before this time.
    pub retry_after: Option<Timestamp>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.advice.as_str() {
            "" => f.write_str(&self.text),
            advice => write!(f, "{}. {advice}", self.text.trim_end_matches('.')),
        }
    }
}

impl Trouble {
    pub fn new(text: impl Into<String>, advice: impl Into<String>) -> Trouble {
        Trouble { text: text.into(), advice: advice.into(), problem: None, ordered: false, retry_after: None }
    }

    /// A file of the folder cannot be read or written.
    pub fn folder(path: &Path, error: &io::Error) -> Trouble {
        let advice = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "listen.acme.folder must be writable by the user that qrgate runs as (StateDirectory= in systemd)"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on the file system",
            _ => "See listen.acme.folder",
        };
        Trouble::new(format!("{}: {error}", path.display()), advice)
    }

    /// The account's file holds something else.
    pub fn account(path: &Path, error: &serde_json::Error) -> Trouble {
        let text =
            format!("{}: not an account ({:?} error in line {})", path.display(), error.classify(), error.line());
        Trouble::new(text, "Restore the file from a backup, or remove it: a new account is made then")
    }

    /// Notes that an order was placed.
    pub fn after_order(self) -> Trouble {
        Trouble { ordered: true, ..self }
    }

    /// Adds a sentence about the clock, which explains failures that look like something else.
    pub fn with_skew(mut self, skew: Option<String>) -> Trouble {
        if let Some(skew) = skew {
            self.advice = format!("{skew}. {}", self.advice);
        }
        self
    }

    /// The failed validation of a domain by `challenge`.
    pub fn validation(domain: &str, challenge: &str, problem: Option<&Problem>) -> Trouble {
        let text = format!("{domain} was not validated by {challenge}");
        let Some(problem) = problem else { return Trouble::new(text, "") };
        let trouble = Trouble::from_problem(problem);
        Trouble { text: format!("{text}: {}", trouble.text), ..trouble }
    }

    /// The authority's problem document.
    pub fn from_problem(problem: &Problem) -> Trouble {
        let name = problem.r#type.as_deref().map(|name| name.rsplit(':').next().unwrap_or(name));
        let mut text = problem.detail.clone().unwrap_or_else(|| "no detail given".to_owned());
        for sub in &problem.subproblems {
            text.push_str(&format!("; {sub}"));
        }
        if let Some(name) = name {
            text.push_str(&format!(" ({name})"));
        }
        Trouble { problem: name.map(str::to_owned), ..Trouble::new(text, name.map_or("", advice)) }
    }
}

/// What helps against a type of problem (RFC 8555, section 6.7).
fn advice(problem: &str) -> &'static str {
    match problem {
        "connection" => {
            "The authority must reach the domain on port 443 (TLS-ALPN-01) or 80 (HTTP-01): open the port in the \
             firewall, and see that the A and AAAA records lead to this machine"
        }
        "dns" => "See that the domain has an A or AAAA record that leads to this machine, and no broken DNSSEC",
        "unauthorized" | "incorrectResponse" => {
            "The authority did not reach qrgate: see the A and AAAA records (an old AAAA record is a common cause), \
             the firewall (port 443 for TLS-ALPN-01, 80 for HTTP-01), and whether a proxy in front ends TLS; behind \
             one, certificates are the proxy's task"
        }
        "tls" => {
            "Something other than qrgate ends TLS there. Behind a proxy, certificates are the proxy's task; or list an \
             http:// address that the domain's port 80 leads to"
        }
        "caa" => "A CAA record of the domain names other authorities: add this one, or remove the record",
        "rateLimited" => "Wait: no try before the authority's limit ends helps. Its staging directory has other limits",
        "rejectedIdentifier" | "unsupportedIdentifier" => {
            "The authority issues no certificate for this name: see listen.acme.domains"
        }
        "externalAccountRequired" => {
            "The authority wants an account that is bound to one of its customers, which qrgate cannot give: use \
             another listen.acme.directory, or another program and [listen.tls]"
        }
        "invalidContact" | "unsupportedContact" => "See listen.acme.contact",
        "userActionRequired" => {
            "The authority wants something of its account's owner, such as new terms: see the link there"
        }
        "accountDoesNotExist" => "Remove account.json in the authority's folder: a new account is made then",
        "serverInternal" => "The fault is the authority's; the next try may succeed",
        "badNonce" => "The authority refused several nonces in a row; the next try may succeed",
        _ => "",
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        match &error {
            Error::Api(problem) => Trouble::from_problem(problem),
            Error::Timeout(_) => Trouble::new(
                "the authority did not finish in time",
                "The next try may succeed; its status page may say more",
            ),
            Error::Json(_) => Trouble::new(
                format!("the response is not ACME: {error}"),
                "See listen.acme.directory: it is the URL of the directory, not of the authority's site",
            ),
            Error::Other(other) => match other.downcast_ref::<Trouble>() {
                Some(trouble) => trouble.clone(),
                None => Trouble::new(other.to_string(), ""),
            },
            _ => Trouble::new(error.to_string(), ""),
        }
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_is_quoted_with_what_to_do() {
        let text = r#"{"type":"urn:ietf:params:acme:error:dns","detail":"no A for a.example","subproblems":[
            {"type":"urn:ietf:params:acme:error:caa","detail":"forbidden","identifier":{"type":"dns","value":"b.example"}}]}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        let trouble = Trouble::validation("a.example", "tls-alpn-01", Some(&problem));
        let said = trouble.to_string();
        for part in ["a.example was not validated by tls-alpn-01: no A for a.example", "b.example", "(dns). See that"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(trouble.problem.as_deref(), Some("dns"));
    }

    #[test]
    fn a_page_instead_of_a_directory_is_named() {
        let error = serde_json::from_str::<Problem>("<html>").unwrap_err();
        let said = Trouble::from(Error::Json(error)).to_string();
        assert!(said.contains("is not ACME") && said.contains("listen.acme.directory"), "{said}");
    }
}
