//! `qrgate completions` and `qrgate man`, generated from the definition of the command line.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;

use super::exit::Outcome;
use super::terminal;

/// Prints completions for a shell.
pub fn completions(mut command: Command, shell: clap_complete::Shell) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "qrgate", &mut text);
    print(&text)
}

/// Prints one manual page for all commands, in the language of man(1).
pub fn man(mut command: Command) -> Outcome {
    command.build();
    let mut text = Vec::new();
    write_manual(&command, &mut text).map_err(terminal::fail)?;
    print(&text)
}

fn write_manual(command: &Command, text: &mut Vec<u8>) -> io::Result<()> {
    Man::new(command.clone()).render(text)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let page = Man::new(sub.clone());
        writeln!(text, ".SH \"QRGATE {}\"", sub.get_name().to_uppercase())?;
        page.render_synopsis_section(text)?;
        page.render_options_section(text)?;
    }
    Ok(())
}

fn print(text: &[u8]) -> Outcome {
    terminal::say(String::from_utf8_lossy(text).trim_end());
    Ok(())
}
