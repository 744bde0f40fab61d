//! What if a task blocks the thread it runs on, and says so?
//!
//! Then another thread goes on with the worker's core, and the blocked thread, when its poll is over, finds that it is no
//! worker any more and ends. Nothing is driven from inside the blocked task: nested loops would pile one task's stack
//! on another's, and the innermost would have to end first.

use super::{context, worker};
use crate::util::budget;
use std::io;

/// Lets another thread go on as the worker this thread is, and lifts the budget of the task, which is the only one here from now on. On a thread that is no
/// worker, and in a waker of the user's that a worker runs between two polls, the core stays: such a waker blocks its worker. So it does in a simulation, which has one thread.
///
/// # Errors
///
/// If no thread can be started. The current thread then stays the worker.
pub(crate) fn before_blocking() -> io::Result<()> {
    budget::lift();
    if context::with_core(|core| core.is_none_or(|core| core.is_in_batch() || core.is_simulated()))
    {
        return Ok(());
    }
    let Some(core) = context::leave() else {
        return Ok(());
    };
    let was_hidden = core.hide(false);
    core.slab.flush();
    let task = core.polled();
    // SAFETY: it is being polled, by this thread, and not complete.
    let about = task.map(|task| unsafe { task.about() });
    core.end_poll();
    // SAFETY: it is being polled, by this thread, and not complete.
    task.into_iter()
        .for_each(|task| unsafe { task.become_guest() });
    let shared = core.shared().clone();
    context::set_task(about);
    // Two now: the thread that goes on, and this one until its poll is over.
    shared.shutdown.add_runner();
    worker::start(core).map_err(|(core, error)| {
        shared.shutdown.forget_runner();
        // SAFETY: as above.
        task.into_iter()
            .for_each(|task| unsafe { task.is_no_guest() });
        context::set_task(None);
        core.resume_poll(task);
        core.hide(was_hidden);
        context::enter(core);
        error
    })
}
