//! `[tickets]`

use std::time::Duration;

use crate::config::addresses;
use crate::config::complaint::Complaint;
use crate::config::reader::Section;
use crate::config::secrets;
use crate::secret::Secret;
pub use crate::token::Approval;
use crate::token::TicketSecrets;

#[derive(Clone, Debug)]
pub struct Tickets {
    /// Begins and ends with a slash.
    pub path: String,
    /// Counted from the mint.
    pub lifetime: Duration,
    /// Who approves a sign-in.
    pub approval: Approval,
    /// Newest first. Empty: one is made at start, which is possible with the in-memory store only.
    pub secrets: Vec<Secret>,
    /// What happens if the phone is in another network.
    pub same_network: SameNetwork,
    /// How the phone shows the account.
    pub show_account: ShowAccount,
    /// Whether a browser must send Fetch Metadata; `false`: "never".
    pub require_fetch_metadata: bool,
    /// Where the code to type is accepted from.
    pub code: CodeReach,
}

/// `tickets.code`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeReach {
    /// Only the address of the device that shows the code.
    Near,
    /// Any address.
    Anywhere,
    /// There is no code to type.
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameNetwork {
    /// It is not compared.
    Off,
    /// The computer shows a hint.
    Hint,
    /// The phone is refused.
    Require,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowAccount {
    /// `ana@example.com`
    Full,
    /// `a••@example.com`
    Masked,
    /// Not at all.
    None,
}

impl Tickets {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Tickets {
        let networks = [("hint", SameNetwork::Hint), ("off", SameNetwork::Off), ("require", SameNetwork::Require)];
        let accounts = [("masked", ShowAccount::Masked), ("full", ShowAccount::Full), ("none", ShowAccount::None)];
        let reaches = [("near", CodeReach::Near), ("anywhere", CodeReach::Anywhere), ("off", CodeReach::Off)];
        let lifetimes = Duration::from_secs(30)..=Duration::from_secs(600);
        Tickets {
            path: section.parsed("path", "/qr/", addresses::ticket_path),
            lifetime: section.duration("lifetime", "2m", lifetimes, "between 30s and 10m"),
            approval: section.choice("approval", [("number", Approval::Number), ("phone", Approval::Phone)]),
            secrets: ticket_secrets(section),
            same_network: section.choice("same_network", networks),
            show_account: section.choice("show_account", accounts),
            require_fetch_metadata: section.choice("require_fetch_metadata", [("auto", true), ("never", false)]),
            code: section.choice("code", reaches),
        }
    }
}

fn ticket_secrets(section: &mut Section<'_, '_>) -> Vec<Secret> {
    let Some(source) = secrets::source(section, "secret") else { return Vec::new() };
    let secrets = secrets::secrets(section, "secret", source);
    if !secrets.is_empty() && TicketSecrets::new(secrets.clone()).is_err() {
        let message = "two of these secrets have the same key id, by chance: make the newer one again";
        section.refuse("secret", Complaint::with_help(message, "qrgate secret"));
    }
    secrets
}

#[cfg(test)]
mod tests {
    use crate::config::tests::refused;

    #[test]
    fn two_ticket_secrets_with_one_key_id_are_refused() {
        let encoded = |n| data_encoding::BASE64.encode(format!("{n:032}").as_bytes());
        let secrets: Vec<String> = (0..300).map(|n| format!("\"whsec_{}\"", encoded(n))).collect();
        let said = refused(&format!("[tickets]\nsecret = [{}]", secrets.join(", ")));
        assert!(said.contains("the same key id"), "{said}");
    }
}
