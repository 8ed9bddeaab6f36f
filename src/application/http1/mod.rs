//! HTTP/1.1 to an origin server, driven by the request's own task. A task or a channel per connection would be most of
//! the cost of a small request (docs/performance.md).
//!
//! `request_writer` writes a request, and `head` parses the head of a response. Clients and servers share `crate::http1`.

pub mod head;
mod request_writer;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::application::error::ClientError;
use crate::body::{Body, Cause};
use crate::deadline::{Deadline, Timeouts};
use crate::http1::{BodyPart, BodyReader, Failed, MessageWriter, Reader};
use crate::wire::{Pipe, Wire};

pub use head::ResponseHead;
pub use request_writer::RequestWriter;

/// Maximum bytes of a response's head.
const LARGEST_HEAD: usize = 400 * 1024;
/// Maximum number of interim responses before the final one. None is forwarded (docs/conformance.md, G21).
const MOST_INTERIM: usize = 10_000;

/// A connection to an origin server, for one request at a time.
pub struct Http1 {
    /// Shared only while content is sent after an early response.
    wire: Rc<RefCell<Wire>>,
    reader: Reader,
    /// The timer of the exchange that uses the connection.
    pub deadline: Deadline,
    /// Whether it carried an earlier request.
    pub reused: bool,
    /// Whether it may have been authenticated and so belongs to one client's connection (see `private`).
    pub private: bool,
}

/// The interim responses before a response.
#[derive(Default)]
struct Interim {
    count: usize,
    /// Whether one of them closes the connection or announced content.
    closes: bool,
}

impl Http1 {
    /// Wraps a connected socket.
    pub fn new(wire: Wire, deadline: Deadline) -> Http1 {
        let wire = Rc::new(RefCell::new(wire));
        Http1 { wire, reader: Reader::default(), deadline, reused: false, private: false }
    }

    /// Whether an idle connection can be used: it is open, and has been silent since the last response.
    pub fn is_idle(&mut self) -> bool {
        let silent = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.reader.bytes.is_empty() && self.wire.borrow_mut().try_read(&mut [0]).is_err_and(silent)
    }

    /// Frees the read buffer if it is empty.
    pub fn shrink(&mut self) {
        self.reader.shrink();
    }

    /// Sends a request and reads the head of its response, which may arrive before all content is sent: see
    /// [`Http1::send_rest`].
    ///
    /// # Errors
    ///
    /// [`ClientError`]. The request may be sent again only after [`ClientError::NotSent`] or [`ClientError::Ended`].
    pub async fn exchange(
        &mut self,
        outgoing: &mut RequestWriter,
        timeouts: Timeouts,
    ) -> Result<ResponseHead, ClientError> {
        let mut sending = true;
        let mut interim = Interim::default();
        self.deadline.set(timeouts.idle);
        poll_fn(|cx| {
            if sending && self.poll_send(cx, outgoing, timeouts)?.is_ready() {
                sending = false;
                timeouts.request_sent(&self.deadline);
            }
            match self.poll_head(cx, outgoing, &mut interim) {
                Poll::Ready(result) => Poll::Ready(result),
                Poll::Pending => self.deadline.poll_expired(cx).map(|()| Err(ClientError::Timeout)),
            }
        })
        .await
    }

    /// Sends the rest of a request.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the content is incomplete, or the server stops reading for longer than the idle timeout.
    pub async fn send_all(&mut self, outgoing: &mut RequestWriter, timeouts: Timeouts) -> Result<(), ClientError> {
        poll_fn(|cx| match self.poll_send(cx, outgoing, timeouts) {
            Poll::Ready(sent) => Poll::Ready(sent),
            Poll::Pending => self.deadline.poll_expired(cx).map(|()| Err(ClientError::Timeout)),
        })
        .await
    }

    /// Sends what can be sent. A failed write after the first byte is no error: the server may have sent an early
    /// response before it closed.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut RequestWriter,
        timeouts: Timeouts,
    ) -> Poll<Result<(), ClientError>> {
        let polled = send_in_time(cx, &mut outgoing.message, &self.wire, &self.deadline, timeouts.idle);
        match ready!(polled) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Failed::Content(error)) => Poll::Ready(Err(ClientError::Content(error))),
            Err(Failed::Wire(error)) if outgoing.message.sent() == 0 => {
                Poll::Ready(Err(ClientError::NotSent(error.into())))
            }
            Err(Failed::Wire(_)) => Poll::Ready(Ok(())),
        }
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &RequestWriter,
        interim: &mut Interim,
    ) -> Poll<Result<ResponseHead, ClientError>> {
        loop {
            while !self.reader.bytes.is_empty() {
                match head::read(&mut self.reader.bytes, &outgoing.method) {
                    Ok(Some(head)) if is_interim(head.response.status()) => {
                        interim.count += 1;
                        interim.closes |= !head.keeps;
                        if interim.count > MOST_INTERIM {
                            return Poll::Ready(Err(ClientError::Broken("too many interim responses".into())));
                        }
                    }
                    Ok(Some(mut head)) => {
                        head.keeps &= !interim.closes;
                        return Poll::Ready(Ok(head));
                    }
                    Ok(None) if self.reader.bytes.len() > LARGEST_HEAD => {
                        return Poll::Ready(Err(ClientError::Broken("the response's head is too large".into())));
                    }
                    Ok(None) => break,
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            let begun = !self.reader.bytes.is_empty() || interim.count > 0;
            let cause: Cause = match ready!(self.reader.poll_head(cx, &mut *self.wire.borrow_mut())) {
                Ok(0) => "the connection was closed".into(),
                Ok(_) => continue,
                Err(error) => error.into(),
            };
            return Poll::Ready(Err(if begun { ClientError::Broken(cause) } else { ClientError::Ended(cause) }));
        }
    }

    /// The next part of a response's content, never [`BodyPart::More`]. `framing` is the state of the reader.
    ///
    /// # Errors
    ///
    /// If the connection ends before the content, or the chunks are malformed.
    pub fn poll_content(&mut self, cx: &mut Context<'_>, framing: &mut BodyReader) -> Poll<Result<BodyPart, Cause>> {
        loop {
            match framing.next(&mut self.reader.bytes)? {
                BodyPart::More => {}
                next => return Poll::Ready(Ok(next)),
            }
            match ready!(self.reader.poll_content(cx, &mut *self.wire.borrow_mut()))? {
                0 if *framing == BodyReader::UntilClose => *framing = BodyReader::Nothing,
                0 => return Poll::Ready(Err("the connection was closed".into())),
                _ => {}
            }
        }
    }

    /// Moves at most `most` bytes into an empty pipe. `None` if bytes that come first are in the read buffer.
    pub fn poll_into(&self, cx: &mut Context<'_>, pipe: &mut Pipe, most: u64) -> Option<Poll<io::Result<usize>>> {
        let mut wire = self.wire.borrow_mut();
        (self.reader.bytes.is_empty() && wire.is_plain()).then(|| wire.poll_fill(cx, pipe, most))
    }

    /// The whole content of a response, if it has been read already; the connection is free then.
    pub fn take_whole(&mut self, framing: &BodyReader) -> Option<Bytes> {
        match framing {
            BodyReader::Nothing => Some(Bytes::new()),
            BodyReader::Length(length) if *length <= self.reader.bytes.len() as u64 => {
                let length = usize::try_from(*length).unwrap_or(self.reader.bytes.len());
                Some(self.reader.bytes.split_to(length).freeze())
            }
            _ => None,
        }
    }

    /// Spawns a task that sends the rest of a request after an early response, until the content ends or the server
    /// no longer takes it. Nothing else may be sent over this connection.
    pub fn send_rest(&self, mut message: MessageWriter<Body>, deadline: Deadline, idle: Duration) {
        let wire = self.wire.clone();
        tokio::task::spawn_local(poll_fn(move |cx| match send_in_time(cx, &mut message, &wire, &deadline, idle) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => deadline.poll_expired(cx),
        }));
    }

    /// After a 101: the socket, and the bytes read after the head. `None` while another task still writes to it.
    pub fn into_wire(self) -> Option<(Wire, Bytes)> {
        let wire = Rc::try_unwrap(self.wire).ok()?;
        Some((wire.into_inner(), self.reader.bytes.freeze()))
    }

    /// Whether the connection can take another request: the read buffer is empty and no task writes.
    pub fn is_free(&self) -> bool {
        self.reader.bytes.is_empty() && Rc::strong_count(&self.wire) == 1
    }
}

/// Sends what can be sent. The deadline runs only while the server has to read; while content is awaited, the client's
/// idle timeout runs.
fn send_in_time(
    cx: &mut Context<'_>,
    message: &mut MessageWriter<Body>,
    wire: &RefCell<Wire>,
    deadline: &Deadline,
    idle: Duration,
) -> Poll<Result<(), Failed>> {
    let before = message.sent();
    let polled = message.poll_send(cx, wire);
    if message.waits_for_content() {
        deadline.clear();
    } else if message.sent() != before || !deadline.is_set() {
        deadline.set(idle);
    }
    polled
}

fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}
