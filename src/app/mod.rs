//! From a finished configuration to running workers, and to their end.
//!
//! The main thread's runtime owns what belongs to the process: signals, the admin listener, the hearing of the store's
//! changes. Each worker is a thread with a runtime of its own; it builds its own parts, for they never leave it.

mod changes;
mod descriptors;
mod reload;
mod room;
mod signals;
mod systemd;
mod workers;

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::admin::{self, AdminParts};
use crate::application::Client;
use crate::clock::Clock;
use crate::config::{self, ApplicationUrl, Config, HookTarget, StoreUrl};
use crate::limits::Limiter;
use crate::origin::Scheme;
use crate::pages::{Pages, TemplateErrors};
use crate::qr::Tries;
use crate::server::{Permits, Ready, ServerSettings};
use crate::stage::{Stage, Stages, stages};
use crate::store::{RedisSettings, Store};
use crate::telemetry::Telemetry;
use crate::telemetry::metrics::Metrics;
use crate::tls::Certificates;
use crate::token::TicketSecrets;
use changes::{Changes, Look};
use reload::{LOOK, certificates_now, look_at_certificates, report_refusal, take_over};
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

/// Why qrgate does not start. The text says where, and what to do.
#[derive(Debug)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

fn failed(error: impl fmt::Display) -> StartError {
    StartError(error.to_string())
}

/// What is read at the start and with each reload.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The pages that it asks for.
    pub pages: Pages,
}

impl Loaded {
    /// Makes the pages; what is to be said of them joins the configuration's warnings.
    ///
    /// # Errors
    ///
    /// [`TemplateErrors`] when files of the operator's cannot be used.
    pub fn new(mut config: Config) -> Result<Loaded, TemplateErrors> {
        let pages = Pages::new(&config.pages)?;
        config.warnings.extend_from_slice(pages.warnings());
        Ok(Loaded { config, pages })
    }
}

/// Everything a reload replaces, for all workers at once.
struct Setup {
    config: Config,
    store: Arc<Store>,
    secrets: Arc<TicketSecrets>,
    pages: Arc<Pages>,
    opens: Arc<Limiter>,
    redeems: Arc<Limiter>,
    tries: Arc<Tries>,
    server: ServerSettings,
}

impl Setup {
    fn new(Loaded { config, pages }: Loaded, store: Arc<Store>, kept: &Kept) -> Result<Setup, StartError> {
        let tls = &config.application.tls;
        for url in [Some(&config.application.url), own_url(&config.identify.target), own_url(&config.login.target)] {
            url.map_or(Ok(()), |url| Client::check(url, tls)).map_err(failed)?;
        }
        let secrets = match config.tickets.secrets.is_empty() {
            true => kept.secrets.clone(),
            false => Arc::new(TicketSecrets::new(config.tickets.secrets.clone()).map_err(failed)?),
        };
        Ok(Setup {
            pages: Arc::new(pages),
            opens: Arc::new(Limiter::new(config.limits.opens_per_client)),
            redeems: Arc::new(Limiter::new(config.limits.redeems_per_client)),
            tries: Arc::new(Tries::new(config.limits.codes_typed_per_client)),
            server: server_settings(&config, kept.certificates.clone()),
            secrets,
            store,
            config,
        })
    }
}

/// What outlives reloads.
struct Kept {
    /// The secret of an in-memory store.
    secrets: Arc<TicketSecrets>,
    certificates: Option<Arc<Certificates>>,
    permits: Permits,
}

/// A hook's own address.
fn own_url(target: &HookTarget) -> Option<&ApplicationUrl> {
    match target {
        HookTarget::Path(_) => None,
        HookTarget::Url(url, _) => Some(url),
    }
}

/// What all workers share.
#[derive(Clone)]
struct Shared {
    setup: Arc<ArcSwap<Setup>>,
    telemetry: Telemetry,
    stages: Stages,
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
    let permits = Permits::shown(config.limits.connections, config.limits.connections_per_client, telemetry.metrics());
    let kept = Kept {
        secrets: Arc::new(TicketSecrets::random().map_err(failed)?),
        certificates: certificates(config)?,
        permits,
    };
    let setup = Arc::new(ArcSwap::from_pointee(Setup::new(loaded, store, &kept)?));
    let shared = Shared { setup, telemetry, stages };
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
fn admin_parts(shared: &Shared) -> AdminParts {
    let setup = shared.setup.load();
    let application = &setup.config.application;
    AdminParts {
        telemetry: shared.telemetry.clone(),
        store: setup.store.clone(),
        application: application.url.clone(),
        connect_timeout: application.connect_timeout,
    }
}

/// Opens the store that the configuration names. Redis need not be there yet; its changes are heard on this runtime.
/// `before` is the store whose place it takes, where that one leads to the same tickets.
///
/// # Errors
///
/// [`StartError`] when the address or the TLS material of a Redis cannot be used.
pub fn open_store(settings: &config::Store, metrics: &Metrics, before: Option<&Store>) -> Result<Store, StartError> {
    let address = match &settings.url {
        StoreUrl::Memory => return Ok(Store::memory(Clock::System, room::for_tickets())),
        StoreUrl::Redis(address) => address,
    };
    let settings = RedisSettings {
        address,
        prefix: &settings.prefix,
        timeout: settings.timeout,
        tls: &settings.tls,
        runtime: &tokio::runtime::Handle::current(),
        metrics,
    };
    Store::redis(settings, before).map_err(|error| failed(format!("store.tls: {error}")))
}

/// Says once that the store cannot be used, and when it is first reached whether it makes room by forgetting: such a
/// Redis forgets codes, used ones too.
async fn warn_of_eviction(shared: Shared, store: Arc<Store>) {
    let mut is_known = false;
    while let Err(error) = store.ping().await {
        if !std::mem::replace(&mut is_known, true) {
            shared.telemetry.warn("the store cannot be used (yet)", &[("cause", &error)]);
        }
        tokio::time::sleep(STORE_LOOK).await;
    }
    // A user that may not ask for INFO can be right for all else.
    if let Ok(Some(about)) = store.about().await
        && !matches!(about.eviction.as_str(), "" | "noeviction")
    {
        let fields: [(&str, &dyn fmt::Display); 1] = [("maxmemory-policy", &about.eviction)];
        shared.telemetry.warn("Redis may evict keys", &fields);
    }
}

/// A service manager's watchdog hears nothing while a worker stands still.
async fn tell_of_life(shared: Shared, pulses: Pulses) {
    let ending = || shared.stages.now() >= Stage::Draining;
    let stands_still = || shared.telemetry.error("a worker stands still", &[]);
    systemd::watch(pulses, ending, stands_still).await;
}

/// How often a store that is away is looked for at the start.
const STORE_LOOK: Duration = Duration::from_secs(5);

fn certificates(config: &Config) -> Result<Option<Arc<Certificates>>, StartError> {
    config.listen.tls.as_ref().map(|files| Certificates::read(files).map(Arc::new).map_err(failed)).transpose()
}

fn server_settings(config: &Config, certificates: Option<Arc<Certificates>>) -> ServerSettings {
    ServerSettings {
        header_size: config.limits.header_size,
        header_count: config.limits.header_count,
        header_timeout: config.limits.header_timeout,
        keep_alive: config.limits.keep_alive,
        idle_timeout: config.application.idle_timeout,
        proxy_protocol: config.listen.proxy_protocol.then(|| config.public.trusted_proxies.clone()),
        certificates,
    }
}

/// Waits for the signal that ends it; reloads at SIGHUP, and when files have changed. A second signal ends the process at
/// once.
async fn until_told(
    mut signals: Signals,
    shared: &Shared,
    kept: &Kept,
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
