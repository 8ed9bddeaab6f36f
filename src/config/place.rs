//! Where a value was written, and the report of all problems, each with its line and a caret.
//!
//! The report shows no secret: values of secret keys are replaced by stars, and so is whatever looks like a secret on a
//! line that cannot be parsed.

use std::fmt;
use std::ops::Range;

use super::complaint::Complaint;
use crate::excerpt::{Excerpt, painted, printable};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A range of bytes of the file.
    File(Range<usize>),
    /// A range of bytes of a variable's value.
    Variable {
        name: String,
        /// The whole value; `None` where it must not be shown.
        value: Option<String>,
        part: Range<usize>,
    },
    /// A default, or something that is missing.
    Nowhere,
}

impl Place {
    /// A part of a variable's value; the same place if it does not show the value.
    pub(super) fn part(&self, part: Range<usize>) -> Place {
        match self.clone() {
            Place::Variable { name, value: Some(value), .. } => Place::Variable { name, value: Some(value), part },
            whole => whole,
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct At<T> {
    pub value: T,
    pub place: Place,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    pub place: Place,
    pub complaint: Complaint,
}

/// Everything that is wrong with a configuration. `Display` is the report of a failed start.
#[derive(Clone, Debug)]
pub struct ConfigErrors {
    file: String,
    /// The file's text with secrets replaced byte for byte, so that places stay valid.
    text: String,
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// The problems of `file`, whose content is `text`. The bytes in `secrets` are not shown.
    pub(super) fn new(file: String, text: &str, secrets: &[Range<usize>], mut problems: Vec<Problem>) -> ConfigErrors {
        problems.sort_by_key(|problem| match &problem.place {
            Place::Nowhere => (0, 0, String::new()),
            Place::File(span) => (1, span.start, String::new()),
            Place::Variable { name, part, .. } => (2, part.start, name.clone()),
        });
        ConfigErrors { file, text: mask(text, secrets), problems }
    }

    /// How many problems there are; never 0.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.problems.len()
    }

    /// The whole report. It ends with the number of errors and `ending`, such as "nothing started".
    pub fn report(&self, ending: &str, colour: bool) -> String {
        let problems: String = self.problems.iter().map(|problem| self.render(problem, colour) + "\n").collect();
        let errors = if self.problems.len() == 1 { "error" } else { "errors" };
        format!("{problems}{} {errors}, {ending}", self.problems.len())
    }

    fn render(&self, problem: &Problem, colour: bool) -> String {
        let message = printable(&hide_secrets(&problem.complaint.message));
        let help = problem.complaint.help.as_deref().map(|help| printable(&hide_secrets(help)));
        let (head, excerpt) = match &problem.place {
            Place::Nowhere => {
                let help = help.map_or(String::new(), |help| format!("   = {help}\n"));
                return format!("{}: {message}\n{help}", painted("1", &self.file, colour));
            }
            Place::File(span) => {
                let excerpt = Excerpt::of(&self.text, span.clone());
                (format!("{}:{}:{}", self.file, excerpt.number, excerpt.column), excerpt)
            }
            Place::Variable { name, value: Some(value), part } => (name.clone(), Excerpt::of(value, part.clone())),
            Place::Variable { name, value: None, .. } => (name.clone(), Excerpt::of("***", 0..3)),
        };
        let is_file = matches!(problem.place, Place::File(_));
        format!("{}: {message}\n{}\n", painted("1", &head, colour), excerpt.draw(is_file, help.as_deref(), colour))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report("nothing started", false))
    }
}

impl std::error::Error for ConfigErrors {}

/// Replaces `secrets` by stars, one for each byte.
fn mask(text: &str, secrets: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c != '\n' && secrets.iter().any(|secret| secret.contains(&at)) {
            true => out.extend(std::iter::repeat_n('*', c.len_utf8())),
            false => out.push(c),
        }
    }
    hide_secrets(&out)
}

/// Replaces what follows `whsec_` by stars, one for each byte.
fn hide_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("whsec_") {
        let (before, found) = rest.split_at(at + "whsec_".len());
        let end = found.find(|c: char| !(c.is_ascii_alphanumeric() || "+/=_-".contains(c))).unwrap_or(found.len());
        out.push_str(before);
        out.extend(std::iter::repeat_n('*', end));
        rest = &found[end..];
    }
    out.push_str(rest);
    out
}

/// Where secrets may be in a file that does not parse: on each line whatever follows `secret =` or `key =`, and a value
/// that contains an `@`.
pub(super) fn suspicious(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let mut offset = 0;
        while let Some(at) = line[offset..].find('=') {
            let key = line[..offset + at].trim_end().trim_end_matches(['"', '\'']);
            offset += at + 1;
            if key.ends_with("secret") || key.ends_with("key") || line[offset..].contains('@') {
                found.push(start + offset..start + line.len());
                break;
            }
        }
        start += line.len() + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str, span: Range<usize>, message: &str, help: Option<&str>) -> ConfigErrors {
        let problem = Problem {
            place: Place::File(span),
            complaint: Complaint { message: message.into(), help: help.map(str::to_owned) },
        };
        ConfigErrors::new("proxy.toml".into(), text, &[], vec![problem])
    }

    #[test]
    fn a_problem_shows_its_line_and_a_caret_with_help() {
        let text = "[public]\ntrusted_proxy = [\"10.0.0.0/8\"]\n";
        let shown =
            errors(text, 9..22, "unknown key `trusted_proxy` in [public]", Some("did you mean `trusted_proxies`?"));
        assert_eq!(
            shown.to_string(),
            "proxy.toml:2:1: unknown key `trusted_proxy` in [public]\n   |\n 2 | trusted_proxy = [\"10.0.0.0/8\"]\n   \
             | ^^^^^^^^^^^^^ did you mean `trusted_proxies`?\n\n1 error, nothing started"
        );
    }

    #[test]
    fn columns_count_characters_and_carets_stay_under_them() {
        let shown = errors("a = \"é\" # x\r\n", 9..10, "odd", None).to_string();
        assert!(shown.contains(":1:9: odd"), "{shown}");
        assert!(shown.contains(&format!("| {}^\n", " ".repeat(8))), "{shown}");
    }

    #[test]
    fn a_place_beyond_the_text_is_shown_all_the_same() {
        assert!(errors("a", 5..9, "odd", None).to_string().contains(":1:2: odd"));
        assert!(errors("", 0..0, "odd", None).to_string().contains(":1:1: odd"));
        assert!(errors("x\n", 2..2, "odd", None).to_string().contains(":2:1: odd"));
    }

    #[test]
    fn secrets_and_control_characters_are_not_shown() {
        let text = "secret = \"abc\" # whsec_abc+/= \u{1b}[31m";
        let problem = Problem { place: Place::File(0..6), complaint: "odd whsec_xyz".into() };
        let shown = ConfigErrors::new("f".into(), text, std::slice::from_ref(&(9..14)), vec![problem]).to_string();
        assert!(!shown.contains("abc") && !shown.contains("xyz") && !shown.contains('\u{1b}'), "{shown}");
    }

    #[test]
    fn a_message_moves_no_cursor() {
        let shown = errors("a = 1", 0..1, "unknown key `\u{1b}[31m\u{202e}\r\n`", Some("\u{7}")).to_string();
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\r', '\u{7}']) && shown.lines().count() == 6, "{shown}");
    }

    #[test]
    fn a_file_that_does_not_parse_keeps_its_secrets() {
        for text in ["secret = \"hush", "login = { 'secret' = \"hush\" x", "url = \"redis://:hush@h\" x", "a.key=hush"]
        {
            let shown = ConfigErrors::new(
                "f".into(),
                text,
                &suspicious(text),
                vec![Problem { place: Place::File(0..1), complaint: "odd".into() }],
            );
            assert!(!shown.to_string().contains("hush"), "{shown}");
        }
    }
}
