//! From a finished configuration to running workers, and to their end.
//!
//! The main thread's runtime owns what belongs to the process: signals, the admin listener, the hearing of the store's
//! changes. Each worker is a thread with a runtime of its own; it builds its own parts, for they never leave it.

mod capacity;
mod changes;
mod descriptors;
mod reload;
mod setup;
mod signals;
mod systemd;
mod workers;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::admin::{self, AdminParts};
use crate::clock::Clock;
use crate::origin::Scheme;
use crate::server::{Permits, Ready};
use crate::stage::{Stage, stages};
use crate::telemetry::Telemetry;
use crate::token::TicketSecrets;
use changes::{Changes, Look};
use reload::{LOOK, certificates_now, look_at_certificates, report_refusal, take_over};
pub use setup::{Loaded, StartError, open_store};
use setup::{ProcessParts, ProcessState, Setup, certificates, failed, warn_of_eviction};
use signals::Signals;
use systemd::Pulses;

/// Where qrgate listens, once it does.
#[derive(Clone, Debug)]
pub struct Started {
    /// The public addresses.
    pub listening: Vec<String>,
    /// How a browser would begin an address of the first of them.
    pub scheme: Scheme,
    /// The admin listener.
    pub admin: Option<SocketAddr>,
    /// The log.
    pub telemetry: Telemetry,
}

/// Where a new configuration comes from.
pub struct Source<'a, Read> {
    /// The file that is looked at for changes; none: there is no file.
    pub file: Option<&'a Path>,
    /// Reads it again. An error is the text for the log.
    pub read: Read,
}

/// Serves until a signal ends it. `started` is told once everything listens; `source` is read again at SIGHUP and when
/// its file has changed. A service manager hears of start, reloads and end.
///
/// # Errors
///
/// [`StartError`] when something needed at the start cannot be had (an address, a certificate), or when a worker has
/// ended. Standard error has been told.
pub fn serve(
    loaded: Loaded,
    source: Source<'_, impl Fn() -> Result<Loaded, String>>,
    started: impl FnOnce(&Started),
) -> Result<(), StartError> {
    // With huge pages, each of thousands of idle connections may hold on to 2 MiB of which it uses two or three KiB. A
    // kernel that does not know the request goes on as before.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    descriptors::raise_limit();
    let telemetry = Telemetry::new(&loaded.config.log, Clock::System).map_err(failed);
    let telemetry = telemetry.inspect_err(|error| _ = writeln!(std::io::stderr(), "{error}"))?;
    report_panics(telemetry.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(failed);
    let served =
        runtime.and_then(|runtime| runtime.block_on(serve_until_told(loaded, source, started, telemetry.clone())));
    if let Err(error) = &served {
        telemetry.plain(&error.to_string());
    }
    telemetry.flush(LAST_LINES);
    served
}

async fn serve_until_told(
    loaded: Loaded,
    source: Source<'_, impl Fn() -> Result<Loaded, String>>,
    started: impl FnOnce(&Started),
    telemetry: Telemetry,
) -> Result<(), StartError> {
    // Whoever hears that it is ready may send a signal at once, and an impatient one earlier.
    let signals = Signals::heard_from_now()?;
    let mut changes = Changes::since_now(source.file.as_slice());
    let config = &loaded.config;
    let store = Arc::new(open_store(&config.store, telemetry.metrics(), None)?);
    let listeners = Ready::bind_all(&config.listen.addresses).map_err(failed)?;
    let admin = bind_admin(config.listen.admin).await?;
    let news = Started {
        listening: listeners.iter().map(Ready::name).collect(),
        scheme: if listeners.first().is_some_and(Ready::is_tls) { Scheme::Https } else { Scheme::Http },
        admin: admin.as_ref().and_then(|listener| listener.local_addr().ok()),
        telemetry: telemetry.clone(),
    };
    let (announcer, stages) = stages();
    let workers = config.listen.workers;
    let limits = &config.limits;
    let permits = Permits::new(limits.connections, limits.connections_per_client, Some(telemetry.metrics()));
    let kept = ProcessParts {
        secrets: Arc::new(TicketSecrets::random().map_err(failed)?),
        certificates: certificates(config)?,
        permits,
    };
    let setup = Arc::new(ArcSwap::from_pointee(Setup::new(loaded, store, &kept)?));
    let shared = ProcessState { setup, telemetry, stages };
    descriptors::share_out(&kept.permits, shared.setup.load().config.limits.connections, &shared.telemetry);
    let (mut done, pulses) = workers::start(&shared, workers, listeners, &kept.permits).await?;
    if let Some(listener) = admin {
        let shared = shared.clone();
        tokio::task::spawn_local(admin::serve(listener, move || admin_parts(&shared)));
    }
    tokio::spawn(warn_of_eviction(shared.clone(), shared.setup.load().store.clone()));
    tokio::spawn(tell_of_life(shared.clone(), pulses));
    started(&news);
    systemd::ready();
    // A worker has no reason to end before it is told to. Without it, connections would be lost silently.
    let whole = tokio::select! {
        () = until_told(signals, &shared, &kept, &source, &mut changes) => true,
        _ = done.recv() => false,
    };
    systemd::stopping();
    announcer.announce(Stage::Draining);
    if !until_ended(&mut done, shared.setup.load().config.limits.drain_timeout).await {
        announcer.announce(Stage::Over);
        until_ended(&mut done, LAST_LINES).await;
    }
    match whole {
        true => Ok(()),
        false => Err(failed("a worker ended without being told to; the log has the cause")),
    }
}

async fn bind_admin(address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|error| failed(format!("cannot listen on {address} (listen.admin): {error}")))
}

/// Has a panic logged as any other message. The standard library would write to standard error itself, and wait there
/// for a reader that has stopped.
fn report_panics(telemetry: Telemetry) {
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let cause = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        telemetry.error("panic", &[("cause", &cause.unwrap_or("unknown")), ("place", &place)]);
    }));
}

/// What the admin listener reports on, as the setup is now.
fn admin_parts(shared: &ProcessState) -> AdminParts {
    let setup = shared.setup.load();
    let application = &setup.config.application;
    AdminParts {
        telemetry: shared.telemetry.clone(),
        store: setup.store.clone(),
        application: application.url.clone(),
        connect_timeout: application.connect_timeout,
    }
}

/// A service manager's watchdog hears nothing while a worker stands still.
async fn tell_of_life(shared: ProcessState, pulses: Pulses) {
    let ending = || shared.stages.now() >= Stage::Draining;
    let stands_still = || shared.telemetry.error("a worker stands still", &[]);
    systemd::watch(pulses, ending, stands_still).await;
}

/// Waits for the signal that ends it; reloads at SIGHUP, and when files have changed. A second signal ends the process at
/// once.
async fn until_told(
    mut signals: Signals,
    shared: &ProcessState,
    kept: &ProcessParts,
    source: &Source<'_, impl Fn() -> Result<Loaded, String>>,
    changes: &mut Changes,
) {
    let mut look = tokio::time::interval(LOOK);
    let mut renewed = certificates_now(shared);
    let reload = |changes: &mut Changes, renewed: &mut Changes| {
        match take_over(shared, kept, (source.read)()) {
            Ok(()) => changes.succeeded(),
            Err(cause) if source.file.is_some() && !changes.failed(&cause) => {}
            Err(cause) => report_refusal(shared, &cause),
        }
        *renewed = certificates_now(shared);
    };
    let announced = |changes: &mut Changes, renewed: &mut Changes| {
        systemd::reloading();
        reload(changes, renewed);
        systemd::ready();
    };
    loop {
        tokio::select! {
            _ = signals.hangup.recv() => {
                // What is read now is not read once more for having changed.
                *changes = Changes::since_now(source.file.as_slice());
                announced(changes, &mut renewed);
            }
            _ = look.tick() => match changes.look(source.file.as_slice()) {
                Look::Changed => announced(changes, &mut renewed),
                Look::Again => reload(changes, &mut renewed),
                Look::Nothing => look_at_certificates(shared, kept, &mut renewed),
            },
            () = signals.end.recv() => break,
        }
    }
    tokio::spawn(async move {
        signals.end.recv().await;
        std::process::exit(0);
    });
}

/// How long workers may take to hand over the lines of what was cut off, and the log to write its last ones.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Waits until every worker has ended, at most `limit`; false: some have not.
async fn until_ended(done: &mut mpsc::UnboundedReceiver<()>, limit: Duration) -> bool {
    // Each worker holds a sender and tells that it ends; the channel ends with the last of them.
    tokio::time::timeout(limit, async { while done.recv().await.is_some() {} }).await.is_ok()
}
