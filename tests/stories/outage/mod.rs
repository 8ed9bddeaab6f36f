//! Faults, each brought about for real while people sign in and somebody browses: `cargo test --test stories -- outage`
//! runs them all, and with `--nocapture` each prints what it counted.
//!
//! Whatever the fault, `Outage::ends` (in the harness) holds the counts of the recording application and of the store
//! against the promises: one session relayed for a ticket at most; one `webhook-id` for all its calls; whoever was signing
//! in gets in once the fault is gone, with the same code or a fresh one; and forwarded requests fail only where
//! docs/operations.md says so.

mod clock;
mod cluster;
mod exhausted;
mod hooks;
mod killed;
mod log;
mod sentinel;
mod split;
mod store;
