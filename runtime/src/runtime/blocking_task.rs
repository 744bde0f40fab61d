//! How does a blocking call become a task?
//!
//! It is one: a cell with a future that calls the function in its only poll. The cell comes from the global allocator instead of a slab,
//! since pool threads outlive the workers and the shutdown deals with the pool by itself; the pool's queue holds its `Notified`. So
//! joining, aborting and panics work as for every other task.

use crate::blocking::Pool;
use crate::task::JoinHandle;
use crate::task::harness;
use crate::task::header::Header;
use crate::task::refs::Notified;
use crate::task::schedule::Schedule;
use crate::util::slab::Class;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// Runs `function` on the pool. `until_done` is dropped when whoever waits for it has been woken.
pub(super) fn spawn<F, R>(
    pool: &Pool,
    function: F,
    until_done: impl Send + 'static,
) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let cell = allocate(const { harness::class_of::<Call<F>>() });
    // SAFETY: a fresh cell of the right class, to be freed by `Blocking::free`.
    let (task, handle) = unsafe { harness::init::<Call<F>, Blocking>(cell, Call(Some(function))) };
    let queued = Queued(Some(task));
    let job = move || {
        queued.run();
        drop(until_done);
    };
    if let Err(error) = pool.run(Box::new(job)) {
        panic!("spawn_blocking has no thread to run on, and none can be started: {error}");
    }
    handle
}

/// The function as a task of its own, for a runtime without a pool.
pub(super) fn step<F, R>(function: F) -> impl Future<Output = R> + Send
where
    F: FnOnce() -> R + Send,
{
    Call(Some(function))
}

/// A function as a future that is ready at its first poll.
struct Call<F>(Option<F>);

impl<F> Unpin for Call<F> {}

impl<F: FnOnce() -> R, R> Future for Call<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<R> {
        let function = self.0.take().expect("a blocking call is polled once");
        Poll::Ready(function())
    }
}

/// A call in the pool's queue: it is run, or cancelled when the queue is dropped.
struct Queued(Option<Notified>);

impl Queued {
    fn run(mut self) {
        if let Some(task) = self.0.take() {
            task.run();
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.cancel();
        }
    }
}

/// The pool, as far as a task asks for a scheduler.
struct Blocking;

impl Schedule for Blocking {
    unsafe fn is_home(_cell: NonNull<Header>) -> bool {
        false
    }

    fn schedule(task: Notified) {
        unreachable!("a blocking call is queued, running or complete, never idle: {task:?}");
    }

    fn reschedule(task: Notified) {
        unreachable!("a blocking call is ready at its first poll: {task:?}");
    }

    fn with_unshared(_cell: NonNull<Header>, _act: impl FnOnce() -> bool) -> bool {
        false
    }

    fn poll_is_over(_cell: NonNull<Header>) {}

    unsafe fn free(cell: NonNull<Header>, class: Class) {
        // SAFETY: allocated by `allocate` with this class, and not used again.
        unsafe { dealloc(cell.as_ptr().cast(), layout(class)) };
    }
}

fn layout(class: Class) -> Layout {
    Layout::from_size_align(class.bytes(), 64).expect("a class is a small multiple of 64")
}

fn allocate(class: Class) -> NonNull<u8> {
    let layout = layout(class);
    // SAFETY: no class is empty.
    let cell = unsafe { alloc(layout) };
    NonNull::new(cell).unwrap_or_else(|| handle_alloc_error(layout))
}
