//! A kernel pipe, through which content is moved between sockets without a copy into the process (`splice(2)`).

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// The requested capacity of a pipe. The system's default is a quarter of that.
const ROOM: usize = 256 * 1024;
/// Pipes per worker (two descriptors each). When none is left, content is copied.
const MOST: usize = 256;
/// Maximum idle pipes per worker.
const MOST_IDLE: usize = 16;

thread_local! {
    static IDLE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
    static OPEN: Cell<usize> = const { Cell::new(0) };
    /// Whether `splice` works; `None` before the first try. Some sandboxes refuse it.
    static WORKS: Cell<Option<bool>> = const { Cell::new(None) };
}

/// A pipe, and the number of bytes in it.
pub struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
}

impl Pipe {
    /// An empty pipe. `None` if this worker has its maximum, the system has none left, or `splice` does not work.
    pub fn take() -> Option<Pipe> {
        IDLE.with_borrow_mut(Vec::pop).or_else(Pipe::open)
    }

    fn open() -> Option<Pipe> {
        if OPEN.get() >= MOST || WORKS.get() == Some(false) {
            return None;
        }
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // A smaller one works too, in more steps.
        let _ = fcntl_setpipe_size(&writer, ROOM);
        OPEN.set(OPEN.get() + 1);
        let mut pipe = Pipe { reader, writer, held: 0 };
        if WORKS.get().is_none() {
            let (from, to) = UnixStream::pair().ok()?;
            WORKS.set(Some(pipe.carries(from, to)));
        }
        (WORKS.get() == Some(true)).then_some(pipe)
    }

    /// Whether a byte passes from a socket through the pipe to a socket.
    fn carries(&mut self, from: UnixStream, mut to: UnixStream) -> bool {
        let sent = io::Write::write_all(&mut to, b"?").is_ok();
        sent && self.fill(&from, 1).is_ok_and(|count| count == 1) && self.drain(&from).is_ok_and(|count| count == 1)
    }

    /// Returns an empty pipe for reuse; one with content is closed.
    pub fn put(self) {
        if self.held == 0 {
            // While the thread ends, the pipe is closed instead.
            let _ = IDLE.try_with(|idle| {
                let mut idle = idle.borrow_mut();
                if idle.len() < MOST_IDLE {
                    idle.push(self);
                }
            });
        }
    }

    /// The number of bytes in it.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Moves up to `most` available bytes in. Zero: end of the stream. The pipe must be empty: a full one would look
    /// like a socket without data.
    pub(super) fn fill(&mut self, socket: impl AsFd, most: u64) -> io::Result<usize> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(ROOM);
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let count = splice(socket, None, &self.writer, None, most, flags)?;
        self.held += count;
        Ok(count)
    }

    /// Moves bytes out, as many as the socket accepts.
    pub(super) fn drain(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let count = splice(&self.reader, None, socket, None, self.held, flags)?;
        self.held -= count;
        Ok(count)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = OPEN.try_with(|open| open.set(open.get() - 1));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;
    use crate::wire::Wire;

    fn pair() -> (Wire, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Wire::Unix(ours), theirs)
    }

    #[tokio::test]
    async fn a_pipe_moves_bytes_between_sockets_up_to_the_given_number() {
        let ((mut from, mut sender), (mut to, mut receiver)) = (pair(), pair());
        sender.write_all(b"hello, world").await.unwrap();
        let mut pipe = Pipe::take().unwrap();
        assert_eq!(poll_fn(|cx| from.poll_fill(cx, &mut pipe, 5)).await.unwrap(), 5);
        assert_eq!((pipe.held(), poll_fn(|cx| to.poll_drain(cx, &mut pipe)).await.unwrap()), (5, 5));
        let mut read = [0; 5];
        receiver.read_exact(&mut read).await.unwrap();
        assert_eq!((&read, pipe.held()), (b"hello", 0));
        drop(sender);
        assert_eq!(poll_fn(|cx| from.poll_fill(cx, &mut pipe, 100)).await.unwrap(), 7);
        drop(pipe);
        let mut pipe = Pipe::take().unwrap();
        assert_eq!(poll_fn(|cx| from.poll_fill(cx, &mut pipe, 100)).await.unwrap(), 0, "nothing more will come");
    }

    #[test]
    fn an_empty_pipe_is_used_again_and_one_that_holds_something_is_closed() {
        let pipe = Pipe::take().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&pipe.reader);
        pipe.put();
        let mut pipe = Pipe::take().unwrap();
        assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&pipe.reader), number);
        pipe.held = 1;
        pipe.put();
        assert_eq!((OPEN.get(), IDLE.with_borrow(Vec::len)), (0, 0));
    }

    #[test]
    fn where_the_kernel_does_not_splice_there_is_no_pipe() {
        let (from, to) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Pipe::take().unwrap().carries(from, to));
        WORKS.set(Some(false));
        assert!(Pipe::take().is_none());
    }

    #[test]
    fn a_worker_opens_no_more_pipes_than_its_maximum() {
        let mut pipes = Vec::new();
        while let Some(pipe) = Pipe::take() {
            pipes.push(pipe);
        }
        // Fewer where the system has no more descriptors.
        assert!(pipes.len() <= MOST, "{}", pipes.len());
        pipes.clear();
        assert!(Pipe::take().is_some());
    }
}
