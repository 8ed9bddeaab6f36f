//! Real faults while people sign in and a client browses: `cargo test --test stories -- outage` runs them all, and with
//! `--nocapture` each prints what it counted.
//!
//! Whatever the fault, `Outage::ends` (in the harness) compares the counts of the recording application and of the
//! store with the promises: at most one relayed session for a ticket; one `webhook-id` for all its calls; the person
//! gets in once the fault is gone, with the same code or a new one; and forwarded requests fail only where
//! docs/operations.md says so.

mod clock;
mod cluster;
mod events;
mod exhausted;
mod hooks;
mod killed;
mod log;
mod sentinel;
mod split;
mod store;
