//! The two people of every story: someone at a computer and someone with a phone, each with a cookie jar.

use super::gate::TestGate;
use super::http::{Connection, Message};

/// A browser: it keeps cookies, names itself, and sends what browsers send with a click.
pub struct Browser {
    origin: String,
    address: std::net::SocketAddr,
    cookies: Vec<(String, String)>,
    user_agent: &'static str,
    /// Further field lines on every request.
    pub fields: Vec<String>,
    /// The first bytes of each connection: a PROXY preamble, or nothing.
    pub preamble: String,
}

const COMPUTER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                     Version/18.5 Mobile/15E148 Safari/604.1";

/// A browser on a computer, signed in or not.
pub fn computer(gate: &TestGate) -> Browser {
    Browser::new(gate, COMPUTER)
}

/// A phone without cookies.
pub fn phone(gate: &TestGate) -> Browser {
    Browser::new(gate, PHONE)
}

impl Browser {
    fn new(gate: &TestGate, user_agent: &'static str) -> Browser {
        let (origin, preamble) = (gate.origin(), String::new());
        Browser { origin, address: gate.address, cookies: Vec::new(), user_agent, fields: Vec::new(), preamble }
    }

    /// Puts `name=value` into the jar.
    pub fn with_cookie(mut self, pair: &str) -> Browser {
        self.keep(pair);
        self
    }

    /// Uses another gate from now on, with the same origin in the address bar.
    pub fn through(&mut self, gate: &TestGate) {
        self.address = gate.address;
    }

    /// Connects to this address, whatever the origin is.
    pub fn by_way_of(mut self, address: std::net::SocketAddr) -> Browser {
        self.address = address;
        self
    }

    /// Uses a public origin other than the gate's own address.
    pub fn at_origin(mut self, origin: &str) -> Browser {
        origin.clone_into(&mut self.origin);
        self
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The jar's session, as the application knows it.
    pub fn session(&self) -> Option<String> {
        self.cookie("sessionid").map(|id| format!("sessionid={id}"))
    }

    pub fn get(&mut self, path: &str) -> Message {
        self.request("GET", path, &[], None)
    }

    /// Submits a form, as a click in a page of the same origin does.
    pub fn post(&mut self, path: &str, form: &str) -> Message {
        self.try_post(path, form).unwrap_or_else(|| panic!("no response to POST {path}"))
    }

    /// The same; `None` if the connection ends without a response.
    pub fn try_post(&mut self, path: &str, form: &str) -> Option<Message> {
        let origin = format!("Origin: {}", self.origin);
        self.send("POST", path, &[&origin, "Content-Type: application/x-www-form-urlencoded"], Some(form))
    }

    /// Submits a form without waiting for the response. Dropping the connection disconnects the client.
    pub fn begin_post(&self, path: &str, form: &str) -> Connection {
        let origin = format!("Origin: {}", self.origin);
        self.ask("POST", path, &[&origin, "Content-Type: application/x-www-form-urlencoded"], Some(form))
    }

    /// Sends a request with exactly these fields beside Host, User-Agent and Cookie.
    pub fn request(&mut self, method: &str, path: &str, fields: &[&str], content: Option<&str>) -> Message {
        self.send(method, path, fields, content).unwrap_or_else(|| panic!("no response to {method} {path}"))
    }

    fn send(&mut self, method: &str, path: &str, fields: &[&str], content: Option<&str>) -> Option<Message> {
        let response = self.ask(method, path, fields, content).read_response(method == "HEAD")?;
        for line in response.all("set-cookie") {
            self.keep(line.split(';').next().expect("a pair"));
        }
        Some(response)
    }

    fn ask(&self, method: &str, path: &str, fields: &[&str], content: Option<&str>) -> Connection {
        let host = self.origin.split("://").nth(1).expect("an origin").to_owned();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        head += &format!("User-Agent: {}\r\n", self.user_agent);
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head += &format!("Cookie: {}\r\n", pairs.join("; "));
        }
        for line in fields.iter().copied().chain(self.fields.iter().map(String::as_str)) {
            head += &format!("{line}\r\n");
        }
        if let Some(content) = content {
            head += &format!("Content-Length: {}\r\n", content.len());
        }
        head += "\r\n";
        let mut connection = Connection::open(self.address);
        connection.write(self.preamble.as_bytes());
        connection.write(head.as_bytes());
        connection.write(content.unwrap_or("").as_bytes());
        connection
    }

    fn keep(&mut self, pair: &str) {
        let (name, value) = pair.split_once('=').expect("name=value");
        self.cookies.retain(|(n, _)| n != name);
        self.cookies.push((name.to_owned(), value.to_owned()));
    }
}

/// The value of a hidden field in a page.
pub fn hidden(page: &str, name: &str) -> String {
    let marker = format!("name=\"{name}\" value=\"");
    let start = page.find(&marker).unwrap_or_else(|| panic!("no field {name} in {page}")) + marker.len();
    page[start..].split('"').next().expect("a closing quote").to_owned()
}
