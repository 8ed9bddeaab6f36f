//! Tries the store: whether it responds, runs scripts, and is shared with processes of the same ticket secret.

use std::time::{Duration, Instant};

use crate::app;
use crate::cli::report::Finding;
use crate::config::{Config, Rate, StoreUrl};
use crate::store::{About, StoreError};
use crate::telemetry::metrics::Metrics;
use crate::token::{TicketId, TicketSecrets, UserHash};

/// Whether the configured store can be used.
///
/// # Errors
///
/// The finding that it cannot.
pub async fn responds(config: &Config) -> Result<Finding, Finding> {
    let settings = &config.store;
    if let StoreUrl::Memory = settings.url {
        return Ok(Finding::ok("memory: for one process, and gone when it ends"));
    }
    let store = app::open_store(settings, &Metrics::default(), None)
        .map_err(|error| Finding::fail(error.to_string(), "", "store.url; the files in [store.tls]"))?;
    let start = Instant::now();
    store.ping().await.map_err(failed)?;
    let took = format!("{:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    store.read(&TicketId { shard: 0, id: [0; 16] }).await.map_err(failed)?;
    // Counts a code of a user that does not exist, in a key that lives for a millisecond.
    let rate = Rate { count: 1000, per: Duration::from_secs(1) };
    store.count_code(&UserHash([0; 16]), rate).await.map_err(failed)?;
    if let Ok(secrets) = TicketSecrets::new(config.tickets.secrets.clone())
        && app::is_foreign(&store, &secrets).await.unwrap_or(false)
    {
        return Err(Finding::fail(
            "a process on this store has another ticket secret",
            "It cannot open the codes of the others: phones see \"This code cannot be used.\" at random.",
            "the same tickets.secret_file for all of them; during a rotation the list of both",
        ));
    }
    // A Redis user without permission for INFO may be sufficient for everything else.
    Ok(match store.about().await {
        Ok(Some(About { version, eviction })) if eviction == "noeviction" => {
            Finding::ok(format!("redis {version}, scripts allowed, noeviction, {took}"))
        }
        Ok(Some(About { version, eviction })) if !eviction.is_empty() => Finding::warn(format!(
            "redis {version}, maxmemory-policy {eviction}: it may forget codes, used ones too; noeviction does not"
        )),
        Ok(_) | Err(_) => Finding::ok(format!("redis, scripts allowed, {took}")),
    })
}

/// The error with the text of Redis, its cause and what to do.
fn failed(error: StoreError) -> Finding {
    let detail = error.detail().map(|detail| format!(" ({detail})"));
    let (cause, fix) = advice(error.code());
    Finding::fail(format!("{error}{}", detail.unwrap_or_default()), cause, fix)
}

/// The cause of a Redis error, by its first word, and what to do.
fn advice(code: Option<&str>) -> (&'static str, &'static str) {
    match code.unwrap_or_default() {
        "WRONGPASS" => {
            ("Redis knows no such user, or another password.", "user and password in store.url, percent-encoded")
        }
        "NOAUTH" => {
            ("Redis wants a password, and store.url has none.", "redis://user:password@host:port/db in store.url")
        }
        "NOPERM" => (
            "Redis answers, and its access rules forbid scripts or these keys.",
            "the ACL SETUSER line of docs/operations.md, with store.prefix",
        ),
        "READONLY" => ("This Redis is a replica.", "the master's address, or redis+sentinel://, in store.url"),
        "LOADING" => ("Redis is still reading its data from disk.", "wait until it has started, then check again"),
        "OOM" => ("Redis' memory is full, and nothing may be evicted.", "a larger maxmemory"),
        "MISCONF" => (
            "Redis cannot save to disk, and refuses writes because of that.",
            "Redis' log and its disk; or stop-writes-on-bgsave-error no",
        ),
        "NOREPLICAS" => (
            "Fewer replicas are connected than min-replicas-to-write asks for.",
            "the replicas; or a smaller min-replicas-to-write",
        ),
        "BUSY" => ("A script of another program holds Redis up.", "SCRIPT KILL; a separate Redis for qrgate"),
        "MOVED" | "ASK" | "CROSSSLOT" => ("This Redis is a node of a cluster.", "redis+cluster:// in store.url"),
        "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" => {
            ("A part of the cluster, or a master, is away.", "CLUSTER INFO; CLUSTER NODES; then check again")
        }
        "ERR" => (
            "Redis is older than 6.2, or has no database of this number.",
            "Redis 6.2 or later; the number in store.url",
        ),
        _ => ("Redis is not there, or speaks TLS where store.url does not.", "start it; store.url; rediss:// for TLS"),
    }
}
