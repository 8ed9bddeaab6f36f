//! Secrets in their three forms: as they stand, in a file, in a variable of the environment.

use std::path::Path;

use super::addresses::Complaint;
use super::files;
use super::findings::Findings;
use super::place::{At, Place};
use super::reader::{SecretForms, Texts};
use crate::secret::Secret;

/// Which key the secrets belong to, and what makes a new one.
pub struct Wanted {
    /// With its section, for warnings: `login.secret`.
    pub path: &'static str,
    /// The name alone: `secret`.
    pub name: &'static str,
    /// Whether `qrgate secret` makes one.
    pub is_ours: bool,
}

/// The secrets that were given, in their order; none when no form was given.
pub fn read(forms: SecretForms, wanted: &Wanted, findings: &mut Findings<'_>) -> Option<Vec<Secret>> {
    let texts = gather(forms, wanted, findings)?;
    let before = findings.problems.len();
    let mut secrets: Vec<Secret> = Vec::new();
    for Given { text, shown, help, place } in texts {
        match Secret::parse(&text) {
            Ok(secret) if secrets.contains(&secret) => findings.refuse(&place, format!("{shown} is there twice")),
            Ok(secret) => secrets.push(secret),
            Err(why) => {
                let help = why.advice().map(str::to_owned).or(help);
                findings.refuse(&place, Complaint { message: format!("{shown} {why}"), help });
            }
        }
    }
    (findings.problems.len() == before).then_some(secrets)
}

/// The texts as they stand, for keys that are no secrets of our own form (a PEM key).
pub fn read_text(forms: SecretForms, wanted: &Wanted, findings: &mut Findings<'_>) -> Option<At<String>> {
    let mut texts = gather(forms, wanted, findings)?;
    match (texts.pop(), texts.is_empty()) {
        (Some(given), true) => Some(At { value: given.text, place: given.place }),
        (Some(given), false) => {
            findings.refuse(&given.place, format!("`{}` is one key, not a list", wanted.name));
            None
        }
        (None, _) => None,
    }
}

/// Whether any form was given.
pub fn is_given(forms: &SecretForms) -> bool {
    forms.itself.is_some() || forms.file.is_some() || forms.variable.is_some()
}

/// Where the secrets were given.
pub fn place(forms: &SecretForms) -> Place {
    let given = [&forms.itself, &forms.file, &forms.variable].into_iter().flatten().next();
    given.map_or(Place::Nowhere, |list| list.place.clone())
}

/// One secret's text, how messages call it, and what helps when it is too short.
struct Given {
    text: String,
    shown: String,
    help: Option<String>,
    place: Place,
}

fn gather(forms: SecretForms, wanted: &Wanted, findings: &mut Findings<'_>) -> Option<Vec<Given>> {
    let SecretForms { itself, file, variable } = forms;
    let name = wanted.name;
    let given = [&itself, &file, &variable].into_iter().flatten().collect::<Vec<_>>();
    if let [_, second, ..] = given.as_slice() {
        let place = second.place.clone();
        findings.refuse(&place, format!("one of `{name}`, `{name}_file` and `{name}_env` is enough, here are two"));
        return None;
    }
    let empty = given.first().filter(|list| list.value.is_empty()).map(|list| list.place.clone());
    if let Some(place) = empty {
        findings.refuse(&place, format!("`{name}` is an empty list"));
        return None;
    }
    let make = || wanted.is_ours.then(|| "make one: qrgate secret".to_owned());
    let stands = each(itself)
        .map(|At { value, place }| Some(Given { text: value, shown: format!("`{name}`"), help: make(), place }));
    let stands: Vec<Option<Given>> = stands.collect();
    let read: Vec<Option<Given>> = each(file).map(|at| from_file(at, wanted, findings)).collect();
    let found: Vec<Option<Given>> = each(variable).map(|at| from_variable(at, wanted, findings)).collect();
    stands.into_iter().chain(read).chain(found).collect()
}

fn each(texts: Texts) -> impl Iterator<Item = At<String>> {
    texts.into_iter().flat_map(|list| list.value)
}

fn from_file(at: At<String>, wanted: &Wanted, findings: &mut Findings<'_>) -> Option<Given> {
    let path = findings.path(&at.value);
    let help = wanted.is_ours.then(|| format!("make one: qrgate secret > {}", at.value));
    match files::text(&path, &at.value) {
        Ok(text) => {
            warn_if_open(&path, &at.value, wanted, findings);
            Some(Given { text, shown: at.value, help, place: at.place })
        }
        Err(complaint) => {
            findings.refuse(&at.place, Complaint { help: complaint.help.or(help), ..complaint });
            None
        }
    }
}

fn warn_if_open(path: &Path, shown: &str, wanted: &Wanted, findings: &mut Findings<'_>) {
    if files::is_open_to_others(path) {
        findings.warn(format!("{}: {shown} can be read by others than its owner: chmod 600 {shown}", wanted.path));
    }
}

fn from_variable(at: At<String>, wanted: &Wanted, findings: &mut Findings<'_>) -> Option<Given> {
    let Wanted { name, is_ours, .. } = wanted;
    let variable = at.value.as_str();
    if let Some(text) = findings.environment.get(variable) {
        let (text, shown) = (text.to_owned(), format!("the variable {variable}"));
        let help = is_ours.then(|| "make one: qrgate secret".to_owned());
        return Some(Given { text, shown, help, place: at.place });
    }
    // What looks like no name may be the secret itself, put into the wrong key: it is not repeated.
    let is_plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let complaint = match !variable.is_empty() && variable.bytes().all(is_plain) {
        _ if findings.environment.is_unreadable(variable) => {
            format!("the variable {variable} is set, and is not text in UTF-8").into()
        }
        true => {
            let help = is_ours.then(|| format!("export {variable}=\"$(qrgate secret)\""));
            Complaint { message: format!("the variable {variable} is not set"), help }
        }
        false => format!("`{name}_env` is not the name of a variable that is set").into(),
    };
    findings.refuse(&at.place, complaint);
    None
}
