//! Words on a terminal: colour where somebody sees it, and no panic when nobody listens any more.

use std::env;
use std::io::{self, IsTerminal, Write};

/// Writes to stdout; a reader that has gone away is none of our business.
pub fn say(text: &str) {
    let _ = hand_over(text);
}

/// Writes to stdout what must not get lost.
///
/// # Errors
///
/// When it could not be written: the disk is full, or nobody reads.
pub fn hand_over(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes to stderr.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
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
