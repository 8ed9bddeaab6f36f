//! The option `--config`, and reading the file that it names.

use std::path::PathBuf;

use clap::Args;

use super::exit::BROKEN;
use super::terminal;
use crate::app::Loaded;
use crate::config;

/// The configuration file that a command reads.
#[derive(Args)]
pub struct ConfigFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "proxy.toml")]
    pub config: PathBuf,
}

/// Reads the configuration and the pages. On failure prints every problem to standard error.
///
/// # Errors
///
/// The exit code.
pub fn read(file: &ConfigFile) -> Result<Loaded, u8> {
    load(file, "nothing started", terminal::colour_on_stderr()).map_err(|report| {
        terminal::complain(&report);
        BROKEN
    })
}

/// Reads the configuration and the pages; warnings about the pages join those of the configuration.
///
/// # Errors
///
/// Every problem, with `ending` after them.
pub fn load(file: &ConfigFile, ending: &str, colour: bool) -> Result<Loaded, String> {
    let config = config::load(&file.config, &config::Environment::of_this_process());
    let config = config.map_err(|errors| errors.report(ending, colour))?;
    Loaded::new(config).map_err(|errors| errors.report(ending))
}
