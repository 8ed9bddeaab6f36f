//! Minimal HTTP/2 over TLS: raw frames (RFC 9113) and fields as plain literals (RFC 7541). It does not check what it
//! sends.

use std::io::{Read, Write};

use super::gate::TestGate;
use super::tls::{self, Authority, TlsStream};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// `REFUSED_STREAM`.
pub const REFUSED: u32 = 7;

pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection after its preface.
pub struct Http2 {
    stream: TlsStream,
    authority: String,
}

/// The result of one request.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: Option<u16>,
    pub content: Vec<u8>,
    /// Whether the stream ended with END_STREAM.
    pub complete: bool,
    /// The code of its reset.
    pub reset: Option<u32>,
    /// The code of a GOAWAY that was an error.
    pub goaway: Option<u32>,
    /// The connection ended.
    pub closed: bool,
}

impl Http2 {
    pub fn open(gate: &TestGate, authority: &Authority) -> Http2 {
        let stream = tls::connect(gate.address, authority.client(&["h2"], None)).expect("TLS");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        let mut connection = Http2 { stream, authority: gate.address.to_string() };
        connection.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        connection.frame(SETTINGS, 0, 0, &[]);
        connection
    }

    /// Writes raw bytes. A peer that has already closed is no error here; reading shows it.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
    }

    /// The timeout of writing and reading from now on.
    pub fn give_up_after(&mut self, time: std::time::Duration) {
        let socket = &self.stream.sock;
        socket.set_write_timeout(Some(time)).and_then(|()| socket.set_read_timeout(Some(time))).expect("a timeout");
    }

    /// Whether the peer still accepts bytes.
    pub fn takes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.write(&frame(kind, flags, stream, payload));
    }

    /// The pseudo-fields of a request of this gate.
    pub fn pseudo(&self, method: &str, path: &str) -> Vec<(String, String)> {
        [(":method", method), (":scheme", "https"), (":authority", &self.authority), (":path", path)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// A request's head, with these fields after the pseudo-fields.
    pub fn request(&mut self, stream: u32, method: &str, path: &str, fields: &[(&str, &str)], end: bool) {
        let mut all = self.pseudo(method, path);
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let flags = END_HEADERS | if end { END_STREAM } else { 0 };
        self.frame(HEADERS, flags, stream, &block(&all));
    }

    /// The next frame; `None` at the end of the connection.
    pub fn read_frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7FFF_FFFF;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads the result of one request; frames of other streams are dropped.
    pub fn response(&mut self, stream: u32) -> Answer {
        let mut response = Answer::default();
        while let Some(frame) = self.read_frame() {
            let own = frame.stream == stream;
            match frame.kind {
                HEADERS if own && response.status.is_none() => response.status = status(&frame.payload),
                DATA => {
                    if own {
                        response.content.extend_from_slice(&frame.payload);
                    }
                    if !frame.payload.is_empty() {
                        let more = (frame.payload.len() as u32).to_be_bytes();
                        self.frame(WINDOW_UPDATE, 0, 0, &more);
                        self.frame(WINDOW_UPDATE, 0, frame.stream, &more);
                    }
                }
                RST_STREAM if own => {
                    response.reset = Some(code(&frame.payload[..]));
                    return response;
                }
                GOAWAY if code(&frame.payload[4..]) != 0 => response.goaway = Some(code(&frame.payload[4..])),
                _ => {}
            }
            if own && matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
                response.complete = true;
                return response;
            }
        }
        response.closed = true;
        response
    }

    /// Sends a GET and reads the result.
    pub fn get(&mut self, stream: u32, path: &str) -> Answer {
        self.request(stream, "GET", path, &[], true);
        self.response(stream)
    }

    /// Reads to the end of the connection; the code of its GOAWAY.
    pub fn goodbye(&mut self) -> Option<u32> {
        let mut said = None;
        while let Some(frame) = self.read_frame() {
            if frame.kind == GOAWAY {
                said = Some(code(&frame.payload[4..]));
            }
        }
        said
    }
}

impl Answer {
    /// The request was refused: by RST_STREAM, GOAWAY, or a 4xx response.
    pub fn is_refusal(&self) -> bool {
        self.reset.is_some() || self.goaway.is_some() || matches!(self.status, Some(400..=499))
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A field block: every field a literal without indexing, in plain bytes.
pub fn block<N: AsRef<str>, V: AsRef<str>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        literal(&mut bytes, name.as_ref().as_bytes(), value.as_ref().as_bytes());
    }
    bytes
}

/// One such field, of any bytes.
pub fn literal(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    bytes.push(0);
    for text in [name, value] {
        length(bytes, text.len());
        bytes.extend_from_slice(text);
    }
}

/// RFC 7541, section 5.1, with a prefix of seven bits.
pub fn length(bytes: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return bytes.push(length as u8);
    }
    bytes.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
}

fn code(payload: &[u8]) -> u32 {
    payload.first_chunk().map_or(u32::MAX, |code| u32::from_be_bytes(*code))
}

/// The status at the start of the field block of a response: an index of the static table, or three digits, plain or
/// Huffman-coded. An index of the dynamic table gives 0.
fn status(block: &[u8]) -> Option<u16> {
    let known = [200, 204, 206, 304, 400, 404, 500];
    let block = match block {
        [update, rest @ ..] if update >> 5 == 1 => rest,
        all => all,
    };
    match block {
        [index @ 0x88..=0x8e, ..] => Some(known[usize::from(index - 0x88)]),
        [0x48 | 0x08 | 0x18, 3, digits @ ..] => String::from_utf8_lossy(digits.get(..3)?).parse().ok(),
        [0x48 | 0x08 | 0x18, length, text @ ..] if length & 128 != 0 => {
            let text = text.get(..usize::from(length & 127))?;
            let bits: String = text.iter().map(|byte| format!("{byte:08b}")).collect();
            digits(&bits)
        }
        [_, ..] => Some(0),
        [] => None,
    }
}

/// Three digits in Huffman's code (RFC 7541, appendix B).
fn digits(mut bits: &str) -> Option<u16> {
    let codes = ["00000", "00001", "00010", "011001", "011010", "011011", "011100", "011101", "011110", "011111"];
    let mut number = 0;
    for _ in 0..3 {
        let digit = codes.iter().position(|code| bits.starts_with(code))?;
        bits = &bits[codes[digit].len()..];
        number = number * 10 + digit as u16;
    }
    Some(number)
}
