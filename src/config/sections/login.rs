//! `[login]`

use std::time::Duration;

use super::hook::HookTarget;
use crate::config::addresses;
use crate::config::place::Place;
use crate::config::reader::Section;
use crate::config::secrets;
use crate::secret::Secret;

/// `[login]`: asks the application for a session.
#[derive(Clone, Debug)]
pub struct Login {
    pub target: HookTarget,
    /// What calls are signed with, newest first; several while they are rotated. Never empty.
    pub secrets: Vec<Secret>,
    /// The timeout of the whole call.
    pub timeout: Duration,
    /// Whether the new session must identify as the same user.
    pub verify: bool,
    /// Where the phone goes after the sign-in: a path of the application.
    pub redirect: String,
}

impl Login {
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Login {
        Login {
            target: HookTarget::read(section, "/_qr/login"),
            secrets: login_secrets(section),
            timeout: section.timeout("timeout", "5s"),
            verify: section.flag("verify", true),
            redirect: section.parsed("redirect", "/", |text| addresses::local_path(text).map(|()| text.to_owned())),
        }
    }
}

/// Without a secret qrgate still forwards requests, but no application can verify its calls. A random secret stands in,
/// so that calls are refused rather than unsigned.
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
