//! The stories: qrgate as a program between real sockets, told from outside.

mod harness;

mod abuse;
mod codes;
mod forwarding;
mod journey;
mod operating;
mod phones;
mod stores;
