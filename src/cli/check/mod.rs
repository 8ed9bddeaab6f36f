//! `qrgate check`: one line for each part, `ok`, `warn` or `FAIL`; under a failure its likely cause and one fix.
//!
//! `code` checks the configuration alone; `certificate`, `application`, `visitors`, `store`, `events`, `hooks` and
//! `outside` each try one part. `diagnosis` says what a response means, `advice` what to do.

mod advice;
mod application;
mod certificate;
mod code;
mod diagnosis;
mod events;
mod grant;
mod hooks;
mod outside;
mod store;
mod visitors;

use clap::Args;

use self::application::ApplicationProbe;
use self::hooks::HookProbe;
use super::exit::{FAILED, Outcome};
use super::file::{self, ConfigFile};
use super::report::{Finding, Report};
use super::terminal;
use crate::app::local_runtime;
use crate::config::Config;

/// The arguments of `qrgate check`.
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Only check the configuration; send no requests
    #[arg(long)]
    offline: bool,
    /// Identify the session of this cookie
    #[arg(long, value_name = "NAME=VALUE")]
    cookie: Option<String>,
    /// Sign this user in through the login hook, and see whose session came of it. The session stays open,
    /// unless there is a revoke hook, which is tried on it
    #[arg(long, value_name = "ID")]
    user: Option<String>,
}

/// Checks the configuration, and tries what it names.
pub fn check(arguments: &Check) -> Outcome {
    let config = file::read(&arguments.file)?.config;
    let mut report = Report::new(terminal::colour_on_stdout());
    let name = arguments.file.config.file_name().unwrap_or(arguments.file.config.as_os_str());
    report.configuration(&name.to_string_lossy(), &config);
    report.add("code", &code::reach(&config));
    if arguments.offline {
        terminal::say("--offline: the application, the store and the hooks were not tried");
    } else {
        let runtime = local_runtime().map_err(|error| terminal::fail(format!("nothing can be tried: {error}")))?;
        runtime.block_on(try_all(&config, arguments, &mut report));
        // Does not wait for a pending lookup of a name.
        runtime.shutdown_background();
    }
    if report.finish() { Ok(()) } else { Err(FAILED) }
}

/// Each part in the order in which a sign-in meets it.
async fn try_all(config: &Config, arguments: &Check, report: &mut Report) {
    report.add_all("certificate", &certificate::by_acme(config).await);
    let probe = match ApplicationProbe::new(config) {
        Ok(probe) => probe,
        Err(error) => {
            let fix = "the files in [application.tls]; public.url";
            return report.add("application", &Finding::fail(error, "", fix));
        }
    };
    let application = probe.responds().await;
    let is_reachable = application.is_fine();
    report.add("application", &application);
    report.add("store", &store::responds(config).await.unwrap_or_else(|failure| failure));
    if let Some(receiver) = &config.events {
        report.add_all("events", &events::receives(&config.application, receiver).await);
    }
    if !is_reachable {
        return report.add("hooks", &Finding::warn("not tried: the application has to answer first"));
    }
    report.add("ticket path", &probe.leaves_alone(&config.tickets.path).await);
    let hooks = match HookProbe::new(config, &probe) {
        Ok(hooks) => hooks,
        Err(error) => {
            return report.add("hooks", &Finding::fail(error.to_string(), "", "the files in [application.tls]"));
        }
    };
    report.add("identify", &hooks.signed_out_without_a_cookie().await);
    if let Some(cookie) = &arguments.cookie {
        report.add("identify", &hooks.session_of(cookie).await);
    }
    report.add_all("login_url", &visitors::sign_in_page(config, &probe, hooks.known()).await);
    match &arguments.user {
        None => {
            report.add("login", &hooks.refuses_unsigned().await);
            report.add_all("revoke", hooks.revoke_refuses_unsigned().await.as_slice());
            report.add(
                "verify",
                &Finding::warn("not tried: --user ID signs an ordinary account in, and reads its cookies"),
            );
        }
        Some(user) => sign_in(&hooks, user, report).await,
    }
    report.add_all("network", visitors::network_address(config, &probe, hooks.known()).await.as_slice());
    report.add_all("outside", &outside::from_public_url(config, &probe, hooks.known()).await);
}

async fn sign_in(hooks: &HookProbe<'_>, user: &str, report: &mut Report) {
    let (login, signed_in) = match hooks.signs_in(user).await {
        Ok(signed_in) => signed_in,
        Err(failure) => {
            report.add("login", &failure);
            return report.add("verify", &Finding::warn("not tried: it needs the login hook"));
        }
    };
    report.add("login", &login);
    report.add_all("verify", &hooks.is_session_of(user, &signed_in.lines).await);
    report.add_all("revoke", hooks.revokes(signed_in).await.as_slice());
}
