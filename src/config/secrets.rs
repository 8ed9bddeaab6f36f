//! Secrets in their three forms: `x` as it is, `x_file` in a file, `x_env` in a variable of the environment. Each form
//! may be a list, so that secrets can be rotated.

use super::complaint::Complaint;
use super::files;
use super::place::{At, Place};
use super::reader::Section;
use super::values::Texts;
use crate::secret::Secret;

const MAKE_ONE: &str = "make one: qrgate secret";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Itself,
    File,
    Variable,
}

impl Form {
    /// The key of the secret `name` in this form.
    fn key(self, name: &str) -> String {
        match self {
            Form::Itself => name.to_owned(),
            Form::File => format!("{name}_file"),
            Form::Variable => format!("{name}_env"),
        }
    }
}

/// Where the configuration says that a secret is; not read yet.
pub(super) struct Source {
    form: Form,
    texts: At<Vec<At<String>>>,
}

/// Reads the keys `name`, `name_file` and `name_env`. `None` if none of them is given.
pub(super) fn source(section: &mut Section<'_, '_>, name: &str) -> Option<Source> {
    let itself = section.optional_list(name, true);
    source_of(section, name, itself)
}

/// Like [`source`], for one text that may contain commas.
pub(super) fn source_of_text(section: &mut Section<'_, '_>, name: &str, default: &str) -> Option<Source> {
    let itself = section.secret_text(name, default);
    source_of(section, name, itself)
}

fn source_of(section: &mut Section<'_, '_>, name: &str, itself: Texts) -> Option<Source> {
    let file = section.optional_list(&Form::File.key(name), false);
    // Hidden too: an operator may have put the secret itself there.
    let variable = section.optional_list(&Form::Variable.key(name), true);
    let forms = [(Form::Itself, itself), (Form::File, file), (Form::Variable, variable)];
    let given = forms.into_iter().filter_map(|(form, texts)| Some(Source { form, texts: texts? }));
    // A form in the environment replaces every form in the file.
    let is_override = |source: &Source| matches!(source.texts.place, Place::Variable { .. });
    let (overrides, in_file): (Vec<Source>, Vec<Source>) = given.partition(is_override);
    if let Some(Place::Variable { name: variable, .. }) = overrides.first().map(|source| &source.texts.place) {
        let forms = [Form::Itself, Form::File, Form::Variable];
        let list = || forms.into_iter().find(|form| section.is_overridden_list(&form.key(name)));
        if let Some(unused) = in_file.first().map(|source| source.form).or_else(list) {
            section.warn(&unused.key(name), format!("is not used: {variable} is set, and the environment wins"));
        }
    }
    let given = if overrides.is_empty() { in_file } else { overrides };
    if let [_, second, ..] = given.as_slice() {
        let message = format!("one of `{name}`, `{name}_file` and `{name}_env` is enough, here are two");
        section.refuse_at(name, second.texts.place.clone(), message);
    }
    let source = given.into_iter().next()?;
    section.set_place(name, source.texts.place.clone());
    if source.texts.value.is_empty() {
        section.refuse(name, format!("`{name}` is an empty list"));
    }
    Some(source)
}

/// The secrets in qrgate's own format (`qrgate secret`), in their configured order.
pub(super) fn secrets(section: &mut Section<'_, '_>, name: &str, source: Source) -> Vec<Secret> {
    let mut secrets: Vec<Secret> = Vec::new();
    for Loaded { text, shown, help, place } in load(section, name, source, true) {
        match Secret::parse(&text) {
            Ok(secret) if secrets.contains(&secret) => {
                section.refuse_at(name, place, format!("{shown} is listed twice"));
            }
            Ok(secret) => secrets.push(secret),
            Err(why) => {
                let help = why.advice().map(str::to_owned).or(help);
                section.refuse_at(name, place, Complaint { message: format!("{shown} {why}"), help });
            }
        }
    }
    secrets
}

/// The text of a secret in another format, such as a PEM key. `None` if it was refused.
pub(super) fn text(section: &mut Section<'_, '_>, name: &str, source: Source) -> Option<String> {
    if let [_, .., last] = source.texts.value.as_slice() {
        section.refuse_at(name, last.place.clone(), format!("`{name}` is one key, not a list"));
        return None;
    }
    let loaded = load(section, name, source, false).pop()?;
    section.set_place(name, loaded.place);
    Some(loaded.text)
}

/// One secret, and what messages call it.
struct Loaded {
    text: String,
    shown: String,
    help: Option<String>,
    place: Place,
}

/// Loads the secrets, and reports those that cannot be read. `is_own`: `qrgate secret` makes secrets of this kind.
fn load(section: &mut Section<'_, '_>, name: &str, source: Source, is_own: bool) -> Vec<Loaded> {
    let mut loaded = Vec::new();
    for At { value, place } in source.texts.value {
        let mut help = is_own.then(|| MAKE_ONE.to_owned());
        let (shown, text) = match source.form {
            Form::Itself => (format!("`{name}`"), Ok(value)),
            Form::File => {
                help = is_own.then(|| format!("{MAKE_ONE} > {value}"));
                let text = from_file(section, name, &value);
                (value, text.map_err(|why| Complaint { help: why.help.or_else(|| help.clone()), ..why }))
            }
            Form::Variable => (format!("the variable {value}"), from_variable(section, name, &value, is_own)),
        };
        match text {
            Ok(text) => loaded.push(Loaded { text, shown, help, place }),
            Err(complaint) => section.refuse_at(name, place, complaint),
        }
    }
    loaded
}

fn from_file(section: &mut Section<'_, '_>, name: &str, file: &str) -> Result<String, Complaint> {
    let path = section.resolve(file);
    let text = files::text(&path, file)?;
    if files::is_open_to_others(&path) {
        section.warn(name, format!("in {file} can be read by others than its owner: chmod 600 {file}"));
    }
    Ok(text)
}

fn from_variable(section: &Section<'_, '_>, name: &str, variable: &str, is_own: bool) -> Result<String, Complaint> {
    let environment = section.environment();
    if environment.is_unreadable(variable) {
        return Err(format!("the variable {variable} is set, and is not text in UTF-8").into());
    }
    environment.get(variable).map(str::to_owned).ok_or_else(|| {
        // A text that does not look like a name may be the secret itself in the wrong key: it is not repeated.
        let is_plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if variable.is_empty() || !variable.bytes().all(is_plain) {
            return format!("`{name}_env` is not the name of a variable that is set").into();
        }
        let help = is_own.then(|| format!("export {variable}=\"$(qrgate secret)\""));
        Complaint { message: format!("the variable {variable} is not set"), help }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::tests::{LEAST, OTHER, SECRET, read_in, refused};

    #[test]
    fn a_secret_comes_in_three_forms_and_in_one_only() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hook.secret"), format!("{SECRET}\n")).unwrap();
        let login = |text: &str, variables: &[(&str, &str)]| {
            read_in(folder.path(), &format!("{LEAST}[login]\n{text}"), variables).map(|config| config.login.secrets)
        };
        let wanted = vec![crate::secret::Secret::parse(SECRET).unwrap()];
        let other = vec![crate::secret::Secret::parse(OTHER).unwrap()];
        assert_eq!(login(&format!("secret = \"{SECRET}\""), &[]).unwrap(), wanted);
        assert_eq!(login("secret_file = \"hook.secret\"", &[]).unwrap(), wanted);
        assert_eq!(login("secret_env = \"HOOK\"", &[("HOOK", SECRET)]).unwrap(), wanted);
        assert_eq!(login("secret_env = \"hook.Secret\"", &[("hook.Secret", SECRET)]).unwrap(), wanted);
        assert_eq!(login("secret_file = \"hook.secret\"", &[("QRGATE_LOGIN__SECRET", OTHER)]).unwrap(), other);
        assert_eq!(
            login(&format!("secret = \"{OTHER}\""), &[("QRGATE_LOGIN__SECRET_FILE", "hook.secret")]).unwrap(),
            wanted
        );
        assert_eq!(
            login(&format!("secret = [\"{SECRET}\", \"{OTHER}\"]"), &[]).unwrap(),
            [wanted[0].clone(), other[0].clone()]
        );
        let both = [("QRGATE_LOGIN__SECRET", &*format!("{SECRET},{OTHER}"))];
        assert_eq!(login("", &both).unwrap().len(), 2);
        let two = login(&format!("secret = \"{SECRET}\"\nsecret_file = \"hook.secret\""), &[]).unwrap_err().to_string();
        assert!(two.contains("here are two"), "{two}");
    }

    #[test]
    fn a_short_secret_is_reported_with_the_command_that_makes_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hook.secret"), "whsec_bGV0bWVpbg==\n").unwrap();
        let text = format!("{LEAST}[login]\nsecret_file = \"hook.secret\"\n");
        let shown = read_in(folder.path(), &text, &[]).unwrap_err().to_string();
        assert!(shown.contains("proxy.toml:4:15: hook.secret holds 7 bytes, at least 32 are needed"), "{shown}");
        assert!(shown.contains("^^^^^^^^^^^^^ make one: qrgate secret > hook.secret"), "{shown}");
    }

    #[test]
    fn a_secret_with_something_around_it_is_refused_in_each_form_and_not_shown() {
        let bare = SECRET.trim_start_matches("whsec_");
        let folder = tempfile::tempdir().unwrap();
        for (text, said) in [
            (format!("'{SECRET}'"), "is in quotes"),
            (format!("\u{feff}{SECRET}"), "starts with a byte order mark"),
            (format!("HOOK={SECRET}"), "has a name in front"),
            (bare.to_owned(), "does not start with `whsec_`"),
            (SECRET.replace("AAEC", "A-EC"), "is base64url"),
            (format!("{SECRET} {SECRET}"), "has white space or a line break inside"),
        ] {
            fs::write(folder.path().join("s"), format!("{text}\n")).unwrap();
            for section in ["login", "tickets"] {
                let itself = format!("{LEAST}[{section}]\nsecret = [\"{OTHER}\", \"{text}\"]\n");
                let in_file = format!("{LEAST}[{section}]\nsecret_file = \"s\"\n");
                let in_variable = format!("{LEAST}[{section}]\nsecret_env = \"S\"\n");
                let instead = format!("QRGATE_{}__SECRET", section.to_ascii_uppercase());
                for (file, variables) in [
                    (&itself, &[][..]),
                    (&in_file, &[]),
                    (&in_variable, &[("S", &*text)]),
                    (&LEAST.to_owned(), &[(&*instead, &*text)]),
                ] {
                    let shown = read_in(folder.path(), file, variables).unwrap_err().to_string();
                    assert!(shown.contains(said) && !shown.contains("BAUG") && !shown.contains("DA0O"), "{shown}");
                }
            }
        }
        fs::write(
            folder.path().join("s"),
            SECRET.encode_utf16().fold(vec![0xff, 0xfe], |mut bytes, unit| {
                bytes.extend(unit.to_le_bytes());
                bytes
            }),
        )
        .unwrap();
        let shown =
            read_in(folder.path(), &format!("{LEAST}[login]\nsecret_file = \"s\""), &[]).unwrap_err().to_string();
        assert!(shown.contains("s is UTF-16 text"), "{shown}");
    }

    #[test]
    fn qrgate_secret_is_suggested_for_its_own_secrets_only() {
        for text in [
            "[store]\nurl_file = \"nowhere\"",
            "[store]\nurl_env = \"NOT_SET\"",
            "[identify.jwt]\nalgorithm = \"RS256\"\nkey_file = \"nowhere\"",
        ] {
            assert!(!refused(text).contains("qrgate secret"), "{text}");
        }
        assert!(refused("[login]\nsecret_file = \"nowhere\"").contains("qrgate secret > nowhere"));
        assert!(refused("[login]\nsecret_env = \"NOT_SET\"").contains("export NOT_SET=\"$(qrgate secret)\""));
    }

    #[test]
    fn a_secret_that_others_can_read_is_a_warning() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hook.secret");
        fs::write(&path, SECRET).unwrap();
        let text = format!("{LEAST}[login]\nsecret_file = \"hook.secret\"\n");
        let warned = |mode| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let warnings = read_in(folder.path(), &text, &[]).unwrap().warnings;
            warnings
                .iter()
                .any(|warning| warning.to_string().starts_with("login.secret in hook.secret can be read by others"))
        };
        assert!(warned(0o644) && warned(0o640) && !warned(0o600));
    }
}
