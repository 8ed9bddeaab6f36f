//! Tries the store: whether it answers, runs our scripts, and keeps what it is given.

use std::error::Error;
use std::time::Instant;

use super::report::Finding;
use crate::app;
use crate::config::{Store, StoreUrl};
use crate::store::{About, StoreError};
use crate::telemetry::metrics::Metrics;
use crate::token::TicketId;

/// Whether the store that the configuration names can be used.
pub async fn answers(settings: &Store) -> Finding {
    if let StoreUrl::Memory = settings.url {
        return Finding::ok("memory: for one process, and gone when it ends");
    }
    let store = match app::open_store(settings, &Metrics::new()) {
        Ok(store) => store,
        Err(error) => return Finding::fail(error.to_string(), "", "store.url; the files in [store.tls]"),
    };
    let start = Instant::now();
    if let Err(error) = store.ping().await {
        let fix = "start it; store.url";
        return Finding::fail(told(&error), "Redis is not there, or wants another password.", fix);
    }
    let took = format!("{:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    let nobody = TicketId { shard: 0, id: [0; 16] };
    if let Err(error) = store.read(&nobody).await {
        let cause = "Redis answers, and its access rules forbid scripts or these keys.";
        return Finding::fail(told(&error), cause, "the ACL SETUSER line of docs/operations.md, with store.prefix");
    }
    // A user that may not ask for INFO can be right for all else.
    match store.about().await {
        Ok(Some(About { version, eviction })) if eviction == "noeviction" => {
            Finding::ok(format!("redis {version}, scripts allowed, noeviction, {took}"))
        }
        Ok(Some(About { version, eviction })) if !eviction.is_empty() => Finding::warn(format!(
            "redis {version}, maxmemory-policy {eviction}: it may forget codes, used ones too; noeviction does not"
        )),
        Ok(_) | Err(_) => Finding::ok(format!("redis, scripts allowed, {took}")),
    }
}

/// The error and what is behind it.
fn told(error: &StoreError) -> String {
    let source = error.source().map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}
