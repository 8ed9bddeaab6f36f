//! Malformed fields of HTTP/2, in heads and trailers: what HTTP/1.1 could not carry or RFC 9113 forbids is refused, and
//! such a request is never complete at the application.

use crate::harness::application::TestApplication;
use crate::harness::eventually;
use crate::harness::gate::TestGate;
use crate::harness::http::Message;
use crate::harness::http2::{
    Answer, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, Http2, block, frame, length, literal,
};
use crate::harness::tls::Authority;

const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Two trailers, sorted by name.
const PASSED: [(&str, &str); 2] = [("x-other", "2"), ("x-sum", "1")];

struct Ground {
    application: TestApplication,
    gate: TestGate,
    authority: Authority,
}

impl Ground {
    fn new() -> Ground {
        let (application, authority) = (TestApplication::start(), Authority::new());
        let gate = TestGate::with(&application, &authority.issue("gate", &["localhost"]).settings());
        Ground { application, gate, authority }
    }

    fn connect(&self) -> Http2 {
        Http2::open(&self.gate, &self.authority)
    }

    /// A POST of `hello` that announces trailers, with these fields, then these frames on stream 1.
    fn post(&self, fields: &[(&str, &str)], frames: &[u8]) -> Answer {
        let mut connection = self.connect();
        let all = [&[("trailer", "x-sum, x-other, x\"a")], fields].concat();
        connection.request(1, "POST", "/echo", &all, false);
        connection.frame(DATA, 0, 1, b"hello");
        // Long enough for the application to receive what arrived, which it must not take for a complete request.
        assert_eq!(self.connect().get(1, "/good").status, Some(200));
        connection.write(frames);
        connection.response(1)
    }

    /// The request is refused, and incomplete at the application. Other requests are served.
    fn refuses(&self, frames: &[u8]) {
        for fields in [&[][..], &[("content-length", "5")]] {
            let before = self.application.requests_to("/echo").len();
            let response = self.post(fields, frames);
            assert!(response.is_refusal() || response.closed, "{fields:?} {frames:?}: {response:?}");
            assert_eq!(self.connect().get(1, "/good").status, Some(200));
            let seen = self.application.requests_to("/echo").split_off(before);
            assert!(seen.iter().all(|request| !request.complete), "{fields:?} {frames:?}: {seen:?}");
        }
    }

    /// The request passes with these trailers.
    fn passes(&self, frames: &[u8], trailers: &[(&str, &str)]) {
        let response = self.post(&[], frames);
        assert_eq!((response.status, response.content), (Some(200), b"hello".to_vec()), "{frames:?}");
        let seen = self.application.requests_to("/echo").pop().expect("a request");
        assert!(seen.complete);
        assert_eq!(trailers_of(&seen), trailers, "{seen:?}");
    }
}

fn trailers_of(seen: &Message) -> Vec<(&str, &str)> {
    let trailers =
        seen.fields.iter().filter_map(|(name, value)| Some((name.strip_prefix("trailer-")?, value.as_str())));
    let mut trailers: Vec<_> = trailers.collect();
    trailers.sort_unstable();
    trailers
}

/// Trailers of this block, on stream 1.
fn trailers(block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, block)
}

#[test]
fn trailers_with_a_pseudo_field_make_the_request_malformed() {
    let ground = Ground::new();
    for name in [":path", ":method", ":scheme", ":authority", ":status", ":protocol", ":evil"] {
        ground.refuses(&trailers(&block(&[(name, "x")])));
        ground.refuses(&trailers(&block(&[(name, "x"), ("x-sum", "1")])));
        ground.refuses(&trailers(&block(&[("x-sum", "1"), (name, "x")])));
    }
    let own = ground.gate.address.to_string();
    let whole = [(":method", "GET"), (":scheme", "https"), (":authority", own.as_str()), (":path", "/evil")];
    ground.refuses(&trailers(&block(&whole)));
    let sum = block(&[("x-sum", "1")]);
    // Entries of the static table, and its names in each form of a literal.
    for first in [&[0x82][..], &[0x84], &[0x8D], b"\x04\x02/x", b"\x14\x02/x", b"\x44\x02/x", b"\x08\x03200"] {
        ground.refuses(&trailers(&[first, &sum].concat()));
    }
    // A name in Huffman's code: `:path`.
    ground.refuses(&trailers(&[b"\x00\x84\xb9\x58\xd3\x3f\x01x".as_slice(), &sum].concat()));
    // With padding and a priority, and in several frames.
    let pseudo = block(&[(":path", "/x"), ("x-sum", "1")]);
    ground.refuses(&frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &[&[2], &pseudo[..], &[0, 0]].concat()));
    let with_priority = [&[3, 0, 0, 0, 0, 16], &pseudo[..], &[0, 0, 0]].concat();
    ground.refuses(&frame(HEADERS, END_HEADERS | END_STREAM | PADDED | PRIORITY, 1, &with_priority));
    for at in [0, 1, 5, pseudo.len()] {
        let (first, second) = pseudo.split_at(at);
        let pieces = [frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, second)];
        ground.refuses(&pieces.concat());
    }
}

#[test]
fn a_pseudo_field_from_the_dynamic_table_is_one_too() {
    let ground = Ground::new();
    let mut connection = ground.connect();
    let mut head = block(&connection.pseudo("POST", "/echo")[..3]);
    // `:path`, from now on the newest entry of the table.
    head.extend_from_slice(b"\x44\x05/echo");
    literal(&mut head, b"trailer", b"x-sum");
    connection.frame(HEADERS, END_HEADERS, 1, &head);
    connection.frame(DATA, 0, 1, b"hello");
    connection.write(&trailers(&[0xBE]));
    assert!(connection.response(1).is_refusal());
    // The dynamic table still agrees with the client's, so the connection can still be used.
    let mut head = block(&connection.pseudo("POST", "/other")[..3]);
    head.push(0xBE);
    literal(&mut head, b"trailer", b"x-sum");
    connection.frame(HEADERS, END_HEADERS, 3, &head);
    connection.frame(DATA, 0, 3, b"hello");
    let mut sum = vec![0x40];
    for text in ["x-sum", "1"] {
        length(&mut sum, text.len());
        sum.extend_from_slice(text.as_bytes());
    }
    connection.write(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &sum));
    assert_eq!(connection.response(3).status, Some(200));
    let seen = ground.application.requests_to("/echo").pop().unwrap();
    assert!(seen.complete && trailers_of(&seen) == [("x-sum", "1")], "{seen:?}");
}

#[test]
fn good_trailers_pass_in_every_form() {
    let ground = Ground::new();
    let both = block(&[("x-sum", "1"), ("x-other", "2")]);
    ground.passes(&trailers(&both), &PASSED);
    ground.passes(&frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &[&[1], &both[..], &[0]].concat()), &PASSED);
    let with_priority = [&[0, 0, 0, 0, 16], &both[..]].concat();
    ground.passes(&frame(HEADERS, END_HEADERS | END_STREAM | PRIORITY, 1, &with_priority), &PASSED);
    let (first, second) = both.split_at(4);
    let pieces = [frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, second)];
    ground.passes(&pieces.concat(), &PASSED);
    ground.passes(&frame(DATA, END_STREAM, 1, b""), &[]);
    ground.passes(&trailers(b""), &[]);
}

#[test]
fn a_name_that_is_no_token_or_a_value_with_surrounding_white_space_is_refused() {
    let ground = Ground::new();
    for name in ["x\"a", "\"", "x-a\"", "\"x\"", "x-rather-long-\"-name"] {
        let mut connection = ground.connect();
        connection.request(1, "GET", "/page", &[(name, "b")], true);
        assert!(connection.response(1).is_refusal(), "{name}");
        ground.refuses(&trailers(&block(&[(name, "b"), ("x-sum", "1")])));
    }
    for (name, value) in [("x-sum", " 1"), ("x-sum", "1\t"), ("x-sum", "a\nb"), ("x-sum", "a\r\nb: c"), ("X-Sum", "1")]
    {
        ground.refuses(&trailers(&block(&[(name, value)])));
    }
    assert!(ground.application.requests_to("/page").is_empty());
    let mut connection = ground.connect();
    connection.request(1, "GET", "/page", &[("x!#$%&'*+-.^`|~9", "b")], true);
    assert_eq!(connection.response(1).status, Some(200), "every byte of a token");
}

#[test]
fn content_beyond_the_content_length_makes_the_request_malformed() {
    let ground = Ground::new();
    for late in [frame(DATA, END_STREAM, 1, b"!"), [frame(DATA, 0, 1, b"!"), frame(DATA, END_STREAM, 1, b"")].concat()]
    {
        let response = ground.post(&[("content-length", "5")], &late);
        assert!(response.is_refusal(), "{response:?}");
    }
    let mut connection = ground.connect();
    connection.request(1, "POST", "/late", &[("content-length", "5")], false);
    connection.frame(DATA, 0, 1, b"hello");
    assert_eq!(ground.connect().get(1, "/good").status, Some(200));
    assert!(ground.application.requests().iter().all(|seen| seen.target() == "/good" || !seen.complete));
    connection.frame(DATA, END_STREAM, 1, b"");
    assert_eq!(connection.response(1).status, Some(200));
    eventually("the request is complete", || {
        ground.application.requests_to("/late").pop().filter(|seen| seen.complete)
    });
}
