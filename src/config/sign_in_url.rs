//! `identify.login_url` and `identify.reauth_url`.

use super::addresses::{in_ascii, local_path};
use super::complaint::Complaint;
use crate::origin::{Host, Scheme};

const RETURN: &str = "{return}";

/// Where a person goes to sign in: a path of the application, or an http(s) URL. After the host it may contain
/// `{return}`, for the path that leads back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInUrl(String);

impl SignInUrl {
    pub(super) fn parse(text: &str) -> Result<SignInUrl, Complaint> {
        let filled = text.replace(RETURN, "%2Fqr%2F");
        if filled.contains(['{', '}']) {
            return Err("only {return} is filled in here".into());
        }
        match filled.split_once("://").filter(|(scheme, _)| !scheme.contains('/')) {
            None => {
                local_path(&filled)?;
            }
            Some((scheme, rest)) => {
                let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
                if let Some(complaint) = in_ascii(host) {
                    return Err(complaint);
                }
                let path = format!("/{}", path.strip_prefix('/').unwrap_or(path));
                if Scheme::parse(scheme).is_none() || !Host::is_valid(host) || local_path(&path).is_err() {
                    return Err("this is neither a path of the application nor an http(s) address".into());
                }
            }
        }
        Ok(SignInUrl(text.to_owned()))
    }

    /// The URL as browsers see it: `sub_path` goes in front of a path of the application.
    pub fn under(&self, sub_path: &str) -> SignInUrl {
        match self.0.starts_with('/') {
            true => SignInUrl(format!("{sub_path}{}", self.0)),
            false => self.clone(),
        }
    }

    /// The URL with `back`, percent-encoded, in place of `{return}`.
    pub fn fill(&self, back: &str) -> String {
        self.0.replace(RETURN, &form_urlencoded::byte_serialize(back.as_bytes()).collect::<String>())
    }

    /// The text as it is configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_filled_in_encoded() {
        let url = SignInUrl::parse("/login?next={return}").unwrap();
        assert_eq!(url.under("/shop").fill("/qr/?next=%2Fa"), "/shop/login?next=%2Fqr%2F%3Fnext%3D%252Fa");
        let elsewhere = SignInUrl::parse("https://id.example/in").unwrap();
        assert_eq!(elsewhere.under("/shop").fill("/qr/"), "https://id.example/in");
    }

    #[test]
    fn a_name_in_another_script_comes_with_its_ascii_form() {
        let complaint = SignInUrl::parse("https://idé.example/in").unwrap_err();
        assert_eq!(complaint.help.as_deref(), Some("\"xn--id-cja.example\""));
    }

    #[test]
    fn a_way_to_sign_in_is_local_or_http() {
        for good in [
            "/login?next={return}",
            "https://id.example/in?to={return}",
            "https://id.example?to={return}",
            "https://id.example",
        ] {
            assert!(SignInUrl::parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "login", "/login?next={next}", "javascript://x/%0aalert(1)", "//evil", "ftp://a/", "https://{return}/"]
        {
            assert!(SignInUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
