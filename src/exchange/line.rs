//! The access line of a request, written after the response's content or the tunnel has ended.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http::header::HeaderValue;
use http_body::{Frame, SizeHint};

use crate::body::{Body, BodyError, BytesIn, Moved, Splice};
use crate::telemetry::access_log::trace_id;
use crate::telemetry::metrics::GaugeGuard;
use crate::telemetry::{AccessLine, Recorder};
use crate::tunnel::{Tunnel, TunnelSlot};
use crate::wire::Pipe;

/// The facts of a request for its access line.
pub(super) struct RequestRecord {
    pub(super) method: Method,
    pub(super) route: &'static str,
    pub(super) path: PathOf,
    pub(super) client: Option<std::net::IpAddr>,
    pub(super) request_id: HeaderValue,
    pub(super) traceparent: Option<HeaderValue>,
    pub(super) began: Instant,
    pub(super) bytes_in: BytesIn,
    pub(super) application: Option<Duration>,
}

/// The path, as it may appear in the log.
pub(super) enum PathOf {
    Own(http::uri::PathAndQuery),
    Pattern(&'static str),
}

/// A response's content that writes the access line when it is dropped.
pub struct Recorded {
    pub(super) content: Body,
    /// `None` if a tunnel writes it.
    pub(super) line: Option<Box<Line>>,
}

/// The status in the access line if the client disconnects before the response. It is never sent.
const CLIENT_GONE: u16 = 499;

/// Writes the access line when dropped: after the last byte of the response, or when the client disconnects.
pub(super) struct Line {
    pub(super) record: RequestRecord,
    pub(super) status: u16,
    bytes_out: u64,
    recorder: Rc<Recorder>,
    _in_flight: GaugeGuard,
}

impl Line {
    /// Boxed, because it moves with the response.
    pub(super) fn begin(record: RequestRecord, recorder: Rc<Recorder>) -> Box<Line> {
        let in_flight = recorder.in_flight();
        Box::new(Line { record, status: CLIENT_GONE, bytes_out: 0, recorder, _in_flight: in_flight })
    }

    /// Moves the line into the tunnel that was opened, if there is one, to count the bytes there.
    pub(super) fn along(self: Box<Self>, slot: &TunnelSlot) -> Option<Box<Line>> {
        let Some(tunnel) = slot.take() else { return Some(self) };
        let (mut line, on_end) = (self, tunnel.ended);
        let ended = Box::new(move |to_application, to_client| {
            on_end(to_application, to_client);
            line.bytes_out = to_client;
            drop(line);
        });
        slot.fill(Tunnel { ended, ..tunnel });
        None
    }
}

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.content).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let (Some(data), Some(line)) = (frame.data_ref(), &mut self.line)
        {
            line.bytes_out += data.len() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

impl Splice for Recorded {
    fn poll_into(self: Pin<&mut Self>, cx: &mut Context<'_>, pipe: &mut Pipe) -> Moved {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.content).poll_into(cx, pipe)?;
        if let (Poll::Ready(Ok(count)), Some(line)) = (&polled, &mut this.line) {
            line.bytes_out += *count as u64;
        }
        Some(polled)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let record = &self.record;
        let path = match &record.path {
            PathOf::Own(target) => target.path(),
            PathOf::Pattern(pattern) => pattern,
        };
        self.recorder.record(&AccessLine {
            method: &record.method,
            route: record.route,
            path,
            status: self.status,
            bytes_in: record.bytes_in.get(),
            bytes_out: self.bytes_out,
            duration: record.began.elapsed(),
            application: record.application,
            client: record.client,
            request_id: Some(record.request_id.to_str().unwrap_or("")),
            trace_id: record.traceparent.as_ref().and_then(|value| value.to_str().ok()).and_then(trace_id),
        });
    }
}
