//! Coarse deadlines. One tick per worker reads the clock and checks all of them, so that setting one costs a store to
//! memory. A deadline is never early, and at most two ticks late. See docs/decisions/0002.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

/// The interval at which deadlines are checked.
pub const TICK: Duration = Duration::from_millis(100);

/// A worker's deadlines. Cheap to clone; stays on its thread.
#[derive(Clone)]
pub struct Deadlines(Rc<Ticker>);

struct Ticker {
    /// Milliseconds since the start, as of the last tick.
    now: Cell<u64>,
    entries: RefCell<Vec<Rc<Entry>>>,
}

struct Entry {
    /// Its index in the ticker's entries.
    index: Cell<usize>,
    /// Milliseconds since the start; `u64::MAX` if it is not set.
    due: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

impl Deadlines {
    /// Starts the tick as a task of the current local runtime. It ends when the last clone is dropped.
    pub fn start() -> Deadlines {
        let start = Instant::now();
        let shared = Rc::new(Ticker { now: Cell::default(), entries: RefCell::default() });
        let weak = Rc::downgrade(&shared);
        tokio::task::spawn_local(async move {
            let mut tick = tokio::time::interval(TICK);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let Some(shared) = weak.upgrade() else { return };
                shared.now.set(millis(start.elapsed()));
                let now = shared.now.get();
                shared.wake(|entry| entry.due.get() <= now);
            }
        });
        Deadlines(shared)
    }

    /// Time since the start, as of the last tick.
    pub fn now(&self) -> Duration {
        Duration::from_millis(self.0.now.get())
    }

    /// A deadline that is not set yet.
    pub fn register(&self) -> Deadline {
        let mut entries = self.0.entries.borrow_mut();
        let index = Cell::new(entries.len());
        let entry = Rc::new(Entry { index, due: Cell::new(u64::MAX), waker: RefCell::default() });
        entries.push(entry.clone());
        Deadline { entry, shared: self.0.clone() }
    }

    /// Wakes all tasks that wait on a deadline, due or not.
    pub fn wake_all(&self) {
        self.0.wake(|_| true);
    }
}

impl Ticker {
    /// Wakes the tasks that wait on these deadlines. To wake a task may register or drop others.
    fn wake(&self, which: impl Fn(&Entry) -> bool) {
        let entries = self.entries.borrow();
        let wakers: Vec<Waker> =
            entries.iter().filter(|entry| which(entry)).filter_map(|entry| entry.waker.take()).collect();
        drop(entries);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Entry {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// One deadline, which can be set any number of times.
pub struct Deadline {
    entry: Rc<Entry>,
    shared: Rc<Ticker>,
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut entries = self.shared.entries.borrow_mut();
        let index = self.entry.index.get();
        entries.swap_remove(index);
        if let Some(moved) = entries.get(index) {
            moved.index.set(index);
        }
    }
}

impl Deadline {
    /// Sets it to `after` from now.
    pub fn set(&self, after: Duration) {
        // Up to a tick has passed since `now` was set.
        self.entry.due.set(self.shared.now.get().saturating_add(millis(after.saturating_add(TICK))));
    }

    pub fn clear(&self) {
        self.entry.due.set(u64::MAX);
    }

    /// Whether it is set, passed or not.
    pub fn is_set(&self) -> bool {
        self.entry.due.get() != u64::MAX
    }

    /// Wakes the task that polled last, due or not.
    pub fn wake(&self) {
        self.entry.wake();
    }

    /// Ready once it has passed. Wakes the task that polled last.
    pub fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.entry.due.get() <= self.shared.now.get() {
            return Poll::Ready(());
        }
        let mut waker = self.entry.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Limits of one exchange with a server.
#[derive(Clone, Copy)]
pub struct Timeouts {
    /// How long no content may arrive, in either direction.
    pub idle: Duration,
    /// From the end of the request to the head of the response. `None`: no limit.
    pub response: Option<Duration>,
}

impl Timeouts {
    /// Sets the deadline for the time after the end of the request.
    pub fn request_sent(self, deadline: &Deadline) {
        match self.response {
            Some(limit) => deadline.set(limit),
            None => deadline.clear(),
        }
    }
}

/// An idle timeout for one peer. It runs only while we wait for that peer; backpressure from the other side does not
/// count.
pub struct IdleTimeout {
    limit: Duration,
    waiting: bool,
}

impl IdleTimeout {
    /// A timeout of `limit`, which begins anew each time that we begin to wait.
    pub fn new(limit: Duration) -> IdleTimeout {
        IdleTimeout { limit, waiting: false }
    }

    pub fn end(&mut self) {
        self.waiting = false;
    }

    /// Ready when nothing has arrived for the limit. To be called whenever nothing has arrived. Uses `deadline`, which
    /// must have no other use meanwhile.
    pub fn poll_too_long(&mut self, deadline: &Deadline, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.waiting, true) {
            deadline.set(self.limit);
        }
        deadline.poll_expired(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_wakes_its_task_once_it_has_passed() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let deadlines = Deadlines::start();
                let deadline = deadlines.register();
                let began = Instant::now();
                deadline.set(Duration::from_secs(3));
                poll_fn(|cx| deadline.poll_expired(cx)).await;
                let took = began.elapsed();
                assert!(took >= Duration::from_secs(3) && took <= Duration::from_secs(3) + 2 * TICK, "{took:?}");
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_cleared_deadline_never_passes() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let deadlines = Deadlines::start();
                let deadline = deadlines.register();
                deadline.set(Duration::from_secs(1));
                deadline.clear();
                let waited =
                    tokio::time::timeout(Duration::from_secs(60), poll_fn(|cx| deadline.poll_expired(cx))).await;
                assert!(waited.is_err());
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_deadlines_in_any_order_leaves_the_others() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let deadlines = Deadlines::start();
                let [first, second, third] = [(); 3].map(|()| deadlines.register());
                drop(first);
                drop(third);
                let fourth = deadlines.register();
                for deadline in [&second, &fourth] {
                    deadline.set(Duration::from_secs(1));
                    poll_fn(|cx| deadline.poll_expired(cx)).await;
                }
                drop((second, fourth));
                assert!(deadlines.0.entries.borrow().is_empty());
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_timeout_runs_from_its_beginning_and_only_while_a_side_waits() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let deadlines = Deadlines::start();
                let (deadline, mut idle) = (deadlines.register(), IdleTimeout::new(Duration::from_secs(3)));
                let mut cx = Context::from_waker(Waker::noop());
                for _ in 0..3 {
                    assert!(idle.poll_too_long(&deadline, &mut cx).is_pending());
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    assert!(idle.poll_too_long(&deadline, &mut cx).is_pending());
                    idle.end();
                    // Time in which we do not wait does not count.
                    tokio::time::sleep(Duration::from_secs(10)).await;
                }
                assert!(idle.poll_too_long(&deadline, &mut cx).is_pending());
                tokio::time::sleep(Duration::from_secs(3) + 3 * TICK).await;
                assert!(idle.poll_too_long(&deadline, &mut cx).is_ready());
            })
            .await;
    }
}
