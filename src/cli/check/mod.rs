//! `qrgate check`: one line for each part, `ok`, `warn` or `FAIL`; under a failure its likely cause and one fix.

mod diagnosis;
mod report;

use clap::Args;

use self::report::Report;
use super::{ConfigFile, FAILED, FINE, terminal};

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
    let why = if arguments.offline { "--offline" } else { "only --offline is there yet" };
    terminal::say(&format!("{why}: the application, the store and the hooks were not tried"));
    if report.finish() { FINE } else { FAILED }
}
