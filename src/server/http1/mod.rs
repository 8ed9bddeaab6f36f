//! HTTP/1.1 on one connection: one request at a time, parked in between, joined with the application after an upgrade.
//!
//! The connection's task drives everything: it reads a head, polls the handler, and writes its response. `head` parses
//! the heads of requests, `input` reads from the client, and `response_head` writes the heads of responses.

pub mod head;
mod input;
mod response_head;

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, response};
use http_body::Body as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::boxed::boxed;
use super::worker::{ConnectionEvent, Handler, ServerSettings, Worker};
use super::{parked, tunnels};
use crate::body::Body;
use crate::deadline::Deadline;
use crate::http1::{BodyFraming, BodyReader, Failed, MessageWriter, Reader, head_buffers};
use crate::peer::Peer;
use crate::tunnel::{Tunnel, TunnelSlot};
use crate::wire::Wire;

use head::{Head, Limits};
use input::{ClientIo, Content, Input};
use response_head::{Plan, RequestFacts};

/// How long an idle connection keeps its HTTP state before it is parked.
const PARK_AFTER: Duration = Duration::from_secs(1);

/// How a sequence of requests ended.
enum End {
    /// The connection is idle, and will be parked.
    Idle,
    /// The connection was upgraded, and will be joined.
    Upgraded(Tunnel),
    /// The connection is over. The client may not know that yet.
    Over,
    /// The client has disconnected.
    Gone,
    /// The client exceeded a time limit.
    TooSlow,
    /// A head is malformed; the response has this status.
    Refused(StatusCode),
    /// A response is incomplete, and would look complete if the connection were closed without a reset.
    Reset,
}

/// Serves requests until either side closes the connection.
///
/// `reader` holds what was read from `wire` already.
pub async fn serve<H: Handler>(
    worker: &Rc<Worker<H>>,
    mut wire: Wire,
    mut reader: Reader,
    deadline: Deadline,
    peer: Peer,
) {
    let mut kept = None;
    loop {
        // Boxed, so that the task of a parked or joined connection does not hold the memory for HTTP.
        let slot = kept.take().unwrap_or_default();
        let io = ClientIo::new(wire, std::mem::take(&mut reader));
        match boxed(|| serve_until_idle(worker, io, &deadline, peer, slot)).await {
            Served::Idle(idle, slot) => (wire, kept) = (idle, slot.has_private().then_some(slot)),
            Served::Upgraded(wire, ahead, tunnel) => {
                return Box::pin(tunnels::join(worker, wire, ahead, tunnel)).await;
            }
            Served::Closed => return,
        }
        let left = worker.settings().keep_alive.saturating_sub(PARK_AFTER);
        if !parked::wait(worker, &deadline, &mut wire, left).await {
            return;
        }
    }
}

/// The state of a connection after a sequence of requests.
enum Served {
    /// The slot may hold a connection to the application.
    Idle(Wire, TunnelSlot),
    /// To be joined with the tunnel. The bytes have been read already.
    Upgraded(Wire, Bytes, Tunnel),
    Closed,
}

/// Serves until the connection is idle for a while, upgraded, or closed.
async fn serve_until_idle<H: Handler>(
    worker: &Rc<Worker<H>>,
    io: ClientIo,
    deadline: &Deadline,
    peer: Peer,
    slot: TunnelSlot,
) -> Served {
    let mut connection = Connection {
        worker,
        peer,
        deadline,
        settings: worker.settings(),
        io: Rc::new(io),
        moved: Cell::default(),
        slot,
    };
    let Err(end) = connection.serve().await;
    let Connection { io, slot, .. } = connection;
    match end {
        End::TooSlow => (worker.report)(ConnectionEvent::TooSlow, peer.address),
        End::Refused(status) => (worker.report)(ConnectionEvent::Malformed(status), peer.address),
        _ => {}
    }
    // Otherwise another task still reads the content, to its end or until the client disconnects.
    let Ok(io) = Rc::try_unwrap(io) else { return Served::Closed };
    let (wire, input) = (io.wire.into_inner(), io.input.into_inner());
    match end {
        End::Idle => return Served::Idle(wire, slot),
        End::Upgraded(tunnel) => return Served::Upgraded(wire, input.reader.bytes.freeze(), tunnel),
        End::Over => close(wire, input, &[]).await,
        End::Refused(status) => close(wire, input, &response_head::bare(status, &worker.dates)).await,
        End::Gone | End::TooSlow => {}
        End::Reset => {
            if let Wire::Tcp(stream) = wire {
                let _ = stream.reset_on_close();
            }
        }
    }
    Served::Closed
}

/// A connection that is serving requests.
struct Connection<'a, H> {
    worker: &'a Worker<H>,
    peer: Peer,
    deadline: &'a Deadline,
    settings: Rc<ServerSettings>,
    io: Rc<ClientIo>,
    /// The client's progress when its time limit was last set; `None` while we do not wait for the client.
    moved: Cell<Option<u64>>,
    /// Where a handler puts a tunnel.
    slot: TunnelSlot,
}

impl<H: Handler> Connection<'_, H> {
    /// Serves requests until no other may follow.
    async fn serve(&mut self) -> Result<Infallible, End> {
        let mut first = true;
        loop {
            let head = self.head(std::mem::take(&mut first)).await?;
            self.exchange(head).await?;
        }
    }

    /// Waits for the head of a request. `expected`: its first byte has arrived.
    async fn head(&self, expected: bool) -> Result<Head, End> {
        let limits = Limits { size: self.settings.header_size, count: self.settings.header_count };
        let (mut begun, mut searched) = (expected, 0);
        self.deadline.set(match begun {
            true => self.settings.header_timeout,
            false => self.settings.keep_alive.min(PARK_AFTER),
        });
        poll_fn(|cx| {
            let mut input = self.io.input.borrow_mut();
            loop {
                if !input.reader.bytes.is_empty() {
                    match head::read(&mut input.reader.bytes, limits, &mut searched) {
                        Ok(Some(head)) => return Poll::Ready(Ok(head)),
                        Err(status) => return Poll::Ready(Err(End::Refused(status))),
                        Ok(None) => {}
                    }
                }
                let empty = input.reader.bytes.is_empty();
                if !empty && !std::mem::replace(&mut begun, true) {
                    self.deadline.set(self.settings.header_timeout);
                }
                if empty && self.worker.draining.get() {
                    return Poll::Ready(Err(End::Over));
                }
                match input.poll_head(cx, &mut self.io.wire.borrow_mut()) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(Ok(0)) if empty => return Poll::Ready(Err(End::Over)),
                    Poll::Ready(_) => return Poll::Ready(Err(End::Gone)),
                    Poll::Pending => break,
                }
            }
            self.deadline.poll_expired(cx).map(|()| Err(if begun { End::TooSlow } else { End::Idle }))
        })
        .await
    }

    /// Responds to a request. An error if no other request may follow.
    async fn exchange(&mut self, head: Head) -> Result<(), End> {
        let Head { request, framing, keeps, expects } = head;
        let mut asked = RequestFacts { method: request.method().clone(), version: request.version(), keeps };
        let content = if framing == BodyReader::Nothing {
            Body::Empty
        } else {
            self.io.input.borrow_mut().begin(framing, expects);
            Body::Other(Box::pin(Content::of(&self.io)))
        };
        self.deadline.clear();
        self.moved.set(None);
        // Pinned here, since it is expensive to move.
        let handler = pin!(self.worker.handler.respond(request.map(|()| content), self.peer, self.slot.clone()));
        let (head, content) = self.handled(handler).await?.into_parts();
        // Without a 101 the client does not expect a tunnel (docs/conformance.md, J1).
        let tunnel = self.slot.take().filter(|_| head.status == StatusCode::SWITCHING_PROTOCOLS);
        asked.keeps &= !self.worker.draining.get() && self.content_can_end();
        let keeps = self.send(&head, content, &asked).await?;
        if let Some(tunnel) = tunnel {
            return Err(End::Upgraded(tunnel));
        }
        poll_fn(|cx| match self.io.poll_released(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => self.poll_too_slow(cx, false, 0),
        })
        .await?;
        match keeps && self.content_can_end() {
            true => Ok(()),
            false => Err(End::Over),
        }
    }

    /// Waits for the handler, which is dropped if the client disconnects.
    async fn handled<F: Future>(&self, mut handler: Pin<&mut F>) -> Result<F::Output, End> {
        if !self.io.wire.borrow().is_registered()
            && let Some(response) = self.handled_soon(handler.as_mut()).await
        {
            return Ok(response);
        }
        poll_fn(|cx| {
            if let Poll::Ready(response) = handler.as_mut().poll(cx) {
                return Poll::Ready(Ok(response));
            }
            if self.io.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(End::Gone));
            }
            self.poll_too_slow(cx, false, 0)
        })
        .await
    }

    /// Waits for the handler for a tick or two, without watching the client. If the response is there by then, a socket
    /// that is not registered need not be.
    async fn handled_soon<F: Future>(&self, mut handler: Pin<&mut F>) -> Option<F::Output> {
        self.deadline.set(Duration::ZERO);
        let response = poll_fn(|cx| match handler.as_mut().poll(cx) {
            Poll::Ready(response) => Poll::Ready(Some(response)),
            Poll::Pending => self.deadline.poll_expired(cx).map(|()| None),
        })
        .await;
        self.deadline.clear();
        response
    }

    /// Sends a response. Returns whether another may follow.
    async fn send(&mut self, head: &response::Parts, content: H::Content, asked: &RequestFacts) -> Result<bool, End> {
        let mut buffer = head_buffers::take();
        buffer.extend_from_slice(self.io.input.borrow_mut().take_pending_continue());
        let Plan { rest, announced, keeps } =
            response_head::write(&mut buffer, head, content.size_hint().exact(), asked, &self.worker.dates);
        let mut sending = MessageWriter::new(buffer, content, rest, announced);
        poll_fn(|cx| {
            match sending.poll_send(cx, &self.io.wire) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(Failed::Wire(_))) => return Poll::Ready(Err(End::Gone)),
                Poll::Ready(Err(_)) if rest == BodyFraming::UntilClose => return Poll::Ready(Err(End::Reset)),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Over)),
                Poll::Pending => {}
            }
            let blocked = !sending.waits_for_content();
            if !blocked && self.io.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(End::Gone));
            }
            self.poll_too_slow(cx, blocked, sending.sent())
        })
        .await?;
        Ok(keeps)
    }

    /// Whether the request content will end by itself: it is complete, another task is reading it, or the rest is
    /// buffered and can be skipped.
    fn content_can_end(&self) -> bool {
        let mut input = self.io.input.borrow_mut();
        input.is_over() || self.io.is_read_by_others() || input.skip(&mut self.io.wire.borrow_mut())
    }

    /// Ready when the client exceeds the idle timeout, either in taking more of the response (`blocked`) or in sending
    /// more of the content that a task waits for.
    fn poll_too_slow<T>(&self, cx: &mut Context<'_>, blocked: bool, sent: u64) -> Poll<Result<T, End>> {
        let input = self.io.input.borrow();
        if blocked || input.awaits_content {
            let moved = Some(input.read + sent);
            if self.moved.replace(moved) != moved {
                self.deadline.set(self.settings.idle_timeout);
            }
        } else if self.moved.take().is_some() {
            self.deadline.clear();
        }
        self.deadline.poll_expired(cx).map(|()| Err(End::TooSlow))
    }
}

/// Sends `last` and closes the connection. TLS needs a closure alert, and unread bytes must not cause a reset that
/// destroys the response; a plaintext client that has nothing left to send needs neither.
async fn close(mut wire: Wire, input: Input, last: &[u8]) {
    const LINGER: Duration = Duration::from_millis(500);
    if last.is_empty() && wire.is_plain() && input.is_over() && !input.may_hold_more(&mut wire) {
        return;
    }
    let lingering = async {
        if wire.write_all(last).await.is_ok() && wire.shutdown().await.is_ok() {
            let mut sink = [0; 4096];
            let mut left = 64;
            while left > 0 && matches!(wire.read(&mut sink).await, Ok(count) if count > 0) {
                left -= 1;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, Box::pin(lingering)).await;
}
