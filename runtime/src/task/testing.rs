//! A scheduler small enough for models and Miri: a locked queue, cells from the global allocator.
//!
//! Counts what was freed, dropped and given out, so that "exactly once" can be asserted. The counters are std's own: the model
//! checker is not to see them as synchronisation.

use super::harness;
use super::header::Header;
use super::join::JoinHandle;
use super::refs::Notified;
use super::schedule::Schedule;
use super::unhandled::Unhandled;
use crate::sys::sync::{Arc, Condvar, Mutex};
use crate::util::slab::Class;
use std::collections::VecDeque;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Enough for every test's cell, also with loom's larger atomics.
const CELL_BYTES: usize = 2048;

#[repr(C, align(64))]
struct TestCell {
    room: [u8; CELL_BYTES],
    queue: Arc<TestQueue>,
}

#[derive(Default)]
pub(crate) struct TestQueue {
    tasks: Mutex<VecDeque<Notified>>,
    bell: Condvar,
    pub(crate) freed: AtomicUsize,
    /// Panics that nobody was told of.
    pub(crate) unhandled: AtomicUsize,
}

impl TestQueue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            tasks: Mutex::new(VecDeque::new()),
            bell: Condvar::new(),
            freed: AtomicUsize::new(0),
            unhandled: AtomicUsize::new(0),
        })
    }

    fn push(&self, task: Notified) {
        self.tasks.lock().push_back(task);
        self.bell.notify_one();
    }

    pub(crate) fn pop(&self) -> Option<Notified> {
        self.tasks.lock().pop_front()
    }

    /// Runs tasks until `frees` cells are free. A lost wake-up is a deadlock here.
    #[cfg(loom)]
    pub(crate) fn run_until_freed(&self, frees: usize) {
        while self.freed.load(Ordering::SeqCst) < frees {
            let task = {
                let mut tasks = self.tasks.lock();
                loop {
                    if self.freed.load(Ordering::SeqCst) >= frees {
                        break None;
                    }
                    match tasks.pop_front() {
                        Some(task) => break Some(task),
                        None => self.bell.wait(&mut tasks),
                    }
                }
            };
            if let Some(task) = task {
                task.run();
            }
        }
    }
}

/// Makes a task and queues it.
#[track_caller]
pub(crate) fn spawn<F>(queue: &Arc<TestQueue>, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_under::<F, TestScheduler<false>>(queue, future)
}

/// The same, woken as by workers of its own runtime.
#[cfg(loom)]
#[track_caller]
pub(crate) fn spawn_home<F>(queue: &Arc<TestQueue>, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_under::<F, TestScheduler<true>>(queue, future)
}

#[track_caller]
fn spawn_under<F, S>(queue: &Arc<TestQueue>, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    assert!(harness::class_of::<F>().bytes() <= CELL_BYTES);
    let cell = Box::into_raw(Box::new(TestCell {
        room: [0; CELL_BYTES],
        queue: queue.clone(),
    }));
    let cell = NonNull::new(cell).expect("a box is not null").cast::<u8>();
    // SAFETY: a fresh cell with room for the class; `free` gives it back.
    let (task, handle) = unsafe { harness::init::<F, S>(cell, future, Location::caller()) };
    queue.push(task);
    handle
}

/// The queue a cell came from.
fn queue_of<'a>(cell: NonNull<Header>) -> &'a Arc<TestQueue> {
    // SAFETY: the header stands at the beginning of a `TestCell` that is live, and the field is never written again.
    unsafe { &(*cell.cast::<TestCell>().as_ptr()).queue }
}

/// `HOME`: whether threads count as workers of the tasks' own runtime, so that a wake by value takes the short way.
pub(crate) struct TestScheduler<const HOME: bool>;

impl<const HOME: bool> Schedule for TestScheduler<HOME> {
    unsafe fn is_home(_cell: NonNull<Header>) -> bool {
        HOME
    }

    fn schedule(task: Notified) {
        queue_of(task.as_raw()).clone().push(task);
    }

    fn reschedule(task: Notified) {
        Self::schedule(task);
    }

    fn with_unshared(_cell: NonNull<Header>, _act: impl FnOnce() -> bool) -> bool {
        false
    }

    fn poll_is_over(_cell: NonNull<Header>) {}

    unsafe fn unhandled_panic(cell: NonNull<Header>, _panic: Unhandled) {
        queue_of(cell).unhandled.fetch_add(1, Ordering::SeqCst);
    }

    unsafe fn free(cell: NonNull<Header>, _class: Class) {
        let queue = queue_of(cell).clone();
        // SAFETY: the cell is ours from here on.
        unsafe { cell.as_ref() }.join_waker.nobody_uses_it();
        // SAFETY: allocated as a box by `spawn`, and the last one to know it calls this.
        drop(unsafe { Box::from_raw(cell.cast::<TestCell>().as_ptr()) });
        let tasks = queue.tasks.lock();
        queue.freed.fetch_add(1, Ordering::SeqCst);
        drop(tasks);
        queue.bell.notify_all();
    }
}

/// Counts its drops.
pub(crate) struct Counted(pub(crate) std::sync::Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A counter of drops, and something that counts in it.
pub(crate) fn counted() -> (std::sync::Arc<AtomicUsize>, Counted) {
    let drops = std::sync::Arc::new(AtomicUsize::new(0));
    (drops.clone(), Counted(drops))
}
