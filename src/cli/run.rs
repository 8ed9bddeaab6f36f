//! `qrgate run`: serves.

use super::{ConfigFile, FAILED, terminal};

/// Serves until it is told to stop.
pub fn run(file: &ConfigFile) -> u8 {
    match super::read(file) {
        Ok(_) => {
            terminal::complain("this build cannot serve yet");
            FAILED
        }
        Err(code) => code,
    }
}
