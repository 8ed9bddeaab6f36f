//! From a finished configuration to running workers, and to their end.
//!
//! The main thread's runtime owns what belongs to the process: signals, the admin listener, the store's connections.
//! Each worker is a thread with a runtime of its own; it builds its own parts, for they never leave it.

mod changes;
mod systemd;

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::admin::{self, AdminParts};
use crate::application::{Client, ClientSettings, Hooks, TlsError};
use crate::clock::Clock;
use crate::config::{self, ApplicationUrl, Config, HookTarget, StoreUrl};
use crate::deadline::{Deadlines, TICK};
use crate::exchange::{Exchange, Recorded, RequestIds};
use crate::forward::Forwarder;
use crate::limits::Limiter;
use crate::origin::Scheme;
use crate::pages::Pages;
use crate::peer::PeerAddress;
use crate::qr::{self, Qr};
use crate::secret::fill_random;
use crate::server::{
    Accepted, Certificates, ConnectionEvent, Dispatcher, Permits, Ready, ServerSettings, TlsFiles, Worker,
};
use crate::store::{RedisSettings, Store};
use crate::target::Reserved;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{Recorder, Telemetry};
use crate::token::TicketSecrets;
use changes::Changes;
use systemd::{Pulse, Pulses};

/// Tickets that the in-memory store holds, tombstones included; about 2 KiB each.
const MOST_TICKETS: usize = 1_000_000;

/// Where qrgate listens, once it does.
#[derive(Clone, Debug)]
pub struct Started {
    /// The public addresses.
    pub listening: Vec<String>,
    /// How a browser would begin an address of the first of them.
    pub scheme: Scheme,
    /// The admin listener.
    pub admin: Option<SocketAddr>,
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

/// Everything a reload replaces, for all workers at once.
struct Setup {
    config: Config,
    secrets: Arc<TicketSecrets>,
    pages: Arc<Pages>,
    opens: Arc<Limiter>,
    redeems: Arc<Limiter>,
    server: ServerSettings,
}

impl Setup {
    fn new(config: Config, kept: &Kept) -> Result<Setup, StartError> {
        let tls = &config.application.tls;
        for url in [Some(&config.application.url), own_url(&config.identify.target), own_url(&config.login.target)] {
            url.map_or(Ok(()), |url| Client::check(url, tls)).map_err(failed)?;
        }
        let secrets = match config.tickets.secrets.is_empty() {
            true => kept.secrets.clone(),
            false => Arc::new(TicketSecrets::new(config.tickets.secrets.clone()).map_err(failed)?),
        };
        Ok(Setup {
            pages: Arc::new(Pages::new(&config.pages).map_err(failed)?),
            opens: Arc::new(Limiter::new(config.limits.opens_per_client)),
            redeems: Arc::new(Limiter::new(config.limits.redeems_per_client)),
            server: server_settings(&config, kept.certificates.clone()),
            secrets,
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

/// How far the end has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    /// It has not.
    Serving,
    /// What is under way is finished.
    Draining,
    /// Time is up: what is still under way is cut off.
    Over,
}

/// What all workers share.
#[derive(Clone)]
struct Shared {
    setup: Arc<ArcSwap<Setup>>,
    store: Arc<Store>,
    telemetry: Telemetry,
    stage: watch::Receiver<Stage>,
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
/// [`StartError`] when something needed at the start cannot be had: an address, a certificate, a template.
pub fn serve(
    config: Config,
    source: Source<'_, impl Fn() -> Result<Config, String>>,
    started: impl FnOnce(&Started),
) -> Result<(), StartError> {
    // With huge pages, each of thousands of idle connections may hold on to 2 MiB of which it uses two or three KiB. A
    // kernel that does not know the request goes on as before.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async move {
        let mut changes = Changes::since_now(source.file.as_slice());
        let telemetry = Telemetry::new(&config.log, Clock::System);
        let store = Arc::new(open_store(&config.store, telemetry.metrics())?);
        let listeners = Ready::bind_all(&config.listen.addresses).map_err(failed)?;
        let admin = match config.listen.admin {
            Some(address) => Some(
                TcpListener::bind(address)
                    .await
                    .map_err(|error| failed(format!("cannot listen on {address} (listen.admin): {error}")))?,
            ),
            None => None,
        };
        let news = Started {
            listening: listeners.iter().map(Ready::name).collect(),
            scheme: if listeners.first().is_some_and(Ready::is_tls) { Scheme::Https } else { Scheme::Http },
            admin: admin.as_ref().and_then(|listener| listener.local_addr().ok()),
        };
        let (stage, staged) = watch::channel(Stage::Serving);
        let workers = config.listen.workers;
        let permits =
            Permits::shown(config.limits.connections, config.limits.connections_per_client, telemetry.metrics());
        let kept = Kept {
            secrets: Arc::new(TicketSecrets::random().map_err(failed)?),
            certificates: certificates(&config)?,
            permits,
        };
        let setup = Arc::new(ArcSwap::from_pointee(Setup::new(config, &kept)?));
        let shared = Shared { setup, store, telemetry, stage: staged };
        let (mut done, pulses) = start_workers(&shared, workers, listeners, &kept.permits)?;
        if let Some(listener) = admin {
            let shared = shared.clone();
            tokio::spawn(admin::serve(listener, move || Arc::new(admin_parts(&shared))));
        }
        tokio::spawn(warn_of_eviction(shared.clone()));
        tokio::spawn(tell_of_life(shared.clone(), pulses));
        // Whoever hears that it is ready may send a signal at once.
        let signals = Signals::heard_from_now()?;
        started(&news);
        systemd::ready();
        until_told(signals, &shared, &kept, &source, &mut changes).await;
        systemd::stopping();
        let _ = stage.send(Stage::Draining);
        if !until_ended(&mut done, shared.setup.load().config.limits.drain_timeout).await {
            let _ = stage.send(Stage::Over);
            until_ended(&mut done, LAST_LINES).await;
        }
        Ok(())
    })
}

/// What the admin listener reports on, as the setup is now.
fn admin_parts(shared: &Shared) -> AdminParts {
    let store = shared.store.clone();
    let ping = Box::new(move || {
        let store = store.clone();
        Box::pin(async move { store.ping().await.is_ok() }) as Pin<Box<dyn Future<Output = bool> + Send>>
    });
    let application = &shared.setup.load().config.application;
    AdminParts {
        telemetry: shared.telemetry.clone(),
        store: ping,
        application: application.url.clone(),
        connect_timeout: application.connect_timeout,
    }
}

/// Opens the store that the configuration names. Redis need not be there yet; its connections live on this runtime.
///
/// # Errors
///
/// [`StartError`] when the address or the TLS material of a Redis cannot be used.
pub fn open_store(settings: &config::Store, metrics: &Metrics) -> Result<Store, StartError> {
    let url = match &settings.url {
        StoreUrl::Memory => return Ok(Store::memory(Clock::System, MOST_TICKETS)),
        StoreUrl::Redis(url) | StoreUrl::Sentinel(url) | StoreUrl::Cluster(url) => url,
    };
    let url = std::str::from_utf8(url.expose()).map_err(|_| failed("store.url is not text"))?;
    Store::redis(RedisSettings {
        url,
        prefix: &settings.prefix,
        timeout: settings.timeout,
        tls: &settings.tls,
        runtime: &tokio::runtime::Handle::current(),
        metrics,
    })
    .map_err(|error| failed(format!("store.url: {error}")))
}

/// A Redis that makes room by forgetting forgets codes, used ones too: said once, when it is first reached.
async fn warn_of_eviction(shared: Shared) {
    while shared.store.ping().await.is_err() {
        tokio::time::sleep(STORE_LOOK).await;
    }
    // A user that may not ask for INFO can be right for all else.
    if let Ok(Some(about)) = shared.store.about().await
        && !matches!(about.eviction.as_str(), "" | "noeviction")
    {
        let fields: [(&str, &dyn fmt::Display); 1] = [("maxmemory-policy", &about.eviction)];
        shared.telemetry.warn("Redis may evict keys", &fields);
    }
}

/// A service manager's watchdog hears nothing while a worker stands still.
async fn tell_of_life(shared: Shared, pulses: Pulses) {
    let ending = || *shared.stage.borrow() >= Stage::Draining;
    let stands_still = || shared.telemetry.error("a worker stands still", &[]);
    systemd::watch(pulses, ending, stands_still).await;
}

/// How often a store that is away is looked for at the start.
const STORE_LOOK: Duration = Duration::from_secs(5);

fn certificates(config: &Config) -> Result<Option<Arc<Certificates>>, StartError> {
    tls_files(config).map(|files| Certificates::read(&files).map(Arc::new).map_err(failed)).transpose()
}

fn tls_files(config: &Config) -> Option<TlsFiles> {
    let tls = config.listen.tls.as_ref()?;
    Some(TlsFiles { certificate: tls.certificate.clone(), key: tls.key.clone() })
}

fn server_settings(config: &Config, certificates: Option<Arc<Certificates>>) -> ServerSettings {
    let trusted = config.trusted_proxies.clone();
    let believes =
        Arc::new(move |peer: PeerAddress| trusted.trusts(peer)) as Arc<dyn Fn(PeerAddress) -> bool + Send + Sync>;
    ServerSettings {
        header_size: config.limits.header_size,
        header_count: config.limits.header_count,
        header_timeout: config.limits.header_timeout,
        keep_alive: config.limits.keep_alive,
        idle_timeout: config.application.idle_timeout,
        proxy_protocol: config.listen.proxy_protocol.then_some(believes),
        certificates,
    }
}

/// Starts the threads. The receiver's channel ends with the last of them.
fn start_workers(
    shared: &Shared,
    count: usize,
    listeners: Vec<Ready>,
    permits: &Permits,
) -> Result<(mpsc::UnboundedReceiver<()>, Pulses), StartError> {
    let (inboxes, boxes): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded_channel::<Accepted>()).unzip();
    let dispatcher = Dispatcher::new(inboxes);
    let (ended, done) = mpsc::unbounded_channel();
    let mut listeners = Some(listeners);
    let mut pulses = Pulses::default();
    for (index, inbox) in boxes.into_iter().enumerate() {
        let (shared, ended, pulse) = (shared.clone(), ended.clone(), pulses.add());
        let accepts = listeners.take().map(|listeners| (listeners, dispatcher.clone(), permits.clone()));
        std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                let _ended = ended;
                if let Err(error) = run_worker(&shared, inbox, accepts, &pulse) {
                    shared.telemetry.error("a worker cannot run", &[("cause", &error)]);
                }
            })
            .map_err(failed)?;
    }
    Ok((done, pulses))
}

type Accepts = (Vec<Ready>, Dispatcher, Permits);

fn run_worker(
    shared: &Shared,
    mut inbox: mpsc::UnboundedReceiver<Accepted>,
    accepts: Option<Accepts>,
    pulse: &Pulse,
) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .map_err(failed)?;
    runtime.block_on(async move {
        let deadlines = Deadlines::start();
        let recorder = Rc::new(shared.telemetry.recorder());
        let present = Rc::new(Present::new(shared.clone(), deadlines.clone(), recorder.clone())?);
        let handler = Rc::new(move |request, peer, tunnel| {
            Box::pin(present.exchange().answer(request, peer, tunnel)) as Pin<Box<dyn Future<Output = _>>>
        });
        let telemetry = shared.telemetry.clone();
        let report = Rc::new(move |event: ConnectionEvent, peer: PeerAddress| {
            telemetry.debug("connection closed", &[("cause", &describe(event)), ("peer", &peer)]);
        });
        let mut setup = shared.setup.load_full();
        let worker: Rc<Worker<Recorded>> = Worker::new(setup.server.clone(), handler, deadlines, report);
        let mut accepting = Vec::new();
        if let Some((listeners, dispatcher, permits)) = accepts {
            for listener in listeners {
                let bound = listener.join().map_err(failed)?;
                accepting.push(tokio::task::spawn_local(dispatcher.clone().accept(
                    bound,
                    permits.clone(),
                    worker.clone(),
                )));
            }
        }
        let mut stage = shared.stage.clone();
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                Some(accepted) = inbox.recv() => worker.serve(accepted),
                _ = tick.tick() => {
                    pulse.beat();
                    recorder.flush();
                    if !Arc::ptr_eq(&setup, &shared.setup.load()) {
                        setup = shared.setup.load_full();
                        worker.configure(setup.server.clone());
                    }
                }
                _ = stage.wait_for(|stage| *stage >= Stage::Draining) => break,
            }
        }
        accepting.iter().for_each(tokio::task::JoinHandle::abort);
        worker.drain();
        while worker.open() > 0 && *stage.borrow_and_update() < Stage::Over {
            tick.tick().await;
            pulse.beat();
            recorder.flush();
        }
        // Whatever is cut off here ends with this thread's tasks, and the last of them writes the lines.
        Ok(())
    })
}

fn describe(event: ConnectionEvent) -> &'static str {
    match event {
        ConnectionEvent::Malformed => "malformed head",
        ConnectionEvent::TooSlow => "too slow",
        ConnectionEvent::Handshake => "TLS handshake failed",
        ConnectionEvent::Preamble => "no good PROXY preamble",
    }
}

/// A worker's parts, made anew when the setup has changed.
struct Present {
    shared: Shared,
    deadlines: Deadlines,
    recorder: Rc<Recorder>,
    made_of: RefCell<(Arc<Setup>, Rc<Exchange>)>,
}

impl Present {
    fn new(shared: Shared, deadlines: Deadlines, recorder: Rc<Recorder>) -> Result<Present, StartError> {
        let setup = shared.setup.load_full();
        let exchange = Rc::new(exchange_of(&shared, &setup, &deadlines, &recorder).map_err(failed)?);
        Ok(Present { shared, deadlines, recorder, made_of: RefCell::new((setup, exchange)) })
    }

    fn exchange(&self) -> Rc<Exchange> {
        let setup = self.shared.setup.load();
        let mut made_of = self.made_of.borrow_mut();
        if !Arc::ptr_eq(&setup, &made_of.0) {
            match exchange_of(&self.shared, &setup, &self.deadlines, &self.recorder) {
                Ok(exchange) => *made_of = (setup.clone(), Rc::new(exchange)),
                Err(error) => {
                    self.shared
                        .telemetry
                        .error("the new configuration is not in use on a worker", &[("cause", &error)]);
                    made_of.0 = setup.clone();
                }
            }
        }
        made_of.1.clone()
    }
}

fn exchange_of(
    shared: &Shared,
    setup: &Setup,
    deadlines: &Deadlines,
    recorder: &Rc<Recorder>,
) -> Result<Exchange, PartsError> {
    let config = &setup.config;
    let settings = ClientSettings::from(&config.application);
    let client = Rc::new(Client::new(&config.application.url, settings.clone(), deadlines.clone())?);
    let client_of = |target: &HookTarget| match target {
        HookTarget::Path(_) => Ok(client.clone()),
        HookTarget::Url(url, _) => Client::new(url, settings.clone(), deadlines.clone()).map(Rc::new),
    };
    let (identify, login) = (client_of(&config.identify.target)?, client_of(&config.login.target)?);
    let hooks = Hooks::new(config, identify, login, shared.telemetry.clone(), Clock::System);
    let parts = qr::Parts {
        store: shared.store.clone(),
        secrets: setup.secrets.clone(),
        pages: setup.pages.clone(),
        opens: setup.opens.clone(),
        redeems: setup.redeems.clone(),
        hooks,
        telemetry: shared.telemetry.clone(),
        clock: Clock::System,
    };
    let mut prefix = [0; 8];
    fill_random(&mut prefix).map_err(|_| PartsError("the operating system gives no random bytes".to_owned()))?;
    Ok(Exchange {
        trusted: config.trusted_proxies.clone(),
        public: config.public.clone(),
        header_count: config.limits.header_count,
        reserved: Reserved::new(&config.tickets.path, &hidden_paths(config)),
        https: config
            .public
            .url
            .as_ref()
            .filter(|_| config.listen.redirect_to_https)
            .map(|url| format!("{}{}", url.origin, url.sub_path)),
        forwarder: Forwarder::new(&config.application, client, deadlines.clone()),
        qr: Qr::new(config, parts),
        pages: setup.pages.clone(),
        recorder: recorder.clone(),
        ids: RequestIds::new(u64::from_be_bytes(prefix)),
    })
}

/// Both hooks' paths, where they are paths of the application; the identify hook's only while it is hidden.
fn hidden_paths(config: &Config) -> Vec<String> {
    let path_of = |target: &HookTarget| match target {
        HookTarget::Path(path) => Some(path.path().to_owned()),
        HookTarget::Url(..) => None,
    };
    let identify = path_of(&config.identify.target).filter(|_| config.identify.hidden && config.identify.jwt.is_none());
    identify.into_iter().chain(path_of(&config.login.target)).collect()
}

/// A worker's parts that could not be made.
struct PartsError(String);

impl fmt::Display for PartsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<TlsError> for PartsError {
    fn from(error: TlsError) -> PartsError {
        PartsError(error.to_string())
    }
}

/// The signals that mean something.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn heard_from_now() -> Result<Signals, StartError> {
        let hear = |kind| signal(kind).map_err(failed);
        Ok(Signals {
            hangup: hear(SignalKind::hangup())?,
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
        })
    }
}

/// Waits for the signal that ends it; reloads at SIGHUP, and when files have changed. A second signal ends the process at
/// once.
async fn until_told(
    mut signals: Signals,
    shared: &Shared,
    kept: &Kept,
    source: &Source<'_, impl Fn() -> Result<Config, String>>,
    changes: &mut Changes,
) {
    let mut look = tokio::time::interval(LOOK);
    let mut renewed = certificates_now(shared);
    let reload = |renewed: &mut Changes| {
        systemd::reloading();
        take_over(shared, kept, (source.read)());
        *renewed = certificates_now(shared);
        systemd::ready();
    };
    loop {
        tokio::select! {
            _ = signals.hangup.recv() => {
                // What is read now is not read once more for having changed.
                *changes = Changes::since_now(source.file.as_slice());
                reload(&mut renewed);
            }
            _ = look.tick() => match changes.look(source.file.as_slice()) {
                true => reload(&mut renewed),
                false => look_at_certificates(shared, kept, &mut renewed),
            },
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
        }
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = signals.terminate.recv() => {}
            _ = signals.interrupt.recv() => {}
        }
        std::process::exit(0);
    });
}

/// Uses a new configuration from the next request on, or keeps the old one and says so.
fn take_over(shared: &Shared, kept: &Kept, read: Result<Config, String>) {
    let refuse = |cause: &dyn fmt::Display| {
        shared.telemetry.error(&format!("reload failed; the old configuration stays in use\n{cause}"), &[]);
    };
    let config = match read {
        Ok(config) => config,
        Err(report) => return refuse(&report),
    };
    let old = shared.setup.load();
    let needs_restart = needs_restart(&old.config, &config);
    let files = tls_files(&config);
    let renewed = |setup| match (&kept.certificates, files) {
        (Some(certificates), Some(files)) => certificates.reload(&files).map(|()| setup).map_err(failed),
        _ => Ok(setup),
    };
    match Setup::new(config, kept).and_then(renewed) {
        Ok(setup) => {
            let limits = &setup.config.limits;
            kept.permits.limit(limits.connections, limits.connections_per_client);
            shared.telemetry.configure(&setup.config.log);
            for warning in &setup.config.warnings {
                shared.telemetry.warn(warning, &[]);
            }
            shared.setup.store(Arc::new(setup));
            shared.telemetry.forget_proxies();
            shared.telemetry.info("configuration reloaded", &[]);
            if !needs_restart.is_empty() {
                let keys = needs_restart.join(", ");
                shared.telemetry.warn("changed, but needs a restart", &[("keys", &keys)]);
            }
        }
        Err(error) => refuse(&error),
    }
}

/// The keys that a running process cannot change.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let changed = [
        ("listen.address", old.listen.addresses != new.listen.addresses),
        ("listen.admin", old.listen.admin != new.listen.admin),
        ("listen.workers", old.listen.workers != new.listen.workers),
        ("listen.tls", old.listen.tls.is_some() != new.listen.tls.is_some()),
        ("store", is_another_store(&old.store, &new.store)),
    ];
    changed.into_iter().filter_map(|(key, changed)| changed.then_some(key)).collect()
}

/// Codes live in the store that is open; another one begins with the next start.
fn is_another_store(old: &config::Store, new: &config::Store) -> bool {
    let url = |store: &config::Store| match &store.url {
        StoreUrl::Memory => None,
        StoreUrl::Redis(url) | StoreUrl::Sentinel(url) | StoreUrl::Cluster(url) => Some(url.expose().to_vec()),
    };
    url(old) != url(new) || old.prefix != new.prefix || old.timeout != new.timeout || old.tls != new.tls
}

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The certificate's files, as they are now.
fn certificates_now(shared: &Shared) -> Changes {
    let files = tls_files(&shared.setup.load().config);
    Changes::since_now(&paths_of(files.as_ref()))
}

fn paths_of(files: Option<&TlsFiles>) -> Vec<&Path> {
    files.map_or_else(Vec::new, |files| vec![files.certificate.as_path(), files.key.as_path()])
}

/// A renewed certificate is used once both its files have come to rest; until they fit, the present one stays.
fn look_at_certificates(shared: &Shared, kept: &Kept, renewed: &mut Changes) {
    let files = tls_files(&shared.setup.load().config);
    if !renewed.look(&paths_of(files.as_ref())) {
        return;
    }
    if let (Some(certificates), Some(files)) = (&kept.certificates, files) {
        match certificates.reload(&files) {
            Ok(()) => shared.telemetry.info("certificate reloaded", &[]),
            Err(error) => shared.telemetry.warn("the old certificate stays in use", &[("cause", &error)]),
        }
    }
}

/// How long workers may take to write the lines of what was cut off.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Waits until every worker has ended, at most `limit`; false: some have not.
async fn until_ended(done: &mut mpsc::UnboundedReceiver<()>, limit: Duration) -> bool {
    // Each worker holds a sender; the channel ends with the last of them.
    tokio::time::timeout(limit, done.recv()).await.is_ok()
}
