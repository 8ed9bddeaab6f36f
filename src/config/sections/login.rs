//! `[login]`

use std::ops::RangeInclusive;
use std::time::Duration;

use super::hook::HookTarget;
use crate::config::addresses;
use crate::config::complaint::Complaint;
use crate::config::place::Place;
use crate::config::reader::Section;
use crate::config::secrets;
use crate::secret::Secret;
use crate::stay::Stay;

/// Maximum number of entries of `login.stay`.
const MAX_LENGTHS: usize = 8;
/// The longest life of a cookie in browsers, in seconds (RFC 6265bis, section 5.5).
const LONGEST: u64 = 400 * 86_400;

/// The limits of `undo`. The page with the code has to be open.
const UNDO: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(3600);

/// `[login]`: asks the application for a session.
#[derive(Clone, Debug)]
pub struct Login {
    pub target: HookTarget,
    /// The hook that ends a session. `None`: no sign-in can be undone.
    pub revoke: Option<HookTarget>,
    /// How long a sign-in can be undone.
    pub undo: Duration,
    /// What calls are signed with, newest first; several while they are rotated. Never empty.
    pub secrets: Vec<Secret>,
    /// The timeout of the whole call.
    pub timeout: Duration,
    /// Whether the new session must identify as the same user.
    pub verify: bool,
    /// Where the phone goes after the sign-in: a path of the application.
    pub redirect: String,
    /// The session lengths that the approval page offers, the default first. Empty: none.
    pub stay: Vec<Stay>,
}

impl Login {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Login {
        Login {
            target: HookTarget::read(section, "/_qr/login"),
            revoke: HookTarget::read_revoke(section),
            undo: section.duration("undo", "10m", UNDO, "between 1m and 1h"),
            secrets: login_secrets(section),
            timeout: section.timeout("timeout", "5s"),
            verify: section.flag("verify", true),
            redirect: section.parsed("redirect", "/", addresses::local_path),
            stay: lengths(section),
        }
    }
}

fn lengths(section: &mut Section<'_, '_>) -> Vec<Stay> {
    let mut lengths: Vec<Stay> = Vec::new();
    for entry in section.list("stay", &[]) {
        lengths.extend(section.parse_entry("stay", &entry, |text| length(text, &lengths)));
    }
    if lengths.len() > MAX_LENGTHS {
        section.refuse("stay", format!("`stay` offers at most {MAX_LENGTHS} lengths"));
    }
    lengths
}

fn length(text: &str, earlier: &[Stay]) -> Result<Stay, Complaint> {
    let example = "\"browser\", or a number of minutes, hours or days: \"30m\", \"8h\", \"14d\"";
    let stay = Stay::parse(text).ok_or_else(|| Complaint::with_help("this is no length of session", example))?;
    if stay.seconds().is_some_and(|seconds| !(60..=LONGEST).contains(&seconds)) {
        return Err("a session lasts from 1m to 400d".into());
    }
    match earlier.iter().any(|known| known.seconds() == stay.seconds()) {
        true => Err("this length is in the list already".into()),
        false => Ok(stay),
    }
}

/// Without a secret qrgate still forwards requests, but no application can verify its calls. A random secret is used
/// instead, so that calls are refused rather than unsigned.
fn login_secrets(section: &mut Section<'_, '_>) -> Vec<Secret> {
    if let Some(source) = secrets::source(section, "secret") {
        return secrets::secrets(section, "secret", source);
    }
    section.warn(
        "secret",
        "is not set, so the application will refuse every sign-in: qrgate secret > hook.secret, then \
         secret_file = \"hook.secret\" in [login]",
    );
    match Secret::random() {
        Ok(secret) => vec![secret],
        Err(why) => {
            section.refuse_at("secret", Place::Nowhere, why.to_string());
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{LEAST, read, refused};

    fn offered(list: &str) -> Vec<Stay> {
        read(&format!("{LEAST}[login]\nstay = {list}"), &[]).unwrap().login.stay
    }

    #[test]
    fn lengths_of_session_are_offered_in_their_order() {
        assert_eq!(read(LEAST, &[]).unwrap().login.stay, []);
        assert_eq!(offered("[]"), []);
        assert_eq!(offered("\"8h\""), [Stay::Hours(8)]);
        let several = [Stay::Browser, Stay::Minutes(1), Stay::Hours(24), Stay::Days(400)];
        assert_eq!(offered("[\"browser\", \"1m\", \"24h\", \"400d\"]"), several);
        let variable = [("QRGATE_LOGIN__STAY", "browser, 8h")];
        assert_eq!(read(LEAST, &variable).unwrap().login.stay, [Stay::Browser, Stay::Hours(8)]);
    }

    #[test]
    fn what_is_no_length_of_session_is_refused_at_its_place() {
        for (list, place, said) in [
            ("[\"browser\", \"ever\"]", "proxy.toml:4:20:", "no length of session"),
            ("[\"90s\"]", "proxy.toml:4:9:", "\"30m\", \"8h\", \"14d\""),
            ("[\"1.5h\"]", "proxy.toml:4:9:", "no length of session"),
            ("[\"\"]", "proxy.toml:4:9:", "no length of session"),
            ("[\"0h\"]", "proxy.toml:4:9:", "from 1m to 400d"),
            ("[\"401d\"]", "proxy.toml:4:9:", "from 1m to 400d"),
            ("[\"4294967295d\"]", "proxy.toml:4:9:", "from 1m to 400d"),
            ("[\"browser\", \"browser\"]", "proxy.toml:4:20:", "in the list already"),
            ("[\"1d\", \"8h\", \"24h\"]", "proxy.toml:4:21:", "in the list already"),
            ("[8]", "proxy.toml:4:9:", "a list of texts"),
            ("8", "proxy.toml:4:8:", "a list of texts"),
            (
                "[\"1m\", \"2m\", \"3m\", \"4m\", \"5m\", \"6m\", \"7m\", \"8m\", \"9m\"]",
                "proxy.toml:4:8:",
                "at most 8",
            ),
        ] {
            let shown = refused(&format!("[login]\nstay = {list}"));
            assert!(shown.starts_with(place) && shown.contains(said), "{list}: {shown}");
            assert!(shown.ends_with("1 error, nothing started"), "{list}: {shown}");
        }
    }
}
