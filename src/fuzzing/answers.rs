//! Responses of the application over HTTP/1.1: the result does not depend on how the bytes are split, and equals
//! hyper's.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use crate::application::http1::head;
use crate::http1::{BodyPart, BodyReader};

/// The result of reading a response.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// The response is malformed.
    Refused,
    /// The connection ended before the response.
    Broken,
    /// Status, content and trailers, and the number of bytes after the response.
    Whole(StatusCode, Vec<u8>, HeaderMap, usize),
}

/// The first byte of the input is the request's method, the rest is what the application sends before it closes.
///
/// - The result is the same wherever the bytes are split.
/// - The content has the length that the response declares, and excludes the bytes that follow.
/// - hyper accepts every response that is accepted here, with the same status and content.
pub fn check(data: &[u8]) {
    let Some((first, sent)) = data.split_first() else { return };
    let method = if first % 4 == 0 { Method::HEAD } else { Method::GET };
    let read = by_us(sent, &method, sent.len().max(1));
    for step in [1, 7] {
        assert_eq!(by_us(sent, &method, step), read, "{step} bytes at a time");
    }
    let Read::Whole(status, content, _, _) = read else { return };
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    assert_eq!(by_hyper(sent, &method), Some((status, content)));
}

fn by_us(sent: &[u8], method: &Method, step: usize) -> Read {
    let mut read = BytesMut::new();
    let mut arrivals = sent.chunks(step);
    let mut head = loop {
        match head::read(&mut read, method) {
            Ok(Some(head)) if head.response.status().is_informational() && head.response.status() != 101 => {}
            Ok(Some(head)) => break head,
            Ok(None) => match arrivals.next() {
                Some(arrival) => read.extend_from_slice(arrival),
                None => return Read::Broken,
            },
            Err(_) => return Read::Refused,
        }
    };
    let length = head.framing.exact();
    let until_close = head.framing == BodyReader::UntilClose;
    let (mut content, mut trailers) = (Vec::new(), HeaderMap::new());
    loop {
        match head.framing.next(&mut read) {
            Ok(BodyPart::Piece(piece)) => content.extend_from_slice(&piece),
            Ok(BodyPart::Trailers(fields)) => {
                trailers = fields;
                break;
            }
            Ok(BodyPart::End) => break,
            Ok(BodyPart::More) => match arrivals.next() {
                Some(arrival) => read.extend_from_slice(arrival),
                None if until_close => break,
                None => return Read::Broken,
            },
            Err(_) => return Read::Refused,
        }
    }
    assert!(length.is_none_or(|length| length == content.len() as u64), "as long as it says");
    let rest = read.len() + arrivals.map(<[u8]>::len).sum::<usize>();
    Read::Whole(head.response.status(), content, trailers, rest)
}

fn by_hyper(sent: &[u8], method: &Method) -> Option<(StatusCode, Vec<u8>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(sent.len() + 4096);
        let builder = hyper::client::conn::http1::Builder::new().max_headers(256).handshake(TokioIo::new(ours)).await;
        let (mut sender, connection) = builder.ok()?;
        let request = Request::builder().method(method.clone()).uri("/").body(Empty::<Bytes>::new()).ok()?;
        let exchange = async {
            let response = sender.send_request(request).await.ok()?;
            let status = response.status();
            let content = response.into_body().collect().await.ok()?;
            Some((status, content.to_bytes().to_vec()))
        };
        let serve = async {
            // The request arrives before the response is sent.
            let mut head = [0; 4096];
            let _ = tokio::io::AsyncReadExt::read(&mut theirs, &mut head).await;
            let _ = theirs.write_all(sent).await;
            drop(theirs);
        };
        let (exchange, _, ()) = tokio::join!(exchange, connection, serve);
        exchange
    })
}
