//! What workers are built from: the configuration, and what it opens. A reload replaces it as a whole.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::runtime::{LocalOptions, LocalRuntime};
use tokio::sync::Notify;

use super::capacity;
use crate::application::Client;
use crate::clock::Clock;
use crate::config::{self, Config, HookTarget, StoreUrl};
use crate::limits::Limiter;
use crate::pages::{Pages, TemplateErrors};
use crate::qr::Tries;
use crate::server::{Permits, ServerSettings};
use crate::stage::Stages;
use crate::store::{RedisSettings, Store};
use crate::telemetry::Telemetry;
use crate::telemetry::metrics::Metrics;
use crate::tls::Certificates;
use crate::token::TicketSecrets;

/// Why qrgate does not start. `Display` says where, and what to do.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct StartError(String);

pub(super) fn failed(error: impl fmt::Display) -> StartError {
    StartError(error.to_string())
}

/// A runtime for one thread, whose tasks need not be `Send`.
pub fn local_runtime() -> io::Result<LocalRuntime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// What is read at the start and with each reload.
pub struct Loaded {
    pub config: Config,
    /// The pages that it asks for.
    pub pages: Pages,
}

impl Loaded {
    /// Loads the pages and adds their warnings to those of the configuration.
    pub fn new(mut config: Config) -> Result<Loaded, TemplateErrors> {
        let pages = Pages::new(&config.pages)?;
        config.warnings.extend_from_slice(pages.warnings());
        Ok(Loaded { config, pages })
    }
}

/// Everything a reload replaces, for all workers at once.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) store: Arc<Store>,
    pub(super) secrets: Arc<TicketSecrets>,
    pub(super) pages: Arc<Pages>,
    pub(super) opens: Arc<Limiter>,
    pub(super) redeems: Arc<Limiter>,
    pub(super) tries: Arc<Tries>,
    pub(super) server: ServerSettings,
}

impl Setup {
    pub(super) fn new(
        Loaded { config, pages }: Loaded,
        store: Arc<Store>,
        kept: &ProcessParts,
    ) -> Result<Setup, StartError> {
        let tls = &config.application.tls;
        let hooks = [&config.identify.target, &config.login.target].into_iter().chain(&config.login.revoke);
        let receiver = config.events.as_ref().map(|events| (&events.url, &events.tls));
        let own_urls = hooks.filter_map(|hook| match hook {
            HookTarget::Path(_) => None,
            HookTarget::Url(url, _) => Some(url),
        });
        for (url, tls) in own_urls.chain([&config.application.url]).map(|url| (url, tls)).chain(receiver) {
            Client::check(url, tls).map_err(failed)?;
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

/// The parts that a reload keeps.
pub(super) struct ProcessParts {
    /// The secret of an in-memory store.
    pub(super) secrets: Arc<TicketSecrets>,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) permits: Permits,
    /// Notified of each reload.
    pub(super) reloaded: Rc<Notify>,
}

/// What all workers share.
#[derive(Clone)]
pub(super) struct ProcessState {
    pub(super) setup: Arc<ArcSwap<Setup>>,
    pub(super) telemetry: Telemetry,
    pub(super) stages: Stages,
}

/// Opens the configured store. Redis need not be reachable yet; its changes are received on this runtime. `before` is
/// the store that it replaces, if that one holds the same tickets.
///
/// # Errors
///
/// [`StartError`] if the TLS files cannot be used.
pub fn open_store(settings: &config::Store, metrics: &Metrics, before: Option<&Store>) -> Result<Store, StartError> {
    let address = match &settings.url {
        StoreUrl::Memory => return Ok(Store::memory(Clock::System, capacity::for_tickets())),
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

/// Warns once if the store cannot be reached, and, when it first is, if it evicts keys when its memory is full: such a
/// Redis would lose codes, used ones too.
pub(super) async fn warn_of_eviction(shared: ProcessState, store: Arc<Store>) {
    let mut is_known = false;
    while let Err(error) = store.ping().await {
        if !std::mem::replace(&mut is_known, true) {
            let url = &shared.setup.load().config.store.url;
            shared.telemetry.warn("the store cannot be used (yet)", &[("store", url), ("cause", &error)]);
        }
        tokio::time::sleep(STORE_LOOK).await;
    }
    // A Redis user without permission for INFO may be sufficient for everything else.
    if let Ok(Some(about)) = store.about().await
        && !matches!(about.eviction.as_str(), "" | "noeviction")
    {
        let fields: [(&str, &dyn fmt::Display); 1] = [("maxmemory-policy", &about.eviction)];
        shared.telemetry.warn("Redis may evict keys", &fields);
    }
}

/// The interval of attempts to reach the store after the start.
const STORE_LOOK: Duration = Duration::from_secs(5);

/// The certificate for clients. With `[listen.acme]` it may not be there yet.
pub(super) fn certificates(config: &Config, telemetry: &Telemetry) -> Result<Option<Arc<Certificates>>, StartError> {
    let certificates = match (&config.listen.tls, &config.listen.acme) {
        (Some(files), _) => Certificates::read(files).map_err(failed)?,
        (None, Some(acme)) => {
            let certificates = Certificates::awaited(acme.challenges()).map_err(failed)?;
            // `acme` orders one that is missing or damaged.
            let _ = certificates.reload(&acme.certificate_files());
            certificates
        }
        (None, None) => return Ok(None),
    };
    note_expiry(&certificates, telemetry);
    Ok(Some(Arc::new(certificates)))
}

/// Sets `qrgate_certificate_expiry_seconds`.
pub(super) fn note_expiry(certificates: &Certificates, telemetry: &Telemetry) {
    if let Some(expiry) = certificates.expiry() {
        telemetry.metrics().certificate_expiry(expiry);
    }
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
