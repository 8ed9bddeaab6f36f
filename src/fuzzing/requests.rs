//! Requests over HTTP/1.1: the result does not depend on how the bytes are split, and equals hyper's.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use crate::fields::check_framing;
use crate::http1::BodyPart;
use crate::server::request_head::{self, Limits};

const LIMITS: Limits = Limits { size: 16 * 1024, count: 100 };

/// A complete request: request line, fields, content and trailers.
#[derive(Debug, PartialEq, Eq)]
struct Whole(String, HeaderMap, Vec<u8>, HeaderMap);

impl Whole {
    fn of(head: &http::request::Parts, content: Vec<u8>, trailers: HeaderMap) -> Whole {
        let line = format!("{} {} {:?}", head.method, head.uri, head.version);
        Whole(line, head.headers.clone(), content, trailers)
    }
}

/// The input is everything that a client sends before it closes the connection.
///
/// - The requests are the same wherever the bytes are split.
/// - A request with an ambiguous length is the last one and has no content.
/// - hyper accepts every request that is accepted here, in the same order, with the same request line, fields, content
///   and trailers. Exception: a raw character in the target that is encoded here and refused by hyper.
pub fn check(data: &[u8]) {
    let requests = by_us(data, data.len().max(1));
    for step in [1, 7] {
        assert_eq!(by_us(data, step), requests, "{step} bytes at a time");
    }
    if requests.is_empty() {
        return;
    }
    let theirs = by_hyper(data);
    assert!(theirs.len() >= requests.len(), "hyper reads {theirs:?}, we read {requests:?}");
    for (theirs, read) in theirs.iter().zip(&requests) {
        assert_eq!(theirs, read);
    }
}

/// The complete requests that are not refused.
fn by_us(sent: &[u8], step: usize) -> Vec<Whole> {
    let mut read = BytesMut::new();
    let mut arrivals = sent.chunks(step);
    let mut requests = Vec::new();
    let mut searched = 0;
    loop {
        let before = read.clone();
        let mut head = match request_head::read(&mut read, LIMITS, &mut searched) {
            Ok(Some(_)) if has_encoded(&before) => return requests,
            Ok(Some(head)) => head,
            Err(_) => return requests,
            Ok(None) => match arrivals.next() {
                Some(arrival) => {
                    read.extend_from_slice(arrival);
                    continue;
                }
                None => return requests,
            },
        };
        searched = 0;
        let (parts, ()) = head.request.into_parts();
        if check_framing(parts.version, &parts.headers, LIMITS.count).is_err() {
            return requests;
        }
        let (mut content, mut trailers) = (Vec::new(), HeaderMap::new());
        loop {
            match head.framing.next(&mut read) {
                Ok(BodyPart::Piece(piece)) => content.extend_from_slice(&piece),
                Ok(BodyPart::Trailers(fields)) => trailers = fields,
                Ok(BodyPart::End) => break,
                Ok(BodyPart::More) => match arrivals.next() {
                    Some(arrival) => read.extend_from_slice(arrival),
                    None => return requests,
                },
                Err(_) => return requests,
            }
            if !trailers.is_empty() {
                break;
            }
        }
        requests.push(Whole::of(&parts, content, trailers));
        if !head.keeps {
            return requests;
        }
    }
}

/// Whether the target of the first request has a character that gets encoded.
fn has_encoded(requests: &[u8]) -> bool {
    let line = requests.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.iter().any(|byte| b"\"<>`".contains(byte))
}

fn by_hyper(sent: &[u8]) -> Vec<Whole> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let requests = Rc::new(RefCell::new(Vec::new()));
    runtime.block_on(async {
        // Room for all responses, because nothing reads them.
        let (ours, mut theirs) = tokio::io::duplex(1 << 22);
        let service = hyper::service::service_fn(|request: Request<Incoming>| {
            let requests = requests.clone();
            async move {
                let (head, content) = request.into_parts();
                if let Ok(content) = content.collect().await {
                    let trailers = content.trailers().cloned().unwrap_or_default();
                    requests.borrow_mut().push(Whole::of(&head, content.to_bytes().to_vec(), trailers));
                }
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let connection =
            hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(TokioIo::new(ours), service);
        let send = async {
            let _ = theirs.write_all(sent).await;
            let _ = theirs.shutdown().await;
        };
        let _ = tokio::join!(connection, send);
    });
    Rc::try_unwrap(requests).map(RefCell::into_inner).expect("the connection is over")
}
