//! The stories: tests of the whole program over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects, and fails")]

mod harness;

mod abuse;
mod acme;
mod checking;
mod clients;
mod codes;
mod connections;
mod cookies;
mod demo;
mod events;
mod faults;
mod fields;
mod forwarding;
mod holders;
mod http2;
mod journey;
mod mistakes;
mod multiplexing;
mod operating;
mod origins;
mod outage;
mod packaging;
mod phones;
mod proxies;
mod relay;
mod responses;
mod risks;
mod running;
mod seeing;
mod signed_in;
mod slow;
mod smuggling;
mod status;
mod stay;
mod stores;
mod streaming;
mod targets;
mod tls;
mod trailers;
mod typing;
mod undoing;
mod upgrades;
mod websockets;
