//! What do all tasks have in common, whatever their future?

use super::refs::Notified;
use super::state::State;
use crate::sys::sync::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::task::Waker;

/// The head of a cell: 32 bytes, the same for every task.
///
/// The slab leaves the first word of a freed cell alone and links through the second, so `state` still says COMPLETE there:
/// that is how an enumeration tells live cells from free ones.
#[repr(C)]
pub(crate) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static VTable,
    pub(super) join_waker: JoinWaker,
}

/// The place for the waker of whoever awaits the task's output. Whether it holds one is not written here: JOIN_WAKER says it, or the
/// verdict of a transition that took that bit away. Who may touch it stands in the table of [`state`](super::state).
pub(super) struct JoinWaker(UnsafeCell<MaybeUninit<Waker>>);

impl JoinWaker {
    pub(super) fn empty() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// # Safety
    ///
    /// It is empty, and the caller's alone.
    pub(super) unsafe fn fill(&self, waker: Waker) {
        // SAFETY: nobody else reads or writes, says the caller; nothing is overwritten that would need dropping.
        self.0
            .with_mut(|place| unsafe { place.write(MaybeUninit::new(waker)) });
    }

    /// # Safety
    ///
    /// It is full, and the caller's alone.
    pub(super) unsafe fn drop_waker(&self) {
        // SAFETY: full, says the caller, and a `MaybeUninit` has the layout of what it may hold.
        self.0
            .with_mut(|place| unsafe { place.cast::<Waker>().drop_in_place() });
    }

    /// # Safety
    ///
    /// It is full, and nobody writes to it meanwhile.
    pub(super) unsafe fn look<R>(&self, look: impl FnOnce(&Waker) -> R) -> R {
        self.0.with(|place| {
            // SAFETY: full, and not written to while the reference lives, says the caller.
            look(unsafe { &*place.cast::<Waker>() })
        })
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
const _: () = assert!(size_of::<Header>() == 32);
