//! The HTTP/2 connections to one origin server, and the streams on them.
//!
//! Streams are counted here. A request gets a connection that has capacity by the server's
//! `SETTINGS_MAX_CONCURRENT_STREAMS` and by our own limit; if there is none, another is opened, up to
//! [`MAX_CONNECTIONS`]. A connection's flow-control window is the sum of its streams' windows, so a client that does
//! not read its response holds back that stream alone (RFC 9113, section 5.2).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, Connection as Driver, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;

use super::error::ClientError;
use crate::body::Body;
use crate::deadline::{Deadline, Deadlines};
use crate::wire::Wire;

/// Maximum streams on one connection, if the server allows as many.
const MAX_STREAMS: u32 = 64;
/// Maximum connections of a worker to one server.
const MAX_CONNECTIONS: usize = 256;
/// Number of connections up to which each upload gets a separate one.
const MAX_UPLOADS_APART: usize = 64;
/// Bytes of one response that may be buffered for its client.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The sum of all streams' windows, so that full ones leave the others theirs.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS;
/// The limit that hyper reports until the server's SETTINGS arrive; no SETTINGS can have this value. Nothing is sent
/// before they arrive.
const NOT_KNOWN: usize = usize::MAX - 1;

/// A worker's HTTP/2 connections to one server.
pub struct Streams {
    open: RefCell<Vec<Rc<Connection>>>,
    keep_alive: Duration,
    /// Whether a request is opening a connection.
    is_opening: Cell<bool>,
    opened: Notify,
}

struct Connection {
    sender: SendRequest<Body>,
    driver: Rc<SharedDriver>,
    streams: Cell<u32>,
    /// Streams that carry a request's content.
    uploads: Cell<u32>,
    used: Cell<bool>,
    /// Runs while there is no stream.
    idle: Deadline,
    keep_alive: Duration,
}

/// hyper's connection, which knows the server's SETTINGS. `None` after it has ended.
#[derive(Default)]
struct SharedDriver {
    driver: RefCell<Option<Driver<TokioIo<Wire>, Body, Tasks>>>,
    progress: Progress,
}

/// The right to one stream, returned on drop.
pub struct Slot {
    connection: Rc<Connection>,
    /// Whether it was taken for an upload.
    pub upload: bool,
    /// Whether the connection carried an earlier request.
    pub reused: bool,
}

/// The exclusive right to open a connection, for which other requests wait.
pub struct Opening<'a>(&'a Streams);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.is_opening.set(false);
        self.0.opened.notify_waiters();
    }
}

impl Streams {
    /// No connections yet. One without streams for `keep_alive` is closed.
    pub fn new(keep_alive: Duration) -> Rc<Streams> {
        let (is_opening, opened) = (Cell::default(), Notify::new());
        Rc::new(Streams { open: RefCell::default(), keep_alive, is_opening, opened })
    }

    /// A stream on an open connection. An upload gets a connection without another upload: the server's window for a
    /// connection may be no larger than that for a stream, and one upload that the server does not read would hold back
    /// the others.
    pub fn take(&self, upload: bool) -> Option<Slot> {
        let open = self.open.borrow();
        let apart = upload && open.len() < MAX_UPLOADS_APART;
        let connection = open.iter().find(|one| one.has_room() && !(apart && one.uploads.get() > 0))?;
        Some(Slot::on(connection, upload))
    }

    /// The right to open a connection. `None` while another request has it; [`Streams::opened`] waits for its end.
    ///
    /// # Errors
    ///
    /// [`ClientError::Full`] if there are [`MAX_CONNECTIONS`] already.
    pub fn opening(&self) -> Result<Option<Opening<'_>>, ClientError> {
        let connections = self.open.borrow().len();
        if connections >= MAX_CONNECTIONS {
            return Err(ClientError::Full(connections));
        }
        Ok((!self.is_opening.replace(true)).then(|| Opening(self)))
    }

    /// Waits until the connection that is being opened is ready or has failed. Wakes all that wait at once, since a
    /// connection serves many requests, but only one upload.
    pub async fn opened(&self) {
        self.opened.notified().await;
    }

    /// Begins HTTP/2 over `wire`, waits for the server's SETTINGS, and takes the first stream.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotSent`] or [`ClientError::Connect`]: nothing of any request was sent.
    pub async fn begin(
        self: &Rc<Streams>,
        wire: Wire,
        upload: bool,
        deadlines: &Deadlines,
    ) -> Result<Slot, ClientError> {
        let shared = Rc::new(SharedDriver::default());
        let handshake = Builder::new(Tasks(shared.progress.clone()))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(NOT_KNOWN)
            .handshake(TokioIo::new(wire));
        let (sender, driver) = handshake.await.map_err(|error| ClientError::NotSent(error.into()))?;
        *shared.driver.borrow_mut() = Some(driver);
        let connection = Rc::new(Connection {
            sender,
            driver: shared.clone(),
            streams: Cell::new(0),
            uploads: Cell::new(0),
            used: Cell::new(false),
            idle: deadlines.register(),
            keep_alive: self.keep_alive,
        });
        let driving = drive(shared, Rc::downgrade(&connection), Rc::downgrade(self));
        tokio::task::spawn_local(driving);
        connection.settings().await.map_err(ClientError::Connect)?;
        if !connection.has_room() {
            let cause = "the server allows no streams (SETTINGS_MAX_CONCURRENT_STREAMS is 0)";
            return Err(ClientError::Connect(io::Error::other(cause)));
        }
        self.open.borrow_mut().push(connection.clone());
        Ok(Slot::on(&connection, upload))
    }

    /// Retires a connection: it gets no more streams, and closes after its last one.
    pub fn retire(&self, slot: &Slot) {
        self.forget(&slot.connection);
    }

    fn forget(&self, connection: &Rc<Connection>) {
        self.open.borrow_mut().retain(|one| !Rc::ptr_eq(one, connection));
    }
}

impl Connection {
    fn has_room(&self) -> bool {
        let streams = self.streams.get();
        streams < MAX_STREAMS && !self.sender.is_closed() && (streams as usize) < self.driver.limit()
    }

    /// Waits for the server's SETTINGS, its first frame (RFC 9113, section 3.4).
    async fn settings(&self) -> io::Result<()> {
        poll_fn(|cx| {
            if self.sender.is_closed() {
                let cause = "the connection ended before the server's SETTINGS";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, cause)));
            }
            if self.driver.limit() != NOT_KNOWN {
                return Poll::Ready(Ok(()));
            }
            self.driver.progress.0.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await
    }
}

impl SharedDriver {
    /// Maximum concurrent streams by the server's SETTINGS.
    fn limit(&self) -> usize {
        let driver = self.driver.try_borrow();
        driver.ok().and_then(|driver| driver.as_ref().map(Driver::current_max_send_streams)).unwrap_or(0)
    }

    /// Ready when the connection takes no more requests.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut driver = self.driver.borrow_mut();
        let polled = driver.as_mut().map_or(Poll::Ready(()), |driver| Pin::new(driver).poll(cx).map(drop));
        if polled.is_ready() {
            *driver = None;
        }
        drop(driver);
        self.progress.made();
        polled
    }
}

/// Drives a connection until it takes no more requests or its idle time is over.
async fn drive(driver: Rc<SharedDriver>, connection: Weak<Connection>, streams: Weak<Streams>) {
    poll_fn(|cx| {
        if driver.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        connection.upgrade().map_or(Poll::Pending, |connection| connection.idle.poll_expired(cx))
    })
    .await;
    if let (Some(streams), Some(connection)) = (streams.upgrade(), connection.upgrade()) {
        streams.forget(&connection);
    }
    poll_fn(|cx| driver.poll(cx)).await;
}

impl Slot {
    fn on(connection: &Rc<Connection>, upload: bool) -> Slot {
        connection.streams.set(connection.streams.get() + 1);
        connection.uploads.set(connection.uploads.get() + u32::from(upload));
        connection.idle.clear();
        Slot { connection: connection.clone(), upload, reused: connection.used.replace(true) }
    }

    /// Sends the stream's request.
    pub fn send(
        &self,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>> + use<> {
        self.connection.sender.clone().try_send_request(request)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.streams.set(connection.streams.get().saturating_sub(1));
        connection.uploads.set(connection.uploads.get().saturating_sub(u32::from(self.upload)));
        if connection.streams.get() == 0 {
            connection.idle.set(connection.keep_alive);
        }
    }
}

/// Wakes the task that waits for progress of a connection's tasks.
#[derive(Clone, Default)]
struct Progress(Rc<Cell<Option<Waker>>>);

impl Progress {
    fn made(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

/// Runs a connection's tasks on the worker's own thread.
#[derive(Clone)]
struct Tasks(Progress);

impl<F: Future + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        let progress = self.0.clone();
        tokio::task::spawn_local(async move {
            let mut future = pin!(future);
            poll_fn(|cx| {
                let polled = future.as_mut().poll(cx).map(drop);
                progress.made();
                polled
            })
            .await;
        });
    }
}
