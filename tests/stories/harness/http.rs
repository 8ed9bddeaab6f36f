//! Minimal HTTP/1.1 over blocking sockets: the test controls every byte on the wire.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a test waits for bytes before it fails.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// A message as it was read: start line, fields in order, content.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub start: String,
    pub fields: Vec<(String, String)>,
    pub content: Vec<u8>,
    /// Whether the content was complete: false if the connection ended before its framing did.
    pub complete: bool,
}

impl Message {
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{:?}", self.start))
    }

    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or("")
    }

    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or("")
    }

    /// The values of all fields of that name, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// The value of the only field of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} came {} times: {all:?}", all.len());
        all.first().copied()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.content).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// Every byte that was read, in the order it was read.
pub type Tape = Arc<Mutex<Vec<u8>>>;

/// A socket whose bytes may be recorded.
struct Taped {
    stream: TcpStream,
    tape: Option<Tape>,
}

impl Read for Taped {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.stream.read(buffer)?;
        if let Some(tape) = &self.tape {
            tape.lock().expect("lock").extend_from_slice(&buffer[..count]);
        }
        Ok(count)
    }
}

/// One connection, with bytes that were read ahead.
pub struct Connection {
    reader: BufReader<Taped>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).expect("connect");
        Connection::over(stream)
    }

    pub fn over(stream: TcpStream) -> Connection {
        Connection::recorded(stream, None)
    }

    /// The same, and records what is read.
    pub fn recorded(stream: TcpStream, tape: Option<Tape>) -> Connection {
        stream.set_read_timeout(Some(TIMEOUT)).expect("set_read_timeout");
        stream.set_nodelay(true).expect("set_nodelay");
        Connection { reader: BufReader::new(Taped { stream, tape }) }
    }

    /// Writes raw bytes. A peer that has already closed is no error here; reading shows it.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream().write_all(bytes);
    }

    /// Shuts down the sending side.
    pub fn finish_writing(&mut self) {
        let _ = self.stream().shutdown(std::net::Shutdown::Write);
    }

    pub fn stream(&self) -> &TcpStream {
        &self.reader.get_ref().stream
    }

    /// Reads a head; `None` if the connection ended before one began.
    pub fn read_head(&mut self) -> Option<Message> {
        let start = self.read_line()?;
        let mut message = Message { start, complete: true, ..Message::default() };
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                return Some(message);
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            message.fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// Reads a request with its content.
    pub fn read_request(&mut self) -> Option<Message> {
        let mut request = self.read_head()?;
        if !request.all("transfer-encoding").is_empty() {
            self.read_chunks(&mut request);
        } else if let Some(length) = request.field("content-length").and_then(|text| text.parse().ok()) {
            self.read_exactly(&mut request, length);
        }
        Some(request)
    }

    /// Reads a response with its content; with `head` there is none whatever the fields say.
    pub fn read_response(&mut self, head: bool) -> Option<Message> {
        let mut response = self.read_head()?;
        let status = response.status();
        if head || status / 100 == 1 || status == 204 || status == 304 {
            return Some(response);
        }
        if !response.all("transfer-encoding").is_empty() {
            self.read_chunks(&mut response);
        } else if let Some(length) = response.field("content-length").and_then(|text| text.parse().ok()) {
            self.read_exactly(&mut response, length);
        } else {
            let _ = self.reader.read_to_end(&mut response.content);
        }
        Some(response)
    }

    /// Reads exactly this many bytes of an upgraded connection.
    pub fn read_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).expect("read_exact");
        bytes
    }

    /// One line of an open stream, without its line end; `None` at the end of the connection.
    pub fn read_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => {
                while line.last().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
                    line.pop();
                }
                Some(String::from_utf8_lossy(&line).into_owned())
            }
        }
    }

    /// Whether the peer has closed, judged by reading: no further byte comes.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.reader.read(&mut byte) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    fn read_exactly(&mut self, message: &mut Message, length: usize) {
        let read = self.reader.by_ref().take(length as u64).read_to_end(&mut message.content);
        message.complete = matches!(read, Ok(n) if n == length);
    }

    fn read_chunks(&mut self, message: &mut Message) {
        message.complete = false;
        loop {
            let Some(line) = self.read_line() else { return };
            let Ok(size) = usize::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16) else { return };
            if size == 0 {
                break;
            }
            let read = self.reader.by_ref().take(size as u64).read_to_end(&mut message.content);
            if !matches!(read, Ok(n) if n == size) || self.read_line().is_none() {
                return;
            }
        }
        while let Some(line) = self.read_line() {
            if line.is_empty() {
                message.complete = true;
                return;
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            message.fields.push((format!("trailer-{name}"), value.trim().to_owned()));
        }
    }
}

/// RFC 6455, section 4.2.2.
pub fn accept_of(key: &str) -> String {
    use aws_lc_rs::digest;
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    data_encoding::BASE64.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())
}
