//! `qrgate demo`: the addresses that its command line and its environment give it.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::harness::http::Connection;

/// A running demo, ended when dropped.
struct Demo {
    child: Child,
    /// Kept open, because the demo must not end for lack of a reader.
    _output: BufReader<ChildStdout>,
    greeting: String,
}

impl Demo {
    fn start(arguments: &[&str], variable: Option<(&str, &str)>) -> Demo {
        let mut child = command(arguments, variable).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("Ctrl-C") {
            assert_ne!(output.read_line(&mut greeting).unwrap(), 0, "the demo ended: {greeting}");
        }
        Demo { child, _output: output, greeting }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str], variable: Option<(&str, &str)>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qrgate"));
    command.arg("demo").args(["--listen", "127.0.0.1:0"]).args(arguments).envs(variable);
    command
}

#[test]
fn the_environment_names_the_address_and_the_command_line_comes_first() {
    let variable = Some(("QRGATE_PUBLIC__URL", "https://demo.example.com"));
    let demo = Demo::start(&[], variable);
    assert!(demo.greeting.contains("On computer and phone   https://demo.example.com\n"), "{}", demo.greeting);
    let demo = Demo::start(&["--public-url", "http://notes.example.com:8080/"], variable);
    assert!(demo.greeting.contains("On computer and phone   http://notes.example.com:8080\n"), "{}", demo.greeting);
}

#[test]
fn an_address_that_cannot_be_used_starts_nothing() {
    for (arguments, variable, said) in [
        (&["--public-url", "demo.example.com"][..], None, "it has the form https://demo.example.com"),
        (&[], Some(("QRGATE_PUBLIC__URL", "https://demo.example.com/notes")), "the demo cannot be under a path"),
        (&[], Some(("QRGATE_PUBLIC__ULR", "https://demo.example.com")), "did you mean QRGATE_PUBLIC__URL?"),
    ] {
        let output = command(arguments, variable).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn on_loopback_only_the_demo_says_so_and_serves() {
    let demo = Demo::start(&[], None);
    let address = demo.greeting.split("http://localhost:").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    assert!(demo.greeting.contains("Only this computer reaches this address."), "{}", demo.greeting);
    let mut connection = Connection::open(([127, 0, 0, 1], address.parse().unwrap()).into());
    connection.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(connection.read_response(false).unwrap().text().contains("Sign in to Notes"));
}
