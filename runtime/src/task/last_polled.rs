//! What does a worker poll at the moment?
//!
//! It leaves the vtable of each task before it polls it: a load that the poll makes anyway, and a plain store to a line of its own. Who looks on gets the
//! name of the future's type, and never touches the task, which may be gone by then.

use super::header::VTable;
use super::refs::Notified;
use crate::sys::sync::atomic::{AtomicPtr, Ordering};
use std::ptr;

/// The kind of the task that a worker polls, or has polled last.
#[derive(Debug)]
pub(crate) struct LastPolled(AtomicPtr<VTable>);

impl LastPolled {
    /// Nothing was polled yet.
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Notes that this task is polled next.
    #[inline(always)]
    pub(crate) fn note(&self, task: &Notified) {
        let vtable = ptr::from_ref(task.vtable()).cast_mut();
        // ORDERING: Relaxed: behind the pointer is a constant of the program; whether it is the latest is a matter of luck.
        self.0.store(vtable, Ordering::Relaxed);
    }

    /// The name of the type of its future, as `std::any::type_name` gives it.
    pub(crate) fn type_name(&self) -> Option<&'static str> {
        // ORDERING: Relaxed, as in `note`.
        let vtable = self.0.load(Ordering::Relaxed);
        // SAFETY: null, or what `note` has made of a `&'static VTable`, to which nobody writes.
        let vtable = unsafe { vtable.as_ref() }?;
        Some((vtable.type_name)())
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::super::testing::{TestQueue, spawn};
    use super::*;

    #[test]
    fn the_name_outlives_the_task() {
        let last = LastPolled::new();
        assert_eq!(last.type_name(), None);
        let queue = TestQueue::new();
        drop(spawn(&queue, std::future::ready(7_u8)));
        let task = queue.pop().expect("it was spawned");
        last.note(&task);
        task.run();
        drop(queue);
        let name = last.type_name().expect("one was noted");
        assert!(name.contains("Ready<u8>"), "{name}");
    }
}
