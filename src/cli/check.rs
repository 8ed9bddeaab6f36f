//! `qrgate check`: one line for each part, `ok`, `warn` or `FAIL`; under a failure its likely cause and one fix.

use clap::Args;

use super::{ConfigFile, FAILED, FINE, terminal};
use crate::config::Config;

/// The arguments of `qrgate check`.
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Only read the configuration; call nobody
    #[arg(long)]
    offline: bool,
}

/// Looks the configuration over.
pub fn check(arguments: &Check) -> u8 {
    let config = match super::read(&arguments.file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let mut report = Report::new(terminal::colour_on_stdout());
    let name = arguments.file.config.file_name().unwrap_or(arguments.file.config.as_os_str());
    report.configuration(&name.to_string_lossy(), &config);
    if !arguments.offline {
        terminal::complain("check can only read the file so far: qrgate check --offline");
        return FAILED;
    }
    terminal::say("--offline: the application, the store and the hooks were not tried");
    report.finish()
}

/// How a part is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// Prints findings as they come, and counts them.
struct Report {
    colour: bool,
    warnings: usize,
    failures: usize,
}

impl Report {
    fn new(colour: bool) -> Report {
        Report { colour, warnings: 0, failures: 0 }
    }

    /// What is to be said about the file itself.
    fn configuration(&mut self, name: &str, config: &Config) {
        let warnings = match config.warnings.len() {
            0 => "no errors".to_owned(),
            n => format!("no errors, {}", count(n, "warning")),
        };
        self.line(Level::Ok, name, &warnings);
        for warning in &config.warnings {
            let (part, sentence) = warning.split_once('.').unwrap_or(("proxy.toml", warning));
            self.line(Level::Warn, part, sentence);
        }
    }

    fn line(&mut self, level: Level, part: &str, finding: &str) {
        let (word, code) = match level {
            Level::Ok => ("ok", "32"),
            Level::Warn => ("warn", "33"),
            Level::Fail => ("FAIL", "31"),
        };
        self.warnings += usize::from(level == Level::Warn);
        self.failures += usize::from(level == Level::Fail);
        let word = match self.colour {
            true => format!("\u{1b}[{code}m{word:<5}\u{1b}[0m"),
            false => format!("{word:<5}"),
        };
        terminal::say(&format!("{word} {part:<13} {finding}"));
    }

    /// The last line, and the exit code.
    fn finish(self) -> u8 {
        terminal::say(&format!("\n{}, {}", count(self.failures, "failure"), count(self.warnings, "warning")));
        if self.failures == 0 { FINE } else { FAILED }
    }
}

fn count(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}
