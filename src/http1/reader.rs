//! What was read from a wire and not yet used.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// The read of a head, and the first of a content; it grows for those who send much.
const SMALLEST_READ: usize = 8 * 1024;
/// The largest read. Reads of 64 KiB cost half as much again for large contents.
const LARGEST_READ: usize = 256 * 1024;

thread_local! {
    /// Where a worker reads heads into, for all its connections: what is used all the time stays in the cache.
    static HEADS: RefCell<Box<[u8]>> = RefCell::new(vec![0; SMALLEST_READ].into_boxed_slice());
}

/// Bytes that were read, and how much the next read makes room for.
pub struct Reader {
    /// The bytes, for whoever parses them to take.
    pub bytes: BytesMut,
    room: usize,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader { bytes: BytesMut::new(), room: SMALLEST_READ }
    }
}

impl Reader {
    /// Reads once, for a head. Zero: the other end will send no more.
    ///
    /// Not into all the room that a content gets: what is not read can be moved in the kernel.
    pub fn poll_head(&mut self, cx: &mut Context<'_>, wire: &mut (impl AsyncRead + Unpin)) -> Poll<io::Result<usize>> {
        // A wire reads from nothing that reads heads itself.
        HEADS.with_borrow_mut(|heads| {
            let mut room = ReadBuf::new(heads);
            ready!(Pin::new(wire).poll_read(cx, &mut room))?;
            let read = room.filled();
            self.bytes.extend_from_slice(read);
            Poll::Ready(Ok(read.len()))
        })
    }

    /// Reads once, for a content, into room that grows while it is used up. Zero: the other end will send no more.
    pub fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<usize>> {
        let most = self.room - self.bytes.len().min(self.room - SMALLEST_READ);
        self.bytes.reserve(most);
        // There may be more room than was asked for; whoever takes slowly must not make us hold that much.
        let count = ready!(pin!(wire.read_buf(&mut (&mut self.bytes).limit(most))).poll(cx))?;
        if count == most {
            self.room = (self.room * 2).min(LARGEST_READ);
        }
        Poll::Ready(Ok(count))
    }

    /// Gives back the memory while nothing is held.
    pub fn shrink(&mut self) {
        if self.bytes.is_empty() {
            *self = Reader::default();
        }
    }
}
