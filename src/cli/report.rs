//! Prints a line for each part that was checked, and counts warnings and failures.

use crate::admin::Level;
use crate::cli::terminal;
use crate::config::Config;

/// The result for one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    pub text: String,
    /// The likely cause, in a sentence or two; empty where nothing is wrong.
    pub cause: &'static str,
    /// What to do; empty where nothing is wrong.
    pub fix: String,
}

impl Finding {
    /// A part that works.
    pub fn ok(text: impl Into<String>) -> Finding {
        Finding { level: Level::Ok, text: text.into(), cause: "", fix: String::new() }
    }

    /// A part that works, but needs attention.
    pub fn warn(text: impl Into<String>) -> Finding {
        Finding { level: Level::Warn, ..Finding::ok(text) }
    }

    /// A part that fails, with its likely cause and what to do.
    pub fn fail(text: impl Into<String>, cause: &'static str, fix: impl Into<String>) -> Finding {
        Finding { level: Level::Fail, text: text.into(), cause, fix: fix.into() }
    }

    /// Whether parts that depend on this one can be tried.
    pub fn is_fine(&self) -> bool {
        self.level != Level::Fail
    }
}

/// Prints findings as they come, and counts them.
pub struct Report {
    colour: bool,
    warnings: usize,
    failures: usize,
}

impl Report {
    /// `colour`: the output is a terminal that supports it.
    pub fn new(colour: bool) -> Report {
        Report { colour, warnings: 0, failures: 0 }
    }

    /// Prints a line for the file, and one for each warning; its part is the section of its key.
    pub fn configuration(&mut self, name: &str, config: &Config) {
        let text = match config.warnings.len() {
            0 => "no errors".to_owned(),
            n => format!("no errors, {}", count(n, "warning")),
        };
        self.add(name, &Finding::ok(text));
        for warning in &config.warnings {
            let (section, key) = warning.key.split_once('.').unwrap_or((name, &warning.key));
            self.add(section, &Finding::warn(format!("{key} {}", warning.sentence)));
        }
    }

    /// Prints the result for one part.
    pub fn add(&mut self, part: &str, finding: &Finding) {
        self.warnings += usize::from(finding.level == Level::Warn);
        self.failures += usize::from(finding.level == Level::Fail);
        terminal::say(&render(part, finding, self.colour));
    }

    /// Prints several results for one part.
    pub fn add_all(&mut self, part: &str, findings: &[Finding]) {
        findings.iter().for_each(|finding| self.add(part, finding));
    }

    /// Prints the totals. Returns whether nothing failed.
    pub fn finish(self) -> bool {
        terminal::say(&format!("\n{}, {}", count(self.failures, "failure"), count(self.warnings, "warning")));
        self.failures == 0
    }
}

fn render(part: &str, finding: &Finding, colour: bool) -> String {
    let (word, code) = match finding.level {
        Level::Ok => ("ok", "32"),
        Level::Warn => ("warn", "33"),
        Level::Fail => ("FAIL", "31"),
    };
    let word = match colour {
        true => format!("\u{1b}[{code}m{word:<5}\u{1b}[0m"),
        false => format!("{word:<5}"),
    };
    let text: String = finding.text.chars().filter(|c| !c.is_control()).collect();
    let mut out = format!("{word} {part:<13} {text}");
    for line in wrapped(finding.cause) {
        out.push_str(&format!("\n      {line}"));
    }
    if !finding.fix.is_empty() {
        for line in wrapped(&format!("Fix: {}", finding.fix)) {
            out.push_str(&format!("\n      {line}"));
        }
    }
    out
}

/// Lines of at most 94 characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 94 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn count(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_part_and_under_a_failure_cause_and_fix() {
        assert_eq!(render("store", &Finding::ok("memory"), false), "ok    store         memory");
        let failed = Finding::fail("200 but no Set-Cookie", "The cause.", "the fix");
        assert_eq!(
            render("login", &failed, false),
            "FAIL  login         200 but no Set-Cookie\n      The cause.\n      Fix: the fix"
        );
        assert!(render("login", &failed, true).starts_with("\u{1b}[31mFAIL \u{1b}[0m login"));
    }
}
