//! What `qrgate` can be told to do. Each command is a file; this one has their arguments.

mod check;
pub mod demo;
mod init;
mod reference;
mod run;
mod schema;
mod secret;
mod shell;
mod stack;
mod terminal;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::Loaded;
use crate::config;

/// Nothing is wrong.
const FINE: u8 = 0;
/// Something failed on the way: a check, an address that is taken, a file that cannot be written.
const FAILED: u8 = 1;
/// The command line or the configuration is broken, and nothing was begun.
const BROKEN: u8 = 2;

const EXIT_CODES: &str = "Exit codes:
  0  done, or stopped as asked
  1  something failed: a check, an address that is taken, a file that cannot be written, a worker that ended by itself
  2  the command line, the configuration file or a template is broken or missing; nothing was started

Any key of proxy.toml can be set as QRGATE_SECTION__KEY. Colour is left out with NO_COLOR.";

const SIGNALS: &str = "Signals:
  TERM, INT, QUIT   finish what is under way and stop; a second one stops at once
  HUP               read the configuration and the certificates again
  USR1, USR2, PIPE  ignored";

/// What a command says that serves.
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
    /// Look the configuration over, and try it
    #[command(after_help = EXIT_CODES)]
    Check(check::Check),
    /// Print a new secret
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

/// Which file is read.
#[derive(Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "proxy.toml")]
    config: PathBuf,
}

/// Does what the command line says.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for and go to stdout; nothing more can be done if that is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { BROKEN } else { FINE });
        }
    };
    // Secrets are read from here on: no core dump and no other process of this user may see them. Root still can.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let code = match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(file)) => run::run(&file),
        Some(Command::Demo(demo)) => demo::demo(&demo),
        Some(Command::Init(init)) => init::init(&init),
        Some(Command::Check(check)) => check::check(&check),
        Some(Command::Secret) => secret::secret(),
        Some(Command::Schema(schema)) => schema::schema(&schema),
        Some(Command::Completions { shell }) => shell::completions(shell),
        Some(Command::Man) => shell::man(),
    };
    ExitCode::from(code)
}

/// What is loaded; or its problems on stderr, and the exit code that goes with them.
fn read(file: &ConfigFile) -> Result<Loaded, u8> {
    load(file, "nothing started", terminal::colour_on_stderr()).map_err(|report| {
        terminal::complain(&report);
        BROKEN
    })
}

/// The configuration, the operator's templates tried and what is to be said of the pages among its warnings; or all that
/// is wrong, with `ending` after it.
fn load(file: &ConfigFile, ending: &str, colour: bool) -> Result<Loaded, String> {
    let config = config::load(&file.config, &config::Environment::of_this_process());
    let config = config.map_err(|errors| errors.report(ending, colour))?;
    Loaded::new(config).map_err(|errors| errors.report(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
