//! Certificates by ACME (RFC 8555): one is ordered when there is none, and renewed in time. This module only writes the
//! certificate to a file, which every process polls and uses.

mod account;
mod folder;
mod order;
mod schedule;
mod suggestion;
mod transport;
mod trouble;

use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::clock::{Clock, Timestamp};
use crate::config::{Acme, Level};
use crate::secret::random_fraction;
use crate::telemetry::Telemetry;
use crate::tls::{self, Facts};

use account::Accounts;
use folder::{Folder, LockedFolder, Pause};
pub use order::Challenge;
use order::{Wanted, order};
use suggestion::{Suggestion, identifier};
use transport::Transport;
use trouble::Trouble;

/// The longest wait before the clock and the files are checked again: the clock may be set, or another process may have
/// ordered.
const LOOK: Duration = Duration::from_secs(60);
/// How often a process checks whether another one has finished its order.
const LOOK_FOR_OTHERS: Duration = Duration::from_secs(5);

/// The certificate to keep valid.
pub struct Job {
    pub acme: Acme,
    /// How this process can be validated. The next one is used after each failure. Nothing is ordered without any.
    pub challenges: Vec<Challenge>,
}

/// Keeps a certificate valid, on the current local runtime. Never returns. `job` is called before each check, and
/// `reloaded` ends the pause after a failure.
pub async fn keep(job: impl Fn() -> Option<Job>, telemetry: Telemetry, clock: Clock, reloaded: &Notify) {
    let mut keeper = Keeper { telemetry, clock, turn: 0, suggestion: None, waits_for_other: false, waits: false };
    let mut now = false;
    loop {
        let pause = match job() {
            Some(job) if !job.challenges.is_empty() => keeper.order_if_due(&job, now).await.unwrap_or_else(|trouble| {
                keeper.report(&job.acme, &trouble, LOOK);
                LOOK
            }),
            _ => LOOK,
        };
        now = tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = reloaded.notified() => true,
        };
    }
}

struct Keeper {
    telemetry: Telemetry,
    clock: Clock,
    /// Counts the failures, to select the challenge.
    turn: usize,
    suggestion: Option<Suggestion>,
    /// Whether the order of another process was logged.
    waits_for_other: bool,
    /// Whether the pause was logged.
    waits: bool,
}

impl Keeper {
    /// Orders if it is time, and returns how long to wait. `now`: even during the pause after a failure. Fails if the
    /// folder cannot be used, so that not even a pause can be stored.
    async fn order_if_due(&mut self, job: &Job, now: bool) -> Result<Duration, Trouble> {
        let folder = Folder::open(&job.acme)?;
        if let Some(wait) = self.until_renewal(&job.acme) {
            self.ask(&job.acme, &folder).await;
            return Ok(self.until_renewal(&job.acme).unwrap_or_default().min(wait));
        }
        let Some(locked) = folder.lock()? else {
            if !std::mem::replace(&mut self.waits_for_other, true) {
                self.telemetry.info("another process orders the certificate", &[]);
            }
            return Ok(LOOK_FOR_OTHERS);
        };
        self.waits_for_other = false;
        // Another process may have finished just now.
        if let Some(wait) = self.until_renewal(&job.acme) {
            return Ok(wait);
        }
        let last = folder.pause().filter(|pause| pause.domains == job.acme.domains);
        let time = self.clock.now();
        let until = last.as_ref().filter(|_| !now).map_or(time, |pause| pause.until);
        let rest = schedule::rest_of_pause(time, until);
        if rest > Duration::ZERO {
            if !std::mem::replace(&mut self.waits, true) {
                let text = "the pause after a failure is not over";
                self.report(&job.acme, &Trouble::new(text, "A reload (SIGHUP) tries at once"), rest);
            }
            return Ok(rest.min(LOOK));
        }
        match self.order(job, &locked).await {
            Ok(()) => {
                locked.clear_pause();
                Ok(Duration::ZERO)
            }
            Err(trouble) => {
                self.waits = true;
                let pause = self.pause_after(&job.acme, &trouble, last.map_or(0, |pause| pause.failures));
                let stored = locked.set_pause(&pause);
                self.report(&job.acme, &trouble, self.clock.now().until(pause.until));
                stored?;
                Ok(self.clock.now().until(pause.until).min(LOOK))
            }
        }
    }

    /// How long until the present certificate is to be renewed, at most [`LOOK`]. `None`: now.
    fn until_renewal(&self, acme: &Acme) -> Option<Duration> {
        let facts = present(acme)?;
        let due = schedule::renewal(&facts, self.suggestion.as_ref().and_then(|known| known.of(&facts)));
        let wait = self.clock.now().until(due);
        (wait > Duration::ZERO).then(|| wait.min(LOOK))
    }

    /// The pause after a failure. The next attempt uses the next challenge.
    fn pause_after(&mut self, acme: &Acme, trouble: &Trouble, failures: u32) -> Pause {
        self.turn = self.turn.wrapping_add(1);
        let failures = failures.saturating_add(1);
        let pause = schedule::pause(failures, trouble.ordered, random_fraction());
        let until = schedule::end_of_pause(self.clock.now(), pause, trouble.retry_after);
        Pause { failures, until, domains: acme.domains.clone() }
    }

    async fn order(&self, job: &Job, folder: &LockedFolder<'_>) -> Result<(), Trouble> {
        let transport = Transport::start(job.acme.tls.clone(), self.clock.clone());
        let issued = self.order_by(&transport, job, folder).await;
        let pem = issued.map_err(|mut trouble| {
            trouble.retry_after = transport.take_retry_after();
            trouble.with_skew(transport.skew())
        });
        let pem = Zeroizing::new(pem?);
        let facts = Facts::of_pair(pem.as_bytes(), &job.acme.domains).ok_or_else(|| {
            let text = "the authority issued a certificate that does not fit the order; the present one stays";
            Trouble::new(text, "").after_order()
        })?;
        folder.put(&job.acme.certificate_files().certificate, pem.as_bytes())?;
        let (domains, expires) = (job.acme.domains.join(", "), shown(facts.not_after));
        self.telemetry.info("certificate issued", &[("domains", &domains), ("expires", &expires)]);
        // With a wrong clock each certificate would be due at once.
        match schedule::renewal(&facts, None) > self.clock.now() {
            true => Ok(()),
            false => {
                Err(Trouble::new("the new certificate is due for renewal already", "Is this machine's clock right?")
                    .after_order()
                    .with_skew(transport.skew()))
            }
        }
    }

    async fn order_by(&self, transport: &Transport, job: &Job, folder: &LockedFolder<'_>) -> Result<String, Trouble> {
        let accounts = Accounts { transport, acme: &job.acme, folder, telemetry: &self.telemetry };
        let account = accounts.open().await?;
        let wanted = |replaces| Wanted {
            acme: &job.acme,
            challenge: job.challenges[self.turn % job.challenges.len()],
            replaces,
        };
        // Only an authority that makes suggestions keeps track of what a certificate replaces.
        let suggested = |facts: &Facts| self.suggestion.as_ref().is_some_and(|known| known.of(facts).is_some());
        let replaced = present(&job.acme).filter(suggested).as_ref().and_then(identifier);
        match order(&account, wanted(replaced), folder).await {
            // Another order has replaced it (RFC 9773, section 5).
            Err(trouble) if trouble.problem.as_deref() == Some("alreadyReplaced") => {
                order(&account, wanted(None), folder).await
            }
            // An authority that has lost its accounts gets this one again.
            Err(trouble) if trouble.problem.as_deref() == Some("accountDoesNotExist") => {
                let account = accounts.register_again().await?;
                order(&account, wanted(None), folder).await
            }
            result => result,
        }
    }

    /// Asks when to renew the present certificate, if that is not known.
    async fn ask(&mut self, acme: &Acme, folder: &Folder) {
        if let (Some(facts), Ok(Some(known))) = (present(acme), folder.account()) {
            let transport = Transport::start(acme.tls.clone(), self.clock.clone());
            let last = self.suggestion.take();
            self.suggestion = suggestion::ask(&facts, last, known, transport, self.clock.now(), &self.telemetry).await;
        }
    }

    /// Logs a failed attempt, as an error if clients have no valid certificate, and remembers it for `/status`.
    fn report(&self, acme: &Acme, trouble: &Trouble, wait: Duration) {
        self.telemetry.failed("certificate", trouble);
        let now = self.clock.now();
        let (domains, next) = (acme.domains.join(", "), shown(now + wait));
        let (level, message, expires) = match present(acme).map(|facts| facts.not_after) {
            Some(expiry) if expiry > now => {
                (Level::Warn, "certificate not renewed; the present one stays", shown(expiry))
            }
            Some(expiry) => (Level::Error, "certificate not renewed, and the present one has expired", shown(expiry)),
            None => (Level::Error, "no certificate yet", "-".to_owned()),
        };
        self.telemetry.say(
            level,
            message,
            &[("cause", trouble), ("domains", &domains), ("expires", &expires), ("next_try", &next)],
        );
    }
}

/// The certificate in the folder, if it can be used for the domains.
pub fn present(acme: &Acme) -> Option<Facts> {
    Facts::of_pair(&Zeroizing::new(tls::read(&acme.certificate_files().certificate).ok()?), &acme.domains)
}

/// A time for people, as an HTTP date.
fn shown(at: Timestamp) -> String {
    UNIX_EPOCH.checked_add(Duration::from_millis(at.0)).map_or_else(String::new, httpdate::fmt_http_date)
}
