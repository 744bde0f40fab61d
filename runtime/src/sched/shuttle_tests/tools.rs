//! What do the tasks of a model do, and who counts them?

use super::world::World;
use crate::sys::sync::{Arc, Condvar, Mutex, thread};
use crate::timer::{Entry, Polled};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Counts tasks: those that were made, came to their end, and were dropped. It waits until there are none, which is a step that shuttle sees; the counters are
/// std's, so that they are none.
#[derive(Debug, Default)]
pub(super) struct Census {
    made: AtomicUsize,
    ended: AtomicUsize,
    dropped: AtomicUsize,
    panicked: AtomicUsize,
    alive: Mutex<usize>,
    bell: Condvar,
}

impl Census {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// For one task, which holds it for as long as it lives.
    pub(super) fn ticket(self: &Arc<Self>) -> Ticket {
        self.made.fetch_add(1, Ordering::Relaxed);
        *self.alive.lock() += 1;
        Ticket {
            census: self.clone(),
            runs: AtomicUsize::new(0),
        }
    }

    pub(super) fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    pub(super) fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }

    pub(super) fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Tasks that an assertion of theirs has ended: the scheduler tells their joiners, if they have any.
    pub(super) fn panicked(&self) -> usize {
        self.panicked.load(Ordering::Relaxed)
    }

    /// Waits until every task is gone that was made so far.
    pub(super) fn wait(&self) {
        let mut alive = self.alive.lock();
        while *alive > 0 {
            self.bell.wait(&mut alive);
        }
    }
}

/// A task's entry in the census.
#[derive(Debug)]
pub(super) struct Ticket {
    census: Arc<Census>,
    runs: AtomicUsize,
}

impl Ticket {
    /// The task has come to its end.
    pub(super) fn end(&self) {
        let runs = self.runs.fetch_add(1, Ordering::Relaxed);
        assert_eq!(runs, 0, "a task ends once");
        self.census.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.census.dropped.fetch_add(1, Ordering::Relaxed);
        if std::thread::panicking() {
            self.census.panicked.fetch_add(1, Ordering::Relaxed);
        }
        *self.census.alive.lock() -= 1;
        self.census.bell.notify_all();
    }
}

/// Threads wait for a number of others. Waiting blocks the thread, worker or not.
#[derive(Debug)]
pub(super) struct Latch {
    missing: Mutex<usize>,
    bell: Condvar,
}

impl Latch {
    pub(super) fn new(missing: usize) -> Arc<Self> {
        Arc::new(Self {
            missing: Mutex::new(missing),
            bell: Condvar::new(),
        })
    }

    pub(super) fn arrive(&self) {
        *self.missing.lock() -= 1;
        self.bell.notify_all();
    }

    pub(super) fn wait(&self) {
        let mut missing = self.missing.lock();
        while *missing > 0 {
            self.bell.wait(&mut missing);
        }
    }

    pub(super) fn meet(&self) {
        self.arrive();
        self.wait();
    }
}

/// One task waits for a signal that anybody may give, any number of times; each is taken once.
#[derive(Debug, Default)]
pub(super) struct Signal(Mutex<(usize, Option<Waker>)>);

impl Signal {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn give(&self) {
        if let Some(waker) = self.count_up() {
            waker.wake();
        }
    }

    /// Gives all of these in one turn of a worker's driver.
    pub(super) fn post(signals: &[Arc<Self>], world: &World, worker: usize) {
        let wakers = signals.iter().filter_map(|signal| signal.count_up());
        world.boxes[worker].post(wakers.collect());
    }

    /// Whether a task waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.lock().1.is_some()
    }

    fn count_up(&self) -> Option<Waker> {
        let mut inside = self.0.lock();
        inside.0 += 1;
        inside.1.take()
    }

    pub(super) async fn taken(&self) {
        std::future::poll_fn(|cx| self.poll_take(cx)).await;
    }

    fn poll_take(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inside = self.0.lock();
        if inside.0 > 0 {
            inside.0 -= 1;
            return Poll::Ready(());
        }
        let before = inside.1.replace(cx.waker().clone());
        drop(inside);
        drop(before);
        Poll::Pending
    }
}

/// Lets the other tasks run first, `times` times.
pub(super) async fn yields(times: usize) {
    let mut left = times;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Lets the other threads run a few steps.
pub(super) fn dawdle(steps: u32) {
    (0..steps).for_each(|_| thread::yield_now());
}

/// Waits in the wheel of this worker, or of the first one.
pub(super) async fn sleep_until(world: &World, deadline: Instant) {
    let mut entry = pin!(Entry::new());
    std::future::poll_fn(|cx| poll_sleep(entry.as_mut(), world, deadline, cx)).await;
}

fn poll_sleep(
    mut entry: Pin<&mut Entry>,
    world: &World,
    deadline: Instant,
    cx: &Context<'_>,
) -> Poll<()> {
    let polled = match entry.as_mut().poll(cx.waker()) {
        Polled::Idle => {
            let worker = World::worker();
            let timers = world.timers[worker.unwrap_or(0)].clone();
            entry.arm(timers, deadline, cx.waker().clone(), worker.is_some())
        }
        polled => polled,
    };
    match polled {
        Polled::Fired => Poll::Ready(()),
        Polled::Armed | Polled::Idle => Poll::Pending,
    }
}
