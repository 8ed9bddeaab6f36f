//! A TCP socket that joins the runtime when an operation on it would block.
//!
//! On a busy worker, a connection with one short request is accepted, read, written and closed without ever waiting for
//! its client. Such a socket saves the two system calls that add it to epoll and remove it, and the wake-ups in between.
//! A socket that waits for its first bytes is added for reads alone: added for writes as well, it would wake the worker
//! at once, since it can be written.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A non-blocking TCP socket.
pub struct Tcp(State);

enum State {
    /// No runtime has it.
    Fresh { socket: std::net::TcpStream, arrived: bool },
    /// The runtime reports when it can be read.
    Reading(Readable),
    /// The runtime reports when it can be read and when it can be written.
    Registered(TcpStream),
    /// The runtime refused it, which happens only without memory.
    Lost,
}

/// A socket in the runtime for reads.
struct Readable {
    socket: AsyncFd<std::net::TcpStream>,
    /// The task that waits to read. The runtime forgets it when the socket is registered for writes as well.
    reader: Waker,
}

impl Readable {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<AsyncFdReadyGuard<'_, std::net::TcpStream>>> {
        self.reader.clone_from(cx.waker());
        self.socket.poll_read_ready(cx)
    }

    /// Like tokio's own streams: a read that leaves room has taken all that had arrived, so no second one follows.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.poll_ready(cx))?;
            let room = buffer.initialize_unfilled();
            let Ok(read) = ready.try_io(|socket| socket.get_ref().read(room)) else { continue };
            let count = read?;
            if count > 0 && count < room.len() {
                ready.clear_ready();
            }
            buffer.advance(count);
            return Poll::Ready(Ok(()));
        }
    }
}

impl From<TcpStream> for Tcp {
    fn from(stream: TcpStream) -> Tcp {
        Tcp(State::Registered(stream))
    }
}

impl Tcp {
    /// An accepted socket, which must be non-blocking. Until it is registered it can be moved to another worker. The
    /// first read is tried before that if its bytes may have `arrived`.
    pub fn accepted(socket: std::net::TcpStream, arrived: bool) -> Tcp {
        Tcp(State::Fresh { socket, arrived })
    }

    /// Whether the runtime reports what arrives.
    pub fn is_registered(&self) -> bool {
        !matches!(self.0, State::Fresh { .. })
    }

    /// Registers the socket for reads and writes, unless it already is, and returns it.
    ///
    /// # Errors
    ///
    /// If the runtime refuses the socket.
    pub fn registered(&mut self) -> io::Result<&mut TcpStream> {
        self.register(|state| match state {
            State::Fresh { socket, .. } => Ok(State::Registered(TcpStream::from_std(socket)?)),
            State::Reading(Readable { socket, reader }) => {
                reader.wake();
                Ok(State::Registered(TcpStream::from_std(socket.into_inner())?))
            }
            state => Ok(state),
        })?;
        match &mut self.0 {
            State::Registered(stream) => Ok(stream),
            _ => Err(lost()),
        }
    }

    /// Registers a socket that no runtime has, for reads.
    fn register_reads(&mut self) -> io::Result<()> {
        self.register(|state| match state {
            State::Fresh { socket, .. } => {
                Ok(State::Reading(Readable { socket: register_reads(socket)?, reader: Waker::noop().clone() }))
            }
            state => Ok(state),
        })
    }

    fn register(&mut self, change: impl FnOnce(State) -> io::Result<State>) -> io::Result<()> {
        self.0 = change(std::mem::replace(&mut self.0, State::Lost))?;
        Ok(())
    }

    /// Resets the connection when it is closed.
    ///
    /// # Errors
    ///
    /// What `setsockopt` reports.
    pub fn reset_on_close(&self) -> io::Result<()> {
        let socket = match &self.0 {
            State::Fresh { socket, .. } => SockRef::from(socket),
            State::Reading(readable) => SockRef::from(&readable.socket),
            State::Registered(stream) => SockRef::from(stream),
            State::Lost => return Ok(()),
        };
        socket.set_linger(Some(Duration::ZERO))
    }

    /// Ready when a read may return something, the end included. Wakes the task that polled last.
    ///
    /// # Errors
    ///
    /// If the runtime refuses the socket.
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_registered() {
            self.register_reads()?;
        }
        match &mut self.0 {
            State::Reading(readable) => readable.poll_ready(cx).map_ok(drop),
            State::Registered(stream) => stream.poll_read_ready(cx),
            State::Fresh { .. } | State::Lost => Poll::Ready(Err(lost())),
        }
    }

    /// Reads what has arrived, as [`Wire::try_read`](super::Wire::try_read).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if nothing has arrived, and what `recv` reports.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            State::Fresh { socket, .. } => socket.read(buffer),
            // The runtime may not know yet what has arrived.
            State::Reading(readable) => readable.socket.get_ref().read(buffer),
            State::Registered(stream) => stream.try_read(buffer),
            State::Lost => Err(lost()),
        }
    }

    /// Tries an operation directly. `None` if the socket is registered for writes, or the operation would block.
    fn try_now<T>(
        &mut self,
        mut operation: impl FnMut(&std::net::TcpStream) -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let stream = match &self.0 {
            State::Fresh { socket, .. } => socket,
            State::Reading(readable) => readable.socket.get_ref(),
            State::Registered(_) | State::Lost => return None,
        };
        loop {
            match operation(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Some(done),
            }
        }
    }
}

/// Registers a non-blocking socket with the runtime, for reads alone.
///
/// # Errors
///
/// If the runtime refuses the socket.
#[expect(deprecated, reason = "unsound only for a type that does not own its descriptor")]
pub fn register_reads<T: AsRawFd + Into<OwnedFd>>(socket: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

/// The error of every operation on a socket that the runtime refused.
fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl AsyncRead for Tcp {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let tcp = self.get_mut();
        if let State::Fresh { arrived, .. } = tcp.0 {
            if arrived && let Some(read) = tcp.try_now(|mut stream| stream.read(buffer.initialize_unfilled())) {
                return Poll::Ready(read.map(|count| buffer.advance(count)));
            }
            tcp.register_reads()?;
        }
        match &mut tcp.0 {
            State::Reading(readable) => readable.poll_read(cx, buffer),
            State::Registered(stream) => Pin::new(stream).poll_read(cx, buffer),
            State::Fresh { .. } | State::Lost => Poll::Ready(Err(lost())),
        }
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tcp = self.get_mut();
        if let State::Registered(stream) = &mut tcp.0 {
            return Pin::new(stream).poll_write(cx, bytes);
        }
        match tcp.try_now(|mut stream| stream.write(bytes)) {
            Some(written) => Poll::Ready(written),
            None => Pin::new(tcp.registered()?).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tcp = self.get_mut();
        if let State::Registered(stream) = &mut tcp.0 {
            return Pin::new(stream).poll_write_vectored(cx, bytes);
        }
        match tcp.try_now(|mut stream| stream.write_vectored(bytes)) {
            Some(written) => Poll::Ready(written),
            None => Pin::new(tcp.registered()?).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// TCP does not buffer here.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tcp = self.get_mut();
        match tcp.try_now(|stream| stream.shutdown(Shutdown::Write)) {
            Some(shut) => Poll::Ready(shut),
            None => Pin::new(tcp.registered()?).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::rc::Rc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    /// An accepted socket that no runtime has, and its peer.
    async fn pair() -> (Rc<RefCell<Tcp>>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepted = listener.accept().await.unwrap().0.into_std().unwrap();
        (Rc::new(RefCell::new(Tcp::accepted(accepted, true))), peer)
    }

    #[tokio::test]
    async fn a_task_that_waits_to_read_is_woken_after_a_write_of_another_task_has_blocked() {
        let test = async {
            let (tcp, mut peer) = pair().await;
            let reading = tcp.clone();
            let reader = spawn_local(poll_fn(move |cx| {
                let mut room = [0; 8];
                let mut buffer = ReadBuf::new(&mut room);
                let read = Pin::new(&mut *reading.borrow_mut()).poll_read(cx, &mut buffer);
                read.map_ok(|()| buffer.filled().to_vec())
            }));
            tokio::task::yield_now().await;
            assert!(matches!(tcp.borrow().0, State::Reading(_)));
            let writing = tcp.clone();
            let writer = spawn_local(poll_fn(move |cx| {
                let chunk = [0; 65536];
                while Pin::new(&mut *writing.borrow_mut()).poll_write(cx, &chunk)?.is_ready() {}
                Poll::Ready(io::Result::Ok(()))
            }));
            writer.await.unwrap().unwrap();
            assert!(matches!(tcp.borrow().0, State::Registered(_)));
            peer.write_all(b"more").await.unwrap();
            assert_eq!(reader.await.unwrap().unwrap(), b"more");
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, LocalSet::new().run_until(test)).await.expect("the reader was woken");
    }

    #[tokio::test]
    async fn bytes_and_the_end_of_the_stream_are_read_one_after_the_other() {
        let (tcp, mut peer) = pair().await;
        let mut tcp = Rc::into_inner(tcp).unwrap().into_inner();
        for _ in 0..2 {
            let mut read = [0; 8];
            let (count, written) = tokio::join!(tcp.read(&mut read), peer.write_all(b"bytes"));
            written.unwrap();
            assert_eq!(&read[..count.unwrap()], b"bytes");
        }
        drop(peer);
        assert_eq!(tcp.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn bytes_are_read_before_the_runtime_has_reported_them() {
        let (tcp, mut peer) = pair().await;
        let mut tcp = Rc::into_inner(tcp).unwrap().into_inner();
        let mut read = [0; 8];
        let (count, written) = tokio::join!(tcp.read(&mut read), peer.write_all(b"first"));
        written.unwrap();
        assert!(count.unwrap() == 5 && matches!(tcp.0, State::Reading(_)));
        peer.try_write(b"second").unwrap();
        assert_eq!(tcp.try_read(&mut read).unwrap(), 6);
    }
}
