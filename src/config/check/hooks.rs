//! `[identify]`, `[login]` and `[tickets]`.

use std::time::Duration;

use super::network::timeout;
use crate::config::addresses::{self, Complaint};
use crate::config::files;
use crate::config::findings::Findings;
use crate::config::model::{HookTarget, Identify, Jwt, Login, Tickets};
use crate::config::place::{At, Place};
use crate::config::raw;
use crate::config::reader::SecretForms;
use crate::config::secrets::{self, Wanted};
use crate::cookies;
use crate::jwt::{Algorithm, Verifier};
use crate::secret::{LEAST_BYTES, Secret, Wrapping};
use crate::token::TicketSecrets;

/// `[identify]`
pub fn identify(raw: raw::Identify, findings: &mut Findings<'_>) -> Option<Identify> {
    let raw::Identify {
        session_cookies,
        path,
        url,
        user_id,
        name,
        allowed,
        auth_time,
        hidden,
        login_url,
        reauth_url,
        max_auth_age,
        timeout: patience,
        jwt,
    } = raw;
    let session_cookies = cookie_names(&session_cookies, findings);
    let target = target(&path, url.as_ref(), findings);
    let pointers = [("user_id", &user_id), ("name", &name), ("allowed", &allowed), ("auth_time", &auth_time)];
    let pointers = pointers.map(|(name, at)| findings.parse(name, at, pointer));
    let login_url = way("login_url", &login_url, findings);
    let reauth_url = way("reauth_url", &reauth_url, findings);
    let max_auth_age = match max_auth_age.value {
        Some(age) if age < Duration::from_secs(1) => {
            findings.refuse(&max_auth_age.place, "`max_auth_age` must be at least 1s, or \"off\"");
            None
        }
        age => Some(age),
    };
    let patience = timeout("timeout", patience, findings);
    let jwt = json_web_token(jwt, findings);
    let [user_id, name, allowed, auth_time] = pointers;
    let target = target?;
    Some(Identify {
        session_cookies: session_cookies?,
        hidden: hidden.value && matches!(target, HookTarget::Path(_)),
        target,
        user_id: user_id?,
        name: name?,
        allowed: allowed?,
        auth_time: auth_time?,
        login_url: login_url?,
        reauth_url: reauth_url?,
        max_auth_age: max_auth_age?,
        timeout: patience?,
        jwt: jwt?,
    })
}

/// `path`, or `url` where it is given.
fn target(path: &At<String>, url: Option<&At<String>>, findings: &mut Findings<'_>) -> Option<HookTarget> {
    match url {
        Some(url) => findings.parse("url", url, addresses::hook_url).map(|(url, path)| HookTarget::Url(url, path)),
        None => findings.parse("path", path, hook_path).map(HookTarget::Path),
    }
}

fn hook_path(text: &str) -> Result<http::uri::PathAndQuery, Complaint> {
    let path = addresses::hook_path(text)?;
    match path.path().trim_matches('/').is_empty() {
        true => Err("a hook needs a path of its own, not the application's front page".into()),
        false => Ok(path),
    }
}

/// Names of cookies (RFC 6265, section 4.1.1), in which `*` stands for anything.
fn cookie_names(list: &At<Vec<At<String>>>, findings: &mut Findings<'_>) -> Option<Vec<String>> {
    if list.value.is_empty() {
        findings.refuse(&list.place, "`session_cookies`: name at least one, or \"*\" for all");
        return None;
    }
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let name = |text: &str| match !text.is_empty() && text.bytes().all(is_token) {
        true if cookies::is_ours(text.as_bytes()) => Err("this cookie is qrgate's own".into()),
        true => Ok(text.to_owned()),
        false => Err("this is not the name of a cookie".into()),
    };
    let names: Vec<Option<String>> = list.value.iter().map(|at| findings.parse("session_cookies", at, name)).collect();
    names.into_iter().collect()
}

/// A JSON pointer (RFC 6901), or nothing.
fn pointer(text: &str) -> Result<String, Complaint> {
    let escapes_are_whole = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    match (text.is_empty() || text.starts_with('/')) && escapes_are_whole {
        true => Ok(text.to_owned()),
        false => Err(Complaint::with_help("this is not a JSON pointer", format!("\"/{text}\"?"))),
    }
}

/// Where people are sent to sign in: empty for nowhere.
fn way(name: &str, at: &At<String>, findings: &mut Findings<'_>) -> Option<String> {
    match at.value.is_empty() {
        true => Some(String::new()),
        false => findings.parse(name, at, |text| addresses::way_to_sign_in(text).map(|()| text.to_owned())),
    }
}

fn json_web_token(raw: raw::Jwt, findings: &mut Findings<'_>) -> Option<Option<Jwt>> {
    let raw::Jwt { header, algorithm, key, jwks_file, issuer, audience, user_id, name } = raw;
    let Some(header) = header else { return Some(None) };
    let Some(algorithm) = algorithm else {
        findings.refuse(&header, "`algorithm` is missing in [identify.jwt]: the one that is believed");
        return None;
    };
    if user_id.value.is_empty() {
        findings.refuse(&user_id.place, "`user_id` is the name of a claim");
        return None;
    }
    let verifier = jwt_verifier(&header, algorithm?.value, key, jwks_file, findings)?;
    let text = |at: Option<At<String>>| at.map(|at| at.value);
    let (issuer, audience) = (text(issuer), text(audience));
    let verifier = verifier.from_issuer(issuer).for_audience(audience);
    Some(Some(Jwt { verifier, user_id: user_id.value, name: name.value }))
}

fn jwt_verifier(
    header: &Place,
    algorithm: Algorithm,
    key: SecretForms,
    jwks_file: Option<At<String>>,
    findings: &mut Findings<'_>,
) -> Option<Verifier> {
    match (secrets::is_given(&key), jwks_file) {
        (true, Some(file)) => {
            findings.refuse(&file.place, "one of `key`, `key_file`, `key_env` and `jwks_file` is enough, here are two");
            None
        }
        (false, None) => {
            findings.refuse(header, "`key_file` or `jwks_file` is missing in [identify.jwt]");
            None
        }
        (false, Some(file)) => {
            let path = findings.path(&file.value);
            let jwks = findings.parse("jwks_file", &file, |shown| files::text(&path, shown))?;
            let verifier = Verifier::with_jwks(algorithm, &jwks);
            verifier.map_err(|bad| findings.refuse(&file.place, format!("{} {bad}", file.value))).ok()
        }
        (true, None) => {
            let wanted = Wanted { path: "identify.jwt.key", name: "key", is_ours: false };
            let text = secrets::read_text(key, &wanted, findings)?;
            let value = text.value.trim_end_matches(['\r', '\n']);
            if algorithm == Algorithm::Hs256 {
                warn_of_odd_ends(value, findings);
            }
            match algorithm {
                Algorithm::Hs256 if value.len() < LEAST_BYTES => {
                    let message = format!("`key` holds {} bytes, at least {LEAST_BYTES} are needed", value.len());
                    findings.refuse(&text.place.blind(), message);
                    None
                }
                _ => {
                    let verifier = Verifier::with_key(algorithm, value.as_bytes());
                    verifier.map_err(|bad| findings.refuse(&text.place.blind(), format!("`key` {bad}"))).ok()
                }
            }
        }
    }
}

/// The key of HS256 is the text as it stands. What an editor or a shell left at its ends is part of it, and seldom meant.
fn warn_of_odd_ends(key: &str, findings: &mut Findings<'_>) {
    let odd = match Wrapping::of(key, key.trim()) {
        Some(Wrapping::ByteOrderMark) => "starts with a byte order mark (BOM)",
        Some(Wrapping::Quotes | Wrapping::Name) => "has a quote at one end",
        None if key != key.trim() => "has white space at one end",
        None => return,
    };
    findings.warn(format!("identify.jwt.key {odd}, which is part of the key: is it part of the application's too?"));
}

/// `[login]`
pub fn login(raw: raw::Login, findings: &mut Findings<'_>) -> Option<Login> {
    let raw::Login { path, url, secret, timeout: patience, verify, redirect } = raw;
    let target = target(&path, url.as_ref(), findings);
    let secrets = login_secrets(secret, findings);
    let patience = timeout("timeout", patience, findings);
    let redirect = findings.parse("redirect", &redirect, |text| addresses::local_path(text).map(|()| text.to_owned()));
    Some(Login { target: target?, secrets: secrets?, timeout: patience?, verify: verify.value, redirect: redirect? })
}

/// Without any secret qrgate still forwards, but no application can believe its calls: one that nobody else knows
/// stands in, so that calls are refused rather than unsigned.
fn login_secrets(forms: SecretForms, findings: &mut Findings<'_>) -> Option<Vec<Secret>> {
    let wanted = Wanted { path: "login.secret", name: "secret", is_ours: true };
    if secrets::is_given(&forms) {
        return secrets::read(forms, &wanted, findings);
    }
    findings.warn(
        "login.secret is not set, so the application will refuse every sign-in: qrgate secret > hook.secret, then \
         secret_file = \"hook.secret\" in [login]",
    );
    match Secret::random() {
        Ok(secret) => Some(vec![secret]),
        Err(why) => {
            findings.refuse(&Place::Nowhere, why.to_string());
            None
        }
    }
}

/// `[tickets]`. `shared`: whether the store is one that other processes use too.
pub fn tickets(raw: raw::Tickets, shared: bool, findings: &mut Findings<'_>) -> Option<Tickets> {
    let raw::Tickets { path, lifetime, approval, secret, same_network, show_account, require_fetch_metadata } = raw;
    let path = findings.parse("path", &path, addresses::ticket_path);
    let (least, most) = (Duration::from_secs(30), Duration::from_secs(600));
    let lifetime = findings.within("lifetime", lifetime, least, most, "between 30s and 10m");
    let secrets = ticket_secrets(secret, shared, findings);
    Some(Tickets {
        path: path?,
        lifetime: lifetime?,
        approval: approval.value,
        secrets: secrets?,
        same_network: same_network.value,
        show_account: show_account.value,
        require_fetch_metadata: require_fetch_metadata.value,
    })
}

/// Empty: made afresh at start, which only the in-memory store can live with.
fn ticket_secrets(forms: SecretForms, shared: bool, findings: &mut Findings<'_>) -> Option<Vec<Secret>> {
    if !secrets::is_given(&forms) {
        if !shared {
            return Some(Vec::new());
        }
        let help = "qrgate secret > ticket.secret, then secret_file = \"ticket.secret\" in [tickets]";
        let message = "tickets.secret is needed with Redis: every process must open the same codes";
        findings.refuse(&Place::Nowhere, Complaint::with_help(message, help));
        return None;
    }
    let place = secrets::place(&forms);
    let secrets = secrets::read(forms, &Wanted { path: "tickets.secret", name: "secret", is_ours: true }, findings)?;
    if TicketSecrets::new(secrets.clone()).is_err() {
        let message = "two of these secrets have the same key id, by chance: make the newer one again";
        findings.refuse(&place, Complaint::with_help(message, "qrgate secret"));
        return None;
    }
    Some(secrets)
}
