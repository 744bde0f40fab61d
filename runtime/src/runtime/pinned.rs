//! How is a task pinned to a thread, and to which?
//!
//! To the one that spawns it, if that is a worker's ([`local`]). From any other, an ordinary task goes ahead: whichever worker takes it makes the future there and pins it, and the
//! ordinary task stands in for the pinned one. So the scheduler chooses as for all tasks, and nothing but a closure that is `Send` goes from thread to thread.
//!
//! Rejected: a worker by its index (its core may be on another thread tomorrow, and a worker that is busy or on the bench is the wrong one); to run pinned tasks within `block_on` on a thread
//! that is no worker (they would stand still whenever the thread is elsewhere, and be dropped when nobody expects it). In a simulation that thread is the only one there is, so that there it
//! is so (`sched/local/visit.rs`).

use super::context::{is_in_block_on, simulation};
use crate::sched::local::{self, NoHost};
use crate::task::JoinHandle;
use std::future::pending;
use std::panic::{Location, resume_unwind};

/// Starts a task that stays on this thread; see [`spawn_local`](crate::spawn_local).
///
/// An output that is not `Send` does not leave it either: its handle cannot.
///
/// ```
/// fn is_send<T: Send>(_: impl FnOnce() -> T) {}
/// is_send(|| filch::spawn_local(async { 1 }));
/// ```
/// ```compile_fail,E0277
/// fn is_send<T: Send>(_: impl FnOnce() -> T) {}
/// is_send(|| filch::spawn_local(async { std::rc::Rc::new(1) }));
/// ```
#[track_caller]
pub(crate) fn spawn<F>(future: F, location: &'static Location<'static>) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let spawned = match simulation() {
        Ok(simulation) => simulation.spawn_local(future, location),
        Err(_) => {
            assert!(
                !is_in_block_on(),
                "spawn_local within block_on would start a task that cannot run before block_on returns: call it in a task, or use Runtime::spawn_pinned"
            );
            local::spawn(future, location)
        }
    };
    match spawned {
        Ok(handle) => handle,
        Err(NoHost) => panic!(
            "spawn_local needs a worker's thread: call it in a task, or use Runtime::spawn_pinned, which works anywhere"
        ),
    }
}

/// Pins a task to the worker that runs this, and stands in for it: whoever awaits or aborts this one does so to the other.
pub(super) async fn pin_here<F>(
    make: impl FnOnce() -> F,
    location: &'static Location<'static>,
) -> F::Output
where
    F: Future + 'static,
    F::Output: 'static,
{
    let mut task = AbortOnDrop(spawn(make(), location));
    match (&mut task.0).await {
        Ok(output) => output,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // A simulation goes on without a thread that has driven it once.
        Err(_) if simulation().is_ok_and(|simulation| !simulation.is_ending()) => {
            panic!("the thread that the task was pinned to has ended before the task")
        }
        // Its thread has ended, and the runtime is about to: that cancels this one as well.
        Err(_) => pending().await,
    }
}

/// Aborts its task, which does nothing to one that is complete.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
