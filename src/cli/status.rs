//! `qrgate status`: asks the admin listener of a running qrgate, and prints one line for each part.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use super::exit::{BROKEN, FAILED, Outcome};
use super::file::{self, ConfigFile};
use super::report::{Finding, Report};
use super::terminal;
use crate::admin::{Level, Status, in_words};

/// The end of the help text.
pub const EXIT_CODES: &str = "Exit codes:
  0  everything works
  1  a warning: something failed in the last five minutes, or needs attention
  2  something does not work, or qrgate could not be asked";

/// The default of `listen.admin`.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for the response: qrgate waits for the store and the application.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum size of the response.
const MAX_RESPONSE: u64 = 1024 * 1024;

const OTHER: &str = "another program, or another version of qrgate, listens there";

/// The arguments of `qrgate status`.
#[derive(Args)]
pub struct StatusCommand {
    #[command(flatten)]
    file: ConfigFile,
    /// The address of the admin listener; the configuration file is then not read
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config")]
    admin: Option<SocketAddr>,
    /// Print the response as JSON
    #[arg(long)]
    json: bool,
}

/// Requests the status and prints it. The exit code is by its level.
pub fn status(arguments: &StatusCommand) -> Outcome {
    let address = arguments.admin.map_or_else(|| configured(&arguments.file), Ok)?;
    let response = ask(address).and_then(|text| Ok((read(&text)?, text)));
    let (status, text) = response.map_err(|why| terminal::reject(format!("{address} (listen.admin): {why}")))?;
    match arguments.json {
        true => terminal::say(&text),
        false => print(&status),
    }
    match status.level {
        Level::Ok => Ok(()),
        Level::Warn => Err(FAILED),
        Level::Fail => Err(BROKEN),
    }
}

/// The address in the configuration. Without a file in this folder, the default.
fn configured(file: &ConfigFile) -> Result<SocketAddr, u8> {
    if file.config.as_os_str() == file::DEFAULT && !file.config.exists() {
        return Ok(DEFAULT);
    }
    let loaded = file::load(file, "--admin ADDRESS asks without this file", terminal::colour_on_stderr());
    loaded.map_err(terminal::reject)?.config.listen.admin.ok_or_else(|| {
        terminal::reject(
            "listen.admin is \"off\", so there is no admin listener to ask.\n\
             Set admin = \"127.0.0.1:9180\" in [listen] of proxy.toml, and restart qrgate",
        )
    })
}

/// The content of `/status`.
///
/// # Errors
///
/// What failed, and what to do.
fn ask(address: SocketAddr) -> Result<String, String> {
    let address = reachable(address);
    let refused = |error| format!("{error}. Does qrgate run? systemctl status qrgate; journalctl -u qrgate");
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).map_err(refused)?;
    let mut response = Vec::new();
    let mut exchange = || {
        stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
        stream.set_write_timeout(Some(RESPONSE_TIMEOUT))?;
        write!(stream, "GET /status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        Read::by_ref(&mut stream).take(MAX_RESPONSE).read_to_end(&mut response)
    };
    exchange().map_err(|error| format!("no response: {error}"))?;
    content(&response)
}

/// An address to connect to: `0.0.0.0` and `[::]` are for listening only.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The content of a 200.
fn content(response: &[u8]) -> Result<String, String> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let length = match head.parse(response) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) | Err(_) => return Err(format!("no HTTP response: {OTHER}")),
    };
    match head.code {
        Some(200) => Ok(String::from_utf8_lossy(&response[length..]).into_owned()),
        code => Err(format!("status code {} for /status: {OTHER}", code.unwrap_or_default())),
    }
}

fn read(text: &str) -> Result<Status, String> {
    serde_json::from_str(text).map_err(|error| format!("the response cannot be read, {error}: {OTHER}"))
}

fn print(status: &Status) {
    let mut report = Report::new(terminal::colour_on_stdout());
    let uptime = in_words(Duration::from_secs(status.uptime));
    report.add("qrgate", &Finding::ok(format!("{}, up {uptime}", status.version)));
    for part in &status.parts {
        report.add(&part.part, &Finding { level: part.level, ..Finding::ok(&part.text) });
    }
    report.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_that_is_no_status_is_explained() {
        let said = |response: &str| content(response.as_bytes()).and_then(|text| read(&text)).unwrap_err();
        for response in ["", "HTTP/1.1 20", "SSH-2.0-OpenSSH_9.2\r\n"] {
            assert!(said(response).starts_with("no HTTP response: another program"), "{response}");
        }
        assert!(said("HTTP/1.1 404 Not Found\r\n\r\n").starts_with("status code 404 for /status: another program"));
        assert!(said("HTTP/1.1 200 OK\r\n\r\n{}").starts_with("the response cannot be read, missing field"));
    }

    #[test]
    fn an_address_to_listen_on_is_asked_on_loopback() {
        for (listen, ask) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), ask);
        }
    }
}
