//! Tries the store: it answers, and how fast.

use std::time::Instant;

use super::report::Finding;
use crate::app;
use crate::config::{Store, StoreUrl};

/// Whether the store that the configuration names can be used.
pub async fn answers(settings: &Store) -> Finding {
    if let StoreUrl::Memory = settings.url {
        return Finding::ok("memory: for one process, and gone when it ends");
    }
    let store = match app::open_store(settings) {
        Ok(store) => store,
        Err(error) => return Finding::fail(error.to_string(), "", "store.url; the files in [store.tls]"),
    };
    let start = Instant::now();
    if let Err(error) = store.ping().await {
        let why = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        return Finding::fail(
            format!("{error}{why}"),
            "Redis is not there, or wants another password.",
            "start it; store.url",
        );
    }
    Finding::ok(format!("redis answers in {:.1} ms", start.elapsed().as_secs_f64() * 1000.0))
}
