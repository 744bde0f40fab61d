//! What does a task ask of its scheduler?

use super::header::Header;
use super::refs::Notified;
use super::unhandled::Unhandled;
use crate::util::slab::Class;
use std::ptr::NonNull;

/// The scheduler as its tasks see it: static functions, because a task finds its scheduler through the slab chunk its
/// cell lies in and carries no pointer to it.
pub(crate) trait Schedule: Send + Sync + 'static {
    /// Whether the current thread is a worker of the runtime this task belongs to. Its runtime then cannot end before the
    /// current poll does.
    ///
    /// # Safety
    ///
    /// The cell must be live.
    unsafe fn is_home(cell: NonNull<Header>) -> bool;

    /// Puts a woken task into a queue.
    fn schedule(task: Notified);

    /// The same by who has seen that it [is at home](Self::is_home).
    #[inline]
    fn schedule_at_home(task: Notified) {
        Self::schedule(task);
    }

    /// Puts a task that was woken during its own poll behind those that wait already.
    fn reschedule(task: Notified);

    /// Calls `act` while only the current thread can get at the queued task, if that can be had: the right to act on it as its only
    /// holder. False if not, or if `act` says so.
    fn with_unshared(cell: NonNull<Header>, act: impl FnOnce() -> bool) -> bool;

    /// The task in this cell is complete, and the cell may be gone. If it is the one that this thread polls, its poll is over, though the turn is not.
    fn poll_is_over(cell: NonNull<Header>);

    /// The task in this cell has ended in a panic that nobody will be told of. Must not panic.
    ///
    /// # Safety
    ///
    /// The cell must be live.
    unsafe fn unhandled_panic(cell: NonNull<Header>, panic: Unhandled);

    /// Gives the memory of a cell back.
    ///
    /// # Safety
    ///
    /// The cell came from this scheduler with this class, holds nothing that needs dropping, and is not used again.
    unsafe fn free(cell: NonNull<Header>, class: Class);
}
