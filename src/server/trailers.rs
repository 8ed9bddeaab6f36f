//! HTTP/2 frames on their way to hyper. A request whose trailers hold a pseudo-field is malformed (RFC 9113, section
//! 8.1), but `h2` drops pseudo-fields that begin a trailer section and ends the request as if it were whole.
//!
//! `h2` does refuse a pseudo-field that follows another field. So each trailer section is given a first field here: an
//! empty `Host`, one byte of HPACK that changes no table, which never passes as a trailer. A section that begins with a
//! change of the table's size (RFC 7541, section 4.2) is refused too; clients make one in the head of a request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// `PRI * HTTP/2.0`, with which a client begins (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// The head of a frame (RFC 9113, section 4.1).
const HEAD: usize = 9;
/// What may stand in a frame of fields before the fields: the length of its padding, and a priority.
const PADDING: usize = 1;
const PRIORITY: usize = 5;

const HEADERS: u8 = 1;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;

/// An empty `Host`: entry 38 of HPACK's static table (RFC 7541, appendix A).
const HOST: u8 = 0x80 | 38;

/// A wire whose reader gets the frames with that field.
pub struct Marked<W> {
    wire: W,
    /// Bytes until the next head.
    left: usize,
    /// The last stream that a client opened: fields on it, or on an earlier one, are trailers.
    newest: u32,
    /// A head, and what stands before its fields: `got` of `want` bytes.
    head: [u8; HEAD + PADDING + PRIORITY],
    got: usize,
    want: usize,
    /// Read from the wire, and yet to be looked at.
    ahead: Bytes,
    /// To be given to the reader before all else.
    ready: Vec<u8>,
}

impl<W: AsyncRead + Unpin> Marked<W> {
    /// Over a wire that nothing was read from.
    pub fn over(wire: W) -> Marked<W> {
        let head = [0; HEAD + PADDING + PRIORITY];
        Marked { wire, left: PREFACE, newest: 0, head, got: 0, want: 0, ahead: Bytes::new(), ready: Vec::new() }
    }

    fn poll_raw(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.wire).poll_read(cx, buffer);
        }
        let count = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..count]);
        self.ahead.advance(count);
        Poll::Ready(Ok(()))
    }

    /// How many of these bytes pass as they are: all up to a head that is not whole, or is of trailers.
    fn pass(&mut self, read: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let skipped = self.left.min(read.len() - at);
            (at, self.left) = (at + skipped, self.left - skipped);
            let Some(head) = read[at..].first_chunk().map(Head::of) else { return at };
            if head.is_of_trailers(self.newest) {
                return at;
            }
            self.follow(head);
            at += HEAD;
        }
    }

    fn follow(&mut self, head: Head) {
        if head.kind == HEADERS {
            self.newest = self.newest.max(head.stream);
        }
        self.left = head.length;
    }

    /// Reads on until a head is whole. True at the end of the wire.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.got < self.want {
            let mut room = [0; HEAD + PADDING + PRIORITY];
            let mut room = ReadBuf::new(&mut room[..self.want - self.got]);
            ready!(self.poll_raw(cx, &mut room))?;
            let read = room.filled();
            if read.is_empty() {
                self.ready.extend_from_slice(&self.head[..self.got]);
                (self.got, self.want) = (0, 0);
                return Poll::Ready(Ok(true));
            }
            self.head[self.got..self.got + read.len()].copy_from_slice(read);
            self.got += read.len();
            if self.got == self.want {
                self.finish_head();
            }
        }
        Poll::Ready(Ok(false))
    }

    fn finish_head(&mut self) {
        let Some(head) = self.head.first_chunk().map(Head::of) else { return };
        let before = if head.is_of_trailers(self.newest) { head.before_fields() } else { 0 };
        if self.got == HEAD && (1..=head.length).contains(&before) {
            self.want = HEAD + before;
            return;
        }
        let marked = head.is_of_trailers(self.newest) && before <= head.length;
        if marked {
            // A frame of the largest size is too large then, and refused.
            let length = u32::try_from(head.length + 1).unwrap_or(u32::MAX).to_be_bytes();
            self.head[..3].copy_from_slice(&length[1..]);
        }
        self.ready.extend_from_slice(&self.head[..self.got]);
        self.ready.extend(marked.then_some(HOST));
        self.follow(Head { length: head.length + HEAD - self.got, ..head });
        (self.got, self.want) = (0, 0);
    }
}

/// The head of a frame.
#[derive(Clone, Copy)]
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Head {
    fn of(bytes: &[u8; HEAD]) -> Head {
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        Head { length, kind, flags, stream: u32::from_be_bytes(stream) & 0x7FFF_FFFF }
    }

    fn is_of_trailers(self, newest: u32) -> bool {
        self.kind == HEADERS && self.stream <= newest
    }

    fn before_fields(self) -> usize {
        let has = |flag: u8, size| if self.flags & flag == 0 { 0 } else { size };
        has(PADDED, PADDING) + has(WITH_PRIORITY, PRIORITY)
    }
}

impl<W: AsyncRead + Unpin> AsyncRead for Marked<W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let is_over = ready!(this.poll_head(cx))?;
            if !this.ready.is_empty() {
                let count = this.ready.len().min(buffer.remaining());
                buffer.put_slice(&this.ready[..count]);
                this.ready.drain(..count);
                return Poll::Ready(Ok(()));
            }
            if is_over {
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            if this.ahead.is_empty() {
                ready!(Pin::new(&mut this.wire).poll_read(cx, buffer))?;
                let read = &buffer.filled()[before..];
                let passed = this.pass(read);
                if passed == read.len() {
                    return Poll::Ready(Ok(()));
                }
                this.ahead = Bytes::copy_from_slice(&read[passed..]);
                buffer.set_filled(before + passed);
            } else {
                let read = this.ahead.slice(..this.ahead.len().min(buffer.remaining()));
                let passed = this.pass(&read);
                buffer.put_slice(&read[..passed]);
                this.ahead.advance(passed);
                if passed == read.len() {
                    return Poll::Ready(Ok(()));
                }
            }
            this.want = HEAD;
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Marked<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Bytes that come a few at a time.
    struct Dripping<'a>(&'a [u8], usize);

    impl AsyncRead for Dripping<'_> {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let count = self.1.min(self.0.len()).min(buffer.remaining());
            let (now, later) = self.0.split_at(count);
            buffer.put_slice(now);
            self.0 = later;
            Poll::Ready(Ok(()))
        }
    }

    /// What a reader gets that takes `taken` bytes at a time of those that come `step` at a time.
    fn read(bytes: &[u8], step: usize, taken: usize) -> Vec<u8> {
        let mut marked = Marked::over(Dripping(bytes, step));
        let mut all = Vec::new();
        let mut room = vec![0; taken];
        while let count @ 1.. = marked.read(&mut room).now_or_never().unwrap().unwrap() {
            all.extend_from_slice(&room[..count]);
        }
        all
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn conversation(frames: &[Vec<u8>]) -> Vec<u8> {
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frames.concat()].concat()
    }

    #[test]
    fn trailers_begin_with_a_field_of_qrgate_however_the_bytes_arrive() {
        let (fields, content) = (b"\x82\x87\x84".as_slice(), vec![1; 300]);
        let plain = [
            frame(4, 0, 0, &[0; 12]),
            frame(HEADERS, 4, 1, fields),
            frame(0, 0, 1, &content),
            frame(HEADERS, 4, 3, fields),
        ];
        let sent = [
            &plain[..],
            &[
                frame(HEADERS, 5, 1, b"\x83"),
                frame(HEADERS, 5 | PADDED, 3, b"\x02\x83\0\0"),
                frame(HEADERS, 5 | PADDED | WITH_PRIORITY, 3, b"\x01\0\0\0\0\x10\x83\0"),
                frame(HEADERS, 1, 0x8000_0001, b""),
                frame(9, 4, 1, b"\x83"),
                frame(HEADERS, 5, 5, fields),
            ],
        ]
        .concat();
        let expected = [
            &plain[..],
            &[
                frame(HEADERS, 5, 1, b"\xa6\x83"),
                frame(HEADERS, 5 | PADDED, 3, b"\x02\xa6\x83\0\0"),
                frame(HEADERS, 5 | PADDED | WITH_PRIORITY, 3, b"\x01\0\0\0\0\x10\xa6\x83\0"),
                frame(HEADERS, 1, 0x8000_0001, b"\xa6"),
                frame(9, 4, 1, b"\x83"),
                frame(HEADERS, 5, 5, fields),
            ],
        ]
        .concat();
        for step in 1..400 {
            for taken in [1, 2, 8, 9, 10, 64, 4096] {
                assert_eq!(read(&conversation(&sent), step, taken), conversation(&expected), "{step} {taken}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_arrive_and_nothing_is_lost(
            frames in proptest::collection::vec((0u8..10, any::<u8>(), 0u32..6, proptest::collection::vec(any::<u8>(), 0..40)), 0..12),
            tail: Vec<u8>,
            step in 1usize..70,
            taken in 1usize..70,
        ) {
            let frames: Vec<_> = frames.iter().map(|(kind, flags, stream, bytes)| frame(*kind, *flags, *stream, bytes)).collect();
            let sent = [conversation(&frames), tail].concat();
            let whole = read(&sent, sent.len(), sent.len() + 99);
            prop_assert_eq!(&read(&sent, step, taken), &whole);
            prop_assert!(whole.len() >= sent.len() && whole.len() <= sent.len() + sent.len() / HEAD);
        }
    }
}
