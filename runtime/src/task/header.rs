//! What do all tasks have in common, whatever their future?

use super::refs::Notified;
use super::state::State;
use crate::sys::sync::UnsafeCell;
use crate::sys::sync::atomic::{AtomicPtr, Ordering};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::task::{RawWakerVTable, Waker};

/// The head of a cell: 40 bytes, the same for every task.
///
/// The slab leaves the first word of a freed cell alone and links through the second, so `state` still says COMPLETE there:
/// that is how an enumeration tells live cells from free ones.
#[repr(C)]
pub(crate) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static VTable,
    pub(super) join_waker: JoinWaker,
    /// Where the task was spawned.
    pub(super) location: &'static Location<'static>,
}

/// The place for the waker of whoever awaits the task's output, in its two parts. Whether it is the runner's or the join handle's stands in the table of
/// [`state`](super::state).
pub(super) struct JoinWaker {
    data: UnsafeCell<MaybeUninit<*const ()>>,
    /// Null once the runner has taken the waker of a complete task.
    vtable: AtomicPtr<RawWakerVTable>,
}

impl JoinWaker {
    pub(super) fn empty() -> Self {
        Self {
            data: UnsafeCell::new(MaybeUninit::uninit()),
            vtable: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// # Safety
    ///
    /// It is empty, and the caller's alone.
    pub(super) unsafe fn fill(&self, waker: Waker) {
        let waker = ManuallyDrop::new(waker);
        // SAFETY: nobody else reads or writes, says the caller.
        self.data
            .with_mut(|data| unsafe { data.write(MaybeUninit::new(waker.data())) });
        // ORDERING: Relaxed: published with JOIN_WAKER.
        let vtable = ptr::from_ref(waker.vtable()).cast_mut();
        self.vtable.store(vtable, Ordering::Relaxed);
    }

    /// Takes the waker out. Whoever waits for [`is_empty`](Self::is_empty) goes on then.
    ///
    /// # Safety
    ///
    /// It is full, and the caller's alone.
    #[inline]
    pub(super) unsafe fn take(&self) -> Waker {
        // ORDERING: Relaxed: what was published with JOIN_WAKER is known here.
        let vtable = self.vtable.load(Ordering::Relaxed);
        // SAFETY: nobody writes, says the caller.
        let data = self.data.with(|data| unsafe { *data });
        // SAFETY: it was filled, says the caller.
        let data = unsafe { data.assume_init() };
        // ORDERING: Release, partner of the Acquire in `is_empty`: after this the cell may be freed.
        self.vtable.store(ptr::null_mut(), Ordering::Release);
        // SAFETY: full, says the caller, so that this came from a waker's `&'static`.
        let vtable = unsafe { &*vtable };
        // SAFETY: the two parts of a waker that was not dropped, and that is ours now.
        unsafe { Waker::new(data, vtable) }
    }

    /// Whether the waker was taken out, where it was in.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.vtable.load(Ordering::Acquire).is_null()
    }

    /// For models: what was done to it before is known here, or loom complains.
    #[cfg(test)]
    pub(super) fn nobody_uses_it(&self) {
        self.data.with_mut(|_| ());
    }

    /// Whether it holds this very waker, which may have been taken out.
    ///
    /// # Safety
    ///
    /// It was filled, and nobody fills it meanwhile.
    pub(super) unsafe fn is(&self, waker: &Waker) -> bool {
        // SAFETY: nobody writes, says the caller.
        let data = self.data.with(|data| unsafe { *data });
        // SAFETY: it was filled, says the caller.
        let data = unsafe { data.assume_init() };
        // ORDERING: Relaxed: nothing is looked at behind it.
        let vtable = self.vtable.load(Ordering::Relaxed).cast_const();
        data == waker.data() && ptr::eq(vtable, waker.vtable())
    }
}

/// What is different from future to future.
pub(crate) struct VTable {
    /// Polls the task once. Needs the right of a `Notified`.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Drops the future of a task that was [`seized`](State::seize) and completes it.
    pub(super) cancel: unsafe fn(NonNull<Header>),
    /// Moves the output into a `Result<T, JoinError>` at the given place. Needs COMPLETE and the right to the output.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops the output in place. Needs what `take_output` needs.
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    /// Gives the cell back. Needs COMPLETE, no reference, no output.
    pub(super) free: unsafe fn(NonNull<Header>),
    /// Gives up the join handle of a task that may still be where only this thread can get it. False if it is not there.
    pub(super) detach_unshared: unsafe fn(NonNull<Header>) -> bool,
    /// Puts the task into a queue.
    pub(super) schedule: fn(Notified),
    /// The name of the future's type, for people to read.
    pub(super) type_name: fn() -> &'static str,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(all(target_pointer_width = "64", not(loom), not(shuttle)))]
const _: () = assert!(size_of::<Header>() == 40);
