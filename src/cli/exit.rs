//! The exit codes.

/// The result of a command. The error is the exit code; the failure has been printed.
pub type Outcome = Result<(), u8>;

/// Something failed on the way: a check, an address that is taken, a file that cannot be written.
pub const FAILED: u8 = 1;
/// The command line or the configuration is broken, and nothing was started.
pub const BROKEN: u8 = 2;
