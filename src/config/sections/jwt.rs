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
    /// `None` if the section is not given, or a problem leaves no verifier.
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
            section.refuse(
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
            section.refuse_section("key", "`key_file` or `jwks_file` is missing in [identify.jwt]");
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

/// An HS256 key is the text as it is. What an editor or a shell left at its ends is part of it, and seldom intended.
fn warn_of_odd_ends(section: &mut Section<'_, '_>, key: &str) {
    let odd = match Wrapping::of(key, key.trim()) {
        Some(Wrapping::ByteOrderMark) => "starts with a byte order mark (BOM)",
        Some(Wrapping::Quotes | Wrapping::Name) => "has a quote at one end",
        None if key != key.trim() => "has white space at one end",
        None => return,
    };
    section.warn("key", format!("{odd}, which is part of the key: is it part of the application's too?"));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::tests::{LEAST, read, read_in, refused};

    #[test]
    fn an_unknown_algorithm_is_not_also_missing() {
        let said = refused("[identify.jwt]\nalgorithm = \"none\"\nkey_file = \"k\"");
        assert!(
            said.contains("`algorithm` cannot be \"none\"") && said.ends_with("1 error, nothing started"),
            "{said}"
        );
    }

    #[test]
    fn a_key_for_tokens_is_read_and_one_of_another_kind_is_refused() {
        let jwt = |algorithm: &str, key: &str| {
            format!("{LEAST}[identify.jwt]\nalgorithm = \"{algorithm}\"\nissuer = \"https://id\"\nkey = '''{key}'''\n")
        };
        let secret = "0123456789abcdef0123456789abcdef";
        let token = read(&jwt("HS256", secret), &[]).unwrap().identify.jwt.unwrap();
        assert_eq!((token.user_id.as_str(), token.name.as_str()), ("sub", "name"));
        let public = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().public_key_pem();
        assert!(read(&jwt("EdDSA", &public), &[]).is_ok());
        for (algorithm, key) in [("HS256", "short"), ("RS256", secret), ("ES256", &public), ("RS256", &public)] {
            let said = read(&jwt(algorithm, key), &[]).unwrap_err().to_string();
            assert!(said.contains("`key` "), "{said}");
        }
    }

    #[test]
    fn a_key_with_whitespace_or_quotes_around_it_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let warned = |key: &str, algorithm: &str| {
            fs::write(folder.path().join("k"), key).unwrap();
            let text =
                format!("{LEAST}[identify.jwt]\nalgorithm = \"{algorithm}\"\nissuer = \"i\"\nkey_file = \"k\"\n");
            let config = read_in(folder.path(), &text, &[]).unwrap();
            config
                .warnings
                .into_iter()
                .find(|warning| warning.sentence.contains("which is part of the key"))
                .map(|w| w.to_string())
                .unwrap_or_default()
        };
        let key = "0123456789abcdef0123456789abcdef";
        for plain in [key.to_owned(), format!("{key}\n"), format!("{key}\r\n"), format!("NAME={key}")] {
            assert_eq!(warned(&plain, "HS256"), "", "{plain:?}");
        }
        for (odd, said) in [
            (format!("{key} \n"), "white space at one end"),
            (format!("\t{key}"), "white space at one end"),
            (format!("\u{feff}{key}"), "byte order mark"),
            (format!("\"{key}\"\n"), "a quote at one end"),
        ] {
            assert!(warned(&odd, "HS256").contains(said), "{odd:?}");
        }
        let public = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().public_key_pem();
        assert_eq!(warned(&format!("{public} \n"), "EdDSA"), "");
    }
}
