//! What qrgate reports about itself: log lines on standard error, audit events, and counters.
//!
//! Lines are text for people or JSON for machines. In both, every value that a client can choose is escaped and cut, so
//! that no client can forge a line, colour a terminal or reverse the direction of text (ASVS 16.4.1). No caller may
//! pass a token, cookie, capability or secret.

pub mod access_log;
pub mod audit;
mod exposition;
mod line;
mod log;
pub mod metrics;
mod once;
mod seen;
mod writer;

pub use access_log::{AccessLine, Recorder};
pub use audit::{AuditEvent, Step};
pub use exposition::Format;
pub use log::Telemetry;
pub use once::Topic;
