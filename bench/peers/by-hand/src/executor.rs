//! How far does one get in an afternoon with async-task and crossbeam-deque?
//!
//! A deque per worker, last in first out, since that keeps recursion small and caches warm; what gives up its turn goes behind
//! everything, into the injector, as does what other threads wake. A worker looks into its deque, then into the injector, then
//! into the others' deques; every [`INJECTOR_EVERY`] tasks it looks into the injector first. Who finds nothing sleeps on one
//! condition variable; whoever queues something while somebody sleeps wakes one.
//!
//! No reactor, no timers, no fairness beyond that: it is the price of the ready-made parts, and no runtime.

use async_task::{Runnable, ScheduleInfo, Task, WithInfo};
use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use std::cell::OnceCell;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::{iter, thread};

/// After so many tasks of its own a worker looks into the injector first. A prime, as others have it, so that it falls into
/// step with nothing.
const INJECTOR_EVERY: usize = 61;

struct Shared {
    injector: Injector<Runnable>,
    stealers: Vec<Stealer<Runnable>>,
    /// How many workers sleep and have not been woken. Changed under [`Shared::bed`] only.
    sleepers: AtomicUsize,
    /// How many of those that sleep have been woken and have not got up.
    bed: Mutex<usize>,
    got_up: Condvar,
}

static SHARED: OnceLock<Shared> = OnceLock::new();

thread_local! {
    static MINE: OnceCell<Worker<Runnable>> = const { OnceCell::new() };
}

/// Starts the workers. Once per process.
pub(crate) fn start(workers: usize) {
    let deques: Vec<_> = (0..workers).map(|_| Worker::new_lifo()).collect();
    let shared = SHARED.get_or_init(|| Shared {
        injector: Injector::new(),
        stealers: deques.iter().map(Worker::stealer).collect(),
        sleepers: AtomicUsize::new(0),
        bed: Mutex::new(0),
        got_up: Condvar::new(),
    });
    for (me, deque) in deques.into_iter().enumerate() {
        thread::spawn(move || {
            MINE.with(|mine| work(shared, me, mine.get_or_init(|| deque)));
        });
    }
}

/// Starts a task, on any thread.
#[inline]
pub(crate) fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let (runnable, task) = async_task::spawn(future, WithInfo(queue));
    runnable.schedule();
    task
}

/// What async-task calls when a task is to run.
fn queue(runnable: Runnable, info: ScheduleInfo) {
    let shared = SHARED.get().expect("it has been started");
    MINE.with(|mine| match mine.get() {
        Some(deque) if !info.woken_while_running => deque.push(runnable),
        _ => shared.injector.push(runnable),
    });
    // ORDERING: between queueing and looking for sleepers; its partner stands between going to sleep and the last look.
    fence(Ordering::SeqCst);
    if shared.sleepers.load(Ordering::Relaxed) > 0 {
        shared.wake_one();
    }
}

fn work(shared: &Shared, me: usize, deque: &Worker<Runnable>) {
    for turn in 1_usize.. {
        let next = if turn % INJECTOR_EVERY == 0 {
            shared.injected(deque).or_else(|| deque.pop())
        } else {
            deque.pop()
        };
        let next = next.or_else(|| shared.find(me, deque));
        match next {
            Some(runnable) => {
                runnable.run();
            }
            None => shared.sleep(),
        }
    }
}

impl Shared {
    /// A task from the injector or from another worker, and a batch of further ones into the deque.
    fn find(&self, me: usize, deque: &Worker<Runnable>) -> Option<Runnable> {
        self.injected(deque).or_else(|| {
            let others = (1..self.stealers.len()).map(|step| (me + step) % self.stealers.len());
            others
                .map(|other| &self.stealers[other])
                .find_map(|other| settled(|| other.steal_batch_and_pop(deque)))
        })
    }

    fn injected(&self, deque: &Worker<Runnable>) -> Option<Runnable> {
        settled(|| self.injector.steal_batch_and_pop(deque))
    }

    /// Until something has been queued; not if something already is.
    fn sleep(&self) {
        let mut woken = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.is_anything_queued() {
            self.sleepers.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        while *woken == 0 {
            woken = self
                .got_up
                .wait(woken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *woken -= 1;
    }

    #[cold]
    fn wake_one(&self) {
        let mut woken = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.sleepers.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        *woken += 1;
        self.got_up.notify_one();
    }

    fn is_anything_queued(&self) -> bool {
        !self.injector.is_empty() || self.stealers.iter().any(|stealer| !stealer.is_empty())
    }
}

/// The first attempt that was not disturbed.
fn settled(attempt: impl FnMut() -> Steal<Runnable>) -> Option<Runnable> {
    iter::repeat_with(attempt)
        .find(|steal| !steal.is_retry())
        .and_then(Steal::success)
}
