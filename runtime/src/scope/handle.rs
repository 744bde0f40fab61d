//! How does a child's output reach whoever spawned it?

use super::child::Packet;
use crate::task::{AbortHandle, Id, JoinError, JoinHandle};
use crate::util::budget;
use crate::util::wait_reason::{self, WaitReason};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Gives the output of a scope's child: await it. Dropping it lets the child go on; the scope waits for it all the same.
///
/// # Errors
///
/// Awaiting gives a [`JoinError`] that [is *cancelled*](JoinError::is_cancelled) if the child has no output to give: it was aborted, or cancelled with its scope, or its runtime has ended; or its error or panic is
/// what comes out of the scope.
///
/// # Cancel safety
///
/// The handle is itself the future: dropping a borrow of it (`&mut handle` in a `select`) loses nothing.
///
/// # Panics
///
/// Never; polled again after it has given its output it says *cancelled*.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let sum = rt.block_on(filch::scope(|s| async move {
///     let (one, two) = (s.spawn(async { 1 }), s.spawn(async { 2 }));
///     one.await.unwrap() + two.await.unwrap()
/// }));
/// assert_eq!(sum, 3);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ScopedHandle<T> {
    pub(super) packet: Arc<Packet<T>>,
    /// None if it was never started.
    pub(super) task: Option<JoinHandle<()>>,
}

impl<T> Unpin for ScopedHandle<T> {}

impl<T> ScopedHandle<T> {
    /// Cancels this child alone: its future is dropped at the next point where it gives up its worker, unless it is done by then. The scope goes on.
    pub fn abort(&self) {
        self.task.iter().for_each(JoinHandle::abort);
    }

    /// A handle that aborts the child, and has no right to its output.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        let task = self.task.as_ref();
        task.map_or_else(AbortHandle::of_nothing, JoinHandle::abort_handle)
    }

    /// Tells the child from other tasks that live.
    #[must_use]
    pub fn id(&self) -> Id {
        self.task.as_ref().map_or(Id::NEVER, JoinHandle::id)
    }

    /// Whether the child has ended, so that awaiting the handle does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.packet.is_done()
    }
}

impl<T> Future for ScopedHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        wait_reason::note(WaitReason::Join);
        ready!(self.packet.poll_done(cx));
        // It stays done, also if the task has to give up its turn first.
        ready!(budget::poll_take(cx));
        let id = self.id();
        Poll::Ready(self.packet.take().ok_or(JoinError::cancelled(id)))
    }
}

impl<T> fmt::Debug for ScopedHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedHandle")
            .field("finished", &self.is_finished())
            .finish()
    }
}
