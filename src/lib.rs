//! qrgate: scan this code and you are signed in on your phone, for an application you already run.
//!
//! A reverse proxy stands in front of the application and forwards everything but what lies under `/qr/`. There a
//! person who is signed in on a computer gets a code; a phone that scans it gets a session of its own, which the
//! application itself makes. ARCHITECTURE.md follows one request from the socket to the answer.
//!
//! The modules below are floors of a house. A module uses only groups above its own in this list; modules of one
//! group do not know each other (`tests/house.rs` keeps that true).

// words: plain values
pub mod clock;
pub mod deadline;
pub mod origin;
pub mod peer;
pub mod secret;
pub mod stage;
pub mod wire;

// words made of words
pub mod body;
pub mod token;
pub mod tunnel;

// words above these
pub mod http1;

// rules: pure functions over words
pub mod cookies;
pub mod device;
pub mod forwarded;
pub mod guard;
pub mod jwt;
pub mod return_path;
pub mod target;
pub mod ticket;
pub mod websocket;

// rules above rules
pub mod fields;

// config: from text to finished values
pub mod config;

// telemetry: passive; any group below may write to it
pub mod telemetry;

// neighbours: one adapter for each thing outside us; they do not meet
pub mod application;
pub mod limits;
pub mod pages;
pub mod server;
pub mod store;

// what a request asks for, and every way to fail
pub mod asked;
pub mod fault;

// reply: what qrgate itself responds, as values
pub mod reply;

// flows: the product
pub mod forward;
pub mod qr;

// doors: what a request meets first
pub mod admin;
pub mod exchange;

// wiring: from a configuration to running workers
pub mod app;

// the command line
pub mod cli;

// what must hold for any bytes: for `fuzz/` and the tests alone
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
