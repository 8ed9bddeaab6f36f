//! The read buffer of a connection.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// The size of the first reads of content; it grows while reads are filled.
const SMALLEST_READ: usize = 8 * 1024;
/// The largest read. With 64 KiB, large content costs half as much again.
const LARGEST_READ: usize = 256 * 1024;

thread_local! {
    /// The buffer into which a worker reads heads, shared by its connections so that it stays in the cache.
    static HEADS: RefCell<Box<[u8]>> = RefCell::new(vec![0; SMALLEST_READ].into_boxed_slice());
}

pub struct Reader {
    /// Bytes that were read and not parsed yet.
    pub bytes: BytesMut,
    /// The size of the next read of content.
    room: usize,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader { bytes: BytesMut::new(), room: SMALLEST_READ }
    }
}

impl Reader {
    /// Reads once, for a head. Returns the number of bytes, zero at the end of the stream.
    ///
    /// The read is small: content that is not read can be spliced.
    pub fn poll_head(&mut self, cx: &mut Context<'_>, wire: &mut (impl AsyncRead + Unpin)) -> Poll<io::Result<usize>> {
        // `Wire::poll_read` never calls `poll_head`, so borrowing the buffer cannot fail.
        HEADS.with_borrow_mut(|heads| {
            let mut room = ReadBuf::new(heads);
            ready!(Pin::new(wire).poll_read(cx, &mut room))?;
            let read = room.filled();
            self.bytes.extend_from_slice(read);
            Poll::Ready(Ok(read.len()))
        })
    }

    /// Reads once, for content; reads grow while they are filled. Returns the number of bytes, zero at the end of the
    /// stream.
    pub fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<usize>> {
        let most = self.room - self.bytes.len().min(self.room - SMALLEST_READ);
        self.bytes.reserve(most);
        // The buffer may have more capacity, which must not fill up when the receiver is slow.
        let count = ready!(pin!(wire.read_buf(&mut (&mut self.bytes).limit(most))).poll(cx))?;
        if count == most {
            self.room = (self.room * 2).min(LARGEST_READ);
        }
        Poll::Ready(Ok(count))
    }

    /// Frees the memory if the buffer is empty.
    pub fn shrink(&mut self) {
        if self.bytes.is_empty() {
            *self = Reader::default();
        }
    }
}
