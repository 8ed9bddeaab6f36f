//! Terminal output: colour where it is supported, and no panic when the reader has closed the pipe.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use super::exit::{BROKEN, FAILED};

/// Writes to standard output. A closed pipe is ignored.
pub fn say(text: &str) {
    let _ = hand_over(text);
}

/// Writes to standard output, for text that must not be lost.
///
/// # Errors
///
/// If it cannot be written: the disk is full, or the pipe is closed.
pub fn hand_over(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes to standard error.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes what failed to standard error. Returns the exit code.
pub fn fail(what: impl Display) -> u8 {
    complain(&what.to_string());
    FAILED
}

/// Writes what is wrong with the command line or the configuration to standard error. Returns the exit code.
pub fn reject(what: impl Display) -> u8 {
    complain(&what.to_string());
    BROKEN
}

/// Whether stdout is a terminal that wants colour (no-color.org).
pub fn colour_on_stdout() -> bool {
    io::stdout().is_terminal() && wants_colour()
}

/// Whether stderr is a terminal that wants colour.
pub fn colour_on_stderr() -> bool {
    io::stderr().is_terminal() && wants_colour()
}

fn wants_colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
