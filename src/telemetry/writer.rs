//! Standard error, written by a separate thread from a bounded queue.
//!
//! A write to standard error blocks while its reader has stopped (a stuck log shipper, a full pipe). Then only this
//! thread blocks. Callers append lines to the queue; a line without capacity is dropped and counted. Access lines leave
//! the last part of the capacity to warnings, and warnings leave some to audit events.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::metrics::Metrics;

/// The time after which a write counts as blocked, and the longest that an audit event waits for capacity.
const BLOCKED_AFTER: Duration = Duration::from_secs(1);

/// The interval of attempts to write to a non-blocking standard error that is full.
const RETRY: Duration = Duration::from_millis(10);

/// Maximum bytes of one audit event.
const LARGEST_EVENT: usize = 8 * 1024;

/// A buffer larger than this is freed after it has been written.
const LARGEST_KEPT: usize = 256 * 1024;

/// The kind of a line, which determines how full the queue may be for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Access lines, many at a time.
    Access,
    /// A warning, an error, or another message.
    Message,
    /// An event of the audit trail.
    Audit,
}

impl Kind {
    /// Maximum bytes in the queue with a line of this kind.
    const fn capacity(self) -> usize {
        match self {
            Kind::Access => 1024 * 1024,
            Kind::Message => 1280 * 1024,
            Kind::Audit => 2048 * 1024,
        }
    }
}

/// Lines that were not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// All of them.
    pub lines: u64,
    /// The audit events among them.
    pub events: u64,
}

/// The queue and its thread. Clones share both.
#[derive(Clone, Debug)]
pub struct Writer(Arc<SharedQueue>);

#[derive(Debug)]
struct SharedQueue {
    queue: Mutex<Queue>,
    /// The thread waits here for lines.
    arrived: Condvar,
    /// [`Writer::flush`] waits here until everything is written.
    written: Condvar,
    /// Audit events wait here for capacity.
    freed: Notify,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Queue {
    /// Complete lines.
    lines: Vec<u8>,
    /// Audit events among them.
    events: u64,
    /// Whether the thread waits for lines.
    idle: bool,
    /// The start of the current write.
    writing: Option<Instant>,
    /// Lines dropped since the log last reported it.
    dropped: Dropped,
}

impl Writer {
    /// An empty queue that counts dropped lines in `metrics`. Nothing is written before [`Writer::start`].
    pub fn new(metrics: Metrics) -> Writer {
        Writer(Arc::new(SharedQueue {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            written: Condvar::new(),
            freed: Notify::new(),
            metrics,
        }))
    }

    /// Starts the thread. `report` formats the line about dropped lines, which is written as soon as a write succeeds
    /// again.
    ///
    /// # Errors
    ///
    /// If the thread cannot be created.
    pub fn start(
        &self,
        sink: impl Write + Send + 'static,
        report: impl Fn(Dropped) -> Vec<u8> + Send + 'static,
    ) -> io::Result<()> {
        let writer = self.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(sink, &report)).map(drop)
    }

    /// Queues complete lines, or drops and counts them; `lines` is empty afterwards. Swaps the buffers of access lines if
    /// the queue is empty. Never blocks on standard error.
    pub fn push(&self, lines: &mut Vec<u8>, kind: Kind) {
        let mut queue = self.0.queue.lock();
        let events = u64::from(kind == Kind::Audit);
        if queue.lines.len() + lines.len() > kind.capacity() {
            self.drop_lines(&mut queue, lines, events);
            lines.clear();
            return;
        }
        // The small buffer of a message would have to grow again.
        if queue.lines.is_empty() && kind == Kind::Access {
            std::mem::swap(&mut queue.lines, lines);
        } else {
            queue.lines.append(lines);
        }
        queue.events += events;
        if std::mem::replace(&mut queue.idle, false) {
            self.0.arrived.notify_one();
        }
    }

    /// Waits until there is capacity for an audit event, at most a second.
    pub async fn room_for_event(&self) {
        let has_room = async {
            loop {
                let freed = self.0.freed.notified();
                if self.0.queue.lock().lines.len() + LARGEST_EVENT <= Kind::Audit.capacity() {
                    return;
                }
                freed.await;
            }
        };
        let _ = tokio::time::timeout(BLOCKED_AFTER, has_room).await;
    }

    /// Whether lines are being dropped, or a write has taken a second.
    pub fn is_blocked(&self) -> bool {
        let queue = self.0.queue.lock();
        queue.dropped.lines > 0 || queue.writing.is_some_and(|since| since.elapsed() >= BLOCKED_AFTER)
    }

    /// Waits until everything is written, at most `limit`.
    pub fn flush(&self, limit: Duration) {
        let unwritten = |queue: &mut Queue| !queue.lines.is_empty() || queue.writing.is_some();
        self.0.written.wait_while_for(&mut self.0.queue.lock(), unwritten, limit);
    }

    fn run(&self, mut sink: impl Write, report: &impl Fn(Dropped) -> Vec<u8>) {
        let mut batch = Vec::new();
        let mut torn = false;
        loop {
            let events = self.take(&mut batch);
            if std::mem::take(&mut torn) {
                batch.insert(0, b'\n');
            }
            let unwritten = write(&mut sink, &batch);
            let written = batch.len() - unwritten.len();
            let mut queue = self.0.queue.lock();
            queue.writing = None;
            if !unwritten.is_empty() {
                torn = written > 0 && batch[written - 1] != b'\n';
                self.drop_lines(&mut queue, unwritten, events);
            } else if queue.dropped.lines > 0 {
                let line = report(std::mem::take(&mut queue.dropped));
                queue.lines.extend_from_slice(&line);
            }
            if queue.lines.is_empty() {
                self.0.written.notify_all();
            }
        }
    }

    /// Waits for lines and takes all of them. Returns the number of audit events.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        batch.clear();
        if batch.capacity() > LARGEST_KEPT {
            *batch = Vec::new();
        }
        let mut queue = self.0.queue.lock();
        while queue.lines.is_empty() {
            queue.idle = true;
            self.0.arrived.wait(&mut queue);
        }
        queue.idle = false;
        queue.writing = Some(Instant::now());
        std::mem::swap(&mut queue.lines, batch);
        self.0.freed.notify_waiters();
        std::mem::take(&mut queue.events)
    }

    fn drop_lines(&self, queue: &mut Queue, lines: &[u8], events: u64) {
        let count = memchr::memchr_iter(b'\n', lines).count() as u64;
        queue.dropped.lines += count;
        queue.dropped.events += events;
        self.0.metrics.log_dropped(count, events);
    }
}

/// Writes everything. Returns what could not be written.
fn write<'a>(sink: &mut impl Write, mut bytes: &'a [u8]) -> &'a [u8] {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => break,
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another program that shares the terminal or pipe has made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(RETRY),
            Err(_) => break,
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Format;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;

    const LINE: &[u8] = b"one access line\n";

    /// A sink whose writes wait for the result that the test sends.
    struct Gated(mpsc::Receiver<io::Result<()>>, mpsc::Sender<Vec<u8>>);

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().unwrap_or_else(|_| Err(ErrorKind::BrokenPipe.into()))?;
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Writer, mpsc::Sender<io::Result<()>>, mpsc::Receiver<Vec<u8>>) {
        let (open, opened) = mpsc::channel();
        let (wrote, written) = mpsc::channel();
        let writer = Writer::new(Metrics::default());
        let report = |dropped: Dropped| format!("{} lost, {} events\n", dropped.lines, dropped.events).into_bytes();
        writer.start(Gated(opened, wrote), report).unwrap();
        (writer, open, written)
    }

    fn fill(writer: &Writer, kind: Kind) {
        writer.push(&mut LINE.to_vec(), kind);
        while writer.0.queue.lock().writing.is_none() {
            std::thread::yield_now();
        }
        while writer.0.queue.lock().dropped == Dropped::default() {
            writer.push(&mut LINE.to_vec(), kind);
        }
    }

    #[test]
    fn lines_beyond_the_room_are_dropped_counted_and_reported_once() {
        let (writer, open, written) = gated();
        fill(&writer, Kind::Access);
        writer.push(&mut LINE.repeat(9), Kind::Access);
        writer.push(&mut b"a warning\n".to_vec(), Kind::Message);
        writer.push(&mut b"an event\n".to_vec(), Kind::Audit);
        assert!(writer.is_blocked());
        for _ in 0..2 {
            open.send(Ok(())).unwrap();
        }
        let text: Vec<u8> = written.iter().take(2).flatten().collect();
        let text = String::from_utf8(text).unwrap();
        assert!(text.ends_with("a warning\nan event\n10 lost, 0 events\n"), "{}", &text[text.len() - 99..]);
        writer.flush(Duration::from_secs(9));
        assert!(!writer.is_blocked());
        assert!(writer.0.metrics.render(Format::Prometheus).contains("qrgate_log_lines_dropped_total 10\n"));
    }

    #[test]
    fn buffers_that_are_handed_over_keep_their_order_and_come_back_empty() {
        let (writer, open, written) = gated();
        let buffers = ["one\n", "two\n", "three\n"].map(|line| line.as_bytes().to_vec());
        for mut buffer in buffers {
            writer.push(&mut buffer, Kind::Access);
            assert!(buffer.is_empty());
        }
        for _ in 0..3 {
            open.send(Ok(())).unwrap();
        }
        writer.flush(Duration::from_secs(9));
        drop(writer);
        let text: Vec<u8> = written.try_iter().flatten().collect();
        assert_eq!(text, b"one\ntwo\nthree\n");
    }

    #[tokio::test(start_paused = true)]
    async fn an_audit_event_waits_a_second_for_room_and_is_counted_where_there_is_none() {
        let (writer, open, written) = gated();
        fill(&writer, Kind::Audit);
        let began = tokio::time::Instant::now();
        writer.room_for_event().await;
        assert_eq!(began.elapsed(), BLOCKED_AFTER);
        assert!(writer.0.metrics.render(Format::Prometheus).contains("qrgate_audit_events_dropped_total 1\n"));
        for _ in 0..2 {
            open.send(Ok(())).unwrap();
        }
        assert!(written.iter().take(2).flatten().count() > Kind::Audit.capacity() - LINE.len());
        writer.room_for_event().await;
        assert_eq!(began.elapsed(), BLOCKED_AFTER, "there is room again");
    }

    #[test]
    fn what_cannot_be_written_is_counted_too() {
        let (writer, open, written) = gated();
        open.send(Err(ErrorKind::StorageFull.into())).unwrap();
        writer.push(&mut LINE.to_vec(), Kind::Access);
        writer.flush(Duration::from_secs(9));
        assert_eq!(writer.0.queue.lock().dropped.lines, 1);
        for _ in 0..2 {
            open.send(Ok(())).unwrap();
        }
        writer.push(&mut LINE.to_vec(), Kind::Access);
        assert_eq!(written.iter().take(2).collect::<Vec<_>>(), [LINE.to_vec(), b"1 lost, 0 events\n".to_vec()]);
    }

    #[test]
    fn a_full_sink_that_does_not_block_loses_nothing() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let writer = Writer::new(Metrics::default());
        writer.start(ours, |_| Vec::new()).unwrap();
        let lines = LINE.repeat(50_000);
        writer.push(&mut lines.clone(), Kind::Access);
        let mut read = vec![0; lines.len()];
        std::io::Read::read_exact(&mut { theirs }, &mut read).unwrap();
        assert!(read == lines);
    }

    #[test]
    fn flushing_a_blocked_log_ends() {
        let (writer, _open, _written) = gated();
        writer.push(&mut LINE.to_vec(), Kind::Message);
        writer.flush(Duration::from_millis(1));
        assert!(!writer.is_blocked(), "not for a second yet");
    }
}
