//! Starts the workers from a finished configuration, and shuts them down.
//!
//! The main thread's runtime owns what belongs to the process: signals, the admin listener, the subscription to the
//! store's changes. Each worker is a thread with its own runtime and builds its own parts, which never leave the
//! thread.

mod capacity;
mod changes;
mod deliver;
mod descriptors;
mod reload;
mod secret_mark;
mod setup;
mod signals;
mod systemd;
mod workers;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::acme::{self, Challenge, Job};
use crate::admin::{self, AdminParts};
use crate::clock::Clock;
use crate::config::Config;
use crate::origin::Scheme;
use crate::secret::random_name;
use crate::server::{Permits, Ready};
use crate::stage::{Stage, stages};
use crate::telemetry::Telemetry;
use crate::tls::Certificates;
use crate::token::TicketSecrets;
use changes::{Changes, Look};
use reload::{LOOK, look_at_certificates, take_over, watch_certificates};
pub use secret_mark::is_foreign;
pub use setup::{Loaded, StartError, local_runtime, open_store};
use setup::{ProcessParts, ProcessState, Setup, certificates, failed, warn_of_eviction};
use signals::Signals;
use systemd::Pulses;

/// The addresses that qrgate listens on.
#[derive(Debug)]
pub struct Started {
    /// The public addresses.
    pub listening: Vec<String>,
    /// The scheme of the first of them.
    pub scheme: Scheme,
    pub admin: Option<SocketAddr>,
    pub telemetry: Telemetry,
}

/// The source of a new configuration.
pub struct Source<'a, Read> {
    /// The file to poll for changes, if there is one.
    pub file: Option<&'a Path>,
    /// Reads the configuration again. The error is the text for the log.
    pub read: Read,
}

/// Serves until a signal ends the process. Calls `started` when everything listens, and reads `source` again at SIGHUP
/// and when its file has changed. Reports start, reloads and shutdown to a service manager.
///
/// # Errors
///
/// [`StartError`] if an address, a certificate or the like cannot be used at the start, or if a worker has ended. It
/// has been written to standard error.
pub fn serve(
    loaded: Loaded,
    source: Source<'_, impl Fn() -> Result<Loaded, String>>,
    started: impl FnOnce(&Started, &Config),
) -> Result<(), StartError> {
    descriptors::raise_limit();
    let telemetry = Telemetry::new(&loaded.config.log, Clock::System).map_err(failed);
    let telemetry = telemetry.inspect_err(|error| _ = writeln!(std::io::stderr(), "{error}"))?;
    report_panics(telemetry.clone());
    let runtime = local_runtime().map_err(failed);
    let served =
        runtime.and_then(|runtime| runtime.block_on(serve_until_signal(loaded, source, started, telemetry.clone())));
    if let Err(error) = &served {
        telemetry.plain(&error.to_string());
    }
    telemetry.flush(LAST_LINES);
    served
}

async fn serve_until_signal(
    loaded: Loaded,
    source: Source<'_, impl Fn() -> Result<Loaded, String>>,
    started: impl FnOnce(&Started, &Config),
    telemetry: Telemetry,
) -> Result<(), StartError> {
    // Before readiness is reported: a supervisor may send a signal right after it, or even earlier.
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
    let (stage, stages) = stages();
    let workers = config.listen.workers;
    let limits = &config.limits;
    let permits = Permits::new(limits.connections, limits.connections_per_client, Some(telemetry.metrics()));
    let kept = ProcessParts {
        secrets: Arc::new(TicketSecrets::random().map_err(failed)?),
        certificates: certificates(config, &telemetry)?,
        permits,
        reloaded: Rc::default(),
    };
    let process = random_name().map_err(failed)?;
    let setup = Arc::new(ArcSwap::from_pointee(Setup::new(loaded, store, &kept)?));
    let shared = ProcessState { setup, telemetry, stages };
    descriptors::share_out(&kept.permits, shared.setup.load().config.limits.connections, &shared.telemetry);
    let (mut done, pulses) = workers::start(&shared, workers, listeners, &kept.permits).await?;
    attend(&shared, &kept, admin, pulses);
    let (stop, stopped) = oneshot::channel();
    let delivering = tokio::task::spawn_local(deliver::deliver(shared.clone(), process, stopped));
    started(&news, &shared.setup.load().config);
    systemd::ready();
    // A worker that ends before the shutdown has failed. Its connections would be lost silently.
    let whole = tokio::select! {
        () = until_signal(signals, &shared, &kept, &source, &mut changes) => true,
        _ = done.recv() => false,
    };
    systemd::stopping();
    stage.send_replace(Stage::Draining);
    if !until_ended(&mut done, shared.setup.load().config.limits.drain_timeout).await {
        stage.send_replace(Stage::Over);
        until_ended(&mut done, LAST_LINES).await;
    }
    drop(stop);
    // Events that are not delivered by then stay in the queue.
    drop(tokio::time::timeout(LAST_LINES, delivering).await);
    match whole {
        true => Ok(()),
        false => Err(failed("a worker ended by itself; the log has the cause")),
    }
}

/// Starts the tasks of the process that end with it.
fn attend(shared: &ProcessState, kept: &ProcessParts, admin: Option<TcpListener>, pulses: Pulses) {
    if let Some(listener) = admin {
        let shared = shared.clone();
        tokio::task::spawn_local(admin::serve(listener, move || admin_parts(&shared)));
    }
    tokio::spawn(warn_of_eviction(shared.clone(), shared.setup.load().store.clone()));
    tokio::spawn(secret_mark::compare(shared.clone()));
    if shared.setup.load().config.listen.acme.is_some() {
        tokio::task::spawn_local(keep_certificate(shared.clone(), kept.reloaded.clone()));
    }
    tokio::spawn(notify_watchdog(shared.clone(), pulses));
}

async fn bind_admin(address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|error| failed(format!("cannot listen on {address} (listen.admin): {error}")))
}

/// Logs panics like any other message. The standard library would write to standard error itself, and block there if
/// the reader has stopped.
fn report_panics(telemetry: Telemetry) {
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let cause = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        telemetry.error("panic", &[("cause", &cause.unwrap_or("unknown")), ("place", &place)]);
    }));
}

/// What the admin listener reports on, from the current setup.
fn admin_parts(shared: &ProcessState) -> AdminParts {
    let setup = shared.setup.load();
    let application = &setup.config.application;
    AdminParts {
        telemetry: shared.telemetry.clone(),
        store: setup.store.clone(),
        store_url: setup.config.store.url.clone(),
        application: application.url.clone(),
        connect_timeout: application.connect_timeout,
        certificate: setup.server.certificates.as_deref().and_then(missing_certificate),
    }
}

/// What `/readyz` says of a certificate that clients cannot use.
fn missing_certificate(certificates: &Certificates) -> Option<&'static str> {
    match (certificates.is_present(), certificates.expiry()) {
        (false, _) => Some("none yet"),
        (true, Some(expiry)) if expiry <= Clock::System.now() => Some("expired"),
        (true, _) => None,
    }
}

/// Orders the certificate of `[listen.acme]`, and renews it.
async fn keep_certificate(shared: ProcessState, reloaded: Rc<Notify>) {
    let job = || {
        let listen = &shared.setup.load().config.listen;
        let listens = |tls| listen.addresses.iter().any(|address| address.tls == tls);
        let challenges = [(true, Challenge::TlsAlpn), (false, Challenge::Http)];
        let challenges = challenges.into_iter().filter_map(|(tls, challenge)| listens(tls).then_some(challenge));
        listen.acme.clone().map(|acme| Job { acme, challenges: challenges.collect() })
    };
    acme::keep(job, shared.telemetry.clone(), Clock::System, &reloaded).await;
}

/// Notifies the service manager's watchdog while no worker is stalled.
async fn notify_watchdog(shared: ProcessState, pulses: Pulses) {
    let ending = || shared.stages.now() >= Stage::Draining;
    let stalled = || shared.telemetry.error("a worker has stalled", &[]);
    systemd::watch(pulses, ending, stalled).await;
}

/// Waits for the signal that ends the process; reloads at SIGHUP and when files have changed. A second signal ends the
/// process at once.
async fn until_signal(
    mut signals: Signals,
    shared: &ProcessState,
    kept: &ProcessParts,
    source: &Source<'_, impl Fn() -> Result<Loaded, String>>,
    changes: &mut Changes,
) {
    let mut look = tokio::time::interval(LOOK);
    let mut renewed = watch_certificates(shared, kept);
    let reload = |changes: &mut Changes, renewed: &mut Changes| {
        match take_over(shared, kept, (source.read)()) {
            Ok(()) => changes.succeeded(),
            Err(error) if source.file.is_some() && !changes.failed(error.to_string()) => {}
            Err(error) => {
                shared.telemetry.error(&format!("reload failed; the old configuration stays in use\n{error}"), &[]);
            }
        }
        *renewed = watch_certificates(shared, kept);
    };
    let announced = |changes: &mut Changes, renewed: &mut Changes| {
        systemd::reloading();
        reload(changes, renewed);
        systemd::ready();
    };
    loop {
        tokio::select! {
            _ = signals.hangup.recv() => {
                // This reload reads the file, so the file does not count as changed.
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

/// Time limit for workers to log interrupted requests, for the last events, and for the log to write its last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Waits until every worker has ended, at most `limit`. False if some have not.
async fn until_ended(done: &mut mpsc::UnboundedReceiver<()>, limit: Duration) -> bool {
    // Each worker holds a sender and reports its end; the channel closes with the last of them.
    tokio::time::timeout(limit, async { while done.recv().await.is_some() {} }).await.is_ok()
}
