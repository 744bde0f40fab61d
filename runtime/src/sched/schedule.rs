//! Where does a woken, spawned or freed task go?
//!
//! On a worker of its own runtime: into the worker's slot or queue, its cell into the worker's slab. Anywhere else: through a lane
//! ([`outside`](super::outside)), and its cell through the remote stack of the slab it came from.

use super::context::with_core;
use super::core::Core;
use super::shared::Shared;
use crate::sys::sync::Arc;
use crate::task::header::Header;
use crate::task::refs::Notified;
use crate::task::schedule::Schedule;
use crate::task::unhandled::Unhandled;
use crate::util::slab::{self, Class};
use std::ptr::NonNull;

/// The scheduler that a cell belongs to.
///
/// # Safety
///
/// The cell is live, and came from a slab of a [`Shared`].
#[inline]
unsafe fn home_of<'a>(cell: NonNull<Header>) -> &'a Arc<Shared> {
    // SAFETY: passed on to the caller.
    unsafe { slab::owner_of::<Shared>(cell.cast()) }
}

/// This thread's core, if it belongs to the task's scheduler.
#[inline]
fn is_home_core(core: &Core, home: &Arc<Shared>) -> bool {
    Arc::ptr_eq(core.shared(), home)
}

impl Schedule for Shared {
    #[inline]
    unsafe fn is_home(cell: NonNull<Header>) -> bool {
        // SAFETY: passed on to the caller.
        let home = unsafe { home_of(cell) };
        with_core(|core| core.is_some_and(|core| is_home_core(core, home)))
    }

    #[inline]
    fn schedule(task: Notified) {
        // SAFETY: a task that is to be scheduled is live.
        let home = unsafe { home_of(task.as_raw()) };
        with_core(|core| match core {
            Some(core) if is_home_core(core, home) => core.run_next(task),
            _ => home.inject(task),
        });
    }

    #[inline]
    fn schedule_at_home(task: Notified) {
        with_core(|core| match core {
            Some(core) => core.run_next(task),
            None => Self::schedule(task),
        });
    }

    #[inline]
    fn reschedule(task: Notified) {
        // SAFETY: a task that is to be scheduled is live.
        let home = unsafe { home_of(task.as_raw()) };
        with_core(|core| match core {
            Some(core) if is_home_core(core, home) => core.run_later(task),
            _ => home.inject(task),
        });
    }

    #[inline]
    fn with_unshared(cell: NonNull<Header>, act: impl FnOnce() -> bool) -> bool {
        with_core(|core| core.is_some_and(|core| core.with_slot_held(cell, act)))
    }

    #[inline]
    fn poll_is_over(cell: NonNull<Header>) {
        with_core(|core| core.into_iter().for_each(|core| core.end_poll_of(cell)));
    }

    #[cold]
    unsafe fn unhandled_panic(cell: NonNull<Header>, panic: Unhandled) {
        // SAFETY: passed on to the caller.
        unsafe { home_of(cell) }.unhandled_panic(panic);
    }

    #[inline]
    unsafe fn free(cell: NonNull<Header>, _class: Class) {
        with_core(|core| match core {
            Some(core) => {
                // It may be the last of another scheduler, whose end may run code of the user's.
                let before_foreign = || core.end_poll_of(cell);
                // SAFETY: passed on to the caller; a slab takes back cells of any other.
                unsafe { core.slab.free(cell.cast(), before_foreign) }
            }
            // SAFETY: passed on to the caller.
            None => unsafe { slab::free_remote::<Self>(cell.cast()) },
        });
    }
}
