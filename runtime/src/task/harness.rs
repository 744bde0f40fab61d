//! How is a task made, polled, cancelled, completed and freed?
//!
//! Everything here that touches future or output is generic over the future and is reached through the vtable; the state word
//! decides, this file carries out.
//!
//! The order of an end: the future is dropped, the output stored (or dropped, if nobody wants it), the word set to COMPLETE, the
//! joiner woken, the cell freed by whoever lets go of it last. A panic of the future, or of its destructor, becomes the output.

use super::cell::Layout;
use super::error::JoinError;
use super::header::{Header, JoinWaker, VTable};
use super::id::{About, Id};
use super::join::JoinHandle;
use super::refs::Notified;
use super::schedule::Schedule;
use super::state::{AfterPending, Completion, Start, State};
use super::unhandled::Unhandled;
use super::waker::LentWaker;
use crate::util::shield::shield;
use crate::util::slab::Class;
use crate::util::wait_reason::{self, WaitReason};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// The code of tasks with the future `F` under the scheduler `S`.
struct Harness<F, S>(PhantomData<(F, S)>);

/// The size class of the cell that a task with the future `F` needs.
pub(crate) const fn class_of<F: Future>() -> Class {
    Layout::<F>::CLASS
}

/// Builds a task in a cell, spawned at this location: queued, with a join handle.
///
/// # Safety
///
/// The cell comes from the slab of a scheduler `S`, is of the class [`class_of::<F>()`](class_of), and is used by nobody.
#[inline]
pub(crate) unsafe fn init<F, S>(
    cell: NonNull<u8>,
    future: F,
    location: &'static Location<'static>,
) -> (Notified, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: passed on to the caller; future and output may be sent anywhere.
    unsafe { init_pinned::<F, S>(cell, future, location) }
}

/// The same for a future that must not leave its thread.
///
/// # Safety
///
/// As for [`init`]. And unless future and output are both `Send`, every `Notified` of a task under `S` is run, and the task is cancelled, by the thread that calls this. (The handle is
/// `Send` only if the output is, and nobody else touches either.)
#[inline]
pub(crate) unsafe fn init_pinned<F, S>(
    cell: NonNull<u8>,
    future: F,
    location: &'static Location<'static>,
) -> (Notified, JoinHandle<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    let cell = cell.cast::<Header>();
    // SAFETY: passed on to the caller. First, because boxing a large future may panic, and the cell must not look live then.
    unsafe { Layout::<F>::store_future(cell, future) };
    let header = Header {
        state: State::new_joinable(),
        vtable: const { &Harness::<F, S>::VTABLE },
        join_waker: JoinWaker::empty(),
        location,
    };
    // SAFETY: the cell is large enough, aligned to 64 and unused.
    unsafe { cell.write(header) };
    // SAFETY: the word says queued, and this is the first `Notified`.
    let notified = unsafe { Notified::from_raw(cell) };
    // SAFETY: the word counts one reference and JOIN_INTEREST for this handle, and its output is `F::Output`.
    let handle = unsafe { JoinHandle::from_counted(cell) };
    (notified, handle)
}

/// Builds a task in a cell: queued, and nobody has a handle.
///
/// # Safety
///
/// As for [`init`].
#[inline]
pub(crate) unsafe fn init_detached<F, S>(
    cell: NonNull<u8>,
    future: F,
    location: &'static Location<'static>,
) -> Notified
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: passed on to the caller.
    let (task, handle) = unsafe { init::<F, S>(cell, future, location) };
    handle.detach_unseen();
    task
}

/// Cancels the task in a cell, if there is one that is neither complete nor running: its future is dropped and its joiner told.
///
/// # Safety
///
/// The cell was handed out by a slab and initialised at least once; no worker of its runtime runs or ever will. (Threads that have blocked in a
/// task may still be about.)
pub(crate) unsafe fn cancel_at_shutdown(cell: NonNull<u8>) {
    let cell = cell.cast::<Header>();
    // SAFETY: the first word of a cell that was ever in use is a state word, also when the cell is free again.
    let state = unsafe { &(*cell.as_ptr()).state };
    if state.seize() {
        // SAFETY: the task is live, so all of its header is.
        let cancel = unsafe { cell.as_ref() }.vtable.cancel;
        // SAFETY: seized: we are its runner now.
        unsafe { cancel(cell) };
    }
}

/// Where the task in a cell was spawned and what it waits for, if there is one that is not complete. It waits for nothing while it is being polled.
///
/// # Safety
///
/// The cell was handed out by a slab and initialised at least once; the task is not completed meanwhile.
#[cfg(not(any(loom, shuttle)))]
pub(crate) unsafe fn waiting_in(
    cell: NonNull<u8>,
) -> Option<(&'static Location<'static>, Option<WaitReason>)> {
    let cell = cell.cast::<Header>();
    // SAFETY: the first word of a cell that was ever in use is a state word, also when the cell is free again.
    let state = unsafe { &(*cell.as_ptr()).state };
    if state.is_complete() {
        return None;
    }
    // SAFETY: the task is live, so all of its header is.
    let location = unsafe { cell.as_ref() }.location;
    Some((location, state.wait_reason()))
}

/// Gives up a counted reference.
///
/// # Safety
///
/// The caller owns one that is counted in the word, and does not use it again.
#[inline]
pub(super) unsafe fn release(cell: NonNull<Header>) {
    // SAFETY: the reference still keeps the cell.
    if unsafe { cell.as_ref() }.state.release_reference() {
        // SAFETY: complete, and the last reference is gone.
        unsafe { free(cell) };
    }
}

/// Frees a cell.
///
/// # Safety
///
/// The task is complete, its output gone, and nobody else refers to it.
#[inline]
pub(super) unsafe fn free(cell: NonNull<Header>) {
    // SAFETY: the cell is still ours.
    let vtable = unsafe { cell.as_ref() }.vtable;
    // SAFETY: passed on to the caller.
    unsafe { (vtable.free)(cell) };
}

impl<F, S> Harness<F, S>
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    const VTABLE: VTable = VTable {
        run: Self::run,
        cancel: Self::cancel,
        take_output: Self::take_output,
        drop_output: Self::drop_output,
        free: Self::free,
        detach_unshared: Self::detach_unshared,
        schedule: S::schedule,
        type_name: std::any::type_name::<F>,
    };

    unsafe fn run(cell: NonNull<Header>) {
        // SAFETY: the caller holds the right of a `Notified`, so the task is incomplete and its cell live.
        let state = unsafe { &cell.as_ref().state };
        let turn = match state.start_poll() {
            // SAFETY: we are the runner.
            Start::Cancel => return unsafe { Self::cancel(cell) },
            Start::Poll(turn) => turn,
        };
        // SAFETY: as above.
        match unsafe { Self::poll(cell) } {
            Ok(Poll::Pending) => {
                if state.finish_pending(turn, wait_reason::noted()) == AfterPending::Requeue {
                    // SAFETY: the verdict hands out the task's only `Notified`.
                    S::reschedule(unsafe { Notified::from_raw(cell) });
                }
            }
            Ok(Poll::Ready(output)) if state.is_unshared(turn) => {
                // The end of an ordinary detached task: nobody refers to it, so that nobody can while its future is dropped.
                // SAFETY: as above; the future is not polled again.
                let dropped = unsafe { Self::drop_future(cell) };
                drop_quietly(output);
                if let Err(error) = dropped {
                    // SAFETY: as above.
                    unsafe { Self::lose(cell, error) };
                }
                state.complete_unshared();
                // SAFETY: complete, and nobody refers to the cell.
                unsafe { Self::free(cell) };
            }
            // SAFETY: as above; the future has returned its output.
            Ok(Poll::Ready(output)) => unsafe { Self::finish(cell, Ok(output)) },
            // SAFETY: as above; the future has panicked and is not polled again.
            Err(error) => unsafe { Self::finish(cell, Err(error)) },
        }
    }

    /// # Safety
    ///
    /// The caller is the runner of a running task.
    #[inline(always)]
    unsafe fn poll(cell: NonNull<Header>) -> Result<Poll<F::Output>, JoinError> {
        // SAFETY: the task stays incomplete during its poll.
        let waker = unsafe { LentWaker::new::<S>(cell) };
        let mut context = Context::from_waker(&waker);
        // SAFETY: a running task's cell holds its future.
        let future = unsafe { Layout::<F>::future(cell) };
        // SAFETY: only the runner touches it.
        let future = unsafe { &mut *future };
        // SAFETY: the future stays where it was stored until `finish` or `cancel` drops it there.
        let future = unsafe { Pin::new_unchecked(future) };
        catch_unwind(AssertUnwindSafe(|| future.poll(&mut context)))
            .map_err(|payload| JoinError::panic(Id::of(cell), payload))
    }

    /// Drops the future and completes the task with an error.
    ///
    /// # Safety
    ///
    /// The caller is the runner of a running task.
    #[cold]
    unsafe fn cancel(cell: NonNull<Header>) {
        // SAFETY: passed on to the caller.
        unsafe { Self::finish(cell, Err(JoinError::cancelled(Id::of(cell)))) };
    }

    /// # Safety
    ///
    /// The caller is the runner of a running task whose future is still in its place, and will not be polled again.
    #[inline(never)]
    unsafe fn finish(cell: NonNull<Header>, output: Result<F::Output, JoinError>) {
        // SAFETY: passed on to the caller.
        let output = match unsafe { Self::drop_future(cell) } {
            Ok(()) => output,
            Err(error) => {
                drop_quietly(output);
                Err(error)
            }
        };
        // SAFETY: the runner's right lasts until `complete`.
        let state = unsafe { &cell.as_ref().state };
        let stored = state.has_join_interest();
        if stored {
            // SAFETY: the cell still holds the stage that the future was stored in.
            let place = unsafe { Layout::<F>::output(cell) };
            // SAFETY: the future is gone, its room is the output's.
            unsafe { place.write(output) };
        } else {
            // SAFETY: the task is not complete yet.
            unsafe { Self::forgo(cell, output) };
        }
        let verdict = match state.complete(stored) {
            Completion::DropOutput => {
                // SAFETY: stored above, and the verdict says that nobody else will take it.
                unsafe { Self::drop_output(cell) };
                state.complete(false)
            }
            verdict => verdict,
        };
        match verdict {
            // SAFETY: the verdict says that nobody refers to the cell.
            Completion::Free => unsafe { Self::free(cell) },
            // SAFETY: the verdict says so.
            Completion::WakeJoiner => unsafe { wake_joiner::<S>(cell) },
            Completion::Shared => {}
            Completion::DropOutput => unreachable!("there is no output to drop"),
        }
    }

    /// # Safety
    ///
    /// As for [`finish`](Self::finish).
    #[inline(always)]
    unsafe fn drop_future(cell: NonNull<Header>) -> Result<(), JoinError> {
        if !std::mem::needs_drop::<F>() {
            return Ok(());
        }
        // SAFETY: passed on to the caller.
        let future = unsafe { Layout::<F>::future(cell) };
        // SAFETY: the future is dropped here and nowhere else, where it was pinned.
        let dropping = || unsafe { future.drop_in_place() };
        catch_unwind(AssertUnwindSafe(dropping))
            .map_err(|payload| JoinError::panic(Id::of(cell), payload))
    }

    unsafe fn take_output(cell: NonNull<Header>, into: *mut ()) {
        // SAFETY: passed on to the caller.
        let output = unsafe { Self::move_output(cell) };
        // SAFETY: the caller gives a place for a `Result<F::Output, JoinError>`.
        unsafe { into.cast::<Result<F::Output, JoinError>>().write(output) };
    }

    unsafe fn drop_output(cell: NonNull<Header>) {
        // SAFETY: passed on to the caller.
        let output = unsafe { Self::move_output(cell) };
        // SAFETY: who has the right to the output keeps the cell.
        unsafe { Self::forgo(cell, output) };
    }

    /// Drops an output that nobody wants.
    ///
    /// # Safety
    ///
    /// The cell is live.
    #[inline(always)]
    unsafe fn forgo(cell: NonNull<Header>, output: Result<F::Output, JoinError>) {
        match output {
            Ok(output) => drop_quietly(output),
            // SAFETY: passed on to the caller.
            Err(error) => unsafe { Self::lose(cell, error) },
        }
    }

    /// Drops an error that nobody wants; if it is a panic, the scheduler is told.
    ///
    /// # Safety
    ///
    /// The cell is live.
    #[cold]
    #[inline(never)]
    unsafe fn lose(cell: NonNull<Header>, error: JoinError) {
        // SAFETY: passed on to the caller.
        let location = unsafe { cell.as_ref() }.location;
        let id = error.id();
        if let Some(panic) =
            Unhandled::new(About { id, location }, std::any::type_name::<F>(), &error)
        {
            // SAFETY: passed on to the caller.
            unsafe { S::unhandled_panic(cell, panic) };
        }
        drop_quietly(error);
    }

    /// # Safety
    ///
    /// The task is complete, and the caller uses up the right to its output, which is stored.
    unsafe fn move_output(cell: NonNull<Header>) -> Result<F::Output, JoinError> {
        // SAFETY: the cell of a complete task still holds its stage.
        let place = unsafe { Layout::<F>::output(cell) };
        // SAFETY: stored, and moved out by nobody else, says the caller.
        unsafe { place.read() }
    }

    unsafe fn free(cell: NonNull<Header>) {
        // SAFETY: complete: future and output are gone.
        unsafe { Layout::<F>::free_box(cell) };
        // SAFETY: nothing in the cell needs dropping any more.
        unsafe { S::free(cell, Layout::<F>::CLASS) };
    }

    unsafe fn detach_unshared(cell: NonNull<Header>) -> bool {
        // SAFETY: the caller's join handle keeps the cell.
        S::with_unshared(cell, || unsafe { cell.as_ref() }.state.detach_unshared())
    }
}

/// # Safety
///
/// The task is complete, with a join waker in its place that is the caller's.
#[inline(never)]
unsafe fn wake_joiner<S: Schedule>(cell: NonNull<Header>) {
    // SAFETY: the join handle, which keeps the cell, waits for the place to be empty.
    let header = unsafe { cell.as_ref() };
    // SAFETY: passed on to the caller.
    let waker = unsafe { header.join_waker.take() };
    S::poll_is_over(cell);
    shield(|| waker.wake());
}

/// Drops a value that user code may have made; a second panic has nowhere to go.
#[inline(always)]
fn drop_quietly<T>(value: T) {
    if std::mem::needs_drop::<T>() {
        shield(|| drop(value));
    }
}
