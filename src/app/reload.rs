//! Reloads of the configuration and of renewed certificates.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::changes::{Changes, Look};
use super::descriptors;
use super::setup::{
    Loaded, ProcessParts, ProcessState, Setup, StartError, failed, note_expiry, open_store, warn_of_eviction,
};
use crate::config::{self, Config, StoreUrl};
use crate::tls::{CertificateFiles, Certificates, ClientTls, TlsFileError};

/// Uses the new configuration from the next request on. On error the old one stays in use.
///
/// # Errors
///
/// [`StartError`] if the new one cannot be read or used.
pub fn take_over(shared: &ProcessState, kept: &ProcessParts, read: Result<Loaded, String>) -> Result<(), StartError> {
    let loaded = read.map_err(failed)?;
    let old = shared.setup.load();
    let config = &loaded.config;
    let store = match is_same_store(&old.config.store, &config.store) {
        true => old.store.clone(),
        // Tickets that have ended stay ended: the new address may lead to the same Redis.
        false => Arc::new(open_store(&config.store, shared.telemetry.metrics(), Some(&old.store))?),
    };
    let setup = Setup::new(loaded, store, kept)?;
    let listen = &setup.config.listen;
    if let (Some(certificates), Some(files)) = (&kept.certificates, listen.certificate_files()) {
        match (certificates.reload(&files), &listen.acme) {
            // `acme` orders a certificate that is not there yet.
            (_, Some(acme)) => certificates.look_in(acme.challenges()),
            (result, None) => result.map_err(failed)?,
        }
        note_expiry(certificates, &shared.telemetry);
    }
    use_setup(shared, kept, &old, setup);
    kept.reloaded.notify_one();
    Ok(())
}

fn use_setup(shared: &ProcessState, kept: &ProcessParts, old: &Setup, setup: Setup) {
    let needs_restart = needs_restart(&old.config, &setup.config).join(", ");
    let limits = &setup.config.limits;
    kept.permits.limit(limits.connections, limits.connections_per_client);
    descriptors::share_out(&kept.permits, limits.connections, &shared.telemetry);
    shared.telemetry.configure(&setup.config.log);
    for warning in &setup.config.warnings {
        shared.telemetry.warn(&warning.to_string(), &[]);
    }
    if !has_same_codes(&old.config.store, &setup.config.store) {
        shared.telemetry.warn("another store is in use: the codes there were are not in it", &[]);
        tokio::spawn(warn_of_eviction(shared.clone(), setup.store.clone()));
    }
    shared.setup.store(Arc::new(setup));
    shared.telemetry.forget_proxies();
    shared.telemetry.info("configuration reloaded", &[]);
    if !needs_restart.is_empty() {
        shared.telemetry.warn("changed, but needs a restart", &[("keys", &needs_restart)]);
    }
}

/// The keys that a running process cannot change.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let changed = [
        ("listen.address", old.listen.addresses != new.listen.addresses),
        ("listen.admin", old.listen.admin != new.listen.admin),
        ("listen.workers", old.listen.workers != new.listen.workers),
        ("listen.tls", old.listen.tls.is_some() != new.listen.tls.is_some()),
        ("listen.acme", old.listen.acme.is_some() != new.listen.acme.is_some()),
    ];
    changed.into_iter().filter_map(|(key, changed)| changed.then_some(key)).collect()
}

/// Whether the open store can be kept. A store with TLS files is always opened again, since their content may have
/// changed.
fn is_same_store(old: &config::Store, new: &config::Store) -> bool {
    let is_memory = matches!(new.url, StoreUrl::Memory);
    let is_reached_alike = old.timeout == new.timeout && old.tls == new.tls && new.tls == ClientTls::default();
    has_same_codes(old, new) && (is_memory || (is_reached_alike && old.url == new.url))
}

/// Whether both hold the same codes; a different password does not matter.
fn has_same_codes(old: &config::Store, new: &config::Store) -> bool {
    match (&old.url, &new.url) {
        (StoreUrl::Memory, StoreUrl::Memory) => true,
        (StoreUrl::Redis(one), StoreUrl::Redis(other)) => one.has_same_keys(other) && old.prefix == new.prefix,
        _ => false,
    }
}

/// The polling interval for files.
pub const LOOK: Duration = Duration::from_secs(1);

/// Watches the certificate's files from now on. They are read once more, because they may have been replaced after they
/// were read and before they are watched.
pub fn watch_certificates(shared: &ProcessState, kept: &ProcessParts) -> Changes {
    let files = shared.setup.load().config.listen.certificate_files();
    let mut changes = Changes::since_now(&paths_of(files.as_ref()));
    if let (Some(certificates), Some(files)) = (&kept.certificates, files) {
        match certificates.reload(&files) {
            Ok(()) => note_expiry(certificates, &shared.telemetry),
            // `acme` orders it.
            Err(error) if error.is_missing() => {}
            Err(error) => report_unusable(shared, certificates, &error, &mut changes),
        }
    }
    changes
}

fn paths_of(files: Option<&CertificateFiles>) -> Vec<&Path> {
    files.map_or_else(Vec::new, |files| vec![files.certificate.as_path(), files.key.as_path()])
}

/// Uses a renewed certificate when both its files have stopped changing. Until they match, the current one stays in
/// use.
pub fn look_at_certificates(shared: &ProcessState, kept: &ProcessParts, renewed: &mut Changes) {
    let setup = shared.setup.load();
    let files = setup.config.listen.certificate_files();
    if renewed.look(&paths_of(files.as_ref())) == Look::Nothing {
        return;
    }
    if let (Some(certificates), Some(files)) = (&kept.certificates, files) {
        match certificates.reload(&files) {
            Ok(()) => {
                renewed.succeeded();
                note_expiry(certificates, &shared.telemetry);
                shared.telemetry.info("certificate reloaded", &[]);
            }
            Err(error) => report_unusable(shared, certificates, &error, renewed),
        }
    }
}

/// Logs each cause once, and has the files tried again.
fn report_unusable(shared: &ProcessState, certificates: &Certificates, error: &TlsFileError, changes: &mut Changes) {
    if changes.failed(error.to_string()) {
        let message = match certificates.is_present() {
            true => "the old certificate stays in use",
            false => "the certificate cannot be used",
        };
        shared.telemetry.warn(message, &[("cause", error)]);
    }
}
