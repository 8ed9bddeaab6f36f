//! The worker threads. Each builds its own parts from the setup, and again when the setup has changed.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::header::HeaderValue;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_local};

use super::setup::{ProcessState, Setup, StartError, failed, local_runtime};
use super::systemd::{Pulse, Pulses};
use crate::application::{Client, ClientSettings, Hooks};
use crate::clock::Clock;
use crate::config::{Acme, Config};
use crate::deadline::{Deadlines, TICK};
use crate::exchange::{Exchange, RequestIds};
use crate::fields::FieldRules;
use crate::forward::Forwarder;
use crate::peer::PeerAddress;
use crate::qr::{Qr, Settings};
use crate::reply::Responder;
use crate::server::{Accepted, ConnectionEvent, Dispatcher, Handler, Permits, Ready, Refusal, Worker};
use crate::stage::Stage;
use crate::store::Store;
use crate::target::Reserved;
use crate::telemetry::{Recorder, Telemetry, Topic};

/// Starts the threads, and accepts connections when every worker is complete: earlier clients must not take the
/// descriptors that workers need. The receiver gets a message for each thread that ends, and closes with the last of
/// them.
pub async fn start(
    shared: &ProcessState,
    count: usize,
    listeners: Vec<Ready>,
    permits: &Permits,
) -> Result<(mpsc::UnboundedReceiver<()>, Pulses), StartError> {
    let (senders, inboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded_channel::<Accepted>()).unzip();
    let dispatcher = Dispatcher::new(senders);
    let (ended, done) = mpsc::unbounded_channel();
    let (built, mut all_built) = mpsc::unbounded_channel();
    let (start_accepting, may_accept) = oneshot::channel();
    let mut accepts = Some(Accepts { listeners, dispatcher, permits: permits.clone(), may_accept });
    let mut pulses = Pulses::default();
    for (index, inbox) in inboxes.into_iter().enumerate() {
        let (shared, ended, built, pulse) = (shared.clone(), Ended(ended.clone()), built.clone(), pulses.add());
        let accepts = accepts.take();
        std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                let _ended = ended;
                if let Err(error) = run_worker(&shared, inbox, accepts, &pulse, built.clone()) {
                    let _ = built.send(Err(error));
                }
            })
            .map_err(failed)?;
    }
    drop(built);
    for _ in 0..count {
        let built = all_built.recv().await.unwrap_or_else(|| Err(failed("a worker ended at its start")));
        built.map_err(|error| failed(format!("a worker cannot run: {error}")))?;
    }
    let _ = start_accepting.send(());
    Ok((done, pulses))
}

/// Reports the end of a worker's thread, even by a panic.
struct Ended(mpsc::UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// The additional parts of the worker that accepts.
struct Accepts {
    listeners: Vec<Ready>,
    dispatcher: Dispatcher,
    permits: Permits,
    /// Resolves when every worker is complete.
    may_accept: oneshot::Receiver<()>,
}

/// Reports that a worker is complete, or why it cannot run.
type Built = mpsc::UnboundedSender<Result<(), StartError>>;

fn run_worker(
    shared: &ProcessState,
    mut inbox: mpsc::UnboundedReceiver<Accepted>,
    accepts: Option<Accepts>,
    pulse: &Pulse,
    built: Built,
) -> Result<(), StartError> {
    local_runtime().map_err(failed)?.block_on(async move {
        let deadlines = Deadlines::start();
        let recorder = Rc::new(Recorder::new(shared.telemetry.clone()));
        let current = Rc::new(CurrentExchange::new(shared.clone(), deadlines.clone(), recorder.clone())?);
        let handler = move |request, peer, tunnel| current.exchange().respond(request, peer, tunnel);
        let reporter = recorder.clone();
        let report = Rc::new(move |event, peer| report(&reporter, event, peer));
        let mut setup = shared.setup.load_full();
        let worker = Worker::new(setup.server.clone(), handler, Clock::System, deadlines, report);
        let accepting = accept(accepts, &worker, built).await?;
        let mut stages = shared.stages.clone();
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                Some(accepted) = inbox.recv() => drop(worker.serve(accepted)),
                _ = tick.tick() => {
                    pulse.beat();
                    recorder.flush();
                    if !Arc::ptr_eq(&setup, &shared.setup.load()) {
                        setup = shared.setup.load_full();
                        worker.configure(setup.server.clone());
                    }
                }
                () = stages.draining() => break,
            }
        }
        accepting.iter().for_each(JoinHandle::abort);
        // A connection that was accepted but not served yet may carry a request.
        while let Ok(accepted) = inbox.try_recv() {
            drop(worker.serve(accepted));
        }
        worker.drain();
        while worker.open() > 0 && stages.now() < Stage::Over {
            tick.tick().await;
            pulse.beat();
            recorder.flush();
        }
        // Interrupted requests end with this thread's tasks, which write their access lines.
        Ok(())
    })
}

/// Reports that this worker is complete. The one that accepts starts when all are.
async fn accept<H: Handler>(
    accepts: Option<Accepts>,
    worker: &Rc<Worker<H>>,
    built: Built,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let Some(Accepts { listeners, dispatcher, permits, may_accept }) = accepts else {
        let _ = built.send(Ok(()));
        return Ok(Vec::new());
    };
    let bound = listeners.into_iter().map(Ready::join).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let _ = built.send(Ok(()));
    drop(built);
    if may_accept.await.is_err() {
        return Ok(Vec::new());
    }
    let accepting = |bound| spawn_local(dispatcher.clone().accept(bound, permits.clone(), worker.clone()));
    Ok(bound.into_iter().map(accepting).collect())
}

/// Logs and counts the end of a connection that no handler sees.
fn report(recorder: &Recorder, event: ConnectionEvent, peer: PeerAddress) {
    let cause = match event {
        ConnectionEvent::Refused(refusal) => return report_refusal(recorder.telemetry(), refusal),
        ConnectionEvent::Malformed(status) => {
            recorder.record_malformed(status.as_u16(), peer);
            "malformed head"
        }
        ConnectionEvent::TooSlow => "too slow",
        ConnectionEvent::Handshake => "TLS handshake failed",
        ConnectionEvent::Preamble => "no good PROXY preamble",
    };
    recorder.telemetry().debug("connection closed", &[("cause", &cause), ("peer", &peer)]);
}

/// Counts a refused connection, and warns once a minute for each reason.
fn report_refusal(telemetry: &Telemetry, refusal: Refusal) {
    let (label, cause) = match refusal {
        Refusal::Connections => ("connections", "limits.connections is reached"),
        Refusal::Client => ("client", "a client has limits.connections_per_client"),
        Refusal::Descriptors => ("descriptors", "out of file descriptors (RLIMIT_NOFILE)"),
    };
    telemetry.metrics().connection_refused(label);
    telemetry.warn_once(Topic::RefusedConnections, label, "connections are refused", &[("cause", &cause)]);
}

/// A worker's parts, rebuilt when the setup has changed.
struct CurrentExchange {
    shared: ProcessState,
    deadlines: Deadlines,
    recorder: Rc<Recorder>,
    parts: RefCell<Parts>,
}

/// The parts, and the setup that they were built from.
struct Parts {
    setup: Arc<Setup>,
    store: WorkerStore,
    exchange: Rc<Exchange>,
}

/// The configured store, and this worker's own connections to it.
#[derive(Clone)]
struct WorkerStore {
    configured: Arc<Store>,
    local: Arc<Store>,
}

impl WorkerStore {
    fn new(configured: &Arc<Store>) -> Result<WorkerStore, StartError> {
        let local = configured.on(&Handle::current()).map_err(failed)?;
        Ok(WorkerStore { configured: configured.clone(), local })
    }
}

impl CurrentExchange {
    fn new(shared: ProcessState, deadlines: Deadlines, recorder: Rc<Recorder>) -> Result<CurrentExchange, StartError> {
        let setup = shared.setup.load_full();
        let store = WorkerStore::new(&setup.store)?;
        let exchange = exchange_of(&shared, &setup, &store, &deadlines, &recorder)?;
        let parts = RefCell::new(Parts { setup, store, exchange: Rc::new(exchange) });
        Ok(CurrentExchange { shared, deadlines, recorder, parts })
    }

    fn exchange(&self) -> Rc<Exchange> {
        let setup = self.shared.setup.load();
        let mut parts = self.parts.borrow_mut();
        if !Arc::ptr_eq(&setup, &parts.setup) {
            match self.rebuild(&setup, &parts.store) {
                Ok((store, exchange)) => (parts.store, parts.exchange) = (store, Rc::new(exchange)),
                Err(error) => {
                    self.shared
                        .telemetry
                        .error("the new configuration is not in use on a worker", &[("cause", &error)]);
                }
            }
            parts.setup = setup.clone();
        }
        parts.exchange.clone()
    }

    fn rebuild(&self, setup: &Setup, old: &WorkerStore) -> Result<(WorkerStore, Exchange), StartError> {
        let store =
            if Arc::ptr_eq(&setup.store, &old.configured) { old.clone() } else { WorkerStore::new(&setup.store)? };
        let exchange = exchange_of(&self.shared, setup, &store, &self.deadlines, &self.recorder)?;
        Ok((store, exchange))
    }
}

fn exchange_of(
    shared: &ProcessState,
    setup: &Setup,
    store: &WorkerStore,
    deadlines: &Deadlines,
    recorder: &Rc<Recorder>,
) -> Result<Exchange, StartError> {
    let config = &setup.config;
    let settings = ClientSettings::from(&config.application);
    let client = Rc::new(Client::new(&config.application.url, settings, deadlines.clone()).map_err(failed)?);
    let hooks = Hooks::new(config, &client, shared.telemetry.clone(), Clock::System).map_err(failed)?;
    let rules = FieldRules {
        underscores: config.application.underscores_in_headers,
        proxy_headers: config.public.proxy_headers.clone(),
    };
    let settings = Settings::new(config);
    let responder = Responder {
        pages: setup.pages.clone(),
        ticket_path: settings.ticket_path.clone(),
        home: format!("{}/", settings.sub_path),
        telemetry: shared.telemetry.clone(),
    };
    let qr = Rc::new(Qr {
        settings,
        store: store.local.clone(),
        secrets: setup.secrets.clone(),
        opens: setup.opens.clone(),
        redeems: setup.redeems.clone(),
        tries: setup.tries.clone(),
        hooks,
        telemetry: shared.telemetry.clone(),
        stages: shared.stages.clone(),
        clock: Clock::System,
    });
    Ok(Exchange {
        trusted: config.public.trusted_proxies.clone(),
        public: config.public.origins.clone(),
        default_host: default_host(config),
        application: config.application.url.clone(),
        store: config.store.url.clone(),
        header_count: config.limits.header_count,
        reserved: Reserved::new(&config.tickets.path, &config.hidden_paths(), config.public.origins.sub_path()),
        https: config.public.origins.url.as_ref().filter(|_| config.listen.redirect_to_https).map(ToString::to_string),
        challenges: config.listen.acme.as_ref().map(Acme::challenges),
        forwarder: Forwarder::new(&config.application, rules, client, deadlines.clone()),
        qr,
        responder,
        recorder: recorder.clone(),
        ids: RequestIds::random().map_err(failed)?,
    })
}

/// The public host, else the application's.
fn default_host(config: &Config) -> HeaderValue {
    let public = &config.public.origins;
    let host = public.url.as_ref().map(|url| url.origin.authority());
    let host = host.or_else(|| public.hosts.first().map(ToString::to_string));
    let host = host.unwrap_or_else(|| config.application.url.authority().to_owned());
    HeaderValue::from_str(&host).unwrap_or(HeaderValue::from_static("localhost"))
}
