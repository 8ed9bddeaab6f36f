//! qrgate: scan this code and you are signed in on your phone, for an application you already run.
//!
//! A reverse proxy in front of the application forwards everything except requests under `/qr/`. There a person who is
//! signed in on a computer gets a code, and a phone that scans it gets its own session, which the application creates.
//! ARCHITECTURE.md follows a request from the socket to the response.
//!
//! The modules are listed in floors. A module uses only groups above its own; modules of one group do not use each
//! other (`tests/house.rs` checks this).

// words: plain values
pub(crate) mod clock;
pub(crate) mod deadline;
pub(crate) mod excerpt;
pub(crate) mod locales;
pub(crate) mod origin;
pub(crate) mod peer;
pub(crate) mod secret;
pub(crate) mod stage;
pub(crate) mod stay;
pub(crate) mod wire;

// words made of words
pub(crate) mod body;
pub(crate) mod endpoint;
pub(crate) mod token;
pub(crate) mod tunnel;

// words above these
pub(crate) mod http1;

// rules: pure functions over words
pub(crate) mod cookies;
pub(crate) mod device;
pub(crate) mod forwarded;
pub(crate) mod guard;
pub(crate) mod jwt;
pub(crate) mod return_path;
pub(crate) mod target;
pub(crate) mod ticket;
pub(crate) mod websocket;

// rules above rules
pub(crate) mod fields;

// certificates and keys, read from files
pub(crate) mod tls;

// config: from text to finished values
pub(crate) mod config;

// telemetry: passive; any group below may write to it
pub(crate) mod telemetry;

// neighbours: one adapter for each external system; they do not use each other
pub(crate) mod application;
pub(crate) mod limits;
pub(crate) mod pages;
pub(crate) mod server;
pub(crate) mod store;

// certificates from an authority, by the application's client
pub(crate) mod acme;

// the facts of a request, and every way to fail
pub(crate) mod asked;
pub(crate) mod fault;

// reply: qrgate's own responses, as values
pub(crate) mod reply;

// flows: the product
pub(crate) mod events;
pub(crate) mod forward;
pub(crate) mod qr;

// doors: where requests enter
pub(crate) mod admin;
pub(crate) mod exchange;

// wiring: from a configuration to running workers
pub(crate) mod app;

// the command line
pub(crate) mod cli;

pub use cli::main;

// addresses for the servers of unit tests, as of stories
#[cfg(test)]
#[path = "../tests/stories/harness/ports.rs"]
mod ports;

// properties for any input, for `fuzz/` and the tests
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

/// For `benches/`. Not an interface: it changes with the code.
#[doc(hidden)]
pub mod bench {
    pub use crate::clock::{Clock, Timestamp};
    pub use crate::config::{Level, Log, LogFormat, Pages as PageSettings, Rate, StoreUrl, store_url};
    pub use crate::fields::{Edit, FieldRules, ManagedFields, check_framing, prepare_response};
    pub use crate::forwarded::{Client, TrustedProxies, resolve};
    pub use crate::limits::Limiter;
    pub use crate::origin::Origin;
    pub use crate::pages::{Code, Confirm, Context, Device, Failure, Page, Pages};
    pub use crate::peer::{Peer, PeerAddress, Source};
    pub use crate::return_path::ReturnPath;
    pub use crate::secret::Secret;
    pub use crate::store::{RedisSettings, Row, Store, Swapped};
    pub use crate::target::{Reserved, decide};
    pub use crate::telemetry::metrics::Metrics;
    pub use crate::telemetry::{AccessLine, Recorder, Telemetry};
    pub use crate::ticket::{Draft, SignIn, Step, Ticket};
    pub use crate::tls::ClientTls;
    pub use crate::token::{
        AnchorKey, Approval, BrowserId, ClaimKey, Desk, Opened, PageFacts, Party, Record, RedeemResponse, TicketId,
        TicketSecrets, Token, View, ViewIndex,
    };

    pub mod cookies {
        pub use crate::cookies::{Browser, Jar, relay, sessions};
    }
    pub mod device {
        pub use crate::device::{Devices, label};
    }
    pub mod guard {
        pub use crate::guard::may_mint;
    }
    pub mod jwt {
        pub use crate::jwt::{Algorithm, Verifier};
    }
    pub mod picture {
        pub use crate::pages::picture::svg;
    }
    pub mod webhook {
        pub use crate::application::webhook::sign;
    }
}
