//! What does holding a pointer to a task mean?
//!
//! | type | right | counted in the word |
//! |---|---|---|
//! | [`Notified`] | to poll the task once: exists at most once per task | no |
//! | [`Polled`] | to say of the task that this thread polls that it blocks, and what it is | no |
//! | [`TaskRef`] | to wake, abort or ask about the task; keeps the cell | yes |
//!
//! A `Waker` is a `TaskRef` in disguise ([`waker`](super::waker)), and so is the inside of a join handle.

use super::harness;
use super::header::{Header, VTable};
use super::id::{About, Id};
use super::state::Wake;
use std::panic::Location;
use std::ptr::NonNull;

/// The right to run a task, once. Whoever holds it must run it or put it into a queue; at shutdown it may be forgotten, since
/// the slab still knows the task.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Notified(NonNull<Header>);

// SAFETY: a `Notified` exists at most once per task (whoever counts the first wake of an idle one hands it out), so moving it to another thread
// moves the exclusive right to the future, which `spawn` requires to be `Send`. Those of `harness::init_pinned` may be moved, and are run where they were made.
unsafe impl Send for Notified {}

impl Notified {
    /// # Safety
    ///
    /// The task must be in the phase *queued* and no other `Notified` of it may exist.
    #[inline]
    pub(crate) unsafe fn from_raw(cell: NonNull<Header>) -> Self {
        Self(cell)
    }

    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        self.0
    }

    #[inline]
    pub(crate) fn as_raw(&self) -> NonNull<Header> {
        self.0
    }

    #[inline]
    pub(super) fn vtable(&self) -> &'static VTable {
        // SAFETY: a task in the phase queued is not freed, and we hold the right to leave that phase.
        unsafe { self.0.as_ref() }.vtable
    }

    /// Where the task was spawned.
    #[inline]
    pub(super) fn location(&self) -> &'static Location<'static> {
        // SAFETY: as in `vtable`.
        unsafe { self.0.as_ref() }.location
    }

    /// Polls the task, or cancels it if that was asked for.
    #[inline]
    pub(crate) fn run(self) {
        let vtable = self.vtable();
        // SAFETY: the vtable belongs to this cell, and `self` is the right to run it.
        unsafe { (vtable.run)(self.0) }
    }

    /// Cancels the task instead of running it.
    pub(crate) fn cancel(self) {
        // SAFETY: a task in the phase queued is not freed, and we hold the right to leave that phase.
        let wake = unsafe { self.0.as_ref() }.state.abort();
        debug_assert!(wake == Wake::Nothing, "it is queued already, by us");
        self.run();
    }
}

/// The task that a worker polls, and that is not complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Polled(NonNull<Header>);

// SAFETY: it points to an atomic word, and is used by who polls the task only.
unsafe impl Send for Polled {}

impl Polled {
    /// The one that is about to be polled.
    #[inline(always)]
    pub(crate) fn of(task: &Notified) -> Self {
        Self(task.0)
    }

    /// What is known of it.
    ///
    /// # Safety
    ///
    /// This thread polls it, and it is not complete.
    pub(crate) unsafe fn about(self) -> About {
        // SAFETY: an incomplete task is not freed.
        let header = unsafe { self.0.as_ref() };
        About {
            id: Id::of(self.0),
            location: header.location,
        }
    }

    /// Whether it is the task in this cell. Nothing is looked at there.
    #[inline(always)]
    pub(crate) fn is_in(self, cell: NonNull<Header>) -> bool {
        self.0 == cell
    }

    /// The thread that polls it is about to be no worker any more.
    ///
    /// # Safety
    ///
    /// This thread polls it, and it is not complete.
    pub(crate) unsafe fn become_guest(self) {
        // SAFETY: an incomplete task is not freed.
        unsafe { self.0.as_ref() }.state.become_guest();
    }

    /// It is one still.
    ///
    /// # Safety
    ///
    /// As for [`become_guest`](Self::become_guest), which was called.
    pub(crate) unsafe fn is_no_guest(self) {
        // SAFETY: an incomplete task is not freed.
        unsafe { self.0.as_ref() }.state.is_no_guest();
    }
}

/// A counted reference to a task of any output type.
#[derive(Debug)]
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: everything done through a `TaskRef` goes through the atomic word.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// # Safety
    ///
    /// The caller passes on a reference that is counted in the word.
    pub(crate) unsafe fn from_counted(cell: NonNull<Header>) -> Self {
        Self(cell)
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: the reference we hold keeps the cell.
        unsafe { self.0.as_ref() }
    }

    /// Whether the task is complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.header().state.is_complete()
    }

    /// Where it was spawned.
    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.header().location
    }

    /// Asks for the task's cancellation.
    pub(crate) fn abort(&self) {
        if self.header().state.abort() == Wake::Schedule {
            // SAFETY: the verdict hands out the task's only `Notified`.
            let task = unsafe { Notified::from_raw(self.0) };
            (self.header().vtable.schedule)(task);
        }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        self.header().state.add_reference();
        // SAFETY: counted just now.
        unsafe { Self::from_counted(self.0) }
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: we give up the reference that `from_counted` was given.
        unsafe { harness::release(self.0) }
    }
}
