//! `qrgate completions` and `qrgate man`, generated from the definition of the command line.

use clap::Command;

use super::exit::DONE;
use super::terminal;

/// Prints completions for a shell.
pub fn completions(mut command: Command, shell: clap_complete::Shell) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "qrgate", &mut text);
    print(text)
}

/// Prints the manual page, all commands in it, in the language of man(1).
pub fn man(mut command: Command) -> u8 {
    command.build();
    let mut text = Vec::new();
    let mut written = clap_mangen::Man::new(command.clone()).render(&mut text);
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let page = clap_mangen::Man::new(sub.clone());
        written = written
            .and_then(|()| section(&mut text, sub.get_name()))
            .and_then(|()| page.render_synopsis_section(&mut text))
            .and_then(|()| page.render_options_section(&mut text));
    }
    match written {
        Ok(()) => print(text),
        Err(error) => terminal::fail(error),
    }
}

fn section(text: &mut Vec<u8>, name: &str) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(text, ".SH \"QRGATE {}\"", name.to_uppercase())
}

fn print(text: Vec<u8>) -> u8 {
    terminal::say(String::from_utf8_lossy(&text).trim_end());
    DONE
}
