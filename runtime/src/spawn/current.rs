//! What does a task know of itself?
//!
//! The worker knows which task it polls, since a task that blocks has to be marked; so nothing is written for this before a poll. A name belongs to those tasks that have one
//! ([`Builder`](super::Builder)), as a task-local value.

use crate::sched::context::current_task;
use crate::task::Id;
use crate::task_local;
use std::panic::Location;
use std::sync::Arc;

task_local! {
    pub(super) static NAME: Arc<str>;
}

const NO_TASK: &str = "there is no task here: call this within a task of a filch runtime (the future of Runtime::block_on is none), or use task::try_id";

/// The id of the current task.
///
/// # Panics
///
/// Outside of tasks, as in a future that is given to [`Runtime::block_on`](crate::Runtime::block_on) on a thread of its own; [`try_id`] gives none instead.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let task = rt.spawn(async { filch::task::id() });
/// let id = task.id();
/// assert_eq!(rt.block_on(task).unwrap(), id);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
#[track_caller]
pub fn id() -> Id {
    match try_id() {
        Some(id) => id,
        None => panic!("{NO_TASK}"),
    }
}

/// The id of the current task; none outside of tasks.
///
/// That is the task in whose poll this is called, also within a `block_on` there, within [`block_in_place`](super::block_in_place) and in a call of
/// [`spawn_blocking`](super::spawn_blocking).
///
/// # Examples
///
/// ```
/// assert!(filch::task::try_id().is_none());
/// let rt = filch::Runtime::new()?;
/// assert!(rt.block_on(async { filch::task::try_id() }).is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn try_id() -> Option<Id> {
    current_task().map(|task| task.id)
}

/// Where the current task was spawned; none outside of tasks.
///
/// # Examples
///
/// ```
/// let rt = filch::Runtime::new()?;
/// let spawned = rt.block_on(rt.spawn(async { filch::task::location() })).unwrap();
/// assert_eq!(spawned.unwrap().file(), file!());
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn location() -> Option<&'static Location<'static>> {
    current_task().map(|task| task.location)
}

/// The name that the current task was given by [`Builder::name`](super::Builder::name); none if it was given none, and outside of tasks.
#[must_use]
pub fn name() -> Option<Arc<str>> {
    NAME.try_get().ok()
}
