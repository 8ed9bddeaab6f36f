//! The HTTP server: listening, accepting and serving connections. It knows nothing of tickets.
//!
//! Worker 0 accepts and passes each socket to the worker with the fewest connections; everything after that stays on
//! one thread.

mod boxed;
mod connection;
mod dates;
mod dispatcher;
mod http1;
mod http2;
mod listener;
mod metered;
mod parked;
mod permits;
mod plain;
pub(crate) mod proxy_protocol;
mod response;
mod trailers;
mod tunnels;
mod worker;

#[cfg(any(test, fuzzing))]
pub(crate) use http1::head as request_head;

pub use connection::Accepted;
pub use dispatcher::Dispatcher;
#[cfg(test)]
pub(crate) use http2::LocalExecutor;
pub use listener::Ready;
pub use permits::Permits;
pub use plain::serve_plain;
pub use worker::{ConnectionEvent, Handler, Refusal, ServerSettings, Worker};

#[cfg(test)]
mod tests;
