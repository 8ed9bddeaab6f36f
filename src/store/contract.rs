//! The promises of a store, kept twice.
