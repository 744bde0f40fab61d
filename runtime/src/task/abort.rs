//! How is a task aborted by whoever has no right to its output?
//!
//! Through a counted reference, as a waker is one: it keeps the cell and nothing in it.

use super::id::Id;
use super::refs::TaskRef;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Aborts a task, and can be cloned and kept where its [`JoinHandle`](super::JoinHandle) cannot; made by [`abort_handle`](super::JoinHandle::abort_handle).
///
/// It keeps neither the future nor the output, only the task's memory: 64 bytes for small tasks. Dropping it does nothing to the task.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let tasks: Vec<_> = (0..3).map(|_| rt.spawn(std::future::pending::<()>())).collect();
/// let aborts: Vec<_> = tasks.iter().map(|task| task.abort_handle()).collect();
/// aborts.iter().for_each(|task| task.abort());
/// for task in tasks {
///     assert!(rt.block_on(task).unwrap_err().is_cancelled());
/// }
/// assert!(aborts.iter().all(|task| task.is_finished()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AbortHandle {
    id: Id,
    /// None if the task was never started, or its output was taken before this was made.
    task: Option<TaskRef>,
}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl AbortHandle {
    pub(super) fn new(id: Id, task: Option<TaskRef>) -> Self {
        Self { id, task }
    }

    /// Of a task that was never started.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn of_nothing() -> Self {
        Self::new(Id::NEVER, None)
    }

    /// Cancels the task, as [`JoinHandle::abort`](super::JoinHandle::abort) does: its future is dropped at the next point where it gives up its worker, unless it is complete by
    /// then. A call of [`spawn_blocking`](crate::spawn_blocking) that has begun goes on.
    pub fn abort(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }

    /// Whether the task is complete, in whichever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(TaskRef::is_complete)
    }

    /// Tells the task from others that live.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            task: self.task.clone(),
        }
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("AbortHandle");
        f.field("id", &self.id);
        f.field("finished", &self.is_finished());
        if let Some(task) = &self.task {
            f.field("location", &format_args!("{}", task.location()));
        }
        f.finish()
    }
}
