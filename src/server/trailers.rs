//! HTTP/2 frames on their way to hyper. A request whose trailers hold a pseudo-field is malformed (RFC 9113, section
//! 8.1), but `h2` drops pseudo-fields that begin a trailer section and ends the request as if it were complete.
//!
//! `h2` does refuse a pseudo-field that follows another field. So each trailer section is given a first field here: an
//! empty `Host`, one byte of HPACK that changes no table, which is never forwarded as a trailer. A section that begins
//! with a change of the table's size (RFC 7541, section 4.2) is refused too; clients make one in the head of a request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes of `PRI * HTTP/2.0`, with which a client begins (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// Bytes of the head of a frame (RFC 9113, section 4.1).
const HEAD: usize = 9;
/// Bytes that may precede the fields in a HEADERS frame: the length of its padding, and a priority.
const PADDING: usize = 1;
const PRIORITY: usize = 5;

const HEADERS: u8 = 1;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;
const LARGEST_LENGTH: u32 = 0xFF_FFFF;

/// An empty `Host`: entry 38 of HPACK's static table (RFC 7541, appendix A).
const HOST: u8 = 0x80 | 38;

/// A wire whose reader gets each trailer section with that field. Writes go to `wire`.
pub struct Marked<W> {
    pub wire: W,
    /// Bytes until the next frame.
    left: usize,
    /// The last stream that the client opened: fields on it, or on an earlier one, are trailers.
    newest: u32,
    /// The incomplete beginning of a frame.
    held: Vec<u8>,
    /// Bytes for the next reads.
    ready: Bytes,
}

impl<W: AsyncRead + Unpin> Marked<W> {
    /// Over a wire from which nothing was read.
    pub fn over(wire: W) -> Marked<W> {
        Marked { wire, left: PREFACE, newest: 0, held: Vec::new(), ready: Bytes::new() }
    }

    /// The number of these bytes that pass unchanged: all up to an incomplete head, or to a trailer section.
    fn pass(&mut self, read: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let skipped = self.left.min(read.len() - at);
            (at, self.left) = (at + skipped, self.left - skipped);
            let Some(head) = read[at..].first_chunk().map(Head::of) else { return at };
            if head.begins_trailers(self.newest) {
                return at;
            }
            if head.kind == HEADERS {
                self.newest = self.newest.max(head.stream);
            }
            self.left = head.length;
            at += HEAD;
        }
    }

    /// Makes these bytes ready, with trailer sections marked. The incomplete beginning of a frame is held.
    fn mark(&mut self, mut read: &[u8]) {
        let mut marked = Vec::with_capacity(read.len() + 1);
        loop {
            let (passed, rest) = read.split_at(self.pass(read));
            marked.extend_from_slice(passed);
            read = rest;
            let Some(head) = read.first_chunk().map(Head::of) else { break };
            let Some((begun, rest)) = read.split_at_checked(HEAD + head.before_fields()) else { break };
            // A frame of the largest size that hyper accepts becomes too large, and is refused.
            let length = (head.length as u32 + 1).min(LARGEST_LENGTH).to_be_bytes();
            marked.extend_from_slice(&length[1..]);
            marked.extend_from_slice(&begun[3..]);
            marked.push(HOST);
            self.left = head.length - head.before_fields();
            read = rest;
        }
        self.held = read.to_vec();
        self.ready = marked.into();
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

    /// `h2` refuses a frame that is too short for its flags.
    fn begins_trailers(self, newest: u32) -> bool {
        self.kind == HEADERS && self.stream <= newest && self.before_fields() <= self.length
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
            if !this.ready.is_empty() {
                let count = this.ready.len().min(buffer.remaining());
                buffer.put_slice(&this.ready.split_to(count));
                return Poll::Ready(Ok(()));
            }
            if this.held.is_empty() {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut this.wire).poll_read(cx, buffer))?;
                let read = &buffer.filled()[before..];
                let passed = this.pass(read);
                if passed == read.len() {
                    return Poll::Ready(Ok(()));
                }
                this.mark(&read[passed..]);
                buffer.set_filled(before + passed);
                if passed > 0 {
                    return Poll::Ready(Ok(()));
                }
            } else {
                let mut more = [0; HEAD + PADDING + PRIORITY];
                let mut more = ReadBuf::new(&mut more);
                ready!(Pin::new(&mut this.wire).poll_read(cx, &mut more))?;
                let mut begun = std::mem::take(&mut this.held);
                begun.extend_from_slice(more.filled());
                match more.filled().is_empty() {
                    // The end of the stream, after which `h2` gets what there is.
                    true => this.ready = begun.into(),
                    false => this.mark(&begun),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Bytes that arrive a few at a time.
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

    /// The bytes that reads of `taken` bytes return, when they arrive `step` at a time.
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
    fn the_length_of_a_frame_does_not_overflow() {
        let opened = conversation(&[frame(HEADERS, 4, 1, b"\x82")]);
        let trailers = [0xFF, 0xFF, 0xFF, HEADERS, 5, 0, 0, 0, 1, 0x83];
        let marked = read(&[&opened[..], &trailers].concat(), 100, 100);
        assert_eq!(marked, [&opened[..], &trailers[..HEAD], &[HOST], &trailers[HEAD..]].concat());
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
