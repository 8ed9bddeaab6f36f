//! `[identify.jwt]`

use crate::config::complaint::Complaint;
use crate::config::files;
use crate::config::reader::Section;
use crate::config::secrets::{self, Source};
use crate::jwt::{Algorithm, Verifier};
use crate::secret::{LEAST_BYTES, Wrapping};

/// `[identify.jwt]`: the session cookie is a JWT, verified without a call.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// Algorithm, keys, issuer and audience.
    pub verifier: Verifier,
    /// The claim with the user id.
    pub user_id: String,
    /// The claim with the display name.
    pub name: String,
}

impl Jwt {
    /// None when the section is not given, and when a problem leaves no verifier.
    pub(in crate::config) fn read(section: &mut Section<'_, '_>) -> Option<Jwt> {
        let algorithms = [
            ("HS256", Algorithm::Hs256),
            ("RS256", Algorithm::Rs256),
            ("ES256", Algorithm::Es256),
            ("EdDSA", Algorithm::EdDsa),
        ];
        let algorithm = section.optional_choice("algorithm", &algorithms);
        let key = secrets::source(section, "key");
        let jwks_file = section.optional("jwks_file");
        let (issuer, audience) = (section.optional("issuer"), section.optional("audience"));
        let (user_id, name) = (section.text("user_id", "sub"), section.text("name", "name"));
        if !section.is_given() {
            return None;
        }
        if algorithm.is_none() && section.is_sound("algorithm") {
            section.refuse_missing(
                "algorithm",
                "`algorithm` is missing in [identify.jwt]: only tokens signed with it are accepted",
            );
        }
        if user_id.is_empty() {
            section.refuse("user_id", "`user_id` is the name of a claim");
        }
        let verifier = verifier(section, algorithm?, key, jwks_file)?;
        Some(Jwt { verifier: verifier.from_issuer(issuer).for_audience(audience), user_id, name })
    }
}

fn verifier(
    section: &mut Section<'_, '_>,
    algorithm: Algorithm,
    key: Option<Source>,
    jwks_file: Option<String>,
) -> Option<Verifier> {
    match (key, jwks_file) {
        (Some(_), Some(_)) => {
            section.refuse("jwks_file", "one of `key`, `key_file`, `key_env` and `jwks_file` is enough, here are two");
            None
        }
        (None, None) => {
            section.refuse_missing("key", "`key_file` or `jwks_file` is missing in [identify.jwt]");
            None
        }
        (None, Some(file)) => {
            let path = section.resolve(&file);
            let jwks = section.parse("jwks_file", &file, |shown| files::text(&path, shown))?;
            let verifier = Verifier::with_jwks(algorithm, &jwks);
            verifier.map_err(|why| section.refuse("jwks_file", format!("{file} {why}"))).ok()
        }
        (Some(source), None) => {
            let text = secrets::text(section, "key", source)?;
            let verifier = verifier_with_key(section, algorithm, text.trim_end_matches(['\r', '\n']));
            verifier.map_err(|complaint| section.refuse("key", complaint)).ok()
        }
    }
}

fn verifier_with_key(section: &mut Section<'_, '_>, algorithm: Algorithm, key: &str) -> Result<Verifier, Complaint> {
    if algorithm == Algorithm::Hs256 {
        warn_of_odd_ends(section, key);
        if key.len() < LEAST_BYTES {
            return Err(format!("`key` holds {} bytes, at least {LEAST_BYTES} are needed", key.len()).into());
        }
    }
    Verifier::with_key(algorithm, key.as_bytes()).map_err(|why| format!("`key` {why}").into())
}

/// The key of HS256 is the text as it is. What an editor or a shell left at its ends is part of it, and seldom meant.
fn warn_of_odd_ends(section: &mut Section<'_, '_>, key: &str) {
    let odd = match Wrapping::of(key, key.trim()) {
        Some(Wrapping::ByteOrderMark) => "starts with a byte order mark (BOM)",
        Some(Wrapping::Quotes | Wrapping::Name) => "has a quote at one end",
        None if key != key.trim() => "has white space at one end",
        None => return,
    };
    section.warn(format!("identify.jwt.key {odd}, which is part of the key: is it part of the application's too?"));
}
