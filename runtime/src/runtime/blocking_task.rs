//! How does a blocking call become a task?
//!
//! It is one: a cell with a future that calls the function in its only poll. The cell comes from the global allocator instead of a slab,
//! with a pointer to the scheduler before it, since pool threads outlive the workers and the shutdown deals with the pool by itself; the pool's queue holds its `Notified`. So
//! joining, aborting and panics work as for every other task.

use crate::blocking::Pool;
use crate::sched::Shared;
use crate::sched::context::set_task;
use crate::sys::sync::Arc;
use crate::task::JoinHandle;
use crate::task::harness;
use crate::task::header::Header;
use crate::task::refs::{Notified, Polled};
use crate::task::schedule::Schedule;
use crate::task::unhandled::Unhandled;
use crate::util::slab::Class;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// Runs `function` on the pool of this scheduler's runtime. `until_done` is dropped when whoever waits for it has been woken.
///
/// # Errors
///
/// If the pool has no thread and none can be started. The function has been dropped then.
pub(super) fn spawn<F, R>(
    pool: &Pool,
    sched: &Arc<Shared>,
    function: F,
    location: &'static Location<'static>,
    until_done: impl Send + 'static,
) -> io::Result<JoinHandle<R>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let cell = allocate(const { harness::class_of::<Call<F>>() }, sched.clone());
    // SAFETY: a fresh cell of the right class, to be freed by `Blocking::free`.
    let (task, handle) =
        unsafe { harness::init::<Call<F>, Blocking>(cell, Call(Some(function)), location) };
    let queued = Queued(Some(task));
    let job = move || {
        queued.run();
        drop(until_done);
    };
    pool.run(Box::new(job))?;
    Ok(handle)
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
            // SAFETY: this thread is about to poll it, and it is not complete.
            set_task(Some(unsafe { Polled::of(&task).about() }));
            task.run();
            set_task(None);
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

    unsafe fn unhandled_panic(cell: NonNull<Header>, panic: Unhandled) {
        // SAFETY: the cell is live, says the caller, and what stands before it lives as long.
        let before = unsafe { before(cell).as_ref() };
        before.sched.unhandled_panic(panic);
    }

    unsafe fn free(cell: NonNull<Header>, class: Class) {
        let before = before(cell);
        // SAFETY: written by `allocate`, and taken out once: the memory is gone below.
        let Before { sched } = unsafe { before.read() };
        // SAFETY: allocated by `allocate` with this class, and not used again.
        unsafe { dealloc(before.as_ptr().cast(), layout(class)) };
        drop(sched);
    }
}

/// What stands before the cell of a blocking call.
#[repr(C, align(64))]
struct Before {
    sched: Arc<Shared>,
}

fn before(cell: NonNull<Header>) -> NonNull<Before> {
    // SAFETY: cells of blocking calls are made by `allocate`, and stand behind one.
    unsafe { cell.cast::<Before>().sub(1) }
}

fn layout(class: Class) -> Layout {
    Layout::from_size_align(size_of::<Before>() + class.bytes(), align_of::<Before>())
        .expect("a class is a small multiple of 64")
}

fn allocate(class: Class, sched: Arc<Shared>) -> NonNull<u8> {
    let layout = layout(class);
    // SAFETY: no class is empty.
    let before = unsafe { alloc(layout) }.cast::<Before>();
    let before = NonNull::new(before).unwrap_or_else(|| handle_alloc_error(layout));
    // SAFETY: the beginning of fresh memory, large and aligned enough.
    unsafe { before.write(Before { sched }) };
    // SAFETY: the cell stands behind it in the same memory.
    unsafe { before.add(1) }.cast()
}
