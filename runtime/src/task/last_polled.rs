//! What does a worker poll at the moment?
//!
//! It leaves the vtable of each task before it polls it, and where that was spawned: two loads from a line that the poll needs anyway, and two plain stores to one of its own. Who looks
//! on gets the name of the future's type and the place, and never touches the task, which may be gone by then. While the worker goes on the two may be of two tasks; of one that has
//! been in its poll for a while, they are of that.

use super::header::VTable;
use super::refs::Notified;
use crate::sys::sync::atomic::{AtomicPtr, Ordering};
use std::panic::Location;
use std::ptr;

/// The kind of the task that a worker polls, or has polled last, and where it was spawned.
#[derive(Debug)]
pub(crate) struct LastPolled {
    vtable: AtomicPtr<VTable>,
    location: AtomicPtr<Location<'static>>,
}

impl LastPolled {
    /// Nothing was polled yet.
    pub(crate) fn new() -> Self {
        Self {
            vtable: AtomicPtr::new(ptr::null_mut()),
            location: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Notes that this task is polled next.
    #[inline(always)]
    pub(crate) fn note(&self, task: &Notified) {
        let vtable = ptr::from_ref(task.vtable()).cast_mut();
        let location = ptr::from_ref(task.location()).cast_mut();
        // ORDERING: Relaxed, both: behind the pointers are constants of the program; whether they are the latest is a matter of luck.
        self.vtable.store(vtable, Ordering::Relaxed);
        self.location.store(location, Ordering::Relaxed);
    }

    /// The name of the type of its future, as `std::any::type_name` gives it.
    pub(crate) fn type_name(&self) -> Option<&'static str> {
        // ORDERING: Relaxed, as in `note`.
        let vtable = self.vtable.load(Ordering::Relaxed);
        // SAFETY: null, or what `note` has made of a `&'static VTable`, to which nobody writes.
        let vtable = unsafe { vtable.as_ref() }?;
        Some((vtable.type_name)())
    }

    /// Where it was spawned.
    pub(crate) fn location(&self) -> Option<&'static Location<'static>> {
        // ORDERING: Relaxed, as in `note`.
        let location = self.location.load(Ordering::Relaxed);
        // SAFETY: null, or what `note` has made of a `&'static Location`, to which nobody writes.
        unsafe { location.as_ref() }
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
        let location = last.location().expect("one was noted");
        assert_eq!(location.file(), file!());
    }
}
