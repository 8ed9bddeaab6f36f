//! The command line, with one file per command.

mod app;
mod check;
mod demo;
mod exit;
mod export;
mod file;
mod init;
mod page;
mod reference;
mod report;
mod run;
mod schema;
mod secret;
mod shell;
mod stack;
mod status;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use exit::BROKEN;
use file::ConfigFile;

const EXIT_CODES: &str = "Exit codes:
  0  done, or stopped as asked
  1  something failed: a check, an address that is taken, a file that cannot be written, a worker that ended by itself
  2  the command line, the configuration file or a template is broken or missing; nothing was started

Any key of proxy.toml can be set as QRGATE_SECTION__KEY. Colour is left out with NO_COLOR.";

const SIGNALS: &str = "Signals:
  TERM, INT, QUIT   finish what is under way and stop; a second one stops at once
  HUP               read the configuration and the certificates again
  USR1, USR2, PIPE  ignored";

/// The end of the help text of a command that serves.
fn about_serving() -> String {
    format!("{SIGNALS}\n\n{EXIT_CODES}")
}

/// Scan this code and you are signed in on your phone: a reverse-proxy sidecar for any web application.
#[derive(Parser)]
#[command(name = "qrgate", version, after_help = about_serving(), args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: ConfigFile,
}

#[derive(Subcommand)]
enum Command {
    /// Serve: what qrgate does without a command
    #[command(after_help = about_serving())]
    Run(ConfigFile),
    /// Show the whole journey with nothing installed: a toy application with two users, and qrgate in front
    #[command(after_help = EXIT_CODES)]
    Demo(demo::Demo),
    /// Write a commented proxy.toml and the secrets, and show the code that the application needs
    #[command(after_help = EXIT_CODES)]
    Init(init::Init),
    /// Check the configuration, the application, the store, the hooks and the receiver of events
    #[command(after_help = EXIT_CODES)]
    Check(check::Check),
    /// Ask a running qrgate how it and the parts around it are
    #[command(after_help = status::EXIT_CODES)]
    Status(status::StatusCommand),
    /// Write the built-in templates or texts to a folder, to change them
    #[command(after_help = EXIT_CODES)]
    Export(export::Export),
    /// Print a new secret. Into a file: (umask 077; qrgate secret > hook.secret)
    Secret,
    /// Print the JSON Schema of proxy.toml, for editors
    Schema(schema::Schema),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// Runs the command that the arguments name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // With huge pages, each of thousands of idle connections may keep 2 MiB of which it uses two or three KiB. Disabled
    // before anything is allocated, since huge pages in use stay. A kernel without this request ignores it.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output. Nothing can be done if that is closed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { BROKEN } else { 0 });
        }
    };
    // Secrets are read from here on: neither a core dump nor another process of this user may read them. Root can.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let outcome = match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(file)) => run::run(&file),
        Some(Command::Demo(demo)) => demo::demo(&demo),
        Some(Command::Init(init)) => init::init(&init),
        Some(Command::Check(check)) => check::check(&check),
        Some(Command::Status(command)) => status::status(&command),
        Some(Command::Export(export)) => export::export(&export),
        Some(Command::Secret) => secret::secret(),
        Some(Command::Schema(schema)) => schema::schema(&schema),
        Some(Command::Completions { shell }) => shell::completions(Cli::command(), shell),
        Some(Command::Man) => shell::man(Cli::command()),
    };
    outcome.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_runs() {
        let cli = Cli::try_parse_from(["qrgate", "--config", "other.toml"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.run.config, PathBuf::from("other.toml"));
        assert_eq!(Cli::try_parse_from(["qrgate"]).unwrap().run.config, PathBuf::from("proxy.toml"));
    }

    #[test]
    fn a_broken_command_line_is_exit_code_2() {
        let exit = |arguments: &[&str]| Cli::try_parse_from(arguments).err().map(|error| error.exit_code());
        assert_eq!(exit(&["qrgate", "nonsense"]), Some(2));
        assert_eq!(exit(&["qrgate", "init"]), Some(2));
        assert_eq!(exit(&["qrgate", "--help"]), Some(0));
        assert_eq!(exit(&["qrgate", "--version"]), Some(0));
    }
}
