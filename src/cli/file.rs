//! The option `--config`, reading the file that it names, and writing new files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::terminal;
use crate::app::Loaded;
use crate::config;

/// The configuration file that a command reads.
#[derive(Args)]
pub struct ConfigFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT)]
    pub config: PathBuf,
}

/// The default file, in the current folder.
pub const DEFAULT: &str = "proxy.toml";

/// Reads the configuration and the pages.
///
/// # Errors
///
/// The exit code; every problem has been printed to standard error.
pub fn read(file: &ConfigFile) -> Result<Loaded, u8> {
    load(file, "nothing started", terminal::colour_on_stderr()).map_err(terminal::reject)
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

/// Writes a new file. False if it exists already; it stays as it is.
///
/// # Errors
///
/// Those of the file system, with the path.
pub fn create(path: &Path, text: &str, mode: u32) -> io::Result<bool> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match options.open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(named).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && fs::symlink_metadata(path).is_ok() => Ok(false),
        Err(error) => Err(named(error)),
    }
}
