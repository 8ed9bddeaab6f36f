//! Sends a message: the head, then the content as it arrives, framed by its length, in chunks, or by the end of the
//! connection.

use std::cell::RefCell;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{HeaderMap, HeaderValue};
use http_body::Frame;
use tokio::io::AsyncWrite as _;

use super::{fields, head_buffers};
use crate::body::{BodyError, Splice};
use crate::wire::{Pipe, Wire};

/// Content up to this size is copied into the buffer.
const COPIED: usize = 4 * 1024;
/// Bytes gathered before they are sent.
const GATHERED: usize = 16 * 1024;
/// Smallest remaining content that is spliced; below this a pipe costs more than it saves.
const MOVED: u64 = 32 * 1024;

/// Why a message could not be sent completely.
pub enum Failed {
    Wire(io::Error),
    /// Its content is incomplete, or does not have the length of its `Content-Length`.
    Content(BodyError),
}

/// The framing of the content that has not been read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// This number of bytes. Zero: all have arrived, but the content has not reported its end.
    Length(u64),
    Chunks,
    /// All content, until the connection is closed.
    UntilClose,
    Nothing,
}

/// A message that is being sent.
pub struct MessageWriter<B> {
    /// Head, chunk sizes and small pieces; sent from `written` on.
    buffer: Vec<u8>,
    written: usize,
    /// A piece of content, sent after the buffer.
    piece: Bytes,
    /// Spliced content, sent after both.
    pipe: Option<Pipe>,
    /// Whether the last chunk still needs its line end.
    owes_line_end: bool,
    content: B,
    rest: BodyFraming,
    /// The lines of `Trailer`. Only the trailers that they list are sent.
    announced: Vec<HeaderValue>,
    /// Whether the last piece is held back until the content has ended properly.
    whole: bool,
    /// Whether there is content to stream.
    streams: bool,
    /// Bytes that the socket has taken.
    sent: u64,
    /// Whether more content must arrive before there is anything to send.
    waits: bool,
}

impl<B> Drop for MessageWriter<B> {
    fn drop(&mut self) {
        head_buffers::put(std::mem::take(&mut self.buffer));
    }
}

impl<B: Splice + Unpin> MessageWriter<B> {
    /// `head` includes the empty line. Its buffer goes to [`head_buffers`]. Trailers are sent if a line of `announced` lists them.
    pub fn new(head: Vec<u8>, content: B, rest: BodyFraming, announced: Vec<HeaderValue>) -> MessageWriter<B> {
        MessageWriter {
            buffer: head,
            written: 0,
            piece: Bytes::new(),
            pipe: None,
            owes_line_end: false,
            content,
            streams: !matches!(rest, BodyFraming::Nothing | BodyFraming::Length(0)),
            rest: if rest == BodyFraming::Length(0) { BodyFraming::Nothing } else { rest },
            announced,
            whole: false,
            sent: 0,
            waits: false,
        }
    }

    /// Holds back the last piece of content of known length until the content has ended. In HTTP/2 more content, or
    /// malformed trailers, can follow, when a server would already have the complete message (RFC 9113, section 8.1.1).
    pub fn keep_last_piece(&mut self) {
        self.whole = true;
    }

    pub fn sent(&self) -> u64 {
        self.sent
    }

    pub fn is_over(&self) -> bool {
        self.rest == BodyFraming::Nothing && self.is_flushed()
    }

    pub fn waits_for_content(&self) -> bool {
        self.waits
    }

    /// Starts again, for another connection. Only if nothing was sent, or there is no content.
    pub fn rewind(&mut self) {
        (self.written, self.sent) = (0, 0);
    }

    fn piped(&self) -> usize {
        self.pipe.as_ref().map_or(0, Pipe::held)
    }

    fn is_flushed(&self) -> bool {
        self.written == self.buffer.len() && self.piece.is_empty() && self.piped() == 0
    }

    /// Sends what is available and polls for more; ready when all was sent. The wire is borrowed for one write at a
    /// time, since the content may come from the same connection.
    ///
    /// # Errors
    ///
    /// [`Failed`]. After an error of the wire with nothing sent, the message may be sent over another one.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, wire: &RefCell<Wire>) -> Poll<Result<(), Failed>> {
        loop {
            if let Some(pipe) = self.pipe.as_mut().filter(|pipe| pipe.held() > 0) {
                self.waits = false;
                match ready!(wire.borrow_mut().poll_drain(cx, pipe)) {
                    Ok(count) => self.sent += count as u64,
                    Err(error) => return Poll::Ready(Err(Failed::Wire(error))),
                }
                continue;
            }
            let plain = wire.borrow().is_plain();
            self.waits = self.gather(cx, plain).map_err(Failed::Content)?;
            if self.waits && self.rest == BodyFraming::Length(0) {
                return Poll::Pending;
            }
            if self.is_flushed() {
                if self.rest == BodyFraming::Nothing
                    && let Some(pipe) = self.pipe.take()
                {
                    pipe.put();
                }
                // TLS may still buffer bytes that it has accepted.
                let flushed = Pin::new(&mut *wire.borrow_mut()).poll_flush(cx).map_err(Failed::Wire);
                return if self.waits && !matches!(flushed, Poll::Ready(Err(_))) { Poll::Pending } else { flushed };
            }
            if self.piped() > 0 {
                continue;
            }
            let wrote = if self.piece.is_empty() {
                Pin::new(&mut *wire.borrow_mut()).poll_write(cx, &self.buffer[self.written..])
            } else {
                let both = [IoSlice::new(&self.buffer[self.written..]), IoSlice::new(&self.piece)];
                Pin::new(&mut *wire.borrow_mut()).poll_write_vectored(cx, &both)
            };
            self.waits = false;
            match ready!(wrote) {
                Ok(0) => return Poll::Ready(Err(Failed::Wire(io::ErrorKind::WriteZero.into()))),
                Ok(count) => self.advance(count),
                Err(error) => return Poll::Ready(Err(Failed::Wire(error))),
            }
        }
    }

    /// Gathers available content. True if there is none yet.
    fn gather(&mut self, cx: &mut Context<'_>, plain: bool) -> Result<bool, BodyError> {
        if self.rest == BodyFraming::Length(0) {
            return self.await_end(cx);
        }
        if plain && let Some(moved) = self.poll_move(cx) {
            return moved;
        }
        while self.rest != BodyFraming::Nothing && self.piece.is_empty() && self.buffer.len() < GATHERED {
            match Pin::new(&mut self.content).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.take_frame(frame)?,
                Poll::Ready(Some(Err(error))) => return Err(error),
                Poll::Ready(None) => self.end()?,
                Poll::Pending => return Ok(true),
            }
            if self.rest == BodyFraming::Length(0) {
                return self.await_end(cx);
            }
        }
        Ok(false)
    }

    /// Waits for the end of content of which all bytes have arrived. True while more could follow.
    fn await_end(&mut self, cx: &mut Context<'_>) -> Result<bool, BodyError> {
        loop {
            match Pin::new(&mut self.content).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) if frame.data_ref().is_some_and(|data| !data.is_empty()) => {
                    return Err(BodyError::WrongLength);
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Err(error),
                Poll::Pending => return Ok(true),
                Poll::Ready(None) => {
                    self.rest = BodyFraming::Nothing;
                    return Ok(false);
                }
            }
        }
    }

    /// Moves available content into a pipe once all before it was sent. True if there is none yet; `None` if it has to
    /// be read.
    fn poll_move(&mut self, cx: &mut Context<'_>) -> Option<Result<bool, BodyError>> {
        let BodyFraming::Length(left) = self.rest else { return None };
        if !self.is_flushed() || self.pipe.is_none() && left < MOVED {
            return None;
        }
        let mut pipe = self.pipe.take().or_else(Pipe::take)?;
        let Some(moved) = Pin::new(&mut self.content).poll_into(cx, &mut pipe) else {
            pipe.put();
            return None;
        };
        self.pipe = Some(pipe);
        Some(match moved {
            Poll::Pending => Ok(true),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(count)) => self.take_off(left, count).map(|()| false),
        })
    }

    /// Counts arrived bytes, of which `left` were expected.
    fn take_off(&mut self, left: u64, count: usize) -> Result<(), BodyError> {
        self.rest = match left.checked_sub(count as u64).ok_or(BodyError::WrongLength)? {
            0 if self.whole && !self.content.has_ended() => BodyFraming::Length(0),
            0 => BodyFraming::Nothing,
            left => BodyFraming::Length(left),
        };
        Ok(())
    }

    fn advance(&mut self, count: usize) {
        self.sent += count as u64;
        let of_buffer = count.min(self.buffer.len() - self.written);
        self.written += of_buffer;
        self.piece.advance(count - of_buffer);
        if self.streams && self.is_flushed() {
            // Dropped so that the reader can reuse its memory.
            self.piece = Bytes::new();
            self.buffer.clear();
            self.written = 0;
            if std::mem::take(&mut self.owes_line_end) {
                self.buffer.extend_from_slice(b"\r\n");
            }
        }
    }

    fn take_frame(&mut self, frame: Frame<Bytes>) -> Result<(), BodyError> {
        match frame.into_data() {
            Ok(data) => self.take_data(data),
            Err(frame) => {
                if let (BodyFraming::Chunks, Ok(trailers)) = (self.rest, frame.into_trailers()) {
                    self.end_chunks(&trailers);
                }
                Ok(())
            }
        }
    }

    fn take_data(&mut self, data: Bytes) -> Result<(), BodyError> {
        if data.is_empty() {
            // An empty chunk would be the last one.
            return Ok(());
        }
        let chunked = self.rest == BodyFraming::Chunks;
        match self.rest {
            BodyFraming::Length(left) => self.take_off(left, data.len())?,
            // Writing to memory cannot fail.
            BodyFraming::Chunks => drop(write!(self.buffer, "{:x}\r\n", data.len())),
            BodyFraming::UntilClose => {}
            BodyFraming::Nothing => return Err(BodyError::WrongLength),
        }
        if data.len() > COPIED {
            (self.piece, self.owes_line_end) = (data, chunked);
            return Ok(());
        }
        self.buffer.extend_from_slice(&data);
        if chunked {
            self.buffer.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), BodyError> {
        match self.rest {
            BodyFraming::Length(_) => return Err(BodyError::WrongLength),
            BodyFraming::Chunks => self.end_chunks(&HeaderMap::new()),
            BodyFraming::UntilClose | BodyFraming::Nothing => self.rest = BodyFraming::Nothing,
        }
        Ok(())
    }

    fn end_chunks(&mut self, trailers: &HeaderMap) {
        self.buffer.extend_from_slice(b"0\r\n");
        for (name, value) in trailers {
            if self.announced.iter().any(|line| fields::lists(line.as_bytes(), name.as_str().as_bytes())) {
                fields::push(&mut self.buffer, name.as_str(), value.as_bytes());
            }
        }
        self.buffer.extend_from_slice(b"\r\n");
        self.rest = BodyFraming::Nothing;
    }
}
