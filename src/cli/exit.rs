//! The exit codes.

/// Done, or stopped as asked.
pub const DONE: u8 = 0;
/// Something failed on the way: a check, an address that is taken, a file that cannot be written.
pub const FAILED: u8 = 1;
/// The command line or the configuration is broken, and nothing was started.
pub const BROKEN: u8 = 2;
