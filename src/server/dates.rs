//! The `Date` of responses without one (RFC 9110, section 6.6.1), formatted once a second.

use std::cell::RefCell;
use std::io::Write;
use std::time::{Duration, SystemTime};

use crate::clock::Clock;

/// The line for the current second of a clock.
pub struct Dates {
    clock: Clock,
    line: RefCell<(Option<u64>, Vec<u8>)>,
}

impl Dates {
    pub fn of(clock: Clock) -> Dates {
        Dates { clock, line: RefCell::default() }
    }

    /// Writes the field's line.
    pub fn push(&self, buffer: &mut Vec<u8>) {
        let second = self.clock.now().seconds();
        let (written, line) = &mut *self.line.borrow_mut();
        if *written != Some(second) {
            line.clear();
            let date = httpdate::HttpDate::from(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
            // Writing to memory cannot fail.
            let _ = write!(line, "date: {date}\r\n");
            *written = Some(second);
        }
        buffer.extend_from_slice(line);
    }
}
